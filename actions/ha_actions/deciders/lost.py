"""Is an evacuation lost, as a person says? Pure.

Nova accepts an evacuation, writes its record, and casts a message to its
conductor. When the broker loses that, the record stays open without a
destination for ever, and Nova has no call to end it. Nobody but a person, who
has looked at the broker's queues, can tell lost from slow.

Invariant: what has a destination, or is young, is never lost.
Source: nova 34, compute/api.py, evacuate: the record is made before the cast.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ha_actions.model import Guest, Migration

LOST_S = 900.0
"""A record is called lost at this age, and not before: longer than a
conductor with a full queue has taken."""


def lost_records(records: Sequence[Migration], at: float) -> frozenset[str]:
    """Ids of records that a person's word, given at ``at``, may be about."""
    return frozenset(
        r.id
        for r in records
        if r.in_flight and not r.dest and at - r.created_at >= LOST_S
    )


def why_not_lost(
    guest: Guest | None,
    records: Sequence[Migration],
    dead_host: str,
    at: float,
    done: Collection[str] = (),
) -> str:
    """Why such a word cannot be taken; empty: it can.

    :param guest: as Nova shows it now; None: it is deleted.
    :param records: its evacuation records from the dead host.
    :param done: ids of guests whose evacuation has ended well.
    """
    if guest is None:
        return "its owner has deleted it"
    if guest.host != dead_host or guest.id in done:
        return f"it is on {guest.host or 'no host'}, not on {dead_host}"
    open_ = [r for r in records if r.in_flight]
    if not open_:
        return "Nova has no open evacuation of it; a plain resume will do"
    lost = lost_records(records, at)
    for r in open_:
        if r.id in lost:
            continue
        if r.dest:
            return f"its evacuation has a destination, {r.dest}: see there"
        age = at - r.created_at
        return (
            f"its evacuation was accepted {age:.0f} s ago; below "
            f"{LOST_S:.0f} s it may only be slow"
        )
    return ""
