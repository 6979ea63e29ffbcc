"""ha.recreate_servers: cattle come back as new servers with new ids."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ha_actions.deciders.evacuation import copy_state
from ha_actions.deciders.policy_tags import TAG_INCIDENT, TAG_REPLACES
from ha_actions.errors import Failed, NoAnswer, Refused
from ha_actions.model import Claim, Guest, Planned, Requires, Result
from ha_actions.step_parts import copy_look
from ha_actions.step_parts.batch_step import NO_ANSWER_S, STOPS, BatchStep, Job

REQUIRES = Requires.VERDICT
DEADLINE_S = 2300

DELETED = "its owner deleted it"


@dataclass
class RecreateServers(BatchStep):
    """Create a server like each of the batch, and wait until it runs."""

    def step_name(self) -> str:
        """Its Mistral name."""
        return "ha.recreate_servers"

    def work(self, job: Job) -> None:
        """Look for copies, create the missing ones, look again."""
        job.stand_on_verdict()
        created: dict[str, str] = {}
        silent: dict[str, float] = {}
        before = set(job.copies())
        pause = job.policy.recovery.poll_s
        while job.todo and job.in_time:
            copies = job.copies()
            missing = []
            for planned in job.todo:
                copy = copies.get(planned.guest.id)
                if copy is not None:
                    look_at_copy(
                        job, planned, copy, planned.guest.id in before
                    )
                elif planned.guest.id not in created and _heard_out(
                    job, planned, silent
                ):
                    missing.append(planned)
            missing = _not_deleted(job, missing)
            if missing and _our_turn(job):
                _create_all(job, missing, created, silent)
            if job.todo:
                if created or silent:
                    job.hold()
                job.pause(pause)
                pause = min(pause * 1.5, job.policy.recovery.poll_s * 4)


def _create_all(
    job: Job,
    missing: list[Planned],
    created: dict[str, str],
    silent: dict[str, float],
) -> None:
    apart = copy_look.apart(job, missing)

    def one(planned: Planned, claim: Claim) -> None:
        near = apart.get(planned.guest.id, ())
        job.trying(
            planned,
            lambda: _create(job, planned, claim, created, silent, near),
        )

    job.together([partial(one, planned) for planned in missing])


def _heard_out(job: Job, planned: Planned, silent: dict[str, float]) -> bool:
    """Whether no POST of it can still be at work in Nova.

    Where two must never run at once, one without an answer is never sent
    again: only a person can tell.
    """
    since = silent.get(planned.guest.id)
    if since is None:
        return True
    if job.run.clock.now() - since < NO_ANSWER_S:
        return False
    if planned.choice.duplicates:
        return True
    job.settle(
        planned,
        Result.FAILED,
        "Nova never answered its POST and shows no new server",
        code="no_answer",
    )
    return False


def _not_deleted(job: Job, missing: list[Planned]) -> list[Planned]:
    """Those whose owner still has the old server; nobody else is copied."""
    if not missing:
        return []
    ids = [p.guest.id for p in missing]
    there = job.run.patiently(lambda: job.cloud.guests(ids))
    for planned in missing:
        if planned.guest.id not in there:
            job.settle(planned, Result.ALREADY, DELETED, code="deleted")
    return [p for p in missing if p.guest.id in there]


def _our_turn(job: Job) -> bool:
    """Whether no POST of a run before us can still be at work in Nova."""
    job.permit()
    return job.run.clock.now() >= job.quiet_until


def look_at_copy(
    job: Job, planned: Planned, copy: Guest, already: bool
) -> None:
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
            f"its new server is in ERROR: {copy.fault or 'no fault told'}; "
            "delete that one, then resume",
            code="quota" if _over_quota(copy.fault) else "copy_error",
            new_id=copy.id,
        )


def _over_quota(fault: str) -> bool:
    """Nova asks Cinder for volumes only while it builds the server.

    Source: cinder, exception.py: VolumeLimitExceeded and the like.
    """
    return "uota" in fault or "LimitExceeded" in fault


def _create(
    job: Job,
    planned: Planned,
    claim: Claim,
    created: dict[str, str],
    silent: dict[str, float],
    near: tuple[str, ...],
) -> None:
    guest = planned.guest
    like = copy_look.likeness(job, planned, claim, silent, near)
    if like is None:
        return
    # looked for first, so that a repeat makes no second copy
    marks = {TAG_REPLACES: guest.id, TAG_INCIDENT: job.incident.id}
    try:
        created[guest.id] = job.cloud.recreate(guest, marks, claim, like)
    except NoAnswer:
        silent[guest.id] = job.run.clock.now()
    except (Failed, Refused) as error:
        if error.code not in STOPS:
            copy_look.give_back(job, planned, like, claim)
        raise
