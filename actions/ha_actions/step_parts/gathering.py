"""Who was on a host, as they were before the incident touched them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ha_actions.deciders.membership import members_of
from ha_actions.deciders.order import Group, circles, grouped, quorum_lost
from ha_actions.deciders.policy import choose
from ha_actions.deciders.policy_tags import TAG_REPLACES
from ha_actions.deciders.prospects import MOVING
from ha_actions.errors import Refused, Transient
from ha_actions.model import (
    Guest,
    Incident,
    Member,
    Migration,
    Planned,
    Refusal,
)
from ha_actions.settings import Policy
from ha_actions.step_parts.draining import Drained
from ha_actions.step_parts.run import Run

MEMBERS_UNKNOWN = "members_unknown"


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


def members_known(run: Run, incident: Incident) -> list[Member]:
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


def balancers_of(run: Run, incident: Incident) -> dict[str, str]:
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
