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
from ha_actions.model import Guest, Incident, Member, Plan, Protection
from ha_actions.settings import Policy
from ha_actions.step_parts.batch_step import AHEAD
from ha_actions.step_parts.run import Run
from ha_actions.step_parts.stack_look import with_stacks
from ha_actions.steps.make_plan import (
    Ahead,
    all_guests,
    as_waves,
    begun,
    done_steps,
    in_words,
    keep_batches,
    members_before,
    with_quorum,
)

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
        policy = run.policy(incident)
        found = _if_any_cattle(run, incident, policy)
        if not found:
            return nothing
        try:
            members = members_before(run, incident)
        except Transient:  # then after the fence, whose plan says so
            return nothing
        plan = _plan(run, incident, policy, found, members)
        if not plan.waves:
            return nothing
        return {"next": "recover", "waves": as_waves(plan)}


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
) -> Plan:
    """Kept in the ledger before it is begun."""
    guests = all_guests(run, incident, policy, found, members)
    guests = with_stacks(run, incident, guests, {g.id for g in found})
    guests, lost = with_quorum(run, incident, policy, guests)
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
        keep_batches(run, incident, plan)
        run.record.keep(incident.id, f"ahead.{number}", Ahead(run.execution))
        run.journal.note(
            "ahead",
            incident.host,
            f"beside the fence: {in_words(plan, f'a{number}')}",
        )
    return plan
