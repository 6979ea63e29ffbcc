"""What plans leave in the ledger for the steps, and for the next plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ha_actions.model import (
    Batch,
    Claim,
    Incident,
    Plan,
    Result,
)
from ha_actions.records.batches import Batches
from ha_actions.records.claims import LEASE_S
from ha_actions.step_parts import snapshots
from ha_actions.step_parts.run import Run

PLANNING = "planning"
"""Claimed by who adds to an incident's plan; short, but for snapshots."""


@dataclass(frozen=True)
class FirstPlan:
    """The first plan of the attempt that an execution is."""

    execution: str
    number: int


@dataclass(frozen=True)
class Ahead:
    """A plan of ha.plan_ahead, and whose it is."""

    execution: str


def as_waves(plan: Plan) -> list[dict[str, Any]]:
    """What the workflow loops over."""
    return [
        {
            "name": wave.name,
            "batches": [
                {"incident": plan.incident, "id": b.id, "action": b.action}
                for b in wave.batches
            ],
        }
        for wave in plan.waves
    ]


def begun(run: Run, incident: Incident) -> list[Batch]:
    """Batches of ha.plan_ahead without an end: somebody may be at them."""
    ended = {
        part.removeprefix("outcome.")
        for part in run.record.parts(incident.id, "outcome.a")
    }
    ids = [
        part.removeprefix("batch.")
        for part in run.record.parts(incident.id, "batch.a")
    ]
    return [run.batch(incident.id, id) for id in ids if id not in ended]


def done_steps(run: Run, incident: Incident) -> set[tuple[str, str]]:
    """(guest id, step) that ended well in whatever plan."""
    return {
        (o.guest, o.step)
        for part in run.record.parts(incident.id, "outcome.")
        for o in run.outcomes(
            incident.id, part.removeprefix("outcome.")
        ).values()
        if o.result in (Result.DONE, Result.ALREADY)
    }


def keep_batches(
    run: Run, incident: Incident, plan: Plan, claim: Claim
) -> Claim:
    """As the steps will read them; what their guests were like goes first.

    Snapshots may take longer than the claim: two plans that do not know of
    each other would make the same copy twice.

    :raises Refused: ``superseded``: another plan was made meanwhile.
    """
    if not incident.dry_run:
        batches = [b for w in plan.waves for b in w.batches]
        everybody = {p.guest.id: p for b in batches for p in b.guests}
        snapshots.keep(run, incident, everybody.values())
    claim = run.record.renew(claim)
    for wave in plan.waves:
        for batch in wave.batches:
            if claim.until - run.clock.now() < LEASE_S / 2:
                claim = run.record.renew(claim)
            run.record.keep(
                incident.id, f"batch.{batch.id}", Batches(_light(batch))
            )
    return claim


def in_words(plan: Plan, name: str) -> str:
    """How much a plan has to do, beside what was begun under another's name.

    :param name: with which the ids of its own batches begin.
    """
    own = [
        [b for b in wave.batches if b.id.startswith(f"{name}w")]
        for wave in plan.waves
    ]
    waves = sum(1 for batches in own if batches)
    batches = [b for one in own for b in one]
    guests = {p.guest.id for b in batches for p in b.guests}
    return (
        f"{some(waves, 'wave')}, "
        f"{some(len(batches), 'batch', 'es')}, "
        f"{some(len(guests), 'guest')}"
        if guests
        else "nobody to bring back"
    )


def _light(batch: Batch) -> Batch:
    """Without what tenants have written: no step needs it, and it is large."""
    return replace(
        batch,
        guests=tuple(
            replace(p, guest=replace(p.guest, metadata={}))
            for p in batch.guests
        ),
    )


def some(n: int, what: str, plural: str = "s") -> str:
    return f"{n} {what}{'' if n == 1 else plural}"
