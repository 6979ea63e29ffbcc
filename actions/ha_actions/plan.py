"""Who is brought back, in which order, by which step. Pure.

Waves run one after another: by priority, then by ``ha:after`` within a
project, then by the method's steps. In a wave all batches may run side by
side; the members of one server group always share a batch, where they are
evacuated one after another.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ha_actions.model import (
    Batch,
    Evidence,
    LeftAlone,
    Plan,
    Planned,
    Priority,
    Requires,
    Wave,
)
from ha_actions.prospects import FORESEEN, Prospect, prospects
from ha_actions.settings import Policy

READY = "ha.await_ready"
MEMBERS = "ha.update_members"
RANK = {Priority.HIGH: 0, Priority.MEDIUM: 1, Priority.LOW: 2}
LAST = 9
"""The rank of the probes for which nobody waits."""


@dataclass(frozen=True)
class _Place:
    """Where a guest stands in the order: smaller goes first."""

    rank: int
    depth: int


def make_plan(
    incident: str,
    host: str,
    guests: Iterable[Planned],
    policy: Policy,
    requires: Mapping[str, Requires],
    *,
    proven: bool,
    evidence: Evidence = Evidence.POWER,
    done: Collection[tuple[str, str]] = (),
    number: int = 1,
) -> Plan:
    """Plan every guest of the host that is not done yet.

    :param requires: step name -> what it must hold, whatever the guest.
    :param proven: whether a proof holds; without one, only steps for which
        the verdict is enough are planned, and the others wait for it.
    :param evidence: class of the proof: one of storage counts only for
        guests all of whose disks are on it; the others may still run.
    :param done: (guest id, step name) that ended well in an earlier plan.
    :param number: of this plan within the incident; part of batch ids.
    """
    left: list[LeftAlone] = []
    chosen: list[tuple[Planned, Prospect, list[str]]] = []
    for planned in sorted(guests, key=lambda p: (p.guest.name, p.guest.id)):
        prospect = prospects(planned.guest, planned.choice)
        steps = _steps(planned, prospect, policy)
        if not steps:
            left.append(_left(planned, prospect))
            continue
        covered = evidence is not Evidence.STORAGE or _all_shared(planned)
        able = _allowed(prospect, steps, requires, proven and covered)
        if not able:
            left.append(_waits(planned, proven))
            continue
        todo = [s for s in able if (planned.guest.id, s) not in done]
        if todo:
            chosen.append((planned, prospect, todo))
    waves = _waves(chosen, policy, requires, number)
    return Plan(
        incident=incident,
        host=host,
        waves=tuple(waves),
        left_alone=tuple(left),
    )


def _steps(planned: Planned, prospect: Prospect, policy: Policy) -> list[str]:
    if prospect.method is None:
        return []
    steps = policy.methods.get(prospect.method.value, [])
    return [s for s in steps if s != MEMBERS or planned.members]


def _all_shared(planned: Planned) -> bool:
    """Whether a host without its shared storage cannot write its disks."""
    guest = planned.guest
    if planned.choice.shared_disk:
        return True
    return guest.boot == "volume" and guest.ephemeral_gb == 0


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


def _waves(
    chosen: Sequence[tuple[Planned, Prospect, list[str]]],
    policy: Policy,
    requires: Mapping[str, Requires],
    number: int,
) -> list[Wave]:
    places, awaited = _order([p for p, _, _ in chosen])
    cells: dict[tuple[int, int, int], dict[str, list[Planned]]] = {}
    needs: dict[str, Requires] = {}
    for planned, prospect, steps in chosen:
        place = places[planned.guest.id]
        if (planned.guest.project, planned.choice.group) in awaited:
            steps = [*steps, READY]
        elif planned.choice.probe:
            # nobody waits for it: asked at the very end
            last = cells.setdefault((LAST, 0, 0), {})
            needs[f"{READY} {Requires.VERDICT}"] = Requires.VERDICT
            last.setdefault(f"{READY} {Requires.VERDICT}", []).append(planned)
        for i, step in enumerate(steps):
            key = (place.rank, place.depth, i)
            need = _need(step, prospect.requires, requires)
            # one batch, one requirement: the strictest of its guests
            name = f"{step} {need}"
            needs[name] = need
            cells.setdefault(key, {}).setdefault(name, []).append(planned)
    waves = []
    for w, key in enumerate(sorted(cells), 1):
        batches: list[Batch] = []
        for name in sorted(cells[key]):
            action = name.split(" ")[0]
            for chunk in _chunks(cells[key][name], policy.recovery.batch):
                batches.append(
                    Batch(
                        id=f"p{number}w{w}b{len(batches) + 1}",
                        action=action,
                        requires=needs[name],
                        guests=tuple(chunk),
                    )
                )
        waves.append(Wave(name=_wave_name(key), batches=tuple(batches)))
    return waves


def _wave_name(key: tuple[int, int, int]) -> str:
    if key[0] == LAST:
        return "probes"
    rank = next(p.value for p, r in RANK.items() if r == key[0])
    after = f", after {key[1]} group(s)" if key[1] else ""
    return f"{rank} priority, step {key[2] + 1}{after}"


def _order(
    guests: Sequence[Planned],
) -> tuple[dict[str, _Place], set[tuple[str, str]]]:
    """Place every guest; a group that others wait for moves before them.

    Groups never reach outside a project. In a circle of ``ha:after`` nobody
    can be first, so its members keep the depth at which it was found.
    """
    rank = {p.guest.id: RANK[p.choice.priority] for p in guests}
    depth = {p.guest.id: 0 for p in guests}
    groups: dict[tuple[str, str], list[Planned]] = {}
    for p in guests:
        if p.choice.group:
            key = (p.guest.project, p.choice.group)
            groups.setdefault(key, []).append(p)
    waits = [
        (p, (p.guest.project, p.choice.after))
        for p in guests
        if (p.guest.project, p.choice.after) in groups
    ]
    for _ in range(len(groups) + 1):
        changed = False
        for p, key in waits:
            for other in groups[key]:
                if other.guest.id == p.guest.id:
                    continue
                mine, its = p.guest.id, other.guest.id
                if rank[its] > rank[mine]:
                    rank[its], changed = rank[mine], True
                if depth[mine] <= depth[its] < len(groups):
                    depth[mine], changed = depth[its] + 1, True
        if not changed:
            break
    places = {id: _Place(rank[id], depth[id]) for id in rank}
    return places, {key for _, key in waits}


def circles(guests: Iterable[Planned]) -> list[list[str]]:
    """Guests that wait for each other: names, one list for each circle."""
    waits: dict[tuple[str, str], set[tuple[str, str]]] = {}
    names: dict[tuple[str, str], set[str]] = {}
    for p in guests:
        group = (p.guest.project, p.choice.group)
        if p.choice.group and p.choice.after:
            after = (p.guest.project, p.choice.after)
            waits.setdefault(group, set()).add(after)
            names.setdefault(group, set()).add(p.guest.name)
    found: list[list[str]] = []
    seen: set[tuple[str, str]] = set()
    for group in sorted(waits):
        if group in seen:
            continue
        ring = {g for g in _reach(group, waits) if group in _reach(g, waits)}
        seen |= ring
        if ring:
            found.append(sorted(n for g in ring for n in names[g]))
    return found


def _reach(
    group: tuple[str, str],
    waits: Mapping[tuple[str, str], Collection[tuple[str, str]]],
) -> set[tuple[str, str]]:
    """Every group that this one waits for, also through others."""
    found: set[tuple[str, str]] = set()
    todo = [group]
    while todo:
        for g in waits.get(todo.pop(), ()):
            if g not in found:
                found.add(g)
                todo.append(g)
    return found


def _chunks(guests: Sequence[Planned], size: int) -> list[list[Planned]]:
    """Batches of about ``size``; a server group is never split."""
    units: dict[str, list[Planned]] = {}
    for p in guests:
        key = p.guest.group.id if p.guest.group else p.guest.id
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


def _waits(planned: Planned, proven: bool) -> LeftAlone:
    reason = "the host is not proven dead, so it may still run there"
    if proven:
        reason = (
            "the proof is of the host's storage alone, and this guest has a "
            "disk elsewhere, so it may still run there"
        )
    return LeftAlone(
        guest=planned.guest.id,
        name=planned.guest.name,
        protection=planned.choice.protection,
        code="waits_for_proof",
        reason=reason,
        wanted=False,
        warnings=planned.choice.warnings,
    )
