"""A guest that Nova was moving when its host died: where can it be? Pure.

Nova's migration record says how far the move had come. Whatever may run, or
have its disk, on another host is refused: evacuating it could run it twice.

Source: nova 34, ``compute/manager.py`` and ``conductor/tasks``: a live
migration copies memory from ``running`` on; a resize stops the guest and
copies its disk at ``migrating``, and Nova calls the destination its host from
``post-migrating`` on.
"""

from __future__ import annotations

from ha_actions.model import Guest, Migration

LIVE = "live-migration"
_NOT_BEGUN = {
    LIVE: frozenset({"accepted", "queued", "preparing"}),
    "migration": frozenset({"accepted", "pre-migrating"}),
    "resize": frozenset({"accepted", "pre-migrating"}),
}
"""Kind of move -> words of a record before anything has left the source."""


def in_the_way(guest: Guest, move: Migration | None) -> str:
    """Why it must not be brought back yet; empty if it can only be here.

    :param guest: on the dead host, with a task of moving.
    :param move: its newest open move, None if Nova shows none.
    """
    task = guest.task_state
    if move is None:
        return (
            f"it was in the middle of {task}, and Nova shows no record of "
            "that; it may be on another host: find it, then reset its state"
        )
    if move.source != guest.host:
        return (
            f"it was moved here from {move.source} ({move.kind} "
            f"{move.status}), where its disk may be; revert it or reset its "
            "state by hand"
        )
    if move.status in _NOT_BEGUN.get(move.kind, ()):
        return ""
    if move.kind == LIVE:
        return (
            f"its live migration to {move.dest or 'another host'} was "
            f"{move.status}, so that it may run there: look, and if it does "
            "not, reset its state to active and resume"
        )
    if move.status == "migrating" and _all_on_volumes(guest):
        return ""  # stopped for the move, and nothing starts it elsewhere
    return (
        f"its {move.kind} to {move.dest or 'another host'} was {move.status}, "
        "so that its disk may be half moved: look at both hosts, then reset "
        "its state"
    )


def _all_on_volumes(guest: Guest) -> bool:
    return guest.boot == "volume" and guest.ephemeral_gb == 0
