"""ha.move_volumes: volumes that outlive a server go over to its copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from ha_actions.deciders.evacuation import copy_state
from ha_actions.model import (
    Claim,
    FloatingIp,
    Guest,
    Planned,
    Requires,
    Result,
    Volume,
)
from ha_actions.model.likeness import Disk
from ha_actions.step_parts.batch_step import BatchStep, Job
from ha_actions.step_parts.copy_look import to_move
from ha_actions.steps.retire_servers import floating_of, let_go, moves_of

REQUIRES = Requires.PROOF
DEADLINE_S = 2300

FREEING = frozenset(
    {"in-use", "detaching", "attaching", "reserved", "available"}
)
"""States of a volume from which it comes to the copy by itself or by us.

Source: cinder, volume status.
"""


@dataclass
class MoveVolumes(BatchStep):
    """Delete the old server, then attach what outlives it to the copy.

    In this order: Nova asks a dead host in vain to detach a volume, and only
    the old server's end frees it. So the copy runs first, and it is proved
    that nothing on the host writes; a volume is never at two servers.
    """

    def step_name(self) -> str:
        """Its Mistral name."""
        return "ha.move_volumes"

    def work(self, job: Job) -> None:
        """Round after round, until each volume is at its copy."""
        wanted: dict[str, list[Disk]] = {}
        pause = job.policy.recovery.poll_s
        while job.todo and job.in_time:
            copies = job.copies()
            for planned in job.todo:
                _settle_without_copy(job, planned, copies)
            _know(job, wanted)
            _part(job, copies, wanted)
            volumes = _volumes(job, wanted)
            _attach(job, copies, wanted, volumes)
            if job.todo:
                job.hold()
                job.pause(pause)
                pause = min(pause * 1.5, job.policy.recovery.poll_s * 4)


def _settle_without_copy(
    job: Job, planned: Planned, copies: Mapping[str, Guest]
) -> None:
    copy = copies.get(planned.guest.id)
    if copy is None or copy.vm_state != copy_state(planned.guest):
        job.settle(
            planned,
            Result.REFUSED,
            "no copy of it runs, so its volumes stay where they are",
            code="no_copy",
        )


def _know(job: Job, wanted: dict[str, list[Disk]]) -> None:
    """What moves is in the ledger before the old server goes."""

    def ask(planned: Planned) -> None:
        wanted[planned.guest.id] = to_move(job, planned)

    for planned in [p for p in job.todo if p.guest.id not in wanted]:
        job.trying(planned, partial(ask, planned))


def _part(
    job: Job, copies: Mapping[str, Guest], wanted: Mapping[str, list[Disk]]
) -> None:
    """Delete the old servers that are still there, of those whose volumes
    are known: nobody could tell them afterwards."""
    ids = [p.guest.id for p in job.todo if p.guest.id in wanted]
    old = job.run.patiently(lambda: job.cloud.guests(ids, brief=True))
    here = [p for p in job.todo if p.guest.id in old]
    floating = floating_of(job, here)
    here = [p for p in here if p.guest.id not in job.outcomes]
    if here:
        job.together([partial(_go, job, p, copies, floating) for p in here])


def _go(
    job: Job,
    planned: Planned,
    copies: Mapping[str, Guest],
    floating: list[FloatingIp],
    claim: Claim,
) -> None:
    copy = copies[planned.guest.id]
    moves = moves_of(planned, copies, floating)
    job.trying(planned, lambda: let_go(job, planned, copy, moves, claim))


def _volumes(job: Job, wanted: Mapping[str, list[Disk]]) -> dict[str, Volume]:
    ids = [d.volume for p in job.todo for d in wanted.get(p.guest.id, ())]
    return job.run.patiently(lambda: job.cloud.volumes(ids)) if ids else {}


def _attach(
    job: Job,
    copies: Mapping[str, Guest],
    wanted: Mapping[str, list[Disk]],
    volumes: Mapping[str, Volume],
) -> None:
    """What is free is attached, in the order of the old devices."""
    calls = []
    for planned in job.todo:
        disks = wanted.get(planned.guest.id)
        copy = copies[planned.guest.id]
        if disks is None:
            continue
        left = [d for d in disks if not _at(copy, volumes.get(d.volume))]
        if not left:
            names = ", ".join(d.volume for d in disks)
            text = f"{names} now at the new server" if names else "none moves"
            job.settle(planned, Result.DONE, text, new_id=copy.id)
            continue
        wrong = [w for d in left if (w := _lost(planned, d, volumes))]
        if wrong:
            job.settle(planned, Result.FAILED, wrong[0], code="volume_lost")
        elif volumes[left[0].volume].status == "available":
            calls.append(partial(_one, job, planned, copy, left[0]))
    if calls:
        job.together(calls)


def _at(server: Guest, volume: Volume | None) -> bool:
    return (
        volume is not None
        and volume.status == "in-use"
        and any(one.guest == server.id for one in volume.attachments)
    )


def _lost(planned: Planned, disk: Disk, volumes: Mapping[str, Volume]) -> str:
    """Why a volume cannot come over; empty: it may."""
    volume = volumes.get(disk.volume)
    if volume is None:
        return f"volume {disk.volume} is gone"
    if volume.status not in FREEING:
        return f"volume {disk.volume} is in {volume.status}"
    others = {a.guest for a in volume.attachments} - {planned.guest.id}
    if volume.status == "in-use" and others:
        return (
            f"volume {disk.volume} is at server {min(others)} by now; it is "
            "left there"
        )
    return ""


def _one(
    job: Job, planned: Planned, copy: Guest, disk: Disk, claim: Claim
) -> None:
    job.trying(planned, lambda: job.cloud.attach(copy, disk, claim))
