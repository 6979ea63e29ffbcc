"""The recovery check: before and after, compared, guest by guest. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from ha_actions.deciders.evacuation import copy_state, lands_stopped
from ha_actions.model import (
    Finding,
    Guest,
    Member,
    Planned,
    Protection,
    Volume,
)

Say = Callable[[str, bool, str], None]

WORKING = frozenset({"ONLINE", "NO_MONITOR"})


def check_guest(
    planned: Planned,
    now: Guest | None,
    copy: Guest | None,
    *,
    dead_host: str,
    hosts_up: Collection[str],
    volumes: Mapping[str, Volume] | None,
    members: Sequence[Member] | None,
    balancer: str = "",
) -> list[Finding]:
    """What is really back. A deleted guest has no finding: its owner chose.

    :param now: the guest itself, None if it is gone.
    :param copy: of cattle: the server in its place.
    :param volumes: id -> volume, where there is a Cinder; None: it does not
        answer.
    :param members: of every pool; None: Octavia does not answer.
    :param balancer: of an amphora: its load balancer's state.
    """
    found: list[Finding] = []

    def add(check: str, ok: bool, detail: str) -> None:
        found.append(
            Finding(
                guest=planned.guest.id,
                name=planned.guest.name,
                check=check,
                ok=ok,
                detail=detail,
            )
        )

    if planned.balancer:
        good = balancer in ("", "ACTIVE")  # empty: its owner deleted it
        add("load balancer", good, balancer or "deleted")
        return found
    if planned.choice.protection is Protection.CUSTOM:
        return found  # its owner's; ha.await_owner has looked
    cattle = planned.choice.protection is Protection.CATTLE
    there = copy if cattle else now
    if there is None:
        if cattle and now is not None:
            add("one copy", False, "no server is in its place")
        return found
    add(
        "host",
        there.host != dead_host and there.host in hosts_up,
        f"on {there.host or 'no host'}",
    )
    if cattle:
        gone = now is None
        add("one copy", gone, "old server gone" if gone else "old one is left")
        wanted = copy_state(planned.guest)
        add("state", there.vm_state == wanted, there.vm_state)
        _came_over(planned, there, add)
    else:
        _pet(planned.guest, there, volumes, add)
    _ports(there, add)
    _members(planned, there, members, cattle, add)
    return found


BEFORE_START = frozenset(
    {"host", "addresses", "lock", "volumes", "ports", "one copy"}
)
"""Findings that must be good before a guest that was placed is started."""


def not_fit(findings: Sequence[Finding]) -> str:
    """Why a guest that was placed stopped must not be started; or empty."""
    return "; ".join(
        f"{f.check}: {f.detail}"
        for f in findings
        if not f.ok and f.check in BEFORE_START
    )


def _pet(
    prior: Guest,
    now: Guest,
    volumes: Mapping[str, Volume] | None,
    add: Say,
) -> None:
    wanted = wanted_state(prior)
    add(
        "state",
        now.vm_state == wanted and not now.task_state,
        f"{now.vm_state} {now.task_state}".strip()
        + f" (was {prior.vm_state})",
    )
    before = sorted(p.address for p in prior.ports)
    after = sorted(p.address for p in now.ports)
    add("addresses", before == after, ", ".join(after) or "none")
    if prior.locked or now.locked:
        add("lock", prior.locked == now.locked, f"locked: {now.locked}")
    lost = set(prior.volumes) - set(now.volumes)
    if not prior.volumes:
        return
    if volumes is None:
        add("volumes", False, "not known: Cinder does not answer")
        return
    bad = [
        v
        for v in prior.volumes
        if v in volumes and volumes[v].status != "in-use"
    ]
    add("volumes", not lost and not bad, _volumes(lost, bad))


def _volumes(lost: Collection[str], bad: Collection[str]) -> str:
    if lost:
        return f"not attached any more: {', '.join(sorted(lost))}"
    if bad:
        return f"not in-use: {', '.join(sorted(bad))}"
    return "attached"


def wanted_state(prior: Guest) -> str:
    """The vm_state that a rescued pet should have."""
    if lands_stopped(prior):
        return "stopped"
    return "paused" if prior.vm_state == "paused" else "active"


def _came_over(planned: Planned, copy: Guest, add: Say) -> None:
    """Volumes that outlive the old server, and ports that its copy keeps."""
    prior = planned.guest
    lost = sorted(set(prior.lasting) - set(copy.volumes))
    roots = 1 if prior.boot == "volume" else 0  # it is left, and made anew
    if len(prior.lasting) > roots:
        add("volumes", len(lost) <= roots, _volumes(lost[roots:], ()))
    if planned.choice.keep_ports:
        before = {p.address for p in prior.ports}
        after = {p.address for p in copy.ports}
        add("addresses", before == after, ", ".join(sorted(after)) or "none")


def _ports(there: Guest, add: Say) -> None:
    elsewhere = [p for p in there.ports if p.host and p.host != there.host]
    down = [
        p.address
        for p in there.ports
        if p.status != "ACTIVE" and there.vm_state == "active"
    ]
    if elsewhere:
        add("ports", False, f"bound to {elsewhere[0].host}")
    elif down:
        add("ports", False, f"not ACTIVE: {', '.join(down)}")
    elif there.ports:
        add("ports", True, f"bound to {there.host}")


def _members(
    planned: Planned,
    there: Guest,
    members: Sequence[Member] | None,
    cattle: bool,
    add: Say,
) -> None:
    if members is None:
        if planned.members:
            add("member", False, "not known: Octavia does not answer")
        return
    places = {(p.subnet, p.address) for p in there.ports}
    for old in planned.members:
        mine = [
            m
            for m in members
            if m.pool == old.pool
            and (m.subnet, m.address) in places
            and (cattle or m.id == old.id)
        ]
        if not mine:
            add("member", False, f"no member in {old.pool_name}")
            continue
        idle = there.vm_state != "active" or old.weight == 0
        good = mine[0].weight == old.weight and (
            mine[0].status in WORKING or idle
        )
        add(
            "member",
            good,
            f"{mine[0].status}, weight {mine[0].weight} in {old.pool_name}",
        )
