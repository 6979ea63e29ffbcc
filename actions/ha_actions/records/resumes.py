"""How often an incident was resumed by itself, and when that has to end.

An incident that cannot even be closed (a step is not installed any more, an
entry cannot be read) would be resumed each minute for ever. So the attempts
since a person last had a hand in it are counted, each waits longer than the
one before, and after the last a person is asked.
"""

from __future__ import annotations

from ha_actions.errors import HaError
from ha_actions.model import Refusal, Report, State
from ha_actions.records.incidents import Opened, Record

PAUSES_S = (0.0, 60.0, 120.0, 240.0, 480.0, 960.0)
"""Seconds since the start of an attempt before the next one in the row: half
an hour in all, longer than an API is usually away."""

IN_VAIN = "resumed_in_vain"
"""Code of an incident, or a server's failure, that was given up so."""


def in_a_row(record: Record, entry: Opened) -> tuple[int, float]:
    """Attempts that began without a hold before them, up to the newest, and
    when that one began; (0, 0.0): none did."""
    n, last = 0, 0.0
    for number in range(entry.attempt, 1, -1):
        name = f"ha.incident.{entry.incident.id}.attempt.{number}"
        began = record.ledger.read(name) or {}
        if began.get("after_hold"):
            break
        n, last = n + 1, max(last, float(began.get("at", 0.0)))
    return n, last


def due(n: int, last: float, now: float) -> bool:
    """Whether it may be resumed now.

    :param n: attempts in the row so far, and ``last``: when the newest began.
    """
    return n < len(PAUSES_S) and now - last >= PAUSES_S[n]


def over(n: int) -> bool:
    """Whether the row is over: a person has to look."""
    return n >= len(PAUSES_S)


def give_up(record: Record, entry: Opened, execution: str) -> str:
    """Hold it for a person; what to tell. Empty: somebody works on it.

    An attempt is taken first, so that nobody else goes on meanwhile.
    """
    mine = record.next_attempt(entry, execution)
    if mine is None:
        return ""
    refusal = Refusal(
        code=IN_VAIN,
        reason=f"{len(PAUSES_S)} attempts in a row have ended in the middle; "
        "see the failed tasks of their executions, cure that, then "
        f"`ha-pack incident resume {entry.incident.id}`",
    )
    before = _report(record, entry.incident.id)
    report = Report(
        incident=entry.incident,
        state=State.HELD,
        code=refusal.code,
        reason=refusal.reason,
        closed_at=record.clock.now(),
        guests=before.guests if before else (),
    )
    record.keep(entry.incident.id, "report", report)
    record.hold(mine, refusal.code)
    return f"held: {refusal.reason}"


def _report(record: Record, id: str) -> Report | None:
    try:
        return record.part(id, "report", Report)
    except HaError as error:
        if error.retryable:
            raise
        return None  # it may be the very entry for which no close works
