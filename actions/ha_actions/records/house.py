"""The ledger is kept small: what is old goes, its report stays in a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ha_actions.errors import HaError
from ha_actions.model import Incident, Report
from ha_actions.ports import Executions, Ledger, Reports
from ha_actions.records import cut_off
from ha_actions.records.incidents import RETURN_ENDED, Record
from ha_actions.records.server_record import ServerRecord

KEEP_S = 30 * 86400.0
"""How long incidents, claims and slots stay in the ledger."""
AT_ONCE = 5
"""Incidents that one run prunes: a minute is short, and there is another."""
PRUNED = "ha.pruned"
"""When all that is old had last been pruned: ``{at}``."""
EVERY_S = 3600.0
EXECUTIONS_AT_ONCE = 20
ENDS = ("opening", "report")
"""Parts that stay where there is no store for reports."""


def prune_hourly(record: Record, store: Reports | None) -> list[str]:
    """What :func:`prune` does, once an hour: it reads all that is remembered.

    As long as there is more to take, or the store refuses, the next call
    goes on.

    :raises HaError: as :func:`prune`.
    """
    ledger, now = record.ledger, record.clock.now()
    last = ledger.read(PRUNED) or {}
    if now - float(last.get("at", 0.0)) < EVERY_S:
        return []
    gone = prune(record, store)
    if len(gone) < AT_ONCE:
        ledger.write(PRUNED, {"at": now})
    return gone


def prune(record: Record, store: Reports | None) -> list[str]:
    """Ids of the incidents that went; open and held ones never do, nor the
    one by which a host is out: its fences are renewed, and lifted, by it.

    With a store, each is kept there whole before anything is deleted;
    without one its opening and report stay in the ledger.

    :raises HaError: the store does not take it: then nothing of it goes.
    """
    ledger, now = record.ledger, record.clock.now()
    open_ids = {e.incident.id for e in record.all_opened()}
    gone: list[str] = []
    for id in record.ids():
        if id in open_ids or len(gone) >= AT_ONCE:
            continue
        if now - _ended(record, id) < KEEP_S or _still_out(record, id):
            continue
        if _prune_one(ledger, id, store):
            gone.append(id)
    _slots(record, now)
    _policies(record)
    return gone


def _still_out(record: Record, id: str) -> bool:
    """Whether it is the last that put its host out, and that has not ended.

    A host that somebody enabled by hand counts as out: one incident stays.
    """
    mine = record.part(id, "opening", Incident)
    if mine is None:
        return False
    if cut_off.incident_of(record, mine.host) == id:
        return True
    if not record.parts(id, "marked") or record.parts(id, RETURN_ENDED):
        return False
    ending = ".marked"
    names = record.ledger.names(f"ha.incident.{mine.host}-")
    others = (
        record.part(
            name.removeprefix("ha.incident.").removesuffix(ending),
            "opening",
            Incident,
        )
        for name in names
        if name.endswith(ending)
    )
    return not any(
        one.opened_at > mine.opened_at
        for one in others
        if one is not None and one.host == mine.host
    )


def _ended(record: Record, id: str) -> float:
    report = record.part(id, "report", Report)
    if report is not None:
        return report.closed_at
    opening = record.part(id, "opening", Incident)
    return opening.opened_at if opening is not None else record.clock.now()


def _prune_one(ledger: Ledger, id: str, store: Reports | None) -> bool:
    """Whether there was anything left to take."""
    head = f"ha.incident.{id}."
    names = ledger.names(head)
    stay: set[str] = set()
    if store is None:
        stay = {head + part for part in ENDS}
    else:
        store.keep(id, _whole(ledger, head, names))
    # what names it goes last: cut short, it is found and pruned again
    last = [head + "opening"]
    doomed = [*ledger.names(f"ha.claim.{id}."), *names]
    rest = [n for n in doomed if n not in stay and n not in last]
    for name in [*rest, *(n for n in last if n not in stay)]:
        ledger.delete(name)
    return bool(rest) or not stay


def _whole(
    ledger: Ledger, head: str, names: Iterable[str]
) -> Mapping[str, Any]:
    return {name.removeprefix(head): ledger.read(name) for name in names}


def _slots(record: Record, now: float) -> None:
    ledger = record.ledger
    for name in ledger.names("ha.slot."):
        entry = ledger.read(name) or {}
        if now - float(entry.get("at", now)) >= KEEP_S:
            ledger.delete(name)
    for name in ledger.names("ha.last."):
        entry = ledger.read(name) or {}
        old = now - float(entry.get("closed_at", now)) >= KEEP_S
        if old and not _still_out(record, str(entry.get("incident", ""))):
            ledger.delete(name)


def _policies(record: Record) -> None:
    """Pinned policies that no incident and nobody names any more."""
    from ha_actions.deciders.policy import digest

    pinned = record.ledger.names("ha.policy.")
    if not pinned:
        return
    used = {
        opening.policy
        for id in record.ids()
        if (opening := record.part(id, "opening", Incident)) is not None
    }
    used |= {e.incident.policy for e in record.all_opened()}
    alone = ServerRecord(record).all_opened()
    used |= {entry.failure.policy for entry in alone}
    used.add(digest(record.policy_text()))
    for name in pinned:
        if name.removeprefix("ha.policy.") not in used:
            record.ledger.delete(name)


def forget_executions(
    executions: Executions | None, idle: Iterable[str], before: float
) -> tuple[str, ...]:
    """Delete ended executions: idle ones, and ours from before a moment.

    Those that are still not ended are given back. Errors of one are no
    error of the others.
    """
    if executions is None:
        return ()
    left: list[str] = []
    old = executions.past_executions(before)[:EXECUTIONS_AT_ONCE]
    for id in dict.fromkeys([*idle, *old]):
        try:
            if not executions.forget_execution(id) and id not in old:
                left.append(id)
        except HaError:
            left.append(id)
    return tuple(left[-EXECUTIONS_AT_ONCE:])
