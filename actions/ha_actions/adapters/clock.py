"""Real time, and real threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from typing import TypeVar

from ha_actions.errors import Transient

T = TypeVar("T")


class SystemClock:
    """:class:`~ha_actions.ports.Clock` of this machine."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Block this thread; nothing for zero or less."""
        if seconds > 0:
            time.sleep(seconds)

    def together(
        self, jobs: Sequence[Callable[[], T]], at_most: int
    ) -> list[T]:
        """Results in the order of the jobs, ``at_most`` at a time.

        All jobs run to their end, then the first exception (in the order of
        the jobs) is raised.
        """
        if not jobs:
            return []
        workers = max(1, min(at_most, len(jobs)))
        with ThreadPoolExecutor(max_workers=workers) as pool:
            futures = [pool.submit(job) for job in jobs]
        return [future.result() for future in futures]

    def within(self, job: Callable[[], T], seconds: float) -> T:
        """Run it in a thread of its own, which ends with the process.

        :raises Transient: ``late``; it runs on by itself.
        """
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(job())
            except BaseException as error:  # carried to who waits
                result.set_exception(error)

        threading.Thread(target=run, name="ha-within", daemon=True).start()
        try:
            return result.result(timeout=max(0.0, seconds))
        except Late:  # Python 3.10: not yet the built-in one
            if result.done():
                raise  # its own
            raise Transient(
                "late", f"no answer within {max(0.0, seconds):.1f} s"
            ) from None
