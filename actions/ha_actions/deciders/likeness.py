"""What becomes of the volumes of cattle. Pure.

A data volume that outlives its server goes over to the copy. Every other one
is made anew, as it once was made, or cloned where its owner wants its content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ha_actions.errors import Refused
from ha_actions.model import Guest
from ha_actions.model.likeness import Disk, NewDisk

REFUSE, CLONE, ANEW = "refuse", "clone", "anew"
"""Words of ``ha:volumes``."""


def may_move(guest: Guest) -> bool:
    """Whether a volume of its may go over to its copy.

    Its list does not tell which one it boots from; a single one is that.
    """
    single = guest.boot == "volume" and len(guest.volumes) == 1
    return bool(guest.lasting) and not single


def moving(disks: Sequence[Disk]) -> list[Disk]:
    """Data volumes that outlive their server, in the order of devices."""
    mine = [d for d in disks if d.stays and not d.root]
    return sorted(mine, key=lambda d: (len(d.device), d.device))


def to_clone(disks: Sequence[Disk], word: str) -> list[Disk]:
    """Those of which the copy gets a clone."""
    if word != CLONE:
        return []
    return [d for d in disks if d.root or not d.stays]


def new_disks(
    guest: Guest,
    disks: Sequence[Disk],
    clones: Mapping[str, str],
) -> tuple[NewDisk, ...]:
    """What the copy boots with.

    :param clones: id of an old volume -> id of its clone.
    :raises Refused: ``cannot_copy``: of what it was made is not known.
    """
    stay = {d.volume for d in moving(disks)}
    return tuple(
        NewDisk(disk, "volume", clones[disk.volume])
        if disk.volume in clones
        else _anew(guest, disk)
        for disk in disks
        if disk.volume not in stay
    )


def _anew(guest: Guest, disk: Disk) -> NewDisk:
    if disk.snapshot:
        return NewDisk(disk, "snapshot", disk.snapshot)
    if disk.source:
        raise _cannot(guest, disk, f"is a clone of volume {disk.source}")
    if disk.image:
        return NewDisk(disk, "image", disk.image)
    if disk.root:
        raise _cannot(guest, disk, "was made of no image that is known")
    return NewDisk(disk, "blank")


def _cannot(guest: Guest, disk: Disk, why: str) -> Refused:
    said = (
        f"its volume {disk.volume} {why}; set ha:volumes=clone to keep its "
        "content"
    )
    return Refused(
        "cannot_copy",
        f"Server {guest.name} cannot be recreated as it was: {said}.",
        guest=guest.id,
        why=said,
    )
