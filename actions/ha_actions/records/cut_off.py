"""Hosts that a device may keep from their storage or network.

Remembered in the ledger before the first cut, and until the host is let in:
whatever becomes of the incident meanwhile, what was cut off is renewed, and
somebody is told how to lift it.
"""

from __future__ import annotations

from collections.abc import Iterable

from ha_actions.model import Evidence, Incident
from ha_actions.ports import Fence
from ha_actions.records.incidents import Record

BARRIERS = frozenset({Evidence.STORAGE, Evidence.NETWORK})
"""Evidence of devices that stop not the host, but what it reaches."""
CLAIM = "return"
"""Whoever cuts off again, or lets in, has this claim on the incident."""
_HEAD = "ha.cut_off."


def barriers_of(fences: Iterable[Fence]) -> list[Fence]:
    """Those of a host's devices that leave it running."""
    return [f for f in fences if f.evidence in BARRIERS]


def remember(record: Record, incident: Incident) -> None:
    """The incident may cut its host off from now on."""
    record.ledger.write(
        _HEAD + incident.host,
        {"incident": incident.id, "at": record.clock.now()},
    )


def hosts(record: Record) -> list[str]:
    """Hosts that may be cut off now."""
    names = record.ledger.names(_HEAD)
    return [name.removeprefix(_HEAD) for name in names]


def incident_of(record: Record, host: str) -> str:
    """Id of the incident that may have cut the host off; else empty."""
    entry = record.ledger.read(_HEAD + host) or {}
    return str(entry.get("incident", ""))


def forget(record: Record, host: str, incident: str) -> None:
    """It was let in after that one; what a later incident has cut off stays
    known."""
    if incident_of(record, host) == incident:
        record.ledger.delete(_HEAD + host)
