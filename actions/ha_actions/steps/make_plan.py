"""ha.make_plan: who is brought back, in which order, by which step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ha_actions import snapshots
from ha_actions.action import HaAction, requirements
from ha_actions.errors import Refused, Transient
from ha_actions.membership import members_of
from ha_actions.model import (
    Batch,
    Evidence,
    Guest,
    Incident,
    LeftAlone,
    Member,
    Migration,
    Plan,
    Planned,
    Refusal,
    Result,
)
from ha_actions.order import circles
from ha_actions.plan import make_plan
from ha_actions.policy import choose
from ha_actions.prospects import MOVING
from ha_actions.run import Batches, Run
from ha_actions.settings import Policy
from ha_actions.steps.drain_members import Drained
from ha_actions.steps.tell_owners import keep_owners

DEADLINE_S = 270
MEMBERS_UNKNOWN = "members_unknown"
EVACUATE = "ha.evacuate_servers"


@dataclass(frozen=True)
class FirstPlan:
    """The first plan of the attempt that an execution is."""

    execution: str
    number: int


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
        done = _done(run, incident)
        again = {g.id for g in found if (g.id, EVACUATE) in done}
        plan = make_plan(
            incident.id,
            incident.host,
            _guests(run, incident, policy, found, again),
            policy,
            requirements(),
            proven=incident.dry_run or proof is not None,
            evidence=proof.evidence if proof else Evidence.POWER,
            done={(id, step) for id, step in done if id not in again},
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


def _guests(
    run: Run,
    incident: Incident,
    policy: Policy,
    found: Sequence[Guest],
    again: Collection[str],
) -> list[Planned]:
    """Every guest of the host, as it was before this incident touched it.

    :param again: evacuated once, and brought back to the host since: what
        they are now is what counts.
    """
    cloud = run.cloud(incident)
    aggregates = run.patiently(cloud.aggregates) if found else []
    earlier = {
        id: p
        for id, p in earlier_guests(run, incident).items()
        if id not in again
    }
    members = _members(run, incident) if found or earlier else []
    balancers = _balancers(run, incident) if found else {}
    moves = _moves(run, incident, found)
    for id, p in earlier.items():
        if not p.members:  # Octavia may not have answered then
            mine = tuple(members_of(p.guest, members))
            earlier[id] = replace(p, members=mine)
    planned = []
    for g in found:
        if g.id not in earlier:
            new = _planned(g, policy, aggregates, members)
            new = replace(
                new, balancer=balancers.get(g.id, ""), move=moves.get(g.id)
            )
            for warning in new.choice.warnings:
                run.journal.note("policy", g.name, warning)
            planned.append(new)
        else:
            planned.append(earlier[g.id])
    for names in circles(planned):
        run.journal.note(
            "policy",
            ", ".join(names),
            "wait for each other by ha:after; nobody can be first",
        )
    here = {g.id for g in found}
    # moved already, but a later step of its method may be left
    return planned + [p for id, p in earlier.items() if id not in here]


def _members(run: Run, incident: Incident) -> list[Member]:
    """Every member with the weight that it had before it was drained.

    No answer from Octavia keeps nobody down: the incident goes on and is
    held at its end, since pools could not be looked after.
    """
    drained = run.record.part(incident.id, "drained", Drained)
    weights = {m.id: m for m in drained.members} if drained else {}
    cloud = run.cloud(incident)
    try:
        members = run.patiently(cloud.members, for_s=20)
    except Transient as error:
        _pools_unknown(run, incident, error)
        return list(weights.values())
    return [weights.get(m.id, m) for m in members]


def _moves(
    run: Run, incident: Incident, found: Sequence[Guest]
) -> dict[str, Migration]:
    """Guest id -> its newest open move, if any of them was being moved."""
    if not any(g.task_state in MOVING for g in found):
        return {}
    cloud = run.cloud(incident)
    moves = run.patiently(lambda: cloud.moves(incident.host))
    return {m.guest: m for m in moves}


def _balancers(run: Run, incident: Incident) -> dict[str, str]:
    """Server id -> the load balancer whose amphora it is.

    Without an answer its policy's rule leaves it alone, as ever, and the
    incident is held for Octavia's silence.
    """
    held = run.record.part(incident.id, "refusal", Refusal)
    if held is not None and held.code == MEMBERS_UNKNOWN:
        return {}  # it was asked just now, and is asked again when it answers
    cloud = run.cloud(incident)
    try:
        found = run.patiently(cloud.amphorae, for_s=20)
    except Transient as error:
        _pools_unknown(run, incident, error)
        return {}
    except Refused as error:  # a user who may not see amphorae
        run.journal.note("policy", incident.host, error.message)
        return {}
    return {a.compute: a.lb for a in found if a.compute and a.lb}


def _pools_unknown(run: Run, incident: Incident, error: Transient) -> None:
    run.refuse(
        incident,
        Refusal(
            code=MEMBERS_UNKNOWN,
            reason="Octavia does not answer, so pools are not looked "
            "after; resume the incident when it does "
            f"({error.message})",
        ),
    )


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
    if not incident.dry_run:
        batches = [b for w in plan.waves for b in w.batches]
        everybody = {p.guest.id: p for b in batches for p in b.guests}
        snapshots.keep(run, incident, everybody.values())
    first = run.record.part(incident.id, "first_plan", FirstPlan)
    if first is None or first.execution != run.execution:
        mine = FirstPlan(run.execution, number)
        run.record.keep(incident.id, "first_plan", mine)
    for wave in plan.waves:
        for batch in wave.batches:
            run.record.keep(
                incident.id, f"batch.{batch.id}", Batches(_light(batch))
            )
    short = Plan(
        incident=plan.incident,
        host=plan.host,
        left_alone=plan.left_alone,
    )
    run.record.keep(incident.id, f"plan.{number}", short)
    batches = [b for w in plan.waves for b in w.batches]
    guests = {p.guest.id for b in batches for p in b.guests}
    text = (
        f"{_some(len(plan.waves), 'wave')}, "
        f"{_some(len(batches), 'batch', 'es')}, "
        f"{_some(len(guests), 'guest')}"
        if guests
        else "nobody to bring back"
    )
    run.journal.note("plan", incident.host, text + _left(plan.left_alone))


def _light(batch: Batch) -> Batch:
    """Without what tenants have written: no step needs it, and it is large."""
    return replace(
        batch,
        guests=tuple(
            replace(p, guest=replace(p.guest, metadata={}))
            for p in batch.guests
        ),
    )


def _some(n: int, what: str, plural: str = "s") -> str:
    return f"{n} {what}{'' if n == 1 else plural}"


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
