"""What would happen to one guest if its host died now.

One function, and the plan is built from it: what ``ha-pack explain`` says and
what an incident does can never differ. Whatever is not known to work is
refused with a stable code, never tried.

Source: which states Nova evacuates, and what comes back, was measured on
Nova 34; vTPM, resizes and shelved servers by ``nova/compute/api.py`` evacuate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from ha_actions.deciders.likeness import CLONE, REFUSE, may_move
from ha_actions.deciders.moving import in_the_way
from ha_actions.model import Choice, Guest, Migration, Protection, Requires

MOVING = frozenset(
    {
        "migrating",
        "resize_prep",
        "resize_migrating",
        "resize_migrated",
        "resize_finish",
        "resize_reverting",
        "resize_confirming",
    }
)
"""Task states in which a guest may be on another host than Nova says."""

_LEAVING = frozenset({"deleting", "soft-deleting"})
_GONE = frozenset({"deleted", "soft-delete"})
_EVACUABLE = frozenset({"active", "stopped", "error"})
_RESET_FIRST = frozenset({"paused", "suspended", "rescued"})
"""Nova answers 409; after reset-state to active it evacuates them."""

_ACCELERATED = frozenset({"accelerator-direct", "accelerator-direct-physical"})
"""Source: nova 34, compute/api.py, block_port_accelerators."""

_BACK = {
    "paused": "it is started from its disk and paused again; what was in its "
    "memory is lost",
    "suspended": "it stays off, and what was in its memory is lost",
    "rescued": "it comes back on its own disk, not in rescue mode",
    "error": "it comes back running, out of its error",
}
_NEW = "a new server with a new id; local data lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """One guest's future, told for people and for the plan."""

    code: str
    """Stable; see :data:`CODES`."""
    sentence: str
    comes_back: bool
    """Whether the pack acts, and the guest's service is meant to return."""
    wanted: bool
    """Whether this is what its owner or the policy chose."""
    method: Protection | None = None
    """Whose method of the policy applies; None: nothing is done."""
    requires: Requires = Requires.PROOF
    """The least that must be held before the first step for this guest."""
    ends_off: bool = False
    """Whether the same server must be off at the end: it was stopped, or it
    was suspended and its memory is gone."""
    loses: str = ""
    """What is lost on the way; empty for nothing that the pack knows of."""
    steps: tuple[str, ...] = ()
    """What is done instead of a method of the policy."""


CODES: dict[str, str] = {
    "evacuated": "same server, same disk, on another host",
    "evacuated_stopped": "the same; it was off and stays off",
    "evacuated_reset": "the same, after its paused, suspended or rescued "
    "state was reset",
    "failed_over": "an amphora: Octavia is asked to replace it",
    "stack_repaired": "cattle of a Heat stack: its stack is asked to replace "
    "it",
    "recreated": "cattle: a new server with a new id; local data lost",
    "left_ignored": "its protection is ignore",
    "left_custom": "its protection is custom: its owner's workflow acts",
    "left_service_vm": "it belongs to a service that repairs its own",
    "left_deleted": "it is deleted, or being deleted",
    "left_shelved": "it is shelved, and on no host",
    "refused_stack_unknown": "cattle, and Heat does not tell whether a stack "
    "owns it",
    "refused_cannot_copy": "cattle whose copy would lack what it has",
    "refused_busy": "it was migrating or resizing; it may be elsewhere",
    "refused_never_launched": "it never ran: there is nothing to bring back",
    "refused_resized": "its resize waits to be confirmed or reverted",
    "refused_shelved": "it is shelved, but not yet off its host",
    "refused_local_disk": "its disk would be lost, and nobody consented",
    "refused_unsupported": "Nova cannot evacuate it",
    "refused_unknown_state": "it is in a state that the pack does not know",
}
"""Every code and what it means."""

FORESEEN = frozenset(
    {
        "refused_cannot_copy",
        "refused_local_disk",
        "refused_never_launched",
        "refused_resized",
        "refused_shelved",
        "refused_unsupported",
    }
)
"""Refusals that the policy, or Nova, would give on any day: `explain` tells
them beforehand, so they do not hold an incident. The others may mean that
the guest runs somewhere else, and a person must look."""

FALLS_BACK = frozenset({"refused_local_disk", "refused_unsupported"})
"""Refusals of a pet for which its owner may want a new server instead."""

_Told: TypeAlias = "Prospect | None"


def prospects(
    guest: Guest,
    choice: Choice,
    balancer: str = "",
    move: Migration | None = None,
    stack: str = "",
    stack_unknown: str = "",
) -> Prospect:
    """What would happen to a guest if its host died now. Pure and total.

    :param balancer: id of the load balancer whose amphora it is, if Octavia
        says so. Octavia's word counts, whatever its name or tags say.
    :param move: Nova's record of the move that its task state speaks of.
    :param stack: name of the Heat stack that owns it.
    :param stack_unknown: why Heat does not tell whether one does.
    """
    if balancer:
        return Prospect(
            code="failed_over",
            sentence="an amphora, never evacuated: once the host is proved "
            f"dead, Octavia is asked to fail load balancer {balancer} over.",
            comes_back=True,
            wanted=True,
            steps=("ha.fail_over_balancers",),
        )
    return (
        _left(guest, choice)
        or _unsure(guest, move)
        or (
            _stacked(stack, stack_unknown) or _cattle(guest, choice)
            if choice.protection is Protection.CATTLE
            else _pet(guest, choice)
        )
    )


def with_fallback(guest: Guest, choice: Choice) -> Choice:
    """The choice, or what its owner wants if no evacuation can save it.

    Its owner thought it unique, so the host must be proved dead first.
    """
    if not choice.fallback or choice.protection is not Protection.PET:
        return choice
    lost = prospects(guest, choice).code
    as_cattle = replace(
        choice,
        protection=Protection.CATTLE,
        duplicates=False,
        # nobody who only said "fallback" has agreed to lose a volume
        volumes=choice.volumes if "volumes" in choice.why else REFUSE,
        why=choice.why | {"protection": f"ha:fallback, for {lost}"},
    )
    able = prospects(guest, as_cattle).comes_back
    return as_cattle if lost in FALLS_BACK and able else choice


def _left(guest: Guest, choice: Choice) -> _Told:
    """Guests that somebody chose to leave alone."""
    if choice.service_vm:
        return _leave(
            "left_service_vm",
            f"left alone: it belongs to a service ({choice.service_vm}) "
            "that repairs its own servers",
        )
    if choice.protection is Protection.IGNORE:
        return _leave("left_ignored", f"left alone: {_because(choice)}")
    if choice.protection is Protection.CUSTOM:
        return _leave(
            "left_custom",
            f"left to its owner's own workflow: {_because(choice)}",
        )
    if guest.vm_state in _GONE or guest.task_state in _LEAVING:
        return _leave("left_deleted", "left alone: its owner deletes it")
    if guest.vm_state == "shelved_offloaded":
        return _leave(
            "left_shelved",
            "left alone: it is shelved and on no host; unshelve starts it "
            "on a live one",
        )
    return None


def _unsure(guest: Guest, move: Migration | None) -> _Told:
    """Guests of which nobody knows enough, pets and cattle alike."""
    if not guest.launched or guest.vm_state == "building":
        return _refuse(
            "refused_never_launched",
            "its first boot never finished, so there is nothing to bring "
            "back; delete it and create it again",
        )
    if guest.task_state in MOVING:
        why = in_the_way(guest, move)
        if why:
            return _refuse("refused_busy", why)
    if guest.vm_state == "shelved":
        return _refuse(
            "refused_shelved",
            "it is shelved but was not yet taken off its host; its image "
            "is safe, and unshelve works when the host has returned",
        )
    return None


def _stacked(stack: str, unknown: str) -> _Told:
    """Cattle that Heat made is Heat's to replace, with all that hangs on it:
    ports, volumes, pool members."""
    if unknown:
        return _refuse(
            "refused_stack_unknown",
            "Heat does not tell whether a stack owns it, and a stack would "
            f"make another one beside ours ({unknown.rstrip('.')})",
        )
    if not stack:
        return None
    return Prospect(
        code="stack_repaired",
        sentence="once the host is proved dead, Heat is asked to replace it "
        f"in stack {stack}: {_NEW}.",
        comes_back=True,
        wanted=True,
        loses="local data",
        steps=("ha.repair_stacks",),
    )


def _cattle(guest: Guest, choice: Choice) -> Prospect:
    if choice.volumes == REFUSE and _has_volumes(guest):
        return _refuse(
            "refused_cannot_copy",
            "it is cattle and holds volumes, and ha:volumes=refuse; make it "
            "a pet, or say what its new server gets (clone, anew)",
        )
    off = _was_off(guest)
    why = _waits_for_proof(guest, choice)
    if why:
        why = f" once the host is proved dead, as {why}"
    tail = "; it was off and is stopped again" if off else ""
    return Prospect(
        code="recreated",
        sentence=f"recreated{why}: {_new(guest, choice)}{tail}.",
        comes_back=True,
        wanted=True,
        method=Protection.CATTLE,
        requires=Requires.PROOF if why else Requires.VERDICT,
        ends_off=off,
        loses="local data",
    )


def _has_volumes(guest: Guest) -> bool:
    return bool(guest.volumes) or guest.boot == "volume"


def _waits_for_proof(guest: Guest, choice: Choice) -> str:
    """Why its copy must not be made on the verdict alone; empty: it may."""
    if not choice.duplicates:
        return "two must never run at once"
    if choice.keep_ports:
        return "it keeps its ports"
    if may_move(guest):
        return "volumes of its go over to the new server"
    if _has_volumes(guest) and choice.volumes == CLONE:
        return "its volumes are cloned"
    return ""


def _new(guest: Guest, choice: Choice) -> str:
    """What the new server has, in words."""
    if not _has_volumes(guest):
        return _NEW
    if choice.volumes == CLONE:
        return "a new server with a new id, on clones of its volumes"
    return f"{_NEW}; its volumes are made anew" + (
        ", but those that outlive it go over" if may_move(guest) else ""
    )


def _pet(guest: Guest, choice: Choice) -> Prospect:
    refused = _unable(guest)
    if refused:
        return refused
    disk = _local_disk(guest, choice)
    if disk and not choice.discard_local_disk:
        return _refuse(
            "refused_local_disk",
            f"{disk} is on its host alone and would be lost; consent with "
            "ha:local-disk=discard, or list the host's aggregate as shared "
            "in recovery.instance_store if it is",
        )
    off = _was_off(guest)
    code, tail = "evacuated", ""
    if off:
        code, tail = "evacuated_stopped", "; it was off and stays off"
    elif guest.vm_state in _BACK:
        tail = f"; {_BACK[guest.vm_state]}"
    if guest.vm_state in _RESET_FIRST:
        code = "evacuated_reset"
    if disk:
        tail += f"; {disk} is lost, as consented"
    return Prospect(
        code=code,
        sentence="evacuated once the host is proved dead: the same server "
        f"on another host{tail}.",
        comes_back=True,
        wanted=True,
        method=Protection.PET,
        ends_off=off or guest.vm_state == "suspended",
        loses=_loses(guest, disk),
    )


def _unable(guest: Guest) -> _Told:
    """Pets that Nova refuses, or would harm."""
    if guest.vm_state == "resized":
        return _refuse(
            "refused_resized",
            "its resize waits to be confirmed or reverted, and Nova does "
            "not evacuate it; its old disk may be on another host: confirm, "
            "revert or reset its state by hand",
        )
    if guest.vm_state not in _EVACUABLE | _RESET_FIRST:
        return _refuse(
            "refused_unknown_state",
            f"its state is {guest.vm_state!r}, of which nobody knows what an "
            "evacuation would do",
        )
    if any(port.kind in _ACCELERATED for port in guest.ports):
        return _refuse(
            "refused_unsupported",
            "one of its ports is an accelerator's, and Nova does not "
            "evacuate those",
        )
    if _has_tpm(guest):
        return _refuse(
            "refused_unsupported",
            "it has a virtual TPM, and Nova does not evacuate those",
        )
    return None


def _has_tpm(guest: Guest) -> bool:
    return bool(
        guest.flavor_specs.get("hw:tpm_version")
        or guest.image_properties.get("hw_tpm_version")
    )


def _was_off(guest: Guest) -> bool:
    """Stopped; in ERROR the last known power tells, since Nova forgets."""
    return guest.vm_state == "stopped" or (
        guest.vm_state == "error" and guest.power == "shutdown"
    )


def _local_disk(guest: Guest, choice: Choice) -> str:
    """Its data that only the host has, in words; empty for none.

    Swap and a config drive are made anew and do not count.
    """
    if choice.shared_disk:
        return ""
    if guest.boot == "image":
        return "its disk"
    if guest.ephemeral_gb > 0:
        return f"its ephemeral disk of {guest.ephemeral_gb} GB"
    return ""


def _loses(guest: Guest, disk: str) -> str:
    memory = guest.vm_state in ("paused", "suspended")
    parts = [disk] if disk else []
    return " and ".join([*parts, "its memory"] if memory else parts)


def _because(choice: Choice) -> str:
    by = choice.why.get("protection", "")
    return f"protection {choice.protection}" + (f" (by {by})" if by else "")


def _leave(code: str, sentence: str) -> Prospect:
    return Prospect(
        code=code, sentence=f"{sentence}.", comes_back=False, wanted=True
    )


def _refuse(code: str, sentence: str) -> Prospect:
    return Prospect(
        code=code,
        sentence=f"refused: {sentence}.",
        comes_back=False,
        wanted=False,
    )
