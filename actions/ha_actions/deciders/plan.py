"""Who is brought back, in which order, by which step. Pure.

Waves run one after another: by priority, then by ``ha:after`` within a
project, then by the method's steps. In a wave all batches may run side by
side; the members of one server group always share a batch, where they are
evacuated one after another. What nobody waits for (whether it serves, and the
end of replaced cattle) comes last, when everybody is back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ha_actions.deciders.coverage import covers, why_not
from ha_actions.deciders.likeness import may_move
from ha_actions.deciders.order import (
    RANK,
    Group,
    Place,
    independent,
    place_all,
)
from ha_actions.deciders.prospects import FORESEEN, Prospect, prospects
from ha_actions.model import (
    Batch,
    Evidence,
    LeftAlone,
    Plan,
    Planned,
    Requires,
    Wave,
)
from ha_actions.settings import Policy

READY = "ha.await_ready"
MEMBERS = "ha.update_members"
RECREATE = "ha.recreate_servers"
MOVE = "ha.move_volumes"
RETIRE = "ha.retire_servers"
OWNER = "ha.await_owner"
STACKS = "ha.repair_stacks"
LAST = 9
"""The rank of what nobody waits for."""

_Key = tuple[int, int, int]
"""Rank, depth, step: smaller goes first."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What decides beside the tags who goes first."""

    one_by_one: Collection[Group] = ()
    """Groups that have lost their quorum."""
    urgent: Mapping[str, float] = field(default_factory=dict)
    """Guest id -> what still serves in its neediest pool, 0 to 1."""
    begun: Sequence[Batch] = ()
    """Batches of a plan that was made ahead of the fence, and that may still
    be at work: taken over as they are, since their claims are by their ids.
    """
    tried: Collection[tuple[str, str]] = ()
    """(guest id, step) that has ended in this attempt, well or not."""

    def key(self, planned: Planned) -> tuple[float, str, str]:
        """Guests of one wave are served in this order."""
        guest = planned.guest
        return (self.urgent.get(guest.id, 1.0), guest.name, guest.id)


@dataclass
class _Cell:
    """What one wave does: (step, requirement) -> its guests."""

    todo: dict[tuple[str, Requires], list[Planned]] = field(
        default_factory=dict
    )
    begun: list[Batch] = field(default_factory=list)

    def add(self, step: str, need: Requires, planned: Planned) -> None:
        """One batch, one requirement: the strictest of its guests."""
        self.todo.setdefault((step, need), []).append(planned)


@dataclass(frozen=True)
class _Chosen:
    """A guest that is acted on, and how."""

    planned: Planned
    prospect: Prospect
    steps: tuple[str, ...]
    """Of its method, as far as what is held allows."""

    @property
    def id(self) -> str:
        """The guest's."""
        return self.planned.guest.id


def make_plan(
    incident: str,
    host: str,
    guests: Iterable[Planned],
    policy: Policy,
    requires: Mapping[str, Requires],
    *,
    proven: bool,
    evidence: Evidence = Evidence.POWER,
    behind_ports: bool = False,
    done: Collection[tuple[str, str]] = (),
    number: int = 1,
    prefix: str = "p",
    order: Order | None = None,
) -> Plan:
    """Plan every guest of the host that is not done yet.

    :param requires: step name -> what it must hold, whatever the guest.
    :param proven: whether a proof holds; without one, only steps for which
        the verdict is enough are planned, and the others wait for it.
    :param evidence: class of the proof; guests that it does not cover (see
        :mod:`~ha_actions.deciders.coverage`) may still run, and wait.
    :param behind_ports: whether a network fence shuts the host's storage off.
    :param done: (guest id, step name) that ended well in an earlier plan.
    :param prefix: and ``number`` of this plan begin the ids of its batches.
    :param order: what decides beside the tags who goes first.
    """
    order = order or Order()
    left: list[LeftAlone] = []
    chosen: list[_Chosen] = []
    for planned in sorted(guests, key=order.key):
        prospect = _prospect(planned)
        steps = _steps(planned, prospect, policy)
        if not steps:
            left.append(_left(planned, prospect))
            continue
        covered = covers(evidence, planned, storage_behind_ports=behind_ports)
        able = _allowed(prospect, steps, requires, proven and covered)
        if not able:
            left.append(_waits(planned, evidence if proven else None))
            continue
        chosen.append(_Chosen(planned, prospect, tuple(able)))
    cells = _cells(chosen, requires, done, order)
    waves = _waves(cells, policy.recovery.batch, f"{prefix}{number}")
    return Plan(
        incident=incident,
        host=host,
        waves=tuple(waves),
        left_alone=tuple(left),
    )


def need_no_proof(
    guests: Sequence[Planned],
    policy: Policy,
    requires: Mapping[str, Requires],
    one_by_one: Collection[Group] = (),
) -> list[Planned]:
    """Guests that may be acted on as soon as the host is DOWN.

    Those whose first step needs no proof, and who wait for nobody that does.
    """
    able: set[str] = set()
    rescued: list[Planned] = []
    for planned in guests:
        prospect = _prospect(planned)
        steps = _steps(planned, prospect, policy)
        if steps:
            rescued.append(planned)
        if _allowed(prospect, steps, requires, False):
            able.add(planned.guest.id)
    free = independent(rescued, able, one_by_one)
    return [p for p in rescued if p.guest.id in free]


def _prospect(planned: Planned) -> Prospect:
    return prospects(
        planned.guest,
        planned.choice,
        planned.balancer,
        planned.move,
        planned.stack.stack_name if planned.stack else "",
        planned.stack_unknown,
    )


def _steps(planned: Planned, prospect: Prospect, policy: Policy) -> list[str]:
    if prospect.steps:
        return list(prospect.steps)
    if prospect.code == "left_custom" and policy.recovery.custom_s:
        return [OWNER]
    if prospect.method is None:
        return []
    steps = policy.methods.get(prospect.method.value, [])
    found = [s for s in steps if s != MEMBERS or planned.members]
    if RECREATE in found and may_move(planned.guest):
        found.insert(found.index(RECREATE) + 1, MOVE)
    return found


def _allowed(
    prospect: Prospect,
    steps: Sequence[str],
    requires: Mapping[str, Requires],
    proven: bool,
) -> list[str]:
    """The steps, up to the first that needs a proof we do not have."""
    able: list[str] = []
    for step in steps:
        need = _need(step, prospect.requires, requires)
        if need is Requires.PROOF and not proven:
            break
        able.append(step)
    return able


def _need(
    step: str, guest: Requires, requires: Mapping[str, Requires]
) -> Requires:
    strict = requires.get(step, Requires.PROOF)
    return Requires.PROOF if Requires.PROOF in (guest, strict) else strict


def _cells(
    chosen: Sequence[_Chosen],
    requires: Mapping[str, Requires],
    done: Collection[tuple[str, str]],
    order: Order,
) -> dict[_Key, _Cell]:
    """Which steps of whom may run side by side."""
    everybody = [c.planned for c in chosen]
    places, awaited = place_all(everybody, order.one_by_one)
    begun = {(p.guest.id, b.action): b for b in order.begun for p in b.guests}
    first = _first_of_stacks(chosen, places)
    cells: dict[_Key, _Cell] = {}
    late: dict[str, _Key] = {}
    for c in chosen:
        place = places[c.id]
        group = (c.planned.guest.project, c.planned.choice.group)
        for i, step in enumerate(_with_ready(c, group in awaited)):
            if (c.id, step) in done or (c.id, step) in order.tried:
                continue
            nobody = step == RETIRE or (step == READY and group not in awaited)
            key = (LAST, 0, i) if nobody else (place.rank, place.depth, i)
            if step == STACKS and c.planned.stack is not None:
                stack = (c.planned.stack.stack, place.depth)
                key = (first[stack], place.depth, i)
            if step == OWNER:  # may take long, and holds up nobody of ours
                key = (LAST, 1, i)
            known = begun.get((c.id, step))
            if known is not None:
                late[known.id] = max(late.get(known.id, key), key)
                continue
            need = _need(step, c.prospect.requires, requires)
            cells.setdefault(key, _Cell()).add(step, need, c.planned)
    for batch in order.begun:
        if batch.id in late:
            cells.setdefault(late[batch.id], _Cell()).begun.append(batch)
    return cells


def _first_of_stacks(
    chosen: Sequence[_Chosen], places: Mapping[str, Place]
) -> dict[tuple[str, int], int]:
    """(stack, depth) -> the best rank of its servers: one update for all,
    unless their owner wants one after another."""
    first: dict[tuple[str, int], int] = {}
    for c in chosen:
        if c.planned.stack is not None:
            key = (c.planned.stack.stack, places[c.id].depth)
            rank = places[c.id].rank
            first[key] = min(first.get(key, rank), rank)
    return first


def _with_ready(c: _Chosen, awaited: bool) -> list[str]:
    """Its steps, and where it is asked whether it serves: before the end of
    what it replaces."""
    steps = list(c.steps)
    if OWNER in steps:  # it asks by itself whether the new server serves
        return steps
    served = STACKS in steps and c.planned.members
    if awaited or c.planned.choice.probe or MEMBERS in steps or served:
        at = steps.index(RETIRE) if RETIRE in steps else len(steps)
        steps.insert(at, READY)
    return steps


def _waves(cells: Mapping[_Key, _Cell], size: int, name: str) -> list[Wave]:
    waves = []
    for w, key in enumerate(sorted(cells), 1):
        cell = cells[key]
        batches = list(cell.begun)
        for (step, need), guests in sorted(cell.todo.items()):
            for chunk in _chunks(guests, size):
                batches.append(
                    Batch(
                        id=f"{name}w{w}b{len(batches) + 1}",
                        action=step,
                        requires=need,
                        guests=tuple(chunk),
                    )
                )
        waves.append(Wave(name=_wave_name(key), batches=tuple(batches)))
    return waves


def _wave_name(key: _Key) -> str:
    if key[0] == LAST:
        return "owners" if key[1] else f"last, step {key[2] + 1}"
    rank = next(p.value for p, r in RANK.items() if r == key[0])
    after = f", after {key[1]} other(s)" if key[1] else ""
    return f"{rank} priority, step {key[2] + 1}{after}"


def _chunks(guests: Sequence[Planned], size: int) -> list[list[Planned]]:
    """Batches of about ``size``; a server group or stack is never split."""
    units: dict[str, list[Planned]] = {}
    for p in guests:
        key = p.guest.group.id if p.guest.group else p.guest.id
        key = p.stack.stack if p.stack else key
        units.setdefault(key, []).append(p)
    chunks: list[list[Planned]] = [[]]
    for unit in units.values():
        if chunks[-1] and len(chunks[-1]) + len(unit) > size:
            chunks.append([])
        chunks[-1].extend(unit)
    return [c for c in chunks if c]


def _left(planned: Planned, prospect: Prospect) -> LeftAlone:
    return LeftAlone(
        guest=planned.guest.id,
        name=planned.guest.name,
        protection=planned.choice.protection,
        code=prospect.code,
        reason=prospect.sentence,
        wanted=prospect.wanted or prospect.code in FORESEEN,
        warnings=planned.choice.warnings,
    )


def _waits(planned: Planned, proof: Evidence | None) -> LeftAlone:
    reason = "the host is not proven dead, so it may still run there"
    if proof is not None:
        reason = why_not(proof)
    return LeftAlone(
        guest=planned.guest.id,
        name=planned.guest.name,
        protection=planned.choice.protection,
        code="waits_for_proof",
        reason=reason,
        wanted=False,
        warnings=planned.choice.warnings,
    )
