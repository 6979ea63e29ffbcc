"""What a watch does about open incidents: resume, tell owners, tell people.

What must be said once is marked in the ledger after it was said: said at
least once, by one of the watches, whichever of them dies when.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ha_actions.incidents import Opened
from ha_actions.model import GuestReport, Host, Report
from ha_actions.ports import Cloud
from ha_alarms import watch_events as events
from ha_alarms import watching
from ha_alarms.start import HOST_WORKFLOW, execution_id, resume_start
from ha_alarms.watch_ports import Page
from ha_alarms.watch_voice import Voice

BACK = frozenset({"recovered"})
"""Outcomes of the report that mean a server is back."""


class Incidents:
    """The open incidents of the cloud, as one watch follows them."""

    def __init__(self, voice: Voice, cloud: Cloud) -> None:
        self._voice = voice
        self._cloud = cloud
        self._clock = voice.clock
        self._open: dict[str, Opened] = {}
        self._ended_at: dict[str, float] = {}
        """Incident -> when we first saw its execution ended."""
        self._paged_at: dict[str, float] = {}
        self._affected: dict[str, dict[str, str]] = {}
        """Incident -> guest id -> project."""
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
                self._affected.pop(entry.incident.id, None)

    def _follow(self, entry: Opened) -> None:
        if entry.incident.dry_run:
            return
        self._owners(entry)
        self._once(entry, "fenced", partial(self._fenced, entry))
        if entry.held:
            self._once(entry, "recovered", partial(self._recovered, entry))
            self._held(entry)
        else:
            self._resume(entry)

    def _close(self, entry: Opened) -> None:
        """It is over: tell those whose servers are back."""
        id, now = entry.incident.id, self._clock.now()
        if not entry.incident.dry_run:
            self._once(entry, "fenced", partial(self._fenced, entry))
            self._once(entry, "recovered", partial(self._recovered, entry))
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
    def _owners(self, entry: Opened) -> dict[str, str]:
        """Guest id -> project of those that the incident found on the host.

        Kept when the incident is young: later they are elsewhere.
        """
        ledger, id = self._voice.outside.ledger, entry.incident.id
        if id in self._affected:
            return self._affected[id]
        name = f"ha.incident.{id}.owners"
        kept = ledger.read(name)
        if kept is None:
            guests = self._cloud.guests_on(entry.incident.host)
            kept = dict(events.owners_of(guests))
            if not ledger.create(name, kept):
                kept = ledger.read(name) or {}
        found = {str(guest): str(owner) for guest, owner in kept.items()}
        self._affected[id] = found
        return found

    def _fenced(self, entry: Opened) -> bool:
        """Whether it is proven dead, and its owners were told."""
        if self._voice.record.proof(entry.incident.id) is None:
            return False
        self._tell_owners(entry, events.GUEST_FENCED, self._owners(entry), {})
        return True

    def _recovered(self, entry: Opened) -> bool:
        id = entry.incident.id
        report = self._voice.record.part(id, "report", Report)
        rows = report.guests if report else ()
        owners = self._owners(entry)
        back = {
            row.guest: owners[row.guest]
            for row in rows
            if row.outcome in BACK and row.guest in owners
        }
        more = {row.guest: _public(row) for row in rows}
        self._tell_owners(entry, events.GUEST_BACK, back, more)
        return True

    def _tell_owners(
        self,
        entry: Opened,
        kind: str,
        owners: dict[str, str],
        more: dict[str, dict[str, str]],
    ) -> None:
        self._voice.publish(
            events.of_guests(
                self._voice.namespace,
                kind,
                entry.incident.host,
                entry.incident.key
                or events.public_id(self._voice.namespace, entry.incident.id),
                owners,
                self._voice.event_time(),
                more,
            )
        )

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


def _public(row: GuestReport) -> dict[str, str]:
    """What its owner may know of a row: no reason, for it names hosts."""
    made = [step.new_id for step in row.steps if step.new_id]
    traits = {
        "display_name": row.name,
        "protection": row.protection.value,
        "outcome": row.outcome,
    }
    return {**traits, "new_id": made[-1]} if made else traits
