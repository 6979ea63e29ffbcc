"""ha.update_members: guests that are back serve in their pools again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ha_actions.batch_step import BatchStep, Job
from ha_actions.errors import Transient
from ha_actions.evacuation import copy_state
from ha_actions.model import (
    Guest,
    Member,
    Planned,
    Protection,
    Requires,
    Result,
)
from ha_actions.recovery_check import wanted_state
from ha_actions.steps.recreate_servers import DELETED

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
        copies = job.copies() if cattle else {}
        ids = [p.guest.id for p in job.todo]
        here = job.run.patiently(lambda: job.cloud.guests(ids))
        for planned in job.todo:
            if planned.guest.id not in {**here, **copies}:
                job.settle(planned, Result.ALREADY, DELETED, code="deleted")
        members = self._members(job, job.policy.recovery.ready_s)
        self._restore(job, here, members)
        for planned in [p for p in job.todo if _is_cattle(p)]:
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

    def _members(self, job: Job, for_s: float) -> list[Member]:
        """Every member now; where nobody answers in time all have failed."""
        try:
            return job.run.patiently(job.cloud.members, for_s)
        except Transient as error:
            job.settle_rest(Result.FAILED, error.code, error.message)
            return []

    def _restore(
        self, job: Job, here: dict[str, Guest], members: list[Member]
    ) -> None:
        """One change per load balancer: it locks as a whole.

        What has its weight already is not asked for: a load balancer that
        takes no change must not fail a guest that needs none.
        """
        weight_now = {m.id: m.weight for m in members}
        weights: dict[str, dict[str, int]] = {}
        for planned in [p for p in job.todo if not _is_cattle(p)]:
            now = here.get(planned.guest.id)
            if now is None or now.host == job.incident.host:
                job.settle(
                    planned,
                    Result.REFUSED,
                    "it is not back",
                    code="not_back",
                )
                continue
            for m in planned.members:
                if weight_now.get(m.id, m.weight) != m.weight:
                    weights.setdefault(m.lb, {})[m.id] = m.weight
        for lb, wanted in weights.items():
            in_lb = [
                p for p in job.todo if any(m.id in wanted for m in p.members)
            ]
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
            rest = max(0.0, until - job.run.clock.now())
            members = self._members(job, rest)
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
        ends = copy_state if _is_cattle(planned) else wanted_state
        stopped = ends(planned.guest) != "active"
        if mine and (len(working) >= len(wanted) or stopped):
            what = f"serves in {pools}"
            if not wanted:
                what = f"weight 0 in {pools}, as before"
            elif stopped:
                what = f"its weight is back in {pools}; it is off, as before"
            job.settle(planned, Result.DONE, what)
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
