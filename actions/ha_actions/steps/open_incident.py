"""ha.open_incident: a start becomes the host's one incident, or nothing."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from ha_actions.action import HaAction
from ha_actions.codec import nearest
from ha_actions.deciders.intake import Summons, by_hand, read_alarm
from ha_actions.deciders.policy import digest, load
from ha_actions.errors import BadInput, HaError, Transient
from ha_actions.model import Dismissal, Host, Incident
from ha_actions.ports import Cloud
from ha_actions.records.incidents import LIVE, Opened
from ha_actions.step_parts.run import Run, host_named

DEADLINE_S = 80
BUSY = "dry_run_open"
REJUDGED = frozenset(
    {"alive", "uncertain", "too_many_down", "no_fence_slot", "disarmed"}
)
"""Holds that newer news of the same host may lift: all is judged afresh."""
TOLD = frozenset({"malformed", "stale", "unknown_host", "held"})
"""Dismissals that may hide a real death: a person must see them."""


@dataclass
class OpenIncident(HaAction):
    """Take ``ha.open.<host>`` before anything else, whoever starts.

    :returns: ``{next: assess | stop, incident, state, summary}``.
    """

    alarm: Any = None
    host: Any = None
    dry_run: bool = False
    reason: str = ""
    resume: Any = None
    opened_by: str = ""

    def perform(self, run: Run) -> dict[str, Any]:
        """Read the start; dismiss, join, go on with, or open an incident.

        A wrong input is a dismissal that a person sees: trying again with
        the same input is useless.
        """
        try:
            return self._start(run)
        except BadInput as error:
            host = str(self.host or "?")
            run.journal.tell(host, f"not started: {error.message}")
            return _dismiss(
                run,
                Dismissal(code=error.code, reason=error.message, host=host),
            )
        except HaError as error:
            # nothing may be open yet, and nobody repeats an alarm
            if error.code != BUSY:
                what = self.host or self.resume or "an alarm"
                text = f"not started yet: {error.message}"
                run.journal.tell(str(what), text)
            raise

    def _start(self, run: Run) -> dict[str, Any]:
        if self.resume:
            return self._go_on(run, run.incident(str(self.resume)))
        text = run.patiently(run.record.policy_text)
        policy = load(text)
        now = run.clock.now()
        if self.host:
            by = self.opened_by or "hand"
            news: Summons | Dismissal = by_hand(
                str(self.host), self.reason, by, now
            )
        elif self.alarm is not None:
            news = read_alarm(self.alarm, now=now, stale_s=policy.stale_s)
            if self.opened_by and isinstance(news, Summons):
                news = replace(news, by=self.opened_by)
        else:
            raise BadInput(
                "no_host",
                "Neither `alarm` nor `host` was given; name the host to "
                "look at.",
            )
        if isinstance(news, Dismissal):
            return _dismiss(run, news)
        twin = None if self.dry_run else _worked_on(run, news.host)
        if twin is not None:
            return _dismiss(run, _running(twin))
        known = run.outside.cloud(f"req-{uuid.uuid4()}")
        hosts = run.patiently(known.hosts)
        wrong = _not_ours(run, news, hosts)
        if wrong is None and news.by == "drill" and not self.dry_run:
            wrong = _not_for_drills(news.host, policy.drill.hosts)
        if wrong is not None:
            return _dismiss(run, wrong)
        return self._open(run, news, hosts, text, known)

    def _open(
        self,
        run: Run,
        news: Summons,
        hosts: list[Host],
        text: str,
        cloud: Cloud,
    ) -> dict[str, Any]:
        seed = uuid.uuid5(
            uuid.NAMESPACE_OID,
            f"{run.outside.namespace} {news.host} {run.execution}",
        )
        incident = Incident(
            id=f"{news.host}-{seed.hex[:8]}",
            host=news.host,
            opened_at=run.clock.now(),
            opened_by=news.by,
            request_id=f"req-{seed}",
            policy=digest(text),
            reason=news.reason or self.reason,
            dry_run=bool(self.dry_run),
            event_at=news.event_at,
            key=news.key,
        )
        taken = run.record.take(Opened(incident, run.execution))
        if taken.incident.id != incident.id:
            host = host_named(news.host, hosts)
            return self._join(run, taken, news, host)
        run.record.pin_policy(text, incident.policy)
        if run.record.part(incident.id, "opening", Incident) is None:
            _begin(run, taken.incident, hosts, cloud)
            run.journal.note(
                "incident",
                news.host,
                _opened_by(news),
                incident=incident.id,
            )
        return _assess(taken.incident)

    def _join(
        self, run: Run, entry: Opened, news: Summons, host: Host | None
    ) -> dict[str, Any]:
        """There is an incident already: the same, a dead one's next try."""
        if entry.incident.dry_run and not self.dry_run:
            raise Transient(
                BUSY,
                f"Dry run {entry.incident.id} has the host for a moment; "
                "this start tries again.",
            )
        newer = news.event_at > entry.held_at
        again = entry.held in REJUDGED or _returned(run, entry.incident, host)
        if again and entry.held and newer and not self.dry_run:
            return self._go_on(run, entry.incident)
        if entry.held:
            return _dismiss(
                run,
                Dismissal(
                    code="held",
                    reason=f"incident {entry.incident.id} is held "
                    f"({entry.held}) and waits for a person",
                    host=news.host,
                ),
            )
        if self.dry_run and not entry.incident.dry_run:
            return _dismiss(
                run,
                Dismissal(
                    code="running",
                    reason=f"incident {entry.incident.id} is open and acts; "
                    "a dry run does not go on with it",
                    host=news.host,
                ),
            )
        return self._go_on(run, entry.incident)

    def _go_on(self, run: Run, incident: Incident) -> dict[str, Any]:
        """The next attempt, if the last one has ended."""
        entry = run.record.opened(incident.host)
        if entry is None or entry.incident.id != incident.id:
            reason = f"incident {incident.id} is closed"
            return _dismiss(run, Dismissal(code="closed", reason=reason))
        if entry.execution != run.execution:
            state = run.record.execution_state(entry.execution)
            again = None
            if state not in LIVE:
                again = run.record.next_attempt(entry, run.execution)
            if again is None:
                return _dismiss(run, _running(entry))
            if run.record.part(incident.id, "opening", Incident) is None:
                text = run.patiently(run.record.policy_text)
                if digest(text) == incident.policy:
                    run.record.pin_policy(text, incident.policy)
                cloud = run.cloud(incident)
                _begin(run, incident, run.patiently(cloud.hosts), cloud)
            for part in ("refusal", "checked"):
                run.record.drop(incident.id, part)
            run.journal.note(
                "incident", incident.host, f"attempt {again.attempt}"
            )
        return _assess(incident)


def _worked_on(run: Run, host: str) -> Opened | None:
    """The host's incident, if another execution is at work on it: a doubled
    alarm then asks Nova nothing. Of a dry run, more must be known.
    """
    entry = run.record.opened(host)
    if entry is None or entry.held or entry.incident.dry_run:
        return None
    if entry.execution == run.execution:
        return None
    live = run.record.execution_state(entry.execution) in LIVE
    return entry if live else None


def _running(entry: Opened) -> Dismissal:
    return Dismissal(
        code="running",
        reason=f"incident {entry.incident.id} is open and execution "
        f"{entry.execution} works on it",
        host=entry.incident.host,
    )


def _begin(
    run: Run, incident: Incident, hosts: list[Host], cloud: Cloud
) -> None:
    """What every stage reads: the host as it is now, then the opening."""
    host = host_named(incident.host, hosts)
    if host is not None:
        run.record.keep(incident.id, "host", host)
    run.keep_aggregates(incident, cloud)
    run.record.keep(incident.id, "opening", incident)


def _returned(run: Run, incident: Incident, host: Host | None) -> bool:
    """Whether the host was out by this incident, and a person has let it
    back in: what is heard of it now is another death."""
    if host is None or host.forced_down:
        return False
    return run.record.part(incident.id, "marked", Host) is not None


def _opened_by(news: Summons) -> str:
    if news.by == "alarm":
        return f"opened by alarm {news.reason}"
    why = "" if news.reason in ("", news.by) else f": {news.reason}"
    return f"opened by {news.by}{why}"


def _assess(incident: Incident) -> dict[str, Any]:
    return {
        "next": "assess",
        "incident": incident.id,
        "state": "open",
        "summary": f"incident {incident.id} of host {incident.host} is open",
    }


def _dismiss(run: Run, dismissal: Dismissal) -> dict[str, Any]:
    run.journal.note(
        "dismissal",
        dismissal.host or "?",
        f"{dismissal.code}: {dismissal.reason}",
    )
    if dismissal.code in TOLD:
        run.journal.tell(
            dismissal.host or "?", f"nothing is done: {dismissal.reason}"
        )
    return {
        "next": "stop",
        "incident": None,
        "state": "dismissed",
        "summary": f"{dismissal.code}: {dismissal.reason}",
    }


def _not_for_drills(host: str, listed: Collection[str]) -> Dismissal | None:
    """A drill that acts does so only on hosts that were named in advance."""
    if host in listed:
        return None
    return Dismissal(
        code="not_for_drills",
        reason=f"the policy does not list host {host} under `drill: hosts`; "
        "only a dry drill may name it",
        host=host,
    )


def _not_ours(run: Run, news: Summons, hosts: list[Host]) -> Dismissal | None:
    """Unknown, under maintenance, or handled since the event."""
    host = host_named(news.host, hosts)
    if host is None:
        hint = nearest(news.host, [h.name for h in hosts])
        return Dismissal(
            code="unknown_host",
            reason=f"Nova has no compute service on host {news.host!r}{hint}",
            host=news.host,
        )
    if _lived_since(host, news):
        return Dismissal(
            code="stale",
            reason=f"host {news.host} has sent a heartbeat since its event",
            host=news.host,
        )
    brake = run.record.maintenance().get(news.host)
    if brake is not None:
        return Dismissal(
            code="maintenance",
            reason=f"host {news.host} is under maintenance: {brake.because}",
            host=news.host,
        )
    last, closed_at = run.record.last_closed(news.host)
    still_out = host.forced_down and last and last in host.disabled_reason
    if news.by in ("alarm", "watch") and (
        still_out or news.event_at <= closed_at
    ):
        return Dismissal(
            code="already_handled",
            reason=f"incident {last} has handled it"
            + ("; the host is still out since" if still_out else ""),
            host=news.host,
        )
    return None


def _lived_since(host: Host, news: Summons) -> bool:
    """Whether its heartbeat has moved since it was taken for dead.

    Both times are Nova's own. A PUT moves it too, but does not make Nova
    show the service as up.
    """
    moved = host.updated_at > news.last_seen + 0.001
    up = host.up and not host.forced_down
    return bool(news.last_seen) and up and moved
