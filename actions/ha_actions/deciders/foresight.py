"""Before the disaster: who would come back, who would not, and the cure.

Pure. It asks the same functions as an incident (``prospects``, the plan's
order and circles, the limits), so what it says and what is done agree. Room
is told by Placement; guests are put as Nova's scheduler does by default, each
on the host with the most free memory, in the order of the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ha_actions.deciders.judge import within_limits
from ha_actions.deciders.order import circles
from ha_actions.deciders.outlook import (
    Foreseen,
    Outlook,
    Pace,
    Sight,
    Standing,
    need_of,
)
from ha_actions.deciders.packing import Packer, Seat
from ha_actions.deciders.plan import make_plan
from ha_actions.deciders.policy import choose, domain_of, mode_for
from ha_actions.deciders.prospects import FORESEEN, Prospect, prospects
from ha_actions.model import (
    Guest,
    Mode,
    Plan,
    Planned,
    Protection,
    Requires,
)
from ha_actions.model.capacity import Need
from ha_actions.settings import Policy

CURES: dict[str, str] = {
    "left_ignored": "openstack server set --property ha:protection=pet {id}",
    "refused_cannot_copy": "keep its data elsewhere, or make it a pet: "
    "openstack server set --property ha:protection=pet {id}",
    "refused_local_disk": "consent to the loss: openstack server set "
    "--property ha:local-disk=discard {id}; or boot it from a volume; or the "
    "operator lists its hosts' aggregate as shared",
    "refused_stack_unknown": "make Heat answer, or give the executor's user "
    "the role admin in its project",
    "refused_never_launched": "delete it and create it again",
    "refused_resized": "openstack server resize confirm {id} (or revert)",
    "refused_shelved": "wait until it is off its host, or unshelve it",
    "refused_unsupported": "keep a copy of its data elsewhere, and make it "
    "cattle if a new server will do: openstack server set --property "
    "ha:protection=cattle {id}",
    "refused_busy": "wait until its move has ended, and ask again",
    "refused_unknown_state": "bring it back to ACTIVE or SHUTOFF",
}
"""Prospect code -> what to do about it; ``{id}`` is the server's."""


def foresee(
    dying: Sequence[str],
    guests: Sequence[Guest],
    sight: Sight,
    policy: Policy,
    requires: Mapping[str, Requires],
) -> Outlook:
    """What would come of every guest if these hosts died together now.

    :param guests: all of those hosts' guests.
    :param requires: the steps that executors have, with their needs.
    """
    planned = [_planned(g, policy, sight) for g in guests]
    plan = make_plan(
        "foresight", ", ".join(dying), planned, policy, requires, proven=True
    )
    waves = _waves(plan)
    seats = _seats(planned, waves, dying, sight)
    rings = {name: ring for ring in circles(planned) for name in ring}
    rows = []
    for p in planned:
        told = foretell(p, sight)
        risks = _of_its_words(p, rings)
        if told.comes_back:
            risks += _of_the_site(p, told, sight, policy, requires)
            seat = seats.get(p.guest.id)
            if seat is not None and seat.why:
                risks.append((seat.why, seat.cure))
        rows.append(_row(p, told, risks, seats, waves))
    herd = any(p.choice.protection is Protection.CATTLE for p in planned)
    rows.sort(key=lambda r: (r.host, r.wave or NEVER, r.name, r.guest))
    return Outlook(
        hosts=tuple(dying),
        guests=tuple(rows),
        obstacles=tuple(_obstacles(dying, sight, policy)),
        notes=tuple(_notes(guests, sight, cattle=herd)),
        seconds=_seconds(plan, policy, sight.pace),
        basis=_basis(policy, sight.pace),
    )


# -- one guest ---------------------------------------------------------------
def _planned(guest: Guest, policy: Policy, sight: Sight) -> Planned:
    choice = choose(guest, policy, sight.aggregates)
    cattle = choice.protection is Protection.CATTLE
    silent = sight.stacks_silent.get(guest.project, "") if cattle else ""
    return Planned(
        guest=guest,
        choice=choice,
        stack=(sight.stacks or {}).get(guest.id),
        stack_unknown=silent,
    )


def foretell(planned: Planned, sight: Sight) -> Prospect:
    """Its prospect, with what was read of its stack and of its copy."""
    told = prospects(
        planned.guest,
        planned.choice,
        stack=planned.stack.stack_name if planned.stack else "",
        stack_unknown=planned.stack_unknown,
    )
    lacks = (sight.uncopied or {}).get(planned.guest.id, "")
    if not lacks or told.code != "recreated":
        return told
    return Prospect(
        code="refused_cannot_copy",
        sentence=f"refused: a new server would not be the same: {lacks}.",
        comes_back=False,
        wanted=False,
    )


def foretell_one(guest: Guest, policy: Policy, sight: Sight) -> Prospect:
    """The prospect of a guest of which no plan was made."""
    return foretell(_planned(guest, policy, sight), sight)


Risk: TypeAlias = tuple[str, str]
"""Why, and the cure."""


def _row(
    planned: Planned,
    told: Prospect,
    risks: Sequence[Risk],
    seats: Mapping[str, Seat],
    waves: Mapping[str, int],
) -> Foreseen:
    guest, choice = planned.guest, planned.choice
    by_default = choice.why["protection"].startswith("default_protection")
    cure = CURES.get(told.code, "").format(id=guest.id)
    if told.code == "left_ignored" and not by_default:
        cure = ""  # somebody chose it
    cures = [cure, *(c for _, c in risks)]
    seat = seats.get(guest.id, Seat())
    return Foreseen(
        guest=guest.id,
        name=guest.name,
        project=guest.project,
        host=guest.host,
        protection=choice.protection,
        standing=_standing(told, risks),
        code=told.code,
        sentence=told.sentence,
        reasons=tuple(why for why, _ in risks),
        cures=tuple(dict.fromkeys(c for c in cures if c)),
        target=seat.host,
        wave=waves.get(guest.id, 0),
        loses=told.loses,
        restart_on_crash=choice.restart_on_crash,
    )


def _standing(told: Prospect, risks: Sequence[Risk]) -> Standing:
    if told.comes_back:
        return Standing.AT_RISK if risks else Standing.PROTECTED
    if told.wanted:
        # a word that cannot be read may have meant something else
        return Standing.AT_RISK if risks else Standing.LEFT
    return Standing.CANNOT if told.code in FORESEEN else Standing.AT_RISK


def _of_its_words(
    planned: Planned, rings: Mapping[str, Sequence[str]]
) -> list[Risk]:
    """What its tags, or those of the policy, say that cannot be taken."""
    found = [
        (w.rstrip("."), "correct or remove it")
        for w in planned.choice.warnings
    ]
    if planned.guest.name in rings:
        ring = ", ".join(rings[planned.guest.name])
        found.append(
            (
                f"{ring} wait for each other by ha:after; nobody can be first",
                "take ha:after from one of them",
            )
        )
    return found


def _of_the_site(
    planned: Planned,
    told: Prospect,
    sight: Sight,
    policy: Policy,
    requires: Mapping[str, Requires],
) -> list[Risk]:
    """What is missing around it."""
    found: list[Risk] = []
    method = told.method.value if told.method else ""
    for step in policy.methods.get(method, ()):
        if step not in requires:
            found.append(
                (
                    f"the policy's method for {method} names {step!r}, "
                    "which no executor has",
                    "the operator corrects `methods` in the policy",
                )
            )
    fences = sight.fences
    if fences is not None and told.requires is Requires.PROOF:
        if not fences.get(planned.guest.host):
            found.append(
                (
                    f"host {planned.guest.host} has no fence, so it cannot "
                    "be proved dead",
                    "the operator names a fence for it",
                )
            )
    return found


# -- order and room ---------------------------------------------------------
NEVER = 10**6


def _waves(plan: Plan) -> dict[str, int]:
    """Guest id -> the first wave in which something is done for it."""
    found: dict[str, int] = {}
    for n, wave in enumerate(plan.waves, 1):
        for batch in wave.batches:
            for p in batch.guests:
                found.setdefault(p.guest.id, n)
    return found


def _seats(
    planned: Sequence[Planned],
    waves: Mapping[str, int],
    dying: Sequence[str],
    sight: Sight,
) -> dict[str, Seat]:
    """Where each would go, in the order of the plan."""
    if sight.rooms is None or sight.hosts is None:
        return {}
    packer = Packer(sight.hosts, sight.rooms, sight.places, dying)
    order = sorted(
        (p.guest for p in planned if p.guest.id in waves),
        key=lambda g: (waves[g.id], g.name, g.id),
    )
    return {
        g.id: packer.seat(g, need_of(g, sight.needs.get(g.id))) for g in order
    }


# -- the whole ----------------------------------------------------------------
def _obstacles(
    dying: Sequence[str], sight: Sight, policy: Policy
) -> Iterator[str]:
    """What would stop the recovery of all, or hold it for a person."""
    if sight.hosts is None:
        return
    mine = [h for h in sight.hosts if h.name in dying]
    modes = {mode_for(h, policy) for h in mine}
    if Mode.SHADOW in modes:
        yield "mode is shadow: it would be recorded, and nothing done"
    elif not sight.armed:
        yield "not armed: it would be recorded, and nothing done; ha-pack arm"
    if Mode.ASK in modes:
        yield "mode is ask: it would wait for a person's yes"
    yield from sight.stops
    domains = {
        h.name: domain_of(h, policy, sight.aggregates) for h in sight.hosts
    }
    down = [
        replace(h, up=False) if h.name in dying else h for h in sight.hosts
    ]
    for name in dying:
        no = within_limits(name, down, domains, policy.limits, ())
        if no is not None:
            yield f"held ({no.code}): {no.reason}"
            break
    if len(dying) > policy.limits.fences:
        yield (
            f"the policy allows {policy.limits.fences} fence(s) within "
            f"{policy.limits.window_s} s: of {len(dying)} hosts the others "
            "would be held (no_fence_slot)"
        )
    if sight.fences is not None:
        bare = sorted(n for n in dying if not sight.fences.get(n))
        if bare:
            yield f"no fence for {', '.join(bare)}: nothing would be moved"


def _notes(
    guests: Sequence[Guest], sight: Sight, *, cattle: bool
) -> Iterator[str]:
    """What was not looked at."""
    if sight.rooms is None:
        yield "room on other hosts was not looked at"
    else:
        yield (
            "room is by Placement: NUMA cells, and PCI devices that it does "
            "not count, are not seen"
        )
    if sight.stacks is None and cattle:
        yield "Heat was not asked: cattle may belong to a stack"
    for project, why in sight.stacks_silent.items():
        yield f"Heat does not tell of the stacks of project {project}: {why}"
    if sight.uncopied is None and cattle:
        yield "whether cattle can be copied (keys, ports) was not looked at"
    elif cattle:
        yield (
            "what was put into cattle when it was booted (files, a password) "
            "cannot be seen, and a new server has none of it"
        )
    if sight.unlooked:
        yield (
            f"whether {sight.unlooked} more of cattle can be copied was not "
            "looked at: ask for fewer hosts at a time"
        )
    if sight.hosts is not None and sight.fences is None:
        yield "fences were not looked at: ha-pack check fences"
    unseen = [
        g.name
        for g in guests
        if g.flavor_specs.get("pci_passthrough:alias")
        and not _counted(sight.needs.get(g.id))
    ]
    if unseen and sight.rooms is not None:
        yield (
            "Placement does not count the PCI devices of "
            f"{', '.join(unseen[:5])}; whether there is a free one is unknown"
        )


def _counted(need: Need | None) -> bool:
    return need is not None and any("PCI" in k for k, _ in need.resources)


def _seconds(plan: Plan, policy: Policy, pace: Pace) -> float:
    """From the alarm until the last guest is back."""
    total = _before(policy)
    seen: set[str] = set()
    for wave in plan.waves:
        new = {p.guest.id for b in wave.batches for p in b.guests} - seen
        seen |= new
        if new:
            total += pace.first_s + pace.each_s * (len(new) - 1)
    return total


def _before(policy: Policy) -> float:
    """Judging and proving: what the policy waits for."""
    look = max(policy.witnesses.watch_s, policy.witnesses.reach_over_s)
    quiet = policy.limits.quiet_s
    return quiet + look + policy.fencing.stable_s + 2 * policy.fencing.poll_s


def _basis(policy: Policy, pace: Pace) -> str:
    return (
        f"{_before(policy):.0f} s to judge and prove, by the policy; then "
        f"each wave: {pace.source}; without waiting for probes"
    )
