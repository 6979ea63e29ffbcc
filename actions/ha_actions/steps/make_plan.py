"""ha.make_plan: who is brought back, in which order, by which step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ha_actions.action import HaAction, requirements
from ha_actions.deciders.coverage import behind_ports
from ha_actions.deciders.membership import urgency
from ha_actions.deciders.plan import Order, make_plan
from ha_actions.model import (
    Claim,
    Evidence,
    Incident,
    LeftAlone,
    Plan,
)
from ha_actions.step_parts.batch_step import VERDICT_VOID
from ha_actions.step_parts.gathering import (
    all_guests,
    balancers_of,
    members_known,
    tell_oddities,
    with_quorum,
)
from ha_actions.step_parts.kept_plans import (
    PLANNING,
    Ahead,
    FirstPlan,
    as_waves,
    begun,
    done_steps,
    in_words,
    keep_batches,
)
from ha_actions.step_parts.run import Run
from ha_actions.step_parts.stack_look import with_stacks
from ha_actions.steps.tell_owners import keep_owners

DEADLINE_S = 270
EVACUATE = "ha.evacuate_servers"


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
        proof = run.record.proof(incident.id)
        cloud = run.cloud(incident)
        found = run.patiently(lambda: cloud.guests_on(incident.host))
        keep_owners(run, incident, found)
        done = done_steps(run, incident)
        again = {g.id for g in found if (g.id, EVACUATE) in done}
        members = members_known(run, incident)
        guests = all_guests(run, incident, policy, found, members, again)
        balancers = balancers_of(run, incident) if found else {}
        guests = [
            replace(p, balancer=balancers.get(p.guest.id, p.balancer))
            for p in guests
        ]
        here = {g.id for g in found}
        guests = with_stacks(run, incident, guests, here)
        tell_oddities(run, guests, found)
        guests, lost = with_quorum(run, incident, policy, guests)
        for (_, name), said in sorted(lost.items()):
            run.journal.note("policy", name, said)
        # ha.plan_ahead may be at it still: one sees what the other has kept
        claim = run.record.claim(incident.id, PLANNING, run.holder)
        done |= done_steps(run, incident)
        plan = make_plan(
            incident.id,
            incident.host,
            guests,
            policy,
            requirements(),
            proven=incident.dry_run or proof is not None,
            evidence=proof.evidence if proof else Evidence.POWER,
            behind_ports=behind_ports(run.host(incident), policy.fencing),
            done={(id, step) for id, step in done if id not in again},
            number=len(numbers) + 1,
            order=Order(
                begun=begun(run, incident),
                tried=_tried(run, incident),
                one_by_one=lost,
                urgent=urgency(guests, members),
            ),
        )
        claim = _keep(run, incident, plan, len(numbers) + 1, claim)
        run.record.release(claim)
        waves = as_waves(plan)
        if incident.dry_run:
            return {"next": "close", "waves": waves}
        return {"next": "recover" if waves else "verify", "waves": waves}


def _tried(run: Run, incident: Incident) -> set[tuple[str, str]]:
    """(guest id, step) that this attempt has ended beside the fence.

    Those that failed are for the next attempt, as all that fails; those for
    which the verdict did not hold are planned again as things are now.
    """
    parts = run.record.parts(incident.id, "ahead.")
    last = run.record.part(incident.id, parts[-1], Ahead) if parts else None
    if last is None or last.execution != run.execution:
        return set()
    return {
        (o.guest, o.step)
        for part in run.record.parts(incident.id, f"outcome.a{len(parts)}w")
        for o in run.outcomes(
            incident.id, part.removeprefix("outcome.")
        ).values()
        if o.code != VERDICT_VOID
    }


def _keep(
    run: Run, incident: Incident, plan: Plan, number: int, claim: Claim
) -> Claim:
    first = run.record.part(incident.id, "first_plan", FirstPlan)
    if first is None or first.execution != run.execution:
        mine = FirstPlan(run.execution, number)
        run.record.keep(incident.id, "first_plan", mine)
    # first: a plan that is there is whole
    claim = keep_batches(run, incident, plan, claim)
    short = Plan(
        incident=incident.id, host=incident.host, left_alone=plan.left_alone
    )
    run.record.keep(incident.id, f"plan.{number}", short)
    text = in_words(plan, f"p{number}")
    run.journal.note("plan", incident.host, text + _left(plan.left_alone))
    return claim


def _left(left: Sequence[LeftAlone]) -> str:
    """Who is left alone, by code: at most five names each."""
    names: dict[str, list[str]] = {}
    for one in left:
        names.setdefault(one.code, []).append(one.name)
    text = ""
    for code, who in names.items():
        more = f" and {len(who) - 5} more" if len(who) > 5 else ""
        text += f"; {', '.join(who[:5])}{more} left alone: {code}"
    return text
