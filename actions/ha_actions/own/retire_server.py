"""ha.own.retire_server: the old server goes, its volumes come over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import OwnAction
from ha_actions.deciders import own as rules
from ha_actions.deciders.likeness import may_move, moving
from ha_actions.deciders.membership import members_of
from ha_actions.errors import Refused, Transient
from ha_actions.model import Claim, Guest
from ha_actions.outside import Own
from ha_actions.own.replacement import Replacement

DEADLINE_S = 150


@dataclass
class RetireServer(OwnAction):
    """Remove the old members, delete the old server, attach its volumes.

    Only when its host is proven dead (host_fenced), and the new server runs
    and serves; one whose volumes are still to come need not serve yet.

    :returns: ``{outcome, copy, volumes}``: ``done`` or ``already``, the new
        server's id, the volumes that came over.
    """

    server: str
    event: Any

    def perform(self, own: Own) -> dict[str, Any]:
        """May be repeated at any point: it goes on where it was."""
        swap = Replacement(own, self.server, self.event)
        if not swap.fenced:
            raise Refused(
                "not_fenced",
                f"The host of {self.server} is not proven dead yet; an alarm "
                "on host_fenced comes when it is.",
            )
        with swap.claimed() as claim:
            copy = swap.copy
            if copy is None or not rules.runs(copy):
                raise Transient(
                    "not_ready", "The new server does not run yet."
                )
            already = swap.old is None
            if swap.old is not None:
                _delete(swap, swap.old, copy, claim)
            volumes = _attach(swap, copy, claim)
        swap.forget()
        return {
            "outcome": "already" if already and not volumes else "done",
            "copy": copy.id,
            "volumes": volumes,
        }


def _delete(swap: Replacement, old: Guest, copy: Guest, claim: Claim) -> None:
    disks = moving(swap.cloud.disks(old)) if may_move(old) else []
    members = swap.members()
    mine = members_of(old, members)
    missing = rules.not_serving({m.pool for m in mine}, copy, members)
    if missing and not disks:
        raise Transient(
            "not_serving", f"The new server does not serve in {missing} yet."
        )
    swap.note(volumes=tuple(disks))
    for member in mine:
        swap.cloud.remove_member(member, claim)
    swap.cloud.delete(old.id, claim)


def _attach(swap: Replacement, copy: Guest, claim: Claim) -> list[str]:
    """:raises Transient: ``volumes_busy``: Nova has not let them go yet."""
    disks = swap.notes().volumes
    left = [d for d in disks if d.volume not in copy.volumes]
    states = swap.cloud.volumes([d.volume for d in left]) if left else {}
    busy = []
    for disk in left:
        found = states.get(disk.volume)
        if found is None:
            continue  # its owner deleted it
        held = {a.guest for a in found.attachments}
        if copy.id in held:
            continue
        if found.status != "available":
            busy.append(disk.volume)
            continue
        swap.cloud.attach(copy, disk, claim)
    if busy:
        raise Transient(
            "volumes_busy", f"Volumes {', '.join(busy)} are not free yet."
        )
    return [d.volume for d in disks]
