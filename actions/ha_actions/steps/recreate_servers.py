"""ha.recreate_servers: cattle come back as new servers with new ids."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ha_actions.batch_step import BatchStep, Job
from ha_actions.errors import NoAnswer
from ha_actions.evacuation import copy_state
from ha_actions.model import Claim, Guest, Planned, Requires, Result

REQUIRES = Requires.VERDICT
DEADLINE_S = 2300

REPLACES = "ha:replaces"
INCIDENT = "ha:incident"
"""Metadata of a copy: what it replaces, and in which incident. Looked for
first, so that a repeat makes no second copy."""


@dataclass
class RecreateServers(BatchStep):
    """Create a server like each of the batch, and wait until it runs."""

    def step_name(self) -> str:
        """Its Mistral name."""
        return "ha.recreate_servers"

    def work(self, job: Job) -> None:
        """Look for copies, create the missing ones, look again."""
        created: dict[str, str] = {}
        silent: set[str] = set()
        before = set(_copies(job))
        pause = job.policy.recovery.poll_s
        while job.todo and job.in_time:
            copies = _copies(job)
            missing = []
            for planned in job.todo:
                copy = copies.get(planned.guest.id)
                if copy is not None:
                    _look(job, planned, copy, planned.guest.id in before)
                elif planned.guest.id not in created | dict.fromkeys(silent):
                    missing.append(planned)
            if missing:
                _create_all(job, missing, created, silent)
            if job.todo:
                job.run.clock.sleep(pause)
                pause = min(pause * 1.5, job.policy.recovery.poll_s * 4)


def _create_all(
    job: Job,
    missing: list[Planned],
    created: dict[str, str],
    silent: set[str],
) -> None:
    claim = job.permit()

    def one(planned: Planned) -> None:
        job.trying(
            planned, lambda: _create(job, planned, claim, created, silent)
        )

    job.together([partial(one, planned) for planned in missing])


def _copies(job: Job) -> dict[str, Guest]:
    return job.run.patiently(lambda: job.cloud.copies(job.incident.id))


def _look(job: Job, planned: Planned, copy: Guest, already: bool) -> None:
    """Settle it once its copy runs (or is stopped, as it was), or cannot."""
    wanted = copy_state(planned.guest)
    if copy.task_state:
        return
    if copy.vm_state == "active" and wanted == "stopped":
        claim = job.permit()
        job.trying(
            planned, lambda: job.cloud.set_power(copy.id, "stop", claim)
        )
    elif copy.vm_state == wanted:
        job.settle(
            planned,
            Result.ALREADY if already else Result.DONE,
            f"new server on {copy.host}",
            host=copy.host,
            new_id=copy.id,
        )
    elif copy.vm_state == "error":
        job.settle(
            planned,
            Result.FAILED,
            f"its new server is in ERROR: {copy.fault or 'no fault'}",
            code="copy_error",
            new_id=copy.id,
        )


def _create(
    job: Job,
    planned: Planned,
    claim: Claim,
    created: dict[str, str],
    silent: set[str],
) -> None:
    guest = planned.guest
    marks = {REPLACES: guest.id, INCIDENT: job.incident.id}
    try:
        created[guest.id] = job.cloud.recreate(guest, marks, claim)
    except NoAnswer:
        # it may be on its way: only seeing its mark tells, so never again
        silent.add(guest.id)
