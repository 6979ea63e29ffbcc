"""ha.update_members: guests that are back serve in their pools again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ha_actions.batch_step import BatchStep, Job
from ha_actions.model import (
    Guest,
    Member,
    Planned,
    Protection,
    Requires,
    Result,
)

REQUIRES = Requires.VERDICT
DEADLINE_S = 2300

WORKS = frozenset({"ONLINE", "NO_MONITOR"})


@dataclass
class UpdateMembers(BatchStep):
    """Give pets their weights back; put the copies of cattle into the pools.

    Same port, weight, monitor address and backup flag. An old member stays,
    drained, until ha.retire_servers may remove it.
    """

    def step_name(self) -> str:
        """Its Mistral name."""
        return "ha.update_members"

    def work(self, job: Job) -> None:
        """Change what must be changed, then wait until members work."""
        cattle = [p for p in job.todo if _is_cattle(p)]
        copies = (
            job.run.patiently(lambda: job.cloud.copies(job.incident.id))
            if cattle
            else {}
        )
        pets = [p.guest.id for p in job.todo if not _is_cattle(p)]
        here = (
            job.run.patiently(lambda: job.cloud.guests(pets)) if pets else {}
        )
        self._restore(job, here)
        for planned in cattle:
            copy = copies.get(planned.guest.id)
            if copy is None or not copy.ports:
                job.settle(
                    planned,
                    Result.FAILED,
                    "it has no running copy",
                    code="no_copy",
                )
                continue
            job.trying(planned, partial(_join, job, planned, copy))
        self._await_working(job, copies)

    def _restore(self, job: Job, here: dict[str, Guest]) -> None:
        """One change per load balancer: it locks as a whole."""
        weights: dict[str, dict[str, int]] = {}
        for planned in [p for p in job.todo if not _is_cattle(p)]:
            now = here.get(planned.guest.id)
            if now is None or now.host == job.incident.host:
                job.settle(
                    planned,
                    Result.REFUSED,
                    "it is not back, so it stays drained",
                    code="not_back",
                )
                continue
            for m in planned.members:
                weights.setdefault(m.lb, {})[m.id] = m.weight
        for lb, wanted in weights.items():
            in_lb = [p for p in job.todo if any(m.lb == lb for m in p.members)]
            if in_lb:
                self._weigh(job, lb, wanted, in_lb)

    def _weigh(
        self, job: Job, lb: str, wanted: dict[str, int], guests: list[Planned]
    ) -> None:
        """One load balancer's change; its failure is that of all in it."""
        claim = job.permit()

        def call() -> None:
            job.run.patiently(lambda: job.cloud.set_weights(lb, wanted, claim))

        first = guests[0]
        job.trying(first, call)
        failed = job.outcomes.get(first.guest.id)
        if failed is None:
            return
        for planned in guests[1:]:
            job.settle(planned, failed.result, failed.reason, code=failed.code)

    def _await_working(self, job: Job, copies: dict[str, Guest]) -> None:
        """Wait until each one's members are ONLINE, within the ready time."""
        until = min(
            job.until, job.run.clock.now() + job.policy.recovery.ready_s
        )
        while job.todo:
            members = job.run.patiently(job.cloud.members)
            late = job.run.clock.now() >= until
            for planned in job.todo:
                self._judge(job, planned, copies, members, late)
            if job.todo:
                job.run.clock.sleep(job.policy.recovery.poll_s)

    def _judge(
        self,
        job: Job,
        planned: Planned,
        copies: dict[str, Guest],
        members: list[Member],
        late: bool,
    ) -> None:
        mine = _members_of(planned, copies, members)
        pools = ", ".join(sorted({m.pool_name for m in planned.members}))
        working = [m for m in mine if m.status in WORKS and m.weight > 0]
        wanted = [m for m in planned.members if m.weight > 0]
        stopped = planned.guest.vm_state in ("stopped", "suspended", "paused")
        if mine and (len(working) >= len(wanted) or stopped):
            job.settle(planned, Result.DONE, f"serves in {pools}")
        elif late:
            what = ", ".join(sorted({m.status for m in mine})) or "missing"
            job.settle(
                planned,
                Result.FAILED,
                f"its member in {pools} is {what}",
                code="member_not_online",
            )


def _is_cattle(planned: Planned) -> bool:
    return planned.choice.protection is Protection.CATTLE


def _join(job: Job, planned: Planned, copy: Guest) -> None:
    address = copy.ports[0].address
    for member in planned.members:
        claim = job.permit()
        job.run.patiently(
            partial(job.cloud.add_member, member, address, claim)
        )


def _members_of(
    planned: Planned, copies: dict[str, Guest], members: list[Member]
) -> list[Member]:
    """Its members now: its own, or those of its copy."""
    if not _is_cattle(planned):
        ids = {m.id for m in planned.members}
        return [m for m in members if m.id in ids]
    copy = copies.get(planned.guest.id)
    pools = {m.pool for m in planned.members}
    places = {(p.subnet, p.address) for p in copy.ports} if copy else set()
    return [
        m
        for m in members
        if m.pool in pools and (m.subnet, m.address) in places
    ]
