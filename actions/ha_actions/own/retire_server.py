"""ha.own.retire_server: the old server goes, its volumes come over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import OwnAction
from ha_actions.deciders import own as rules
from ha_actions.deciders.likeness import may_move, moving
from ha_actions.deciders.membership import members_of, port_pairs
from ha_actions.errors import Refused, Transient
from ha_actions.model import Claim, Fix, Guest, Volume
from ha_actions.outside import Own
from ha_actions.own.replacement import Replacement

DEADLINE_S = 150
ATTACH_S, POLL_S = 20.0, 2.0
"""So long it is waited until a volume is there, of the claim's time."""


@dataclass
class RetireServer(OwnAction):
    """Remove the old members, delete the old server, attach its volumes.

    Its floating IPs move first: with the old server they would be let go.

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
    noted = swap.notes().volumes  # Nova may have let some go before its end
    known = {disk.volume for disk in noted}
    disks = [*noted, *(d for d in disks if d.volume not in known)]
    members = swap.members()
    mine = members_of(old, members)
    missing = rules.not_serving({m.pool for m in mine}, copy, members)
    if missing and not disks:
        raise Transient(
            "not_serving", f"The new server does not serve in {missing} yet."
        )
    swap.note(volumes=tuple(disks))
    _move_floating(swap, old, copy, claim)
    for member in mine:
        swap.cloud.remove_member(member, claim)
    swap.cloud.delete(old.id, claim)


def _move_floating(
    swap: Replacement, old: Guest, copy: Guest, claim: Claim
) -> None:
    """Each to the new server's port in the old one's place, if it has one."""
    new = {was.id: port for was, port in port_pairs(old, copy)}
    for one in swap.cloud.floating_ips(sorted(new)):
        port = new[one.port]
        to = Fix(
            kind="floating ip", target=one.id, value=(port.id, port.address)
        )
        swap.cloud.mend(copy, to, claim)


def _attach(swap: Replacement, copy: Guest, claim: Claim) -> list[str]:
    """Each is asked for once it is free; done when it is there.

    :raises Transient: ``volumes_busy``: not all are there yet.
    """
    disks, clock = swap.notes().volumes, swap.own.clock
    until = clock.now() + ATTACH_S
    asked: set[str] = set()
    while True:
        states = swap.cloud.volumes([d.volume for d in disks])
        # others were deleted, or are somebody else's by now
        mine = [
            disk
            for disk in disks
            if disk.volume in states
            and not _at_another(swap.server, copy, states[disk.volume])
        ]
        left = [d for d in mine if not _at(copy.id, states[d.volume])]
        for disk in left:
            free = states[disk.volume].status == "available"
            if free and disk.volume not in asked:
                swap.cloud.attach(copy, disk, claim)
                asked.add(disk.volume)
        if not left:
            return [d.volume for d in mine]
        if not asked or clock.now() >= until:
            names = ", ".join(d.volume for d in left)
            raise Transient(
                "volumes_busy",
                f"Volumes {names} are not free, or not at the new server yet.",
            )
        clock.sleep(POLL_S)


def _at(server: str, volume: Volume) -> bool:
    held = {one.guest for one in volume.attachments}
    return volume.status == "in-use" and server in held


def _at_another(old: str, copy: Guest, volume: Volume) -> bool:
    held = {one.guest for one in volume.attachments}
    if volume.status != "in-use" or copy.id in held:
        return False
    return bool(held - {old})
