"""Which guests belong to a stack, and whether rescued pets still do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ha_actions.deciders.stack_repair import pet_in_stack
from ha_actions.errors import HaError
from ha_actions.model import (
    Finding,
    Guest,
    Incident,
    Planned,
    Protection,
    StackPlace,
)
from ha_actions.step_parts.run import Run

FOR_S = 20.0
"""So long an absent Heat is asked again, before its guests are left."""

AT_ONCE = 8
"""Projects that are asked side by side."""

OWNED = (Protection.PET, Protection.CATTLE)


def with_stacks(
    run: Run,
    incident: Incident,
    guests: Sequence[Planned],
    here: Collection[str],
) -> list[Planned]:
    """The guests, each with its place in a stack.

    One question for each project, whatever the number of guests. Where Heat
    does not tell, its cattle is left: a copy beside a stack's own would be
    two. Pets come back whatever Heat says.

    :param here: ids of guests that are still on the host.
    """
    stacks = run.stacks(incident)
    asked = [p for p in guests if _may_have_one(p) and p.guest.id in here]
    projects = sorted({p.guest.project for p in asked})
    if stacks is None or not projects:
        return list(guests)
    places: dict[str, StackPlace] = {}
    silent: dict[str, str] = {}

    def ask(project: str) -> None:
        try:
            places.update(
                run.patiently(partial(stacks.places, project), FOR_S)
            )
        except HaError as error:
            silent[project] = error.message

    run.clock.together([partial(ask, p) for p in projects], AT_ONCE)
    ids = {p.guest.id for p in asked}
    told = []
    for p in guests:
        if p.guest.id in ids:
            unknown = silent.get(p.guest.project, "")
            if p.choice.protection is Protection.PET:
                unknown = ""
            place = places.get(p.guest.id)
            p = replace(p, stack=place, stack_unknown=unknown)
        told.append(p)
    return told


def _may_have_one(planned: Planned) -> bool:
    return (
        planned.choice.protection in OWNED
        and not planned.choice.service_vm
        and not planned.balancer
        and planned.stack is None
    )


def pet_findings(
    run: Run,
    incident: Incident,
    planned: Iterable[Planned],
    now: Mapping[str, Guest],
) -> list[Finding]:
    """Each rescued pet that a stack owns, held against its stack."""
    stacks = run.stacks(incident)
    found = []
    for p in planned:
        place, guest = p.stack, p.guest
        if place is None or p.choice.protection is not Protection.PET:
            continue
        after = now.get(guest.id)
        if stacks is None or after is None or after.host == incident.host:
            continue
        try:
            state = run.patiently(partial(stacks.state, place), FOR_S)
            good, detail = pet_in_stack(state, place, guest.id)
        except HaError as error:
            good, detail = False, f"not known: {error.message}"
        found.append(
            Finding(
                guest=guest.id,
                name=guest.name,
                check="stack",
                ok=good,
                detail=detail,
            )
        )
    return found
