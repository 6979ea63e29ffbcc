"""ha.retire_servers: replaced cattle leave their pools and are deleted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ha_actions.deciders.membership import not_serving, port_pairs
from ha_actions.deciders.plan import READY
from ha_actions.errors import Transient
from ha_actions.model import (
    Claim,
    Fix,
    FloatingIp,
    Guest,
    Member,
    Planned,
    Refusal,
    Requires,
    Result,
)
from ha_actions.step_parts import copy_look
from ha_actions.step_parts.batch_step import BatchStep, Job
from ha_actions.step_parts.gathering import MEMBERS_UNKNOWN
from ha_actions.step_parts.kept_plans import done_steps
from ha_actions.steps.recreate_servers import DELETED

REQUIRES = Requires.PROOF
DEADLINE_S = 2300
Move = tuple[Guest, str, Fix]
"""To which server, which floating address, and how."""


@dataclass
class RetireServers(BatchStep):
    """Remove the old member and the old server, once the copy serves.

    Floating IPs move to the copy: with the proof, as all that moves.
    """

    def step_name(self) -> str:
        """Its Mistral name."""
        return "ha.retire_servers"

    def work(self, job: Job) -> None:
        """Never without a running copy, and never without a proof."""
        copies = job.copies()
        ids = [p.guest.id for p in job.todo]
        old = job.run.patiently(lambda: job.cloud.guests(ids))
        held = job.run.record.part(job.incident.id, "refusal", Refusal)
        if held is not None and held.code == MEMBERS_UNKNOWN:
            job.settle_rest(
                Result.REFUSED,
                held.code,
                "its pools are not known, so it is kept",
            )
        if _bind_again(job, old, copies):
            copies = job.copies()
        members = _members(job)
        answered = _answered(job)
        ready: list[Planned] = []
        for planned in job.todo:
            copy = copies.get(planned.guest.id)
            if copy is None and planned.guest.id not in old:
                job.settle(planned, Result.ALREADY, DELETED, code="deleted")
            elif copy is None or copy.vm_state not in ("active", "stopped"):
                job.settle(
                    planned,
                    Result.REFUSED,
                    "no copy of it runs, so it is kept",
                    code="no_copy",
                )
            elif planned.guest.id not in old and not (
                planned.members or planned.choice.keep_ports
            ):
                job.settle(planned, Result.ALREADY, "it is gone")
            elif wrong := _not_yet(planned, copy, members, answered):
                job.settle(
                    planned,
                    Result.REFUSED,
                    f"its copy {wrong}, so it is kept",
                    code="copy_not_serving",
                )
            else:
                ready.append(planned)
        floating = floating_of(job, ready)
        ready = [p for p in ready if p.guest.id not in job.outcomes]
        if ready:
            job.together(
                [
                    partial(
                        _one,
                        job,
                        p,
                        copies.get(p.guest.id),
                        moves_of(p, copies, floating),
                    )
                    for p in ready
                ]
            )
            _await_service(job, ready)


def _bind_again(
    job: Job, old: Mapping[str, Guest], copies: Mapping[str, Guest]
) -> bool:
    """A run before us deleted the old server, and ended before it gave the
    ports back that Nova took from the copy with it."""
    cut_short = [
        p
        for p in job.todo
        if p.choice.keep_ports
        and p.guest.id not in old
        and p.guest.id in copies
    ]

    def one(planned: Planned, claim: Claim) -> None:
        copy, ports = copies[planned.guest.id], copy_look.as_they_are(planned)
        job.trying(planned, lambda: job.cloud.bind_ports(copy, ports, claim))

    if cut_short:
        job.together([partial(one, p) for p in cut_short])
        _await_service(job, cut_short)
    return bool(cut_short)


def _await_service(job: Job, guests: Sequence[Planned]) -> None:
    """Until monitors see those again whose ports were bound anew."""
    blinked = [p for p in guests if p.choice.keep_ports and p.members]
    until = job.run.clock.now() + job.policy.recovery.ready_s
    while blinked and job.run.clock.now() < until:
        members = job.run.patiently(job.cloud.members, copy_look.PATIENT_S)
        copies = job.copies()
        blinked = [
            p
            for p in blinked
            if not_serving(p, copies.get(p.guest.id), members)
        ]
        if blinked:
            job.keep()
            job.run.clock.sleep(job.policy.recovery.poll_s)


def _answered(job: Job) -> set[tuple[str, str]]:
    """(guest id, step) that ended well; read only where a probe asks."""
    if not any(p.choice.probe for p in job.todo):
        return set()
    return done_steps(job.run, job.incident)


def _not_yet(
    planned: Planned,
    copy: Guest,
    members: Sequence[Member],
    answered: Collection[tuple[str, str]],
) -> str:
    """Why the old server cannot go yet; empty: its copy serves.

    :param answered: (guest id, step) that ended well, whenever.
    """
    if planned.members:
        wrong = not_serving(planned, copy, members)
        if wrong:
            return f"does not serve yet ({wrong})"
    probe = planned.choice.probe
    if probe and (planned.guest.id, READY) not in answered:
        return f"does not answer {probe} yet"
    return ""


def _members(job: Job) -> list[Member]:
    """Every member now; nobody is retired whose copy cannot be looked at."""
    in_pools = [p for p in job.todo if p.members]
    if not in_pools:
        return []
    try:
        return job.run.patiently(job.cloud.members)
    except Transient as error:
        for planned in in_pools:
            job.settle(planned, Result.FAILED, error.message, code=error.code)
        return []


def floating_of(job: Job, ready: Sequence[Planned]) -> list[FloatingIp]:
    """Floating IPs that still serve the old servers: one call.

    Nobody is retired whose floating IPs cannot be looked at.
    """
    ports = [port.id for p in ready for port in p.guest.ports]
    if not ports:
        return []
    try:
        return job.run.patiently(lambda: job.cloud.floating_ips(ports))
    except Transient as error:
        for planned in ready:
            job.settle(planned, Result.FAILED, error.message, code=error.code)
        return []


def moves_of(
    planned: Planned,
    copies: Mapping[str, Guest],
    floating: Sequence[FloatingIp],
) -> list[Move]:
    """Its floating IPs, each to the copy's port in the old one's place."""
    copy = copies.get(planned.guest.id)
    if copy is None:
        return []
    new = {was.id: port for was, port in port_pairs(planned.guest, copy)}
    return [
        (
            copy,
            one.address,
            Fix(
                kind="floating ip",
                target=one.id,
                value=(new[one.port].id, new[one.port].address),
            ),
        )
        for one in floating
        if one.port in new and new[one.port].id != one.port
    ]


def _one(
    job: Job,
    planned: Planned,
    copy: Guest | None,
    moves: list[Move],
    claim: Claim,
) -> None:
    job.trying(planned, lambda: _retire(job, planned, copy, moves, claim))


def let_go(
    job: Job,
    planned: Planned,
    copy: Guest | None,
    moves: list[Move],
    claim: Claim,
) -> None:
    """Delete the old server, and see to it that its copy loses nothing.

    Its floating IPs move first: with the old server they would be freed.
    Ports that the copy has taken over are bound to it again: Nova unbinds
    what a server was made with, whoever has it by then.
    Source: nova, network/neutron.py, deallocate_for_instance.
    """
    patiently = partial(job.run.patiently, for_s=copy_look.PATIENT_S)
    for to, _, fix in moves:
        patiently(partial(job.cloud.mend, to, fix, claim))
    patiently(lambda: job.cloud.delete(planned.guest.id, claim))
    if planned.choice.keep_ports and copy is not None:
        ports = copy_look.as_they_are(planned)
        patiently(lambda: job.cloud.bind_ports(copy, ports, claim))


def _retire(
    job: Job,
    planned: Planned,
    copy: Guest | None,
    moves: list[Move],
    claim: Claim,
) -> None:
    patiently = partial(job.run.patiently, for_s=copy_look.PATIENT_S)
    kept = {(p.subnet, p.address) for p in copy.ports} if copy else set()
    for member in planned.members:
        if (member.subnet, member.address) not in kept:
            patiently(partial(job.cloud.remove_member, member, claim))
    let_go(job, planned, copy, moves, claim)
    left = [d.volume for d in copy_look.known(job, planned) if d.left]
    moved = ", ".join(address for _, address, _ in moves)
    job.settle(
        planned,
        Result.DONE,
        "replaced; the old server is deleted"
        + (f"; {moved} leads to the new one" if moved else "")
        + (f"; volume {left[0]} outlives it and is left" if left else ""),
    )
