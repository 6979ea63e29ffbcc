"""ha.make_plan: who is brought back, in which order, by which step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction, requirements
from ha_actions.model import (
    Guest,
    Incident,
    Member,
    Plan,
    Planned,
    Result,
)
from ha_actions.plan import make_plan
from ha_actions.policy import choose
from ha_actions.run import Batches, Run
from ha_actions.settings import Policy
from ha_actions.steps.drain_members import Drained, members_of

DEADLINE_S = 270


@dataclass
class MakePlan(HaAction):
    """The plan goes to the ledger; the workflow gets the ids of batches.

    :returns: ``{next: recover | verify | close, waves: [{name, batches:
        [{incident, id, action}]}]}``.
    """

    incident: str

    def perform(self, run: Run) -> dict[str, Any]:
        """Plan what is not done yet: a plan of an earlier try goes on."""
        incident = run.incident(self.incident)
        policy = run.policy(incident)
        numbers = run.record.parts(incident.id, "plan.")
        plan = make_plan(
            incident.id,
            incident.host,
            _guests(run, incident, policy),
            policy,
            requirements(),
            proven=incident.dry_run
            or run.record.proof(incident.id) is not None,
            done=_done(run, incident),
            number=len(numbers) + 1,
        )
        _keep(run, incident, plan, len(numbers) + 1)
        waves = [
            {
                "name": wave.name,
                "batches": [
                    {"incident": incident.id, "id": b.id, "action": b.action}
                    for b in wave.batches
                ],
            }
            for wave in plan.waves
        ]
        if incident.dry_run:
            return {"next": "close", "waves": waves}
        return {"next": "recover" if waves else "verify", "waves": waves}


def _guests(run: Run, incident: Incident, policy: Policy) -> list[Planned]:
    """Every guest of the host, as it was before this incident touched it."""
    cloud = run.cloud(incident)
    found = run.patiently(lambda: cloud.guests_on(incident.host))
    aggregates = run.patiently(cloud.aggregates) if found else []
    members = run.patiently(cloud.members) if found else []
    drained = run.record.part(incident.id, "drained", Drained)
    weights = {m.id: m for m in drained.members} if drained else {}
    members = [weights.get(m.id, m) for m in members]
    earlier = earlier_guests(run, incident)
    planned = [
        earlier.get(g.id) or _planned(g, policy, aggregates, members)
        for g in found
    ]
    here = {g.id for g in found}
    # moved already, but a later step of its method may be left
    return planned + [p for id, p in earlier.items() if id not in here]


def _planned(
    guest: Guest,
    policy: Policy,
    aggregates: Any,
    members: list[Member],
) -> Planned:
    return Planned(
        guest=guest,
        choice=choose(guest, policy, aggregates),
        members=tuple(members_of(guest, members)),
    )


def earlier_guests(run: Run, incident: Incident) -> dict[str, Planned]:
    """Guests of earlier plans: their prior state is what counts."""
    found: dict[str, Planned] = {}
    for part in run.record.parts(incident.id, "batch."):
        batch = run.batch(incident.id, part.removeprefix("batch."))
        for planned in batch.guests:
            found.setdefault(planned.guest.id, planned)
    return found


def _done(run: Run, incident: Incident) -> set[tuple[str, str]]:
    return {
        (o.guest, o.step)
        for part in run.record.parts(incident.id, "outcome.")
        for o in run.outcomes(
            incident.id, part.removeprefix("outcome.")
        ).values()
        if o.result in (Result.DONE, Result.ALREADY)
    }


def _keep(run: Run, incident: Incident, plan: Plan, number: int) -> None:
    """Batches first: a plan that is there is whole."""
    for wave in plan.waves:
        for batch in wave.batches:
            run.record.keep(incident.id, f"batch.{batch.id}", Batches(batch))
    short = Plan(
        incident=plan.incident,
        host=plan.host,
        left_alone=plan.left_alone,
    )
    run.record.keep(incident.id, f"plan.{number}", short)
    batches = [b for w in plan.waves for b in w.batches]
    guests = {p.guest.id for b in batches for p in b.guests}
    left = "; ".join(
        f"{one.name} left alone: {one.code}" for one in plan.left_alone
    )
    text = (
        f"{len(plan.waves)} waves, {len(batches)} batches, "
        f"{len(guests)} guests"
    )
    if left:
        text += f"; {left}"
    run.journal.note("plan", incident.host, text)
