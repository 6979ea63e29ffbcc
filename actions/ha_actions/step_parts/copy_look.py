"""What a copy is given beside what Nova tells of the old server.

Looked at before anything is asked for, and remembered in the ledger before
the old server goes: it is the only one who knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from ha_actions.deciders.likeness import moving, new_disks, to_clone
from ha_actions.deciders.spread import neighbours, servers_of
from ha_actions.errors import Failed, HaError, NoAnswer
from ha_actions.model import Claim, Planned, Port
from ha_actions.model.likeness import PLAIN, Disk, Likeness
from ha_actions.ports import Cloud
from ha_actions.step_parts.batch_step import NO_ANSWER_S, Job

PATIENT_S = 10.0
"""For one call: well within the half lease that a turn starts with."""


@dataclass(frozen=True)
class Disks:
    """The form in which a server's volumes are kept."""

    disks: tuple[Disk, ...]


def disks(job: Job, planned: Planned) -> tuple[Disk, ...]:
    """The server's volumes, as they were when they were first looked at."""
    guest, record = planned.guest, job.run.record
    mine = known(job, planned)
    if guest.volumes and not mine:
        found = job.run.patiently(partial(job.cloud.disks, guest), PATIENT_S)
        mine = tuple(found)
        record.keep(job.incident.id, f"disks.{guest.id}", Disks(mine))
    return mine


def known(job: Job, planned: Planned) -> tuple[Disk, ...]:
    """The same, as far as somebody has looked."""
    if not planned.guest.volumes:
        return ()  # nobody ever keeps any of it
    part = f"disks.{planned.guest.id}"
    kept = job.run.record.part(job.incident.id, part, Disks)
    return kept.disks if kept else ()


def to_move(job: Job, planned: Planned) -> list[Disk]:
    """Volumes that go over to its copy."""
    return moving(disks(job, planned))


def apart(job: Job, missing: Sequence[Planned]) -> dict[str, tuple[str, ...]]:
    """Guest id -> other servers of its pools, where the policy keeps those
    apart.

    A wish: without an answer the copies are made all the same.
    """
    in_pools = [p for p in missing if p.members]
    if not (job.policy.recovery.keep_apart and in_pools):
        return {}
    try:
        guests = [
            g
            for project in sorted({p.guest.project for p in in_pools})
            for g in job.cloud.guests_of(project)
        ]
        servers = servers_of(job.cloud.members(), guests)
        hosts = job.cloud.hosts()
    except HaError as error:
        text = f"copies are not kept apart: {error.message}"
        job.run.journal.note("step", job.incident.host, text)
        return {}
    return {
        p.guest.id: neighbours(
            {m.pool for m in p.members}, servers, hosts, job.incident.host
        )
        for p in in_pools
    }


def likeness(
    job: Job,
    planned: Planned,
    claim: Claim,
    silent: dict[str, float],
    near: tuple[str, ...] = (),
) -> Likeness | None:
    """What its copy is given; None: clones are being made, look again.

    With the proof it frees the ports that the copy takes.

    :param silent: volume -> when a request for its clone was not answered.
    :param near: servers from which it stays away.
    """
    guest, choice = planned.guest, planned.choice
    if not guest.volumes and not choice.keep_ports:
        return Likeness(away_from=near) if near else PLAIN
    cloud: Cloud = job.cloud
    mine = disks(job, planned)
    clones = _clones(
        job, planned, to_clone(mine, choice.volumes), claim, silent
    )
    if clones is None:
        return None
    made = new_disks(guest, mine, clones)
    later = tuple(disk.volume for disk in moving(mine))
    if not choice.keep_ports:
        return Likeness(disks=made, later=later, away_from=near)
    job.run.patiently(
        lambda: cloud.free_ports(guest, guest.ports, claim), PATIENT_S
    )
    return Likeness(disks=made, later=later, away_from=near, ports=guest.ports)


def as_they_are(planned: Planned) -> tuple[Port, ...]:
    """The ports that a copy has taken over, with the MAC they have by now."""
    return tuple(replace(port, mac="") for port in planned.guest.ports)


def give_back(
    job: Job, planned: Planned, like: Likeness, claim: Claim
) -> None:
    """No copy was made: the old server has its ports again."""
    if not like.ports:
        return
    try:
        job.run.patiently(
            lambda: job.cloud.bind_ports(planned.guest, like.ports, claim),
            PATIENT_S,
        )
    except HaError as error:
        text = f"its ports were not given back: {error.message}"
        job.run.journal.note("step", planned.guest.name, text)


def _clones(
    job: Job,
    planned: Planned,
    wanted: list[Disk],
    claim: Claim,
    silent: dict[str, float],
) -> dict[str, str] | None:
    """Old volume -> its clone; None while not all can be taken."""
    if not wanted:
        return {}
    ids = [disk.volume for disk in wanted]
    found = job.run.patiently(
        lambda: job.cloud.clones(ids, job.incident.id), PATIENT_S
    )
    for disk in wanted:
        clone = found.get(disk.volume)
        if clone is None:
            _ask(job, planned, disk, claim, silent)
        elif clone.status.startswith("error"):
            raise Failed(
                "clone_error",
                f"The clone {clone.id} of volume {disk.volume} is in "
                f"{clone.status}; delete it, then resume.",
            )
    ready = {old: c.id for old, c in found.items() if c.status == "available"}
    return ready if set(ids) <= set(ready) else None


def _ask(
    job: Job,
    planned: Planned,
    disk: Disk,
    claim: Claim,
    silent: dict[str, float],
) -> None:
    """One POST, not repeated while it may still be at work."""
    now = job.run.clock.now()
    if now - silent.get(disk.volume, now - NO_ANSWER_S) < NO_ANSWER_S:
        return
    try:
        job.cloud.clone_volume(planned.guest, disk, job.incident.id, claim)
    except NoAnswer:
        silent[disk.volume] = now
