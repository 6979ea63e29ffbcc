"""ha.update_members: guests that are back get their places in their pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from ha_actions.deciders.membership import member_for
from ha_actions.errors import Transient
from ha_actions.model import (
    Claim,
    Guest,
    Member,
    Planned,
    Protection,
    Requires,
    Result,
)
from ha_actions.step_parts.batch_step import BatchStep, Job
from ha_actions.steps.recreate_servers import DELETED

REQUIRES = Requires.VERDICT
DEADLINE_S = 2300


@dataclass
class Change:
    """What one load balancer is asked for, and for whom: it locks whole."""

    weights: dict[str, int] = field(default_factory=dict)
    new: list[Member] = field(default_factory=list)
    guests: list[Planned] = field(default_factory=list)


@dataclass
class UpdateMembers(BatchStep):
    """Give pets their weights back; put the copies of cattle into the pools.

    Same port, weight, monitor address and backup flag. An old member stays,
    drained, until ha.retire_servers may remove it. Whether they serve is
    asked by ha.await_ready.
    """

    def step_name(self) -> str:
        """Its Mistral name."""
        return "ha.update_members"

    def work(self, job: Job) -> None:
        """One change for each load balancer, side by side."""
        cattle = [p for p in job.todo if is_cattle(p)]
        copies = job.copies() if cattle else {}
        ids = [p.guest.id for p in job.todo]
        here = job.run.patiently(lambda: job.cloud.guests(ids))
        for planned in job.todo:
            if planned.guest.id not in {**here, **copies}:
                job.settle(planned, Result.ALREADY, DELETED, code="deleted")
        try:
            members = job.run.patiently(
                job.cloud.members, job.policy.recovery.ready_s
            )
        except Transient as error:
            job.settle_rest(Result.FAILED, error.code, error.message)
            return
        changes: dict[str, Change] = {}
        for planned in job.todo:
            if is_cattle(planned):
                copy = copies.get(planned.guest.id)
                _join(job, planned, copy, members, changes)
            else:
                now = here.get(planned.guest.id)
                _restore(job, planned, now, members, changes)
        done: set[str] = set()
        calls = [
            partial(_apply, job, lb, change, done)
            for lb, change in sorted(changes.items())
        ]
        if calls:
            job.together(calls)
        for planned in job.todo:
            mine = {lb for lb, c in changes.items() if planned in c.guests}
            if mine <= done:
                job.settle(planned, Result.DONE, _said(planned))


def is_cattle(planned: Planned) -> bool:
    """Whether another server takes its place."""
    return planned.choice.protection is Protection.CATTLE


def _restore(
    job: Job,
    planned: Planned,
    now: Guest | None,
    members: list[Member],
    changes: dict[str, Change],
) -> None:
    """A pet's weights, as far as they differ.

    What has its weight already is not asked for: a load balancer that takes
    no change must not fail a guest that needs none.
    """
    if now is None or now.host == job.incident.host:
        job.settle(planned, Result.REFUSED, "it is not back", code="not_back")
        return
    weights = {m.id: m.weight for m in members}
    for m in planned.members:
        if weights.get(m.id, m.weight) != m.weight:
            change = changes.setdefault(m.lb, Change())
            change.weights[m.id] = m.weight
            _once(change, planned)


def _join(
    job: Job,
    planned: Planned,
    copy: Guest | None,
    members: list[Member],
    changes: dict[str, Change],
) -> None:
    """The copy's members, as far as they are missing."""
    if copy is None or not copy.ports:
        job.settle(
            planned, Result.FAILED, "it has no running copy", code="no_copy"
        )
        return
    there = {(m.pool, m.address, m.port): m for m in members}
    wanted = {m: member_for(m, planned.guest, copy) for m in planned.members}
    for old, new in wanted.items():
        if new is None:
            job.settle(
                planned,
                Result.FAILED,
                f"its copy has no port where it is a member of "
                f"{old.pool_name}",
                code="no_port",
            )
            return
    for new in wanted.values():
        if new is None:
            continue
        known = there.get((new.pool, new.address, new.port))
        change = changes.setdefault(new.lb, Change())
        if known is None:
            change.new.append(new)
        elif known.weight != new.weight:
            change.weights[known.id] = new.weight
        _once(change, planned)


def _once(change: Change, planned: Planned) -> None:
    if planned not in change.guests:
        change.guests.append(planned)


def _apply(
    job: Job, lb: str, change: Change, done: set[str], claim: Claim
) -> None:
    """One load balancer's change; its failure is that of all in it."""

    def call() -> None:
        if change.new:
            job.run.patiently(
                lambda: job.cloud.add_members(lb, change.new, claim)
            )
        if change.weights:
            job.run.patiently(
                lambda: job.cloud.set_weights(lb, change.weights, claim)
            )
        done.add(lb)

    first = change.guests[0]
    job.trying(first, call)
    failed = job.outcomes.get(first.guest.id)
    if failed is None or lb in done:
        return
    for planned in change.guests[1:]:
        if planned.guest.id not in job.outcomes:
            job.settle(planned, failed.result, failed.reason, code=failed.code)


def _said(planned: Planned) -> str:
    by_pool: Mapping[str, int] = {
        m.pool_name or m.pool: m.weight for m in planned.members
    }
    weights = ", ".join(f"{w} in {pool}" for pool, w in by_pool.items())
    return f"weight {weights}"
