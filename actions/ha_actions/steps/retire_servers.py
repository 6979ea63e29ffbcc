"""ha.retire_servers: replaced cattle leave their pools and are deleted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ha_actions.batch_step import BatchStep, Job
from ha_actions.errors import Transient
from ha_actions.membership import not_serving
from ha_actions.model import (
    Claim,
    Member,
    Planned,
    Refusal,
    Requires,
    Result,
)
from ha_actions.steps.make_plan import MEMBERS_UNKNOWN
from ha_actions.steps.recreate_servers import DELETED

REQUIRES = Requires.PROOF
DEADLINE_S = 2300
PATIENT_S = 10.0
"""For one call: well within the half lease that a turn starts with."""


@dataclass
class RetireServers(BatchStep):
    """Remove the old member and the old server, once the copy runs."""

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
        members = _members(job)
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
            elif planned.guest.id not in old and not planned.members:
                job.settle(planned, Result.ALREADY, "it is gone")
            elif planned.members and (
                wrong := not_serving(planned, copy, members)
            ):
                job.settle(
                    planned,
                    Result.REFUSED,
                    f"its copy does not serve yet ({wrong}), so it is kept",
                    code="copy_not_serving",
                )
            else:
                ready.append(planned)
        if ready:
            job.together([partial(_one, job, p) for p in ready])


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


def _one(job: Job, planned: Planned, claim: Claim) -> None:
    job.trying(planned, lambda: _retire(job, planned, claim))


def _retire(job: Job, planned: Planned, claim: Claim) -> None:
    patiently = partial(job.run.patiently, for_s=PATIENT_S)
    for member in planned.members:
        patiently(partial(job.cloud.remove_member, member, claim))
    patiently(lambda: job.cloud.delete(planned.guest.id, claim))
    job.settle(planned, Result.DONE, "replaced; the old server is deleted")
