"""ha.plan_ahead: cattle that need no proof are replaced beside the fence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction, requirements
from ha_actions.deciders.membership import urgency
from ha_actions.deciders.plan import Order, make_plan, need_no_proof
from ha_actions.deciders.policy import choose
from ha_actions.errors import Transient
from ha_actions.model import Guest, Incident, Member, Plan, Protection, Verdict
from ha_actions.settings import Policy
from ha_actions.step_parts.batch_step import AHEAD
from ha_actions.step_parts.gathering import (
    all_guests,
    members_before,
    with_quorum,
)
from ha_actions.step_parts.kept_plans import (
    PLANNING,
    Ahead,
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


@dataclass
class PlanAhead(HaAction):
    """The steps for which the verdict is enough, while the fence works.

    Only of guests that wait for nobody who needs the proof. ha.make_plan
    takes over what is not done by then, batch by batch.
    :returns: ``{next: recover | none, waves}``, as ha.make_plan's.
    """

    incident: str

    def perform(self, run: Run) -> dict[str, Any]:
        """Nothing where a proof holds: the whole plan is being made then."""
        incident = run.incident(self.incident)
        nothing: dict[str, Any] = {"next": "none", "waves": []}
        if incident.dry_run or run.record.proof(incident.id) is not None:
            return nothing
        stand = _stand(run, incident)
        policy = run.policy(incident)
        found = _if_any_cattle(run, incident, policy)
        if not found:
            return nothing
        # the incident may end without the plan that tells of everybody
        keep_owners(run, incident, found)
        try:
            members = members_before(run, incident)
        except Transient:  # then after the fence, whose plan says so
            return nothing
        plan = _plan(run, incident, policy, found, members, stand)
        if plan is None or not plan.waves:
            return nothing
        return {"next": "recover", "waves": as_waves(plan)}


@dataclass(frozen=True)
class Stand:
    """How far the incident had come."""

    judged_at: float
    plans: int
    """Made by ha.make_plan or by this step."""
    proven: bool
    goes_on: bool


def _stand(run: Run, incident: Incident) -> Stand:
    record, id = run.record, incident.id
    verdict = record.part(id, "verdict", Verdict)
    opened = record.opened(incident.host)
    return Stand(
        judged_at=verdict.at if verdict else 0.0,
        plans=len(record.parts(id, "plan.")) + len(record.parts(id, "ahead.")),
        proven=record.proof(id) is not None,
        goes_on=opened is not None and not opened.held,
    )


def _if_any_cattle(
    run: Run, incident: Incident, policy: Policy
) -> list[Guest]:
    """The host's guests; none if no cattle is among them: one call then."""
    cloud = run.cloud(incident)
    aggregates = run.aggregates(incident, cloud)
    brief = run.patiently(lambda: cloud.guests_on(incident.host, brief=True))
    if all(
        choose(g, policy, aggregates).protection is not Protection.CATTLE
        for g in brief
    ):
        return []
    return run.patiently(lambda: cloud.guests_on(incident.host))


def _plan(
    run: Run,
    incident: Incident,
    policy: Policy,
    found: Sequence[Guest],
    members: Sequence[Member],
    stand: Stand,
) -> Plan | None:
    """Kept in the ledger before it is begun.

    None when the incident has come further meanwhile: the fence may be done,
    and ha.make_plan have planned for everybody.
    """
    guests = all_guests(run, incident, policy, found, members)
    guests = with_stacks(run, incident, guests, {g.id for g in found})
    guests, lost = with_quorum(run, incident, policy, guests)
    claim = run.record.claim(incident.id, PLANNING, run.holder)
    if _stand(run, incident) != stand:
        run.record.release(claim)
        return None
    number = len(run.record.parts(incident.id, "ahead.")) + 1
    plan = make_plan(
        incident.id,
        incident.host,
        need_no_proof(guests, policy, requirements(), lost),
        policy,
        requirements(),
        proven=False,
        done=done_steps(run, incident),
        number=number,
        prefix=AHEAD,
        order=Order(
            begun=begun(run, incident),
            one_by_one=lost,
            urgent=urgency(guests, members),
        ),
    )
    if plan.waves:
        claim = keep_batches(run, incident, plan, claim)
        run.record.keep(incident.id, f"ahead.{number}", Ahead(run.execution))
        run.journal.note(
            "ahead",
            incident.host,
            f"beside the fence: {in_words(plan, f'a{number}')}",
        )
    run.record.release(claim)
    return plan
