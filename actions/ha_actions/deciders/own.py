"""What a tenant's own actions may do for a server tagged custom. Pure.

They never race with the operator's recovery: that leaves custom servers
alone, and these leave all others alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ha_actions.deciders.membership import member_for, members_of
from ha_actions.deciders.policy_tags import (
    TAG_DUPLICATES,
    TAG_PROTECTION,
    TAG_REPLACES,
)
from ha_actions.deciders.recovery_check import WORKING
from ha_actions.deciders.tidings import FENCED, host_id
from ha_actions.errors import Failed, Refused
from ha_actions.model import Guest, Member, Protection

HOST_DOWN = "compute.instance.host_down"
"""Its host is taken for dead; ``FENCED``: it is proven dead."""

UNANSWERED_S = 180.0
"""So long a POST without an answer may still be at work in Nova: the wait for
the answer, and as long again."""


def fenced(event: Any, server: str) -> bool:
    """Whether the host is proven dead, as the event tells.

    :param event: of the execution's environment: ``{type, traits}``.
    :raises Refused: ``no_event``, ``other_server``.
    """
    kind = event.get("type") if isinstance(event, Mapping) else None
    if kind not in (HOST_DOWN, FENCED):
        raise Refused(
            "no_event",
            f"This acts on {HOST_DOWN} and {FENCED}, and the execution's "
            f"event is {str(kind)[:80]!r}; give it <% env().event %>, and "
            "make the alarm with `ha-pack tenant alarm`.",
        )
    traits = event.get("traits")
    told = traits.get("instance_id") if isinstance(traits, Mapping) else ""
    if told != server:
        raise Refused(
            "other_server",
            f"The event is about server {str(told)[:80]!r}, not {server!r}.",
        )
    return bool(kind == FENCED)


def find(
    server: str, guests: Sequence[Guest]
) -> tuple[Guest | None, Guest | None]:
    """The old server and the new one in its place, of the caller's own.

    :raises Failed: ``not_found``: there is neither.
    :raises Refused: ``not_custom``.
    """
    old = next((g for g in guests if g.id == server), None)
    named = [g for g in guests if g.metadata.get(TAG_REPLACES) == server]
    copy = min(named, key=lambda g: (g.created_at, g.id), default=None)
    if old is None and copy is None:
        raise Failed(
            "not_found",
            f"Your project has no server {server[:80]!r}, and none with that "
            f"id in {TAG_REPLACES}.",
        )
    tagged = [g.metadata.get(TAG_PROTECTION) for g in (old, copy) if g]
    word = tagged[0]
    if word != Protection.CUSTOM.value:
        raise Refused(
            "not_custom",
            f"Server {server} is tagged {word or 'nothing'}, not custom: the "
            "operator's recovery sees to it, and nothing was done here.",
        )
    return old, copy


def must_be_there(guest: Guest, told: str) -> None:
    """It is where the event says that it died, and stays there.

    :param told: the event's ``host_id``; empty: it names none.
    :raises Refused: ``elsewhere``: it is not on that host, or about to
        leave it: who tagged it custom did not have the last word, or the
        event is old.
    """
    here = {guest.host, host_id(guest.project, guest.host)}
    moved = bool(told and guest.host) and told not in here
    if moved or guest.task_state.startswith("rebuild"):
        raise Refused(
            "elsewhere",
            f"Server {guest.name} is not on the host that the event is about "
            "any more, or is being brought back elsewhere; nothing was done.",
        )


def must_be_copied_later(guest: Guest, is_fenced: bool) -> None:
    """:raises Refused: ``not_fenced``: it has volumes, which a host that is
    not proven dead may still write, or two of it must never run at once.
    """
    if guest.metadata.get(TAG_DUPLICATES) == "no" and not is_fenced:
        raise Refused(
            "not_fenced",
            f"Server {guest.name} is tagged {TAG_DUPLICATES}=no, and may "
            "still run: it is replaced when its host is proven dead; have an "
            "alarm on host_fenced start this workflow too.",
        )
    if guest.volumes and not is_fenced:
        raise Refused(
            "not_fenced",
            f"Server {guest.name} has volumes, and its host may still write "
            "them: it is replaced when the host is proven dead; have an "
            "alarm on host_fenced start this workflow too.",
        )


def broken(copy: Guest) -> None:
    """:raises Failed: ``copy_error``: it will never run."""
    if copy.vm_state == "error":
        raise Failed(
            "copy_error",
            f"The new server {copy.id} is in ERROR "
            f"({copy.fault or 'no fault told'}); delete it, and start the "
            "workflow again.",
        )


def runs(copy: Guest) -> bool:
    """Whether it runs, and nothing is being done with it."""
    return copy.vm_state == "active" and not copy.task_state


def wanted(
    old: Guest,
    copy: Guest,
    members: Sequence[Member],
    weights: Mapping[str, int],
) -> list[Member]:
    """The members that the copy gets: those of the old one, in its place.

    :param weights: old member id -> what it had before it was drained.
    :raises Failed: ``no_port``.
    """
    found = []
    for member in members_of(old, members):
        new = member_for(member, old, copy)
        if new is None:
            raise Failed(
                "no_port",
                f"The new server {copy.id} has no port where {old.name} is a "
                f"member of pool {member.pool_name or member.pool}.",
            )
        weight = member.weight or weights.get(member.id, 0)
        found.append(replace(new, weight=weight))
    return found


def not_serving(
    pools: Collection[str], copy: Guest, members: Sequence[Member]
) -> str:
    """In which of these pools the copy does not serve yet; empty: in all."""
    mine = members_of(copy, members)
    good = {m.pool for m in mine if m.weight > 0 and m.status in WORKING}
    names = {m.pool: m.pool_name or m.pool for m in members}
    return ", ".join(sorted(names.get(p, p) for p in set(pools) - good))
