"""Virtual time, in two forms.

``TurnClock``: real threads of which exactly one runs at any moment. Who
sleeps hands the baton to the earliest sleeper, and time jumps to its wake
time; so a run is deterministic and takes no real time.

``FreeClock``: for an engine whose threads are not ours: a sleep moves the
shared time forward and returns at once.
"""

from __future__ import annotations

import heapq
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

START = 1767225600.0
"""When every scenario begins: 2026-01-01T00:00:00Z."""
CAP_S = 3 * 86400.0
"""Virtual seconds after which a run is taken for one that never ends."""


class Stuck(Exception):
    """No thread can ever run again, or time ran past the cap."""


class Closed(BaseException):
    """The clock was closed: unwinds a thread that still slept."""


class Handle:
    """One virtual thread: its name, whether it ended, what it raised."""

    __slots__ = (
        "abandoned",
        "baton",
        "ended",
        "error",
        "name",
        "token",
        "waiters",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.baton = threading.Lock()
        self.baton.acquire()
        self.token = 0
        """Moves at each wake, so that older heap entries are void."""
        self.waiters: list[tuple[Handle, int]] = []
        self.ended = False
        self.abandoned = False
        self.error: BaseException | None = None

    def __repr__(self) -> str:
        return f"<virtual thread {self.name}>"


class _Workers:
    """Real threads, kept for reuse: thousands of replays start many."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []

    def run(self, job: Callable[[], None]) -> None:
        """Give the job to an idle thread; it waits for its baton."""
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = _Worker(self._idle)
        worker.job = job
        worker.go.release()


class _Worker:
    def __init__(self, idle: list[_Worker]) -> None:
        self.go = threading.Lock()
        self.go.acquire()
        self.job: Callable[[], None] | None = None
        self._idle = idle
        threading.Thread(
            target=self._loop, name="virtual", daemon=True
        ).start()

    def _loop(self) -> None:
        while True:
            self.go.acquire()
            if self.job is not None:
                self.job()
            self.job = None
            self._idle.append(self)


_workers = _Workers()


class TurnClock:
    """Cooperative virtual time; the thread that made it is the root.

    An error of a virtual thread is kept in its handle. What nobody could
    handle (an error of a world event, a deadlock, the cap) is raised in the
    root, at the place where it waits.
    """

    def __init__(self, start: float = START, cap_s: float = CAP_S) -> None:
        self.lock = threading.RLock()
        """Shared with the world; uncontended here, needed by FreeClock."""
        self.start = start
        self._now = start
        self._end = start + cap_s
        self._heap: list[tuple[float, int, Any, int]] = []
        self._seq = 0
        self._root = Handle("root")
        self._current = self._root
        self._alive: dict[Handle, None] = {}
        self._fatal: BaseException | None = None
        self._closing = False

    # -- ports.Clock -----------------------------------------------------
    def now(self) -> float:
        """Virtual seconds since the epoch."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let others run until that much virtual time has passed."""
        me = self._current
        self._push(self._now + max(0.0, seconds), me, me.token)
        self._switch(me)

    def settle(self) -> None:
        """Nothing to do: what is due runs before the next virtual thread."""

    def together(
        self, jobs: Sequence[Callable[[], T]], at_most: int
    ) -> list[T]:
        """Run the jobs one after another: the same result every time."""
        results: list[T] = []
        first: Exception | None = None
        for job in jobs:
            try:
                results.append(job())
            except Exception as error:
                first = first or error
        if first is not None:
            raise first
        return results

    def within(self, job: Callable[[], T], seconds: float) -> T:
        """Wait for it, however long that takes."""
        return job()

    # -- threads ---------------------------------------------------------
    def spawn(self, fn: Callable[[], Any], name: str) -> Handle:
        """Start a virtual thread; it first runs when the caller waits."""
        handle = Handle(name)
        self._alive[handle] = None
        self._push(self._now, handle, 0)
        _workers.run(lambda: self._body(handle, fn))
        return handle

    def wait(self, handle: Handle, until: float | None = None) -> bool:
        """Wait for its end, at most until that moment; whether it ended.

        A thread that was abandoned counts as ended, for those who wait.
        """
        me = self._current
        while not (handle.ended or handle.abandoned):
            if until is not None and self._now >= until:
                return False
            handle.waiters.append((me, me.token))
            if until is not None:
                self._push(until, me, me.token)
            self._switch(me)
        return True

    def abandon(self) -> None:
        """Let those who wait for the running thread go on without it.

        This is a frozen executor: the engine gives it up, it does not know.
        """
        self._current.abandoned = True
        self._wake(self._current)

    def at(self, when: float, fn: Callable[[], None]) -> None:
        """Run a world event then (now, if that is past); it never sleeps."""
        self._push(max(when, self._now), fn, 0)

    @property
    def current(self) -> Handle:
        """The virtual thread that runs."""
        return self._current

    def alive(self) -> list[Handle]:
        """Virtual threads that have not ended."""
        return list(self._alive)

    def close(self) -> None:
        """Unwind every thread that has not ended; root only."""
        self._closing = True
        self._end = float("inf")
        self._heap.clear()
        for handle in list(self._alive):
            self._push(self._now, handle, handle.token)
            me = self._root
            self._push(self._now, me, me.token)
            self._switch(me)

    # -- inside ----------------------------------------------------------
    def _push(self, when: float, what: Any, token: int) -> None:
        self._seq += 1
        heapq.heappush(self._heap, (when, self._seq, what, token))

    def _body(self, me: Handle, fn: Callable[[], Any]) -> None:
        me.baton.acquire()
        try:
            if not self._closing:
                fn()
        except BaseException as error:  # kept: nobody else could see it
            me.error = error
        me.ended = True
        del self._alive[me]
        self._wake(me)
        self._next(me).baton.release()

    def _wake(self, handle: Handle) -> None:
        for waiter, token in handle.waiters:
            self._push(self._now, waiter, token)
        handle.waiters.clear()

    def _switch(self, me: Handle) -> None:
        """Hand the baton on and wait until it comes back."""
        to = self._next(me)
        if to is not me:
            to.baton.release()
            me.baton.acquire()
        if me is self._root:
            if self._fatal is not None:
                fatal, self._fatal = self._fatal, None
                raise fatal
        elif self._closing:
            raise Closed

    def _next(self, me: Handle) -> Handle:
        """Who runs next: applies due events and moves time on the way."""
        heap = self._heap
        while heap:
            when, _, what, token = heapq.heappop(heap)
            if not isinstance(what, Handle):
                self._now = max(self._now, when)
                try:
                    what()
                except Exception as error:  # the root must see it
                    self._fatal = error
                    return self._run(self._root)
                continue
            if what.ended or what.token != token:
                continue
            self._now = max(self._now, when)
            if self._now > self._end:
                self._fatal = Stuck(
                    "virtual time ran past its cap while "
                    f"{self._names(what)} still waited; does a loop never "
                    "end?"
                )
                return self._run(self._root)
            return self._run(what)
        self._fatal = Stuck(
            f"nothing can ever wake {self._names(self._root)}; each waits "
            "for another."
        )
        return self._run(self._root)

    def _run(self, handle: Handle) -> Handle:
        handle.token += 1
        self._current = handle
        return handle

    def _names(self, first: Handle) -> str:
        names = [first.name, *(h.name for h in self._alive if h is not first)]
        return ", ".join(names[:8])


class FreeClock:
    """Virtual time for threads that are not ours: a sleep never blocks.

    Several sleepers each move the time, so it runs faster than one of them
    would think; nothing depends on more than its own sleeps having passed.
    While several executions run, ``pace`` (real seconds per virtual one)
    keeps a waiting one from running away from one that the engine is busy
    with.
    """

    def __init__(self, start: float = START) -> None:
        self.lock = threading.RLock()
        self.start = start
        self._now = start
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._seq = 0
        self.pace = 0.0

    def now(self) -> float:
        """Virtual seconds since the epoch."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move the shared time on, apply what is due, let others run."""
        if self.pace:
            threading.Event().wait(seconds * self.pace)
        with self.lock:
            self.advance_to(self._now + max(0.0, seconds))
        os.sched_yield()

    def settle(self) -> None:
        """Apply what is due this moment."""
        self.advance_to(self._now)

    def advance_to(self, when: float) -> None:
        """Move time to a moment, applying events in order on the way."""
        with self.lock:
            while self._events and self._events[0][0] <= when:
                at, _, fn = heapq.heappop(self._events)
                self._now = max(self._now, at)
                fn()
            self._now = max(self._now, when)

    def at(self, when: float, fn: Callable[[], None]) -> None:
        """Run a world event when time has come that far."""
        with self.lock:
            self._seq += 1
            heapq.heappush(self._events, (max(when, self._now), self._seq, fn))

    def pending(self) -> float | None:
        """When the next event is due, or None."""
        with self.lock:
            return self._events[0][0] if self._events else None

    def together(
        self, jobs: Sequence[Callable[[], T]], at_most: int
    ) -> list[T]:
        """Run the jobs in real threads, at most so many at once."""
        if len(jobs) < 2 or at_most < 2:
            return [job() for job in jobs]
        with ThreadPoolExecutor(min(at_most, len(jobs))) as pool:
            return [f.result() for f in [pool.submit(j) for j in jobs]]

    def within(self, job: Callable[[], T], seconds: float) -> T:
        """Wait for it, however long that takes."""
        return job()
