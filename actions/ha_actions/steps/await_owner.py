"""ha.await_owner: did the owner's own workflow bring a custom server back?

Looks, and changes nothing: a half-run workflow of the owner and an evacuation
of ours must never meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from ha_actions.asking.probe import probe
from ha_actions.deciders.policy_tags import TAG_REPLACES
from ha_actions.errors import HaError
from ha_actions.model import Guest, Planned, Requires, Result
from ha_actions.step_parts.batch_step import BatchStep, Job

REQUIRES = Requires.VERDICT
DEADLINE_S = 2300
SLOWEST_POLL_S = 15.0
LIST_S = 60.0
"""How often owners' projects are listed whole."""
FOR_S = 10.0
"""Seconds in which such a list is tried again when Nova does not answer."""


@dataclass
class AwaitOwner(BatchStep):
    """Watch custom servers until their owners have acted, or it is too late.

    Acted: the server runs on another host, or a new server with its id in
    ``ha:replaces`` runs and answers its probe, or it is deleted. The time is
    counted from the proof, so a later attempt looks once and does not wait
    again.
    """

    def step_name(self) -> str:
        """Its Mistral name."""
        return "ha.await_owner"

    def work(self, job: Job) -> None:
        """Two bulk reads a round, for the whole batch; owners' own servers
        are looked for less often."""
        proof = job.run.record.proof(job.incident.id)
        began = proof.at if proof else job.run.clock.now()
        until = began + job.policy.recovery.custom_s
        ids = [p.guest.id for p in job.todo]
        pause = job.policy.recovery.poll_s
        listed = float("-inf")
        while job.todo:
            now = job.run.clock.now()
            late = now >= until
            copies = job.copies()
            if late or now - listed >= LIST_S:
                listed = now
                copies = {**_made_by_hand(job), **copies}
            here = job.run.patiently(lambda: job.cloud.guests(ids))
            for planned in job.todo:
                _look(job, planned, here, copies.get(planned.guest.id), late)
            if job.todo:
                rest = until - job.run.clock.now()
                job.run.clock.sleep(min(pause, max(rest, 0.1)))
                pause = min(pause * 1.5, SLOWEST_POLL_S)


def _made_by_hand(job: Job) -> dict[str, Guest]:
    """Old guest id -> the server that names it in its metadata: only what
    we make has a tag by which it is found with one call."""
    owners = {p.guest.id: p.guest.project for p in job.todo}
    found: dict[str, Guest] = {}
    for project in sorted(set(owners.values())):
        listing = partial(job.cloud.guests_of, project)
        try:
            mine = job.run.patiently(listing, FOR_S)
        except HaError as error:  # the next list finds it, or a person
            job.run.journal.note("step", project, error.message)
            continue
        for guest in sorted(mine, key=lambda g: (g.created_at, g.id)):
            old = guest.metadata.get(TAG_REPLACES, "")
            if owners.get(old) == project:
                found.setdefault(old, guest)
    return found


def _look(
    job: Job,
    planned: Planned,
    here: Mapping[str, Guest],
    copy: Guest | None,
    late: bool,
) -> None:
    old = here.get(planned.guest.id)
    if copy is not None:
        half = _half(job, planned, copy)
        if not half:
            job.settle(
                planned,
                Result.DONE,
                f"its owner's new server is on {copy.host}",
                host=copy.host,
                new_id=copy.id,
            )
        elif late:
            job.settle(
                planned,
                Result.FAILED,
                f"its owner's workflow is half done: {half}",
                code="owner_half_done",
                new_id=copy.id,
            )
        return
    if old is None:
        job.settle(
            planned,
            Result.DONE,
            "its owner deleted it, and named no server in its place",
            code="deleted",
        )
    elif old.host != job.incident.host and old.vm_state == "active":
        job.settle(planned, Result.DONE, f"now on {old.host}", host=old.host)
    elif late:
        job.settle(
            planned,
            Result.FAILED,
            "its owner's workflow did not answer within "
            f"{job.policy.recovery.custom_s} s: no new server has its id in "
            f"{TAG_REPLACES}",
            code="owner_silent",
        )


def _half(job: Job, planned: Planned, copy: Guest) -> str:
    """What is still missing of the owner's new server; empty: nothing."""
    if copy.vm_state != "active" or copy.host == job.incident.host:
        return f"new server {copy.id} is {copy.vm_state}"
    answer = probe(
        copy,
        planned.choice.probe,
        job.policy.probe_networks,
        job.run.outside.network,
    )
    return "" if answer.ready or answer.unprobed else answer.reason
