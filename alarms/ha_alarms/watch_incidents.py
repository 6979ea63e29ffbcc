"""What a watch does about open incidents: resume, tell owners, tell people.

What must be said once is marked in the ledger after it was said: said at
least once, by one of the watches, whichever of them dies when.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ha_actions.deciders.around import LONG_S, Work, too_long
from ha_actions.deciders.tidings import (
    Owners,
    Teller,
    at_the_end,
    at_the_start,
)
from ha_actions.model import Host, Plan, Report
from ha_actions.records.fenced import fenced
from ha_actions.records.incidents import Opened
from ha_alarms import watching
from ha_alarms.start import HOST_WORKFLOW, execution_id, resume_start
from ha_alarms.watch_ports import Page
from ha_alarms.watch_voice import Voice

UNTOLD = "owners_not_told"
"""The workflow's mark on an incident whose owners it could not tell."""


class Incidents:
    """The open incidents of the cloud, as one watch follows them."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._clock = voice.clock
        self._open: dict[str, Opened] = {}
        self._ended_at: dict[str, float] = {}
        """Incident -> when we first saw its execution ended."""
        self._paged_at: dict[str, float] = {}
        self._done: set[str] = set()
        """Marks that are known to be in the ledger."""

    def look(self) -> None:
        """Follow every open incident, and those that have just closed."""
        now_open = {e.incident.id: e for e in self._voice.record.all_opened()}
        closed = [e for id, e in self._open.items() if id not in now_open]
        figures = self._voice.figures
        figures.open = len(now_open)
        figures.held = sum(bool(e.held) for e in now_open.values())
        self._open.update(now_open)
        for entry in now_open.values():
            self._voice.attempt("incident", partial(self._follow, entry))
        for entry in closed:
            if self._voice.attempt("incident", partial(self._close, entry)):
                del self._open[entry.incident.id]

    def _follow(self, entry: Opened) -> None:
        if entry.incident.dry_run:
            return
        if entry.held:
            self._once(entry, "owners", partial(self._owners, entry))
            self._held(entry)
        else:
            self._resume(entry)

    def _close(self, entry: Opened) -> None:
        """It is over: tell those whose servers are back."""
        id, now = entry.incident.id, self._clock.now()
        if not entry.incident.dry_run:
            self._once(entry, "owners", partial(self._owners, entry))
        if self._paged_at.pop(id, None) is not None:
            self._voice.page(
                Page(
                    code="held",
                    subject=entry.incident.host,
                    text="",
                    at=now,
                    incident=id,
                    over=True,
                )
            )
        self._ended_at.pop(id, None)

    # -- the watchdog ---------------------------------------------------
    def _resume(self, entry: Opened) -> None:
        """Ask for the next attempt when the last has ended in the middle."""
        id, now = entry.incident.id, self._clock.now()
        state = self._voice.record.execution_state
        states = [state(entry.execution)]
        while states[-1] in watching.FAILED:
            n = entry.attempt + len(states)
            later = state(
                execution_id(self._voice.namespace, HOST_WORKFLOW, id, n)
            )
            if not later:
                break
            states.append(later)
        if states[-1] not in watching.FAILED:
            self._ended_at.pop(id, None)
            self._at_work(entry, entry.attempt + len(states) - 1, states[-1])
            return
        since = self._ended_at.setdefault(id, now)
        n = watching.next_attempt(
            states, entry.attempt, now - since, self._voice.timing
        )
        if not n:
            if len(states) > self._voice.timing.resumes:
                self._once(
                    entry, "not_handled", partial(self._given_up, entry)
                )
            return
        record = self._voice.record
        host = record.part(id, "host", Host)
        groups = host.aggregates if host else ()
        brake = record.disarmed(entry.incident.host, groups)
        if brake is not None:
            return
        start = resume_start(
            self._voice.namespace, incident=id, resume=id, attempt=n
        )
        what = f"attempt {n}: the last is {states[-1]}"
        self._voice.start(entry.incident.host, start, what)
        self._ended_at.pop(id)

    def _at_work(self, entry: Opened, attempt: int, state: str) -> None:
        """Tell a person, once, of an attempt that does not end."""
        one, now = entry.incident, self._clock.now()
        if now - one.opened_at < LONG_S:
            return  # no attempt of it is older: nothing needs to be read
        since = self._voice.record.went_on_at(one)
        text = too_long(Work(one.id, one.host, state, since), now)
        if text:
            say = partial(self._say_long, one.host, text)
            self._once(entry, f"too_long-{attempt}", say)

    def _say_long(self, host: str, text: str) -> bool:
        self._voice.tell("too_long", host, text)
        return True

    def _given_up(self, entry: Opened) -> bool:
        self._voice.tell(
            "not_handled",
            entry.incident.host,
            f"incident {entry.incident.id} is open, and "
            f"{self._voice.timing.resumes} attempts have failed; see "
            f"`ha-pack incident show {entry.incident.id}`",
        )
        return True

    # -- people ---------------------------------------------------------------
    def _held(self, entry: Opened) -> None:
        """Page once, and keep the alert alive as long as it is held."""
        id, now = entry.incident.id, self._clock.now()
        report = self._voice.record.part(id, "report", Report)
        reason = report.reason if report else "no report was written"
        page = Page(
            code="held",
            subject=entry.incident.host,
            text=f"incident {id} is held ({entry.held}): {reason}",
            at=now,
            incident=id,
        )
        mark = f"page-{entry.held}-{entry.held_at:.0f}"
        if self._once(entry, mark, partial(self._say_held, page)):
            self._paged_at[id] = now
        elif now >= self._paged_at.get(id, 0.0) + self._voice.timing.page_s:
            self._voice.page(Page(**{**vars(page), "again": True}))
            self._paged_at[id] = now

    def _say_held(self, page: Page) -> bool:
        self._voice.tell("held", page.subject, page.text)
        return True

    # -- owners ---------------------------------------------------------
    def _owners(self, entry: Opened) -> bool:
        """Tell owners what the workflow could not, for want of a bus.

        The same events, with the same ids: nobody hears of it twice.
        """
        record, id = self._voice.record, entry.incident.id
        report = record.part(id, "report", Report)
        untold = f"ha.incident.{id}.{UNTOLD}"
        if report is None or self._voice.outside.ledger.read(untold) is None:
            return False
        owned = record.part(id, "owned", Owners)
        owners = owned.guests if owned else {}
        left = {
            one.guest: one
            for part in record.parts(id, "plan.")
            if (plan := record.part(id, part, Plan)) is not None
            for one in plan.left_alone
        }
        namespace, now = self._voice.namespace, self._voice.event_time()
        self._voice.publish(
            [
                *at_the_start(
                    Teller(namespace, entry.incident),
                    owners,
                    left.values(),
                    fenced=fenced(record, entry.incident, owners),
                    at=now,
                ),
                *at_the_end(namespace, report, owners, now),
            ]
        )
        self._voice.note(
            entry.incident.host, "told its owners what the workflow could not"
        )
        return True

    def _once(self, entry: Opened, what: str, do: Callable[[], bool]) -> bool:
        """Do it unless a watch has done it; whether it was done now.

        :param do: tells whether there was anything to do yet.
        """
        name = f"ha.incident.{entry.incident.id}.said.{what}"
        if name in self._done:
            return False
        ledger = self._voice.outside.ledger
        if ledger.read(name) is not None:
            self._done.add(name)
            return False
        if not do():
            return False
        ledger.create(name, {"by": self._voice.name, "at": self._clock.now()})
        self._done.add(name)
        return True
