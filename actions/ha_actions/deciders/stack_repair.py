"""What becomes of a stack that has lost servers, and what its update may do.

The invariant: an update of ours replaces the servers that died and what
binds their addresses and volumes to others, and destroys nothing else. Heat's
preview is asked each time; what it does not clearly say is an objection. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ha_actions.model import Guest, StackPlace, Word
from ha_actions.model.stack import StackPreview, StackResource, StackState

SERVER = "OS::Nova::Server"
ILL = "CHECK_FAILED"
MARK = "mistral-ha-pack: its compute host is proved dead"
"""Why a resource is unhealthy; its owner reads it, so it names no host."""

PORT, VOLUME = "OS::Neutron::Port", "OS::Cinder::Volume"
ATTACHMENT = "OS::Cinder::VolumeAttachment"
FOLLOWERS = frozenset(
    {
        ATTACHMENT,
        "OS::Designate::RecordSet",
        "OS::Heat::SoftwareDeployment",
        "OS::Neutron::FloatingIPAssociation",
        "OS::Nova::FloatingIPAssociation",
        "OS::Octavia::PoolMember",
    }
)
"""Types that only tie a server to others: made anew, they lose nothing. A
volume, a port or another server that follows is not among them."""

_NOT_FOR_UPDATES = ("DELETE_", "SUSPEND_")
"""Source: heat, engine/service.py: a suspended stack takes no update."""


class Move(Word):
    """What to do with one stack now."""

    GONE = "gone"
    WAIT = "wait"
    LEAVE = "leave"
    FAILED = "failed"
    ASK = "ask"
    DONE = "done"


@dataclass(frozen=True)
class Asked:
    """An update of ours, kept before it is sent."""

    at: float
    servers: tuple[str, ...] = ()
    """Ids of those that it is to replace."""
    answered: bool = False
    """Whether Heat has accepted it, as far as this run knows."""
    seen: bool = False
    """Whether the stack was seen at work since then."""


def next_move(
    state: StackState | None,
    places: Sequence[StackPlace],
    asked: Asked | None,
    now: float,
    no_answer_s: float,
) -> tuple[Move, str]:
    """What to do, and why.

    :param places: of the servers that are not replaced yet.
    :param asked: this incident's update of the stack, if there was one.
    :param no_answer_s: so long a request without an answer may be at work.
    """
    if state is None or state.status.startswith("DELETE_"):
        return Move.GONE, "its stack was deleted"
    if state.status.endswith("_IN_PROGRESS"):
        return Move.WAIT, f"stack {state.name} is {state.status}"
    if not places:
        return Move.DONE, ""
    said = f"stack {state.name} is {state.status}"
    if not _complete(state.status):
        why = f" ({state.reason.rstrip('.')})" if state.reason else ""
        if asked is None:
            return Move.LEAVE, f"{said}{why}; its owner repairs that first"
        return Move.FAILED, f"{said}{why} after the update that we asked for"
    if asked is None:
        return Move.ASK, ""
    if asked.answered and (asked.seen or now - asked.at > no_answer_s):
        return Move.FAILED, f"{said}, and its update replaced nothing"
    if now - asked.at > no_answer_s:
        return Move.ASK, ""  # it was never carried out
    return Move.WAIT, said


def _complete(status: str) -> bool:
    return status.endswith("_COMPLETE") and not status.startswith(
        _NOT_FOR_UPDATES
    )


def resource_at(state: StackState, place: StackPlace) -> StackResource | None:
    """The resource where the server was; None: its stack has none now."""
    return next(
        (
            r
            for r in state.resources
            if (r.stack, r.name) == (place.nested, place.resource)
        ),
        None,
    )


def replaced_by(state: StackState, place: StackPlace, server: str) -> str:
    """Id of the server that the stack has in the old one's place; or empty.

    Aodh's ``trust+heat`` marks the whole member of a group: then the nested
    stack is another one, in the same place of the outer.
    Source: aodh 23, notifier/heat.py.

    :param server: the old one's id.
    """
    found = resource_at(state, place) or _in_another(state, place)
    if found is None or found.physical in ("", server):
        return ""
    good = found.status.endswith("_COMPLETE")
    return found.physical if good and not _at_work(state) else ""


def _in_another(state: StackState, place: StackPlace) -> StackResource | None:
    """The same place of a nested stack that was made anew, if it is clear."""
    if not place.parent or any(
        r.stack == place.nested for r in state.resources
    ):
        return None
    alike = [
        r
        for r in state.resources
        if (r.parent, r.name, r.type) == (place.parent, place.resource, SERVER)
    ]
    return alike[0] if len(alike) == 1 else None


def _at_work(state: StackState) -> bool:
    return state.status.endswith("_IN_PROGRESS")


def objections(
    state: StackState, preview: StackPreview, places: Sequence[StackPlace]
) -> tuple[str, ...]:
    """What the update would do that nobody asked for; empty: it is fit.

    Each is a few words: a resource with what would happen to it.
    """
    marked = {(p.nested, p.resource) for p in places}
    may = marked | _followers(state, marked)
    bad: list[str] = []
    seen: set[tuple[str, str]] = set()
    for one in preview.replaced:
        known = _known(state, one)
        if known is None:
            bad.append(f"{one.name} would be replaced (which one is unclear)")
            continue
        seen.add(known)
        if known not in may:
            kind = f" ({one.type})" if one.type else ""
            bad.append(f"{one.name}{kind} would be replaced")
    bad += [f"{one.name} would be deleted" for one in preview.deleted]
    bad += [
        f"{name} would not be replaced"
        for stack, name in sorted(marked - seen, key=lambda pair: pair[1])
    ]
    return tuple(sorted(bad))


def holds(state: StackState, place: StackPlace, guest: Guest) -> str:
    """What the dead server has that its successor needs; empty: nothing.

    A port or a volume that is a resource of its own outlives the server, and
    Nova gives it to no other one while the old one is there.
    """
    ports = {p.id for p in guest.ports}
    for one in state.resources:
        if one.type == PORT and one.physical in ports:
            return f"port {one.name}"
        if one.type == VOLUME and one.physical in guest.volumes:
            return f"volume {one.name}"
    by_key = {(r.stack, r.name): r for r in state.resources}
    for key in _followers(state, {(place.nested, place.resource)}):
        if by_key[key].type == ATTACHMENT:
            return f"volume attachment {key[1]}"
    return "volumes" if guest.volumes and guest.boot != "volume" else ""


def _followers(
    state: StackState, marked: set[tuple[str, str]]
) -> set[tuple[str, str]]:
    """What uses a marked one, directly or not, and loses nothing."""
    found: set[tuple[str, str]] = set()
    by_key = {(r.stack, r.name): r for r in state.resources}
    todo = list(marked)
    while todo:
        stack, name = todo.pop()
        user = by_key.get((stack, name))
        for other in user.required_by if user else ():
            key = (stack, other)
            follows = by_key.get(key)
            if follows is None or key in found or key in marked:
                continue
            if follows.type in FOLLOWERS:
                found.add(key)
                todo.append(key)
    return found


def _known(state: StackState, one: StackResource) -> tuple[str, str] | None:
    """Which resource a line of the preview speaks of; None: unclear."""
    by_stack = {
        (r.stack, r.name)
        for r in state.resources
        if r.name == one.name and r.stack == one.stack
    }
    if one.stack and by_stack:
        return by_stack.pop()
    alike = {
        (r.stack, r.name)
        for r in state.resources
        if r.name == one.name and r.parent == one.parent
    }
    return alike.pop() if len(alike) == 1 else None


def pet_in_stack(
    state: StackState | None, place: StackPlace, server: str
) -> tuple[bool, str]:
    """Whether a rescued pet is still what its stack means, and the words."""
    if state is None or state.status.startswith("DELETE_"):
        return False, f"stack {place.stack_name} is gone, the server is not"
    found = resource_at(state, place)
    at = f"{place.resource} of stack {state.name}"
    if found is None:
        return False, f"stack {state.name} has no {place.resource} any more"
    if found.physical != server:
        return False, (
            f"{at} is another server now, {found.physical or 'none'}: "
            "something repaired the stack meanwhile; two servers are left"
        )
    if not found.status.endswith("_COMPLETE"):
        return False, (
            f"{at} is {found.status}: the next update of the stack would "
            "replace the rescued server"
        )
    return True, f"{at}, {found.status}"
