"""Where evacuated guests go, when the policy does not leave it to Nova. Pure.

Nova's scheduler checks every host that it is given: one without room, or
against a server group, is an ordinary "no valid host", and the next is tried.
Source: nova, microversion 2.68: a given host is never forced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ha_actions.model import Aggregate, Host, Migration

NAMED = 3
"""So many hosts that its scheduler then refuses are named to Nova for one
guest; after that it waits for room."""

RESERVED = "reserved"
"""How the reason of a host that is kept disabled as a spare begins."""


def wanted(
    host: Host, targets: Mapping[str, str], aggregates: Iterable[Aggregate]
) -> frozenset[str] | None:
    """Names of the hosts that the policy wants; None: the scheduler chooses.

    :param targets: aggregate of the dead host -> aggregate to go to.
    """
    mine = {targets[a] for a in host.aggregates if a in targets}
    if not mine:
        return None
    names = {h for a in aggregates if a.name in mine for h in a.hosts}
    return frozenset(names - {host.name})


def usable(hosts: Sequence[Host], names: Collection[str]) -> list[str]:
    """Those of them on which a guest can land now, by name."""
    return sorted(h.name for h in hosts if h.name in names and _lives(h))


def _lives(host: Host) -> bool:
    return host.up and host.enabled and not host.forced_down


def spare(hosts: Sequence[Host], names: Collection[str]) -> Host | None:
    """The next reserved host, by name: up, and disabled just for this.

    One that somebody disabled for another reason is not ours to enable.
    """
    found = [
        h
        for h in hosts
        if h.name in names
        and h.up
        and not h.enabled
        and not h.forced_down
        and h.disabled_reason.lower().startswith(RESERVED)
    ]
    return min(found, key=lambda h: h.name, default=None)


def pick(
    usable: Sequence[str], records: Sequence[Migration], turn: int
) -> str:
    """The next host for one guest; empty when each had its try.

    :param records: its evacuations in this attempt; a failed one names the
        host that could not take it.
    :param turn: the guest's place among the others, to spread them.
    """
    tried = {r.dest for r in records if not r.in_flight}
    left = [name for name in usable if name not in tried]
    return left[turn % len(left)] if left else ""


def spawn_failed(records: Sequence[Migration]) -> bool:
    """Whether a host took it, and could not run it."""
    return any(r.status == "failed" and r.dest for r in records)


def another(
    hosts: Sequence[Host], dead: Host, records: Sequence[Migration], turn: int
) -> str:
    """A host for a guest whose spawn failed on the one that Nova chose.

    Of those that were not tried, one that shares most aggregates with the
    dead host. Empty: nothing has failed, or nowhere is left to try: Nova
    chooses. Left alone it would choose the same host again: it remembers
    none that failed.
    Source: nova 34, conductor/manager.py, rebuild_instance: the scheduler is
    told to ignore the source alone; virt failures end as ``failed``, its own
    refusals as ``error``.
    """
    refused = sum(r.status == "error" for r in records)
    if not spawn_failed(records) or refused >= NAMED:
        return ""
    shares = {
        h.name: len(set(h.aggregates) & set(dead.aggregates)) for h in hosts
    }
    tried = {r.dest for r in records} | {dead.name}
    left = usable(hosts, shares.keys() - tried)
    most = max((shares[name] for name in left), default=0)
    return pick([n for n in left if shares[n] == most], records, turn)
