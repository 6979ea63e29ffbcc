"""What is left in the ledger beside incidents, and when it goes.

Every kind of entry is in :data:`KINDS`: what ends it. A kind that nobody
removes would fill Mistral's database in some years.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ha_actions.errors import HaError
from ha_actions.model.server import ServerFailure, ServerReport
from ha_actions.ports import Ledger, Reports
from ha_actions.records.house import KEEP_S
from ha_actions.records.incidents import Record
from ha_actions.records.server_record import ServerRecord

KINDS: Mapping[str, str] = {
    "open": "goes when its incident closes",
    "last": "house.prune: 30 days, longer while its host is out by it",
    "incident": "house.prune: 30 days after its end; sweep: without an "
    "opening, and strikes of drills",
    "claim": "with its incident or failure; sweep: those of drills",
    "slot": "house.prune: 30 days",
    "policy": "house.prune: when nobody is pinned to it; one is in force",
    "beat": "by its engine at its end; sweep: of engines that have died",
    "installed": "one entry, replaced by each installation",
    "around": "one entry, replaced by each look around",
    "reconciled": "one entry, replaced by each look around",
    "reconciling": "goes at the end of each look around",
    "stuck": "one entry, replaced by looks at what stands still",
    "pruned": "one entry, replaced by each pruning",
    "swept": "one entry, replaced by each sweep",
    "server": "goes when its failure is closed",
    "failure": "sweep: 30 days after its end",
    "armed": "one entry, by a person",
    "brake": "by a person; sweep: 30 days after its end",
    "cut_off": "goes when its host is let in",
    "untold": "when its owner is told, or after a day; see untold",
}
"""Kind of entry -> what ends it."""

SWEPT = "ha.swept"
"""When the last sweep began: ``{at}``."""
EVERY_S = 3600.0
AT_ONCE = 20
"""Of each kind: a look around is short, and there is another."""


def sweep(record: Record, store: Reports | None) -> int:
    """How many entries went; at most once an hour.

    :raises HaError: the store does not take a report: then it stays here.
    """
    ledger, now = record.ledger, record.clock.now()
    last = ledger.read(SWEPT) or {}
    if now - float(last.get("at", 0.0)) < EVERY_S:
        return 0
    ledger.write(SWEPT, {"at": now})
    old = now - KEEP_S
    gone = _stale(ledger, "ha.beat.", "at", old)
    gone += _stale(ledger, "ha.brake.", "until", old)
    gone += _stale(ledger, "ha.incident.drill-", "at", old)
    gone += _stale(ledger, "ha.claim.drill-", "until", old)
    return gone + _unopened(record, old) + _failures(record, store, old)


def _stale(ledger: Ledger, prefix: str, key: str, old: float) -> int:
    gone = 0
    for name in ledger.names(prefix):
        entry = ledger.read(name) or {}
        if gone < AT_ONCE and float(entry.get(key, old)) < old:
            ledger.delete(name)
            gone += 1
    return gone


def _unopened(record: Record, old: float) -> int:
    """Parts of incidents whose opening died half way, and was closed since."""
    ledger = record.ledger
    parts = [
        name.removeprefix("ha.incident.").partition(".")
        for name in ledger.names("ha.incident.")
        if not name.startswith("ha.incident.drill-")
    ]
    # after the names: what is opened meanwhile is not among them
    known = set(record.ids())
    known |= {e.incident.id for e in record.opened_and_bad()[0]}
    gone = 0
    for id in sorted({id for id, _, _ in parts} - known)[:AT_ONCE]:
        mine = [
            *ledger.names(f"ha.incident.{id}."),
            *ledger.names(f"ha.claim.{id}."),
        ]
        if all(_moment(ledger.read(name)) < old for name in mine):
            gone += _delete(ledger, mine)
    return gone


def _moment(entry: Mapping[str, Any] | None) -> float:
    """The latest time that an entry names; 0.0: none."""
    found = entry or {}
    times = (found.get(key, 0.0) for key in ("at", "until", "closed_at"))
    return max(float(t) for t in times)


def _failures(record: Record, store: Reports | None, old: float) -> int:
    """Failures of single servers, with all that belongs to them."""
    alone, ledger = ServerRecord(record), record.ledger
    at_work = {e.failure.id for e in alone.all_opened()}
    gone = done = 0
    for name in ledger.names("ha.failure."):
        id = name.removeprefix("ha.failure.").removesuffix(".opening")
        if not name.endswith(".opening") or id in at_work or done >= AT_ONCE:
            continue
        if _ended(alone, id) >= old:
            continue
        mine = ledger.names(f"ha.failure.{id}.")
        if store is not None:
            head = f"ha.failure.{id}."
            store.keep(
                f"server-{id}",
                {n.removeprefix(head): ledger.read(n) for n in mine},
            )
        claims = ledger.names(f"ha.claim.{id}.")
        # what names it goes last: cut short, it is found and swept again
        gone += _delete(ledger, [*claims, *(n for n in mine if n != name)])
        gone += _delete(ledger, [name])
        done += 1
    return gone


def _ended(alone: ServerRecord, id: str) -> float:
    """When it ended; one that cannot be read stays, for a person."""
    try:
        report = alone.part(id, "report", ServerReport)
        opening = alone.part(id, "opening", ServerFailure)
    except HaError as error:
        if error.retryable:
            raise
        return float("inf")
    if report is not None:
        return report.closed_at
    return opening.opened_at if opening is not None else 0.0


def _delete(ledger: Ledger, names: list[str]) -> int:
    for name in names:
        ledger.delete(name)
    return len(names)
