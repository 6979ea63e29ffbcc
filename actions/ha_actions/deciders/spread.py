"""Are the servers of one pool kept apart? Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ha_actions.model import Guest, Host, Member


def servers_of(
    members: Iterable[Member], guests: Iterable[Guest]
) -> dict[str, list[Guest]]:
    """Pool id -> the servers behind its members."""
    at = {(p.subnet, p.address): g for g in guests for p in g.ports}
    found: dict[str, list[Guest]] = {}
    for m in members:
        guest = at.get((m.subnet, m.address))
        row = found.setdefault(m.pool, [])
        if guest is not None and guest not in row:
            row.append(guest)
    return found


def neighbours(
    pools: Collection[str],
    servers: Mapping[str, Sequence[Guest]],
    hosts: Iterable[Host],
    dead: str,
) -> tuple[str, ...]:
    """Ids of the servers of these pools from which a copy should stay away.

    None where no other host is left: Nova would find no valid one.
    """
    near = {g.id: g.host for p in pools for g in servers.get(p, ())}
    near = {id: host for id, host in near.items() if host not in ("", dead)}
    free = {h.name for h in hosts if h.up and h.enabled and not h.forced_down}
    if not free - set(near.values()):
        return ()
    return tuple(sorted(near))


def crowded(
    pools: Mapping[str, str],
    servers: Mapping[str, Sequence[Guest]],
    domains: Mapping[str, str],
    dead: str,
) -> list[str]:
    """A sentence for each pool of two and more that one death would empty.

    :param pools: id -> name.
    :param domains: host -> its failure domain.
    """
    said = []
    for id, name in sorted(pools.items(), key=lambda row: row[1]):
        hosts = [g.host for g in servers.get(id, ()) if g.host != dead]
        if len(hosts) < 2:
            continue
        if len(set(hosts)) == 1:
            said.append(f"all {len(hosts)} servers of {name} are on one host")
        elif len(set(domains.values())) > 1 and (
            len({domains.get(h, h) for h in hosts}) == 1
        ):
            said.append(
                f"all {len(hosts)} servers of {name} are in failure domain "
                f"{domains.get(hosts[0], hosts[0])}"
            )
    return said
