"""ha.make_plan: who is brought back, in which order, by which step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ha_actions.action import HaAction, requirements
from ha_actions.deciders.membership import members_of, urgency
from ha_actions.deciders.order import Group, circles, grouped, quorum_lost
from ha_actions.deciders.plan import Order, make_plan
from ha_actions.deciders.policy import choose
from ha_actions.deciders.policy_tags import TAG_REPLACES
from ha_actions.deciders.prospects import MOVING
from ha_actions.errors import Refused, Transient
from ha_actions.model import (
    Batch,
    Claim,
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
from ha_actions.records.batches import Batches
from ha_actions.records.incidents import LEASE_S
from ha_actions.settings import Policy
from ha_actions.step_parts import snapshots
from ha_actions.step_parts.batch_step import VERDICT_VOID
from ha_actions.step_parts.draining import Drained
from ha_actions.step_parts.run import Run
from ha_actions.step_parts.stack_look import with_stacks
from ha_actions.steps.tell_owners import keep_owners

DEADLINE_S = 270
PLANNING = "planning"
"""Claimed by who adds to an incident's plan; short, but for snapshots."""
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
        done = done_steps(run, incident)
        again = {g.id for g in found if (g.id, EVACUATE) in done}
        members = _members_known(run, incident)
        guests = all_guests(run, incident, policy, found, members, again)
        balancers = _balancers(run, incident) if found else {}
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
            behind_ports=_behind_ports(run, incident, policy),
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


def _behind_ports(run: Run, incident: Incident, policy: Policy) -> bool:
    """Whether the policy says that a network fence shuts storage off, too."""
    mine = set(run.host(incident).aggregates)
    return bool(mine & set(policy.fencing.storage_behind_ports))


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


@dataclass(frozen=True)
class Ahead:
    """A plan of ha.plan_ahead, and whose it is."""

    execution: str


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


def all_guests(
    run: Run,
    incident: Incident,
    policy: Policy,
    found: Sequence[Guest],
    members: Sequence[Member],
    again: Collection[str] = (),
) -> list[Planned]:
    """Every guest of the host, as it was before this incident touched it.

    :param found: what Nova has on the host now.
    :param members: every member, with the weight before it was drained.
    :param again: evacuated once, and brought back to the host since: what
        they are now is what counts.
    """
    cloud = run.cloud(incident)
    aggregates = run.aggregates(incident, cloud) if found else []
    earlier = {
        id: p
        for id, p in earlier_guests(run, incident).items()
        if id not in again
    }
    moves = _moves(run, incident, found)
    for id, p in earlier.items():
        if not p.members:  # Octavia may not have answered then
            mine = tuple(members_of(p.guest, members))
            earlier[id] = replace(p, members=mine)
    planned = []
    for g in found:
        if g.id not in earlier:
            new = _planned(g, policy, aggregates, members)
            planned.append(replace(new, move=moves.get(g.id)))
        else:
            planned.append(earlier[g.id])
    here = {g.id for g in found}
    # moved already, but a later step of its method may be left
    return planned + [p for id, p in earlier.items() if id not in here]


def with_quorum(
    run: Run, incident: Incident, policy: Policy, guests: Sequence[Planned]
) -> tuple[list[Planned], dict[Group, str]]:
    """The guests, warned, and the groups of theirs that lost their quorum.

    Only groups with two members here can have: nobody else is asked for.
    """
    maybe = {key for key, row in grouped(guests).items() if len(row) > 1}
    if not maybe:
        return list(guests), {}
    cloud = run.cloud(incident)
    sizes = dict.fromkeys(maybe, 0)
    aggregates = run.aggregates(incident, cloud)
    for project in sorted({project for project, _ in maybe}):
        for guest in run.patiently(partial(cloud.guests_of, project)):
            group = choose(guest, policy, aggregates).group
            copied = TAG_REPLACES in guest.metadata
            if (project, group) in sizes and not copied:
                sizes[(project, group)] += 1
    lost = quorum_lost(guests, sizes)
    warned = []
    for p in guests:
        said = lost.get((p.guest.project, p.choice.group))
        if said and said not in p.choice.warnings:
            choice = replace(p.choice, warnings=(*p.choice.warnings, said))
            p = replace(p, choice=choice)
        warned.append(p)
    return warned, lost


def tell_oddities(
    run: Run, guests: Sequence[Planned], found: Sequence[Guest]
) -> None:
    """Tags that cannot be followed, and guests that wait in a circle."""
    here = {g.id for g in found}
    for planned in guests:
        if planned.guest.id in here:
            for warning in planned.choice.warnings:
                run.journal.note("policy", planned.guest.name, warning)
    for names in circles(guests):
        run.journal.note(
            "policy",
            ", ".join(names),
            "wait for each other by ha:after; nobody can be first",
        )


def _members_known(run: Run, incident: Incident) -> list[Member]:
    """Every member, as far as anybody knows.

    No answer from Octavia keeps nobody down: the incident goes on and is
    held at its end, since pools could not be looked after.
    """
    try:
        return members_before(run, incident)
    except Transient as error:
        _pools_unknown(run, incident, error)
    drained = run.record.part(incident.id, "drained", Drained)
    return list(drained.members) if drained else []


def members_before(run: Run, incident: Incident) -> list[Member]:
    """Every member with the weight that it had before it was drained.

    :raises Transient: Octavia does not answer.
    """
    drained = run.record.part(incident.id, "drained", Drained)
    weights = {m.id: m for m in drained.members} if drained else {}
    members = run.patiently(run.cloud(incident).members, for_s=20)
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
    members: Sequence[Member],
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
        f"{_some(waves, 'wave')}, "
        f"{_some(len(batches), 'batch', 'es')}, "
        f"{_some(len(guests), 'guest')}"
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
