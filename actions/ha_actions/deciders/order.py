"""Who goes before whom: priorities, ``ha:group`` and ``ha:after``. Pure.

Groups never reach outside a project. A group that lost its quorum (most of a
cluster's members died together) returns one by one: its members find each
other in a known order, and what they agree on is their owner's to restore.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ha_actions.model import Planned, Priority

RANK = {Priority.HIGH: 0, Priority.MEDIUM: 1, Priority.LOW: 2}

QUORUM = range(3, 10)
"""Sizes of a group that is taken for a cluster with a quorum; a larger one is
a herd. Source: etcd, "Failure recovery", at most 7 members; Galera, 9."""

Group = tuple[str, str]
"""Project and name."""


@dataclass(frozen=True)
class Place:
    """Where a guest stands in the order: smaller goes first."""

    rank: int
    depth: int


def place_all(
    guests: Sequence[Planned], one_by_one: Collection[Group] = ()
) -> tuple[dict[str, Place], set[Group]]:
    """Place every guest; a group that others wait for moves before them.

    In a circle of ``ha:after`` nobody can be first, so its members keep the
    depth at which it was found.
    :returns: guest id -> place, and the groups that somebody waits for.
    """
    rank = {p.guest.id: RANK[p.choice.priority] for p in guests}
    depth = {p.guest.id: 0 for p in guests}
    groups = grouped(guests)
    waits = [
        (p.guest.id, other.guest.id)
        for p in guests
        for other in groups.get(_after(p), ())
        if other.guest.id != p.guest.id
    ]
    deepest = len(groups)
    for key in set(one_by_one) & groups.keys():
        row = sorted(groups[key], key=lambda p: (p.guest.name, p.guest.id))
        waits += [(mine.guest.id, its.guest.id) for its, mine in pairwise(row)]
        deepest += len(row)
    for _ in range(deepest + 1):
        changed = False
        for mine, its in waits:
            if rank[its] > rank[mine]:
                rank[its], changed = rank[mine], True
            if depth[mine] <= depth[its] < deepest:
                depth[mine], changed = depth[its] + 1, True
        if not changed:
            break
    awaited = {_after(p) for p in guests} & groups.keys()
    awaited |= set(one_by_one) & groups.keys()
    return {id: Place(rank[id], depth[id]) for id in rank}, awaited


def grouped(guests: Iterable[Planned]) -> dict[Group, list[Planned]]:
    """The guests of each group."""
    groups: dict[Group, list[Planned]] = {}
    for p in guests:
        if p.choice.group:
            key = (p.guest.project, p.choice.group)
            groups.setdefault(key, []).append(p)
    return groups


def quorum_lost(
    guests: Iterable[Planned], sizes: Mapping[Group, int]
) -> dict[Group, str]:
    """Groups most of whose members died together, and that in words.

    :param sizes: members that a group has on all hosts.
    """
    lost = {}
    for key, row in grouped(guests).items():
        size = max(sizes.get(key, 0), len(row))
        if size in QUORUM and len(row) >= 2 and 2 * len(row) > size:
            lost[key] = (
                f"{len(row)} of the {size} members of its group {key[1]} "
                "died together: they return one by one, and the quorum is "
                "their owner's to restore"
            )
    return lost


def independent(
    guests: Sequence[Planned],
    able: Collection[str],
    one_by_one: Collection[Group] = (),
) -> set[str]:
    """Of the guests that are able now, those that wait for nobody else.

    Directly or through others: whoever waits for a guest that must wait
    itself, waits too.
    """
    groups, left = grouped(guests), set(able)
    waits: dict[str, list[str]] = {}
    for p in guests:
        before = list(groups.get(_after(p), ()))
        mine = (p.guest.project, p.choice.group)
        if mine in one_by_one:
            before += groups[mine]
        waits[p.guest.id] = [b.guest.id for b in before]
    while True:
        stuck = {id for id in left if not left.issuperset(waits[id])}
        if not stuck:
            return left
        left -= stuck


def circles(guests: Iterable[Planned]) -> list[list[str]]:
    """Guests that wait for each other: names, one list for each circle."""
    waits: dict[Group, set[Group]] = {}
    names: dict[Group, set[str]] = {}
    for p in guests:
        group = (p.guest.project, p.choice.group)
        if p.choice.group and p.choice.after:
            waits.setdefault(group, set()).add(_after(p))
            names.setdefault(group, set()).add(p.guest.name)
    found: list[list[str]] = []
    seen: set[Group] = set()
    for group in sorted(waits):
        if group in seen:
            continue
        ring = {g for g in _reach(group, waits) if group in _reach(g, waits)}
        seen |= ring
        if ring:
            found.append(sorted(n for g in ring for n in names[g]))
    return found


def _after(planned: Planned) -> Group:
    return (planned.guest.project, planned.choice.after)


def _reach(
    group: Group, waits: Mapping[Group, Collection[Group]]
) -> set[Group]:
    """Every group that this one waits for, also through others."""
    found: set[Group] = set()
    todo = [group]
    while todo:
        for g in waits.get(todo.pop(), ()):
            if g not in found:
                found.add(g)
                todo.append(g)
    return found
