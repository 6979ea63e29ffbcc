"""ha.await_ready: do they serve again? Others may wait for the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ha_actions.asking.probe import probe
from ha_actions.deciders.evacuation import copy_state
from ha_actions.deciders.membership import missing_from, not_serving
from ha_actions.deciders.recovery_check import wanted_state
from ha_actions.errors import Transient
from ha_actions.model import Guest, Member, Planned, Requires, Result
from ha_actions.step_parts.batch_step import BatchStep, Job
from ha_actions.steps.recreate_servers import DELETED
from ha_actions.steps.update_members import is_cattle

REQUIRES = Requires.VERDICT
DEADLINE_S = 2300


@dataclass
class AwaitReady(BatchStep):
    """Wait until each guest serves, or the ready time is over.

    Its members are ONLINE in its pools, and it answers its probe. A guest
    without either, or on a network that the policy does not let us probe, is
    taken for ready and blocks nobody.
    """

    def step_name(self) -> str:
        """Its Mistral name."""
        return "ha.await_ready"

    def work(self, job: Job) -> None:
        """Ask everybody, until all have answered or it is too late."""
        until = job.run.clock.now() + job.policy.recovery.ready_s
        ids = [p.guest.id for p in job.todo]
        copies = job.copies()
        here = job.run.patiently(lambda: job.cloud.guests(ids))
        for planned in job.todo:
            _settle_if_not_back(job, planned, here, copies)
        while job.todo:
            rest = max(0.0, until - job.run.clock.now())
            members = _members(job, rest)
            late = job.run.clock.now() >= until
            for planned in job.todo:
                _ask(job, planned, here, copies, members, late)
            if job.todo:
                job.keep()  # it may take longer than a claim lasts
                job.run.clock.sleep(job.policy.recovery.poll_s)


def _settle_if_not_back(
    job: Job,
    planned: Planned,
    here: Mapping[str, Guest],
    copies: Mapping[str, Guest],
) -> None:
    """What an earlier step could not bring back is not waited for."""
    id = planned.guest.id
    if id not in here and id not in copies:
        job.settle(planned, Result.ALREADY, DELETED, code="deleted")
    elif is_cattle(planned) and id not in copies:
        job.settle(
            planned, Result.FAILED, "it has no running copy", code="no_copy"
        )
    elif not is_cattle(planned) and here[id].host == job.incident.host:
        job.settle(planned, Result.FAILED, "it is not back", code="not_back")


def _off(planned: Planned) -> bool:
    """Whether it ends as it was, and that is not running."""
    ends = copy_state if is_cattle(planned) else wanted_state
    return ends(planned.guest) != "active"


def _members(job: Job, for_s: float) -> list[Member]:
    """Every member now; where nobody answers in time, who has one fails."""
    in_pools = [p for p in job.todo if p.members]
    if not in_pools:
        return []
    try:
        return job.run.patiently(job.cloud.members, for_s)
    except Transient as error:
        for planned in in_pools:
            job.settle(planned, Result.FAILED, error.message, code=error.code)
        return []


def _ask(
    job: Job,
    planned: Planned,
    here: Mapping[str, Guest],
    copies: Mapping[str, Guest],
    members: list[Member],
    late: bool,
) -> None:
    copy = copies.get(planned.guest.id)
    wrong = not_serving(planned, copy, members) if planned.members else ""
    if wrong:
        # what was not entered by now is not entered while we wait
        if late or missing_from(planned, copy, members):
            job.settle(planned, Result.FAILED, wrong, code="member_not_online")
        return
    if planned.choice.probe and _off(planned):
        text = "it is off, as before, and was not probed"
        job.settle(planned, Result.ALREADY, text, code="unprobed")
        return
    answer = probe(
        copy or here.get(planned.guest.id, planned.guest),
        planned.choice.probe,
        job.policy.probe_networks,
        job.run.outside.network,
    )
    serves = "serves in its pools" if planned.members else ""
    if answer.ready:
        both = f"{serves}; {answer.reason}" if serves else answer.reason
        job.settle(planned, Result.DONE, both)
    elif answer.unprobed and serves and not planned.choice.probe:
        job.settle(planned, Result.DONE, serves)
    elif answer.unprobed:
        job.settle(planned, Result.ALREADY, answer.reason, code="unprobed")
    elif late:
        job.settle(planned, Result.FAILED, answer.reason, code="not_ready")
