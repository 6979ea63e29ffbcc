"""Whose a pool's member is, who is drained, and who serves. Pure.

A member is a guest's only if address *and* subnet match one of its ports:
tenants share 192.168/16.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ha_actions.deciders.evacuation import copy_state
from ha_actions.deciders.recovery_check import WORKING, wanted_state
from ha_actions.model import Guest, Member, Planned, Port, Protection


@dataclass(frozen=True)
class Drain:
    """Who is taken out of service, and who is spared and why."""

    chosen: tuple[Member, ...]
    spared: Mapping[str, str]
    """Member id -> why it keeps its weight."""


def members_of(guest: Guest, members: Sequence[Member]) -> list[Member]:
    """The guest's members of all pools."""
    places = {(p.subnet, p.address) for p in guest.ports}
    return [m for m in members if (m.subnet, m.address) in places]


def to_drain(guests: Sequence[Guest], members: Sequence[Member]) -> Drain:
    """Members of these guests that get weight 0.

    Never the last ones that serve in a pool, and never one that its health
    monitor calls ONLINE: the monitor sees what no witness of ours does.
    """
    mine = {m.id: m for g in guests for m in members_of(g, members)}
    chosen: list[Member] = []
    spared: dict[str, str] = {}
    for pool in sorted({m.pool for m in mine.values()}):
        in_pool = [m for m in members if m.pool == pool]
        others = any(_serves(m) and m.id not in mine for m in in_pool)
        for m in in_pool:
            if m.id not in mine or m.weight == 0:
                continue
            if m.status == "ONLINE":
                spared[m.id] = "its health monitor calls it ONLINE"
            elif not others:
                spared[m.id] = "nobody else serves there"
            else:
                chosen.append(m)
    return Drain(tuple(chosen), spared)


TAGGED = "tagged"
"""Of ``recovery.suspicion``: every pool whose owner tagged it."""


def suspected_pools(
    members: Sequence[Member], wanted: Collection[str]
) -> set[str]:
    """Ids of the pools that are drained before the verdict.

    :param wanted: names or ids of pools, and ``tagged``.
    """
    return {
        m.pool
        for m in members
        if {m.pool, m.pool_name} & set(wanted)
        or (TAGGED in wanted and m.early)
    }


def urgency(
    guests: Sequence[Planned], members: Sequence[Member]
) -> dict[str, float]:
    """Guest id -> the share of its neediest pool that still serves, 0 to 1.

    Guests without a pool are left out.
    """
    lost = {m.id for p in guests for m in p.members}
    share: dict[str, float] = {}
    for pool in {m.pool for p in guests for m in p.members}:
        in_pool = [m for m in members if m.pool == pool]
        left = [m for m in in_pool if m.id not in lost and _serves(m)]
        share[pool] = len(left) / len(in_pool) if in_pool else 0.0
    return {
        p.guest.id: min(share[m.pool] for m in p.members)
        for p in guests
        if p.members
    }


def member_for(old: Member, guest: Guest, copy: Guest) -> Member | None:
    """The member that a copy gets where the old server had one.

    Same port, weight and backup flag, at the address that the copy has in
    the same place; a monitor address that was the old server's own becomes
    the copy's. None: the copy has no port there.
    """
    moved = port_pairs(guest, copy)
    here = next(
        (
            new
            for was, new in moved
            if (was.subnet, was.address) == (old.subnet, old.address)
        ),
        None,
    )
    if here is None:
        return None
    monitored = next(
        (
            new.address
            for was, new in moved
            if was.address == old.monitor_address
        ),
        old.monitor_address,
    )
    return replace(
        old,
        id="",
        address=here.address,
        subnet=here.subnet,
        monitor_address=monitored,
    )


def port_pairs(guest: Guest, copy: Guest) -> list[tuple[Port, Port]]:
    """Ports of the old server, each with the copy's in its place.

    On each network in the order of the ports, of one subnet first.
    """
    left = list(copy.ports)
    found = []
    for port in guest.ports:
        same = [p for p in left if p.network == port.network]
        near = [p for p in same if p.subnet == port.subnet] or same
        if near:
            left.remove(near[0])
            found.append((port, near[0]))
    return found


def members_now(
    planned: Planned, copy: Guest | None, members: Sequence[Member]
) -> list[Member]:
    """Its members as they are: its own, or of cattle those of its copy."""
    if planned.choice.protection is not Protection.CATTLE:
        ids = {m.id for m in planned.members}
        return [m for m in members if m.id in ids]
    pools = {m.pool for m in planned.members}
    mine = members_of(copy, members) if copy else []
    return [m for m in mine if m.pool in pools]


def missing_from(
    planned: Planned, copy: Guest | None, members: Sequence[Member]
) -> str:
    """The pools in which it has no member any more, or not yet."""
    there = {m.pool for m in members_now(planned, copy, members)}
    return _pools(planned.members, there)


def not_serving(
    planned: Planned, copy: Guest | None, members: Sequence[Member]
) -> str:
    """Why it does not serve in its pools as before; empty if it does.

    A guest that was off, or had weight 0, is not expected to.
    """
    missing = missing_from(planned, copy, members)
    if missing:
        return f"it has no member in {missing}"
    mine = members_now(planned, copy, members)
    wanted = [m for m in planned.members if m.weight > 0]
    cattle = planned.choice.protection is Protection.CATTLE
    ends = copy_state if cattle else wanted_state
    idle = ends(planned.guest) != "active"
    if idle:
        return ""
    good = {m.pool for m in mine if _serves(m)}
    bad = [m for m in wanted if m.pool not in good]
    if not bad:
        return ""
    states = {m.status for m in mine if m.pool not in good}
    return f"its member in {_pools(bad)} is {', '.join(sorted(states))}"


def _pools(members: Sequence[Member], without: Collection[str] = ()) -> str:
    names = {m.pool_name or m.pool for m in members if m.pool not in without}
    return ", ".join(sorted(names))


def _serves(member: Member) -> bool:
    return member.weight > 0 and member.status in WORKING
