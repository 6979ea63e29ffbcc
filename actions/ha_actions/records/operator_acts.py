"""What an operator may do to incidents and brakes: record in, result out.

One place for the command line and for the scripts of scenarios. Nothing here
calls a cloud, a device or Mistral; a resume is started by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ha_actions.deciders.consent import Yes, basis
from ha_actions.deciders.policy import digest
from ha_actions.errors import BadInput, Refused
from ha_actions.model import (
    Incident,
    Proof,
    Refusal,
    Report,
    Result,
    State,
    Verdict,
)
from ha_actions.records import cut_off
from ha_actions.records.batches import Batches, Outcomes
from ha_actions.records.in_force import Brake
from ha_actions.records.incidents import LIVE, Opened, Record

APPROVABLE = ("ask", "too_many_down", "no_fence_slot")
SHORTEST_S, LONGEST_S = 60.0, 30 * 86400.0
"""A brake always ends; one that lasts longer than a month was forgotten."""
UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Row:
    """One incident in a list."""

    incident: Incident
    state: State
    reason: str
    code: str = ""
    attempt: int = 1


# -- looking -----------------------------------------------------------------
def rows(record: Record) -> list[Row]:
    """Every incident that the ledger remembers, newest first."""
    opened = {entry.incident.id: entry for entry in record.all_opened()}
    found = [
        _row(record, incident, opened.get(id))
        for id in record.ids()
        if (incident := record.part(id, "opening", Incident)) is not None
    ]
    return sorted(found, key=lambda r: -r.incident.opened_at)


def _row(record: Record, incident: Incident, entry: Opened | None) -> Row:
    report = record.part(incident.id, "report", Report)
    reason = report.reason if report else "at work"
    if entry is None:
        return Row(
            incident=incident,
            state=State.CLOSED,
            reason=reason if report else "closed without a report",
            code=report.code if report else "",
        )
    return Row(
        incident=incident,
        state=State.HELD if entry.held else State.OPEN,
        reason=reason if entry.held else "at work",
        code=entry.held,
        attempt=entry.attempt,
    )


def still_open(record: Record, id: str) -> Opened:
    """The open entry of an incident.

    :raises BadInput: there is no such incident.
    :raises Refused: ``closed``.
    """
    incident = record.incident(id)
    entry = record.opened(incident.host)
    if entry is None or entry.incident.id != id:
        raise Refused("closed", f"Incident {id} is closed already.")
    return entry


# -- incidents ---------------------------------------------------------------
def approve(record: Record, id: str, by: str) -> Yes:
    """Say yes to what an incident is held for; the caller then resumes it.

    Only to the policy's question, or to a limit; never to a doubt about the
    host. The yes is good for the policy's ``ask_s``, and for this situation:
    see :mod:`ha_actions.deciders.consent`.

    :raises Refused: ``closed``; ``not_asked``, when it waits for nothing.
    """
    entry = still_open(record, id)
    if entry.held not in APPROVABLE:
        raise Refused(
            "not_asked",
            f"Incident {id} does not wait for a yes ("
            f"{'held: ' + entry.held if entry.held else 'it is at work'}); "
            "`ha-pack incident show` says what it waits for.",
        )
    refusal = record.part(id, "refusal", Refusal)
    if refusal is None or refusal.code != entry.held:
        refusal = Refusal(code=entry.held, reason="")
    to = basis(refusal, record.part(id, "verdict", Verdict))
    yes = Yes(by=by, at=record.clock.now(), to=to)
    record.keep(id, "approval", yes)
    return yes


def resumable(record: Record, id: str) -> Opened:
    """An incident that may be started again.

    :raises Refused: ``closed``; ``running``, when an execution works on it.
    """
    entry = still_open(record, id)
    state = record.execution_state(entry.execution)
    if state in LIVE:
        raise Refused(
            "running",
            f"Execution {entry.execution} works on incident {id} "
            f"({state}); wait for its end, or cancel it.",
        )
    return entry


def abort(record: Record, id: str, by: str, because: str) -> list[str]:
    """Close an incident for good; what is left undone, one line each.

    From now on no run of it changes anything: each looks whether it is open
    before each call. Nothing is rolled back: drained members stay drained,
    the host stays off and disabled.

    :raises Refused: ``closed``.
    """
    entry = still_open(record, id)
    left = _undone(record, id)
    before = record.part(id, "report", Report)
    report = Report(
        incident=entry.incident,
        state=State.CLOSED,
        code="aborted",
        reason=f"aborted by {by}: {because or 'no reason given'}",
        closed_at=record.clock.now(),
        verdict=record.part(id, "verdict", Verdict),
        proof=record.proof(id),
        refusal=record.part(id, "refusal", Refusal),
        guests=before.guests if before else (),
    )
    record.keep(id, "report", report)
    record.shut(entry.incident, handled=True)
    return left


def _undone(record: Record, id: str) -> list[str]:
    lines = []
    done: set[tuple[str, str]] = set()
    for part in record.parts(id, "outcome."):
        found = record.part(id, part, Outcomes)
        done |= {
            (o.guest, o.step)
            for o in (found.outcomes if found else ())
            if o.result in (Result.DONE, Result.ALREADY)
        }
    for part in record.parts(id, "batch."):
        batch = record.part(id, part, Batches)
        for planned in batch.batch.guests if batch else ():
            step = batch.batch.action if batch else ""
            if (planned.guest.id, step) not in done:
                lines.append(f"{planned.guest.name}: {step} not done")
    drained = record.ledger.read(f"ha.incident.{id}.drained") or {}
    lines += [
        f"{m.get('name') or m['id']}: may still be drained in "
        f"{m.get('pool_name') or m['pool']}, its weight was {m['weight']}"
        for m in drained.get("members", [])
    ]
    if record.part(id, "proof.1", Proof) is not None:
        lines.append("the host was cut, forced down and disabled")
    if cut_off.incident_of(record, record.incident(id).host) == id:
        lines.append(
            "the host may be cut off from its storage or network, which is "
            "renewed until `ha-pack return` lets it in"
        )
    return sorted(set(lines))


# -- policy ------------------------------------------------------------------
def set_policy(record: Record, text: str) -> str:
    """Put a checked policy in force; its digest.

    Incidents that are open keep the one they began with.
    """
    name = digest(text)
    record.pin_policy(text, name)
    record.ledger.write("ha.policy", {"text": text})
    return name


# -- brakes -----------------------------------------------------------------
def arm(record: Record, by: str) -> list[Brake]:
    """Let `mode: act` act, and lift every disarm; those that were lifted.

    Maintenances stay: they say that a host's death is no incident.
    """
    record.arm(by)
    lifted = [
        b for b in record.brakes() if not b.scope.startswith("maintenance:")
    ]
    for brake in lifted:
        record.lift_brake(brake.scope)
    return lifted


def disarm(
    record: Record, scope: str, for_s: float, because: str, by: str
) -> Brake:
    """Forbid irreversible steps in a scope until a moment.

    :param scope: ``all``, ``host:NAME`` or ``aggregate:NAME``.
    :raises BadInput: the time is out of bounds, or no reason was given.
    """
    return _brake(record, scope, for_s, because, by)


def maintain(
    record: Record, host: str, for_s: float, because: str, by: str
) -> Brake:
    """Say that a host's death is no incident until a moment.

    :raises BadInput: the time is out of bounds, or no reason was given.
    """
    return _brake(record, f"maintenance:{host}", for_s, because, by)


def end_maintenance(record: Record, host: str) -> None:
    """From now on its death is an incident again.

    :raises BadInput: the host is not under maintenance.
    """
    if host not in record.maintenance():
        raise BadInput(
            "no_maintenance", f"Host {host} is not under maintenance."
        )
    record.lift_brake(f"maintenance:{host}")


def _brake(
    record: Record, scope: str, for_s: float, because: str, by: str
) -> Brake:
    if not because.strip():
        raise BadInput(
            "no_reason", "Say why, for those who find it: --because TEXT."
        )
    if not SHORTEST_S <= for_s <= LONGEST_S:
        raise BadInput(
            "bad_duration",
            f"A brake lasts from {SHORTEST_S:.0f} s to "
            f"{LONGEST_S / 86400:.0f} days, not {for_s:g} s.",
        )
    now = record.clock.now()
    brake = Brake(scope, because, by, now, now + for_s)
    record.set_brake(brake)
    return brake


def duration(text: str) -> float:
    """Seconds of ``90s``, ``30m``, ``2h``, ``1d`` or ``1h30m``.

    :raises BadInput: it is nothing of that kind.
    """
    pieces: Sequence[tuple[str, str]] = re.findall(
        r"(\d+(?:\.\d+)?)(min|s|m|h|d)", text
    )
    if not pieces or "".join(n + u for n, u in pieces) != text.strip():
        raise BadInput(
            "bad_duration",
            f"{text!r} is no duration; write 90s, 30m, 2h, 1d or 1h30m.",
        )
    return sum(float(number) * UNITS[unit] for number, unit in pieces)
