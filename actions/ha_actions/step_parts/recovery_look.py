"""Everything that the recovery check reads: bulk calls, whatever the number
of guests. And what it puts back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ha_actions.deciders.policy import domain_of
from ha_actions.deciders.recovery_check import check_guest
from ha_actions.deciders.snapshot import compare, fixes
from ha_actions.deciders.spread import crowded, servers_of
from ha_actions.errors import HaError, NoAnswer, Refused, Transient
from ha_actions.model import (
    Finding,
    Fix,
    Guest,
    Incident,
    Member,
    Planned,
    Protection,
    Snapshot,
)
from ha_actions.step_parts import snapshots
from ha_actions.step_parts.run import Run
from ha_actions.step_parts.stack_look import pet_findings


@dataclass(frozen=True)
class Seen:
    """What the check found, and what could be put back."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fixes: list[tuple[Guest, Fix]] = field(default_factory=list)


def look(run: Run, incident: Incident, planned: Mapping[str, Planned]) -> Seen:
    """See everybody as they are, and compare."""
    if not planned:
        return Seen()
    cloud = run.cloud(incident)
    before = snapshots.snapshots(run, incident)
    now, dark = _as_they_are(run, incident, planned, before)
    cattle = [p for p in planned.values() if _is_cattle(p)]
    copies = run.copies(incident, cloud, cattle)
    listed = run.patiently(lambda: cloud.hosts(brief=True))
    up = {h.name for h in listed if h.up}
    had = {f.id for s in before.values() for f in s.floating or ()}
    belongings = snapshots.look(run, incident, now.values(), had)
    members = _members(run, incident, planned.values())
    balancers = _balancers(run, incident, planned.values())
    seen = Seen()
    for id, p in planned.items():
        found = check_guest(
            p,
            now.get(id),
            copies.get(id),
            dead_host=incident.host,
            hosts_up=up,
            volumes=belongings.volumes,
            members=members,
            balancer=balancers.get(p.balancer, ""),
        )
        seen.findings.extend(_unseen(p, found) if id in dark else found)
        # of an amphora or an owner's own server nothing is touched
        is_pet = p.choice.protection is Protection.PET and not p.balancer
        if is_pet and id in now and id in before:
            after = belongings.of(now[id], p.members)
            _compare(seen, incident, now[id], before[id], after, belongings)
    seen.findings.extend(pet_findings(run, incident, planned.values(), now))
    _leftovers(run, incident, planned, now, copies, seen)
    _crowded(run, incident, [p for p in cattle if p.guest.id in copies], seen)
    return seen


def _crowded(
    run: Run, incident: Incident, cattle: Sequence[Planned], seen: Seen
) -> None:
    """Pools that got a copy, and that one more death would empty."""
    pools = {m.pool: m.pool_name for p in cattle for m in p.members}
    if not pools:
        return
    cloud, policy = run.cloud(incident), run.policy(incident)
    try:
        members = run.patiently(cloud.members, snapshots.FOR_S)
        guests = [
            g
            for project in sorted({p.guest.project for p in cattle})
            for g in cloud.guests_of(project)
        ]
        hosts = cloud.hosts()
    except HaError as error:
        seen.notes.append(f"where pools are is not known: {error.message}")
        return
    known = run.aggregates(incident, cloud)
    domains = {h.name: domain_of(h, policy, known) for h in hosts}
    servers = servers_of(members, guests)
    said = crowded(pools, servers, domains, incident.host)
    seen.notes.extend(f"{one}: another death would empty it" for one in said)


def _as_they_are(
    run: Run,
    incident: Incident,
    planned: Mapping[str, Planned],
    before: Mapping[str, Snapshot],
) -> tuple[dict[str, Guest], set[str]]:
    """Groups are asked for only where somebody was in one.

    :returns: the guests, and ids of those of whose ports nobody could tell:
        they have the ports that they had.
    """
    cloud, since = run.cloud(incident), incident.opened_at
    grouped = any(p.guest.group for p in planned.values())
    if grouped or any(s.group for s in before.values()):
        full = run.patiently(lambda: cloud.guests(planned, since=since))
        return full, set()
    now = run.patiently(lambda: cloud.guests(planned, brief=True, since=since))
    if not now:
        return {}, set()
    try:
        ports = run.patiently(lambda: cloud.ports_of(now), snapshots.FOR_S)
    except HaError as error:
        run.journal.note("check", incident.host, error.message)
        had = {id: planned[id].guest.ports for id in now}
        dark = {id for id in now if had[id]}
        return {id: replace(g, ports=had[id]) for id, g in now.items()}, dark
    whole = {
        id: replace(g, ports=tuple(ports.get(id, ()))) for id, g in now.items()
    }
    return whole, set()


def _unseen(planned: Planned, found: Iterable[Finding]) -> list[Finding]:
    """Without what only its ports could tell, and a line that says so."""
    kept = [f for f in found if f.check not in ("addresses", "ports")]
    text = "not known: Neutron does not answer"
    return [*kept, _finding(planned, "ports", text)]


def _compare(
    seen: Seen,
    incident: Incident,
    now: Guest,
    before: Snapshot,
    after: Snapshot,
    belongings: snapshots.Belongings,
) -> None:
    if now.host == incident.host:
        return  # it is not back: that is said already, and nothing is touched
    seen.findings.extend(compare(before, after, incident.host))
    loose = [f for f in belongings.floating or () if not f.port]
    for fix in fixes(before, after, loose):
        seen.fixes.append((now, fix))


def _is_cattle(planned: Planned) -> bool:
    return planned.choice.protection is Protection.CATTLE


def _members(
    run: Run, incident: Incident, planned: Iterable[Planned]
) -> list[Member] | None:
    """Every member; None when Octavia does not answer."""
    if not any(p.members for p in planned):
        return []
    try:
        return run.patiently(run.cloud(incident).members)
    except Transient:
        return None


def _balancers(
    run: Run, incident: Incident, planned: Iterable[Planned]
) -> dict[str, str]:
    """State of each load balancer that had an amphora on the host."""
    lbs = {p.balancer for p in planned if p.balancer}
    cloud = run.cloud(incident)
    if not lbs:
        return {}
    try:
        return run.patiently(lambda: cloud.balancer_states(lbs))
    except Transient:
        return dict.fromkeys(lbs, "not known: Octavia does not answer")


def _leftovers(
    run: Run,
    incident: Incident,
    planned: Mapping[str, Planned],
    now: Mapping[str, Guest],
    copies: Mapping[str, Guest],
    seen: Seen,
) -> None:
    """What the old servers have left behind."""
    gone = [
        p
        for id, p in planned.items()
        if _is_cattle(p) and id in copies and id not in now
    ]
    _old_ports(run, incident, gone, seen)
    cloud = run.cloud(incident)
    try:
        held = run.patiently(
            lambda: cloud.allocated(incident.host), snapshots.FOR_S
        )
    except HaError as error:
        seen.notes.append(f"allocations are not known: {error.message}")
        return
    if held is None:
        return
    for p in gone:
        if p.guest.id in held:
            text = f"Placement still counts it on {incident.host}"
            seen.findings.append(_finding(p, "allocation", text))
    moved = [
        id for id, g in now.items() if id in held and g.host != incident.host
    ]
    if moved:
        seen.notes.append(
            f"Placement still counts {len(moved)} rescued server(s) on "
            f"{incident.host} too: Nova frees that when its nova-compute "
            "starts again; if it never will, delete the compute service"
        )


def _old_ports(
    run: Run, incident: Incident, gone: Sequence[Planned], seen: Seen
) -> None:
    """Ports that their owners made themselves outlive a deleted server."""
    if not gone:
        return
    cloud = run.cloud(incident)
    ids = [p.guest.id for p in gone]
    try:
        left = run.patiently(lambda: cloud.ports_of(ids), snapshots.FOR_S)
    except HaError as error:
        seen.notes.append(f"old ports are not known: {error.message}")
        return
    for p in gone:
        names = ", ".join(port.address for port in left.get(p.guest.id, ()))
        if names:
            seen.findings.append(_finding(p, "old port", f"left: {names}"))


def _finding(planned: Planned, check: str, detail: str) -> Finding:
    return Finding(
        guest=planned.guest.id,
        name=planned.guest.name,
        check=check,
        ok=False,
        detail=detail,
    )


def mend(run: Run, incident: Incident, seen: Seen) -> bool:
    """Put back what was lost; what cannot be stays a finding.

    :returns: whether anything may have changed.
    """
    if not seen.fixes:
        return False
    cloud = run.cloud(incident)
    host = run.host(incident)
    claim = None
    for guest, fix in seen.fixes:
        try:
            claim = run.permit(incident, host.aggregates, claim, "mend")
            run.patiently(
                partial(cloud.mend, guest, fix, claim), snapshots.FOR_S
            )
        except NoAnswer as error:
            text = error.message  # the second look tells
        except Refused as error:
            if error.code in ("superseded", "aborted"):
                raise
            text = error.message
        except HaError as error:
            text = error.message
        else:
            text = "put back"
        run.journal.note("check", guest.name, f"{fix.kind}: {text}")
    if claim is not None:
        run.record.release(claim)
    return claim is not None
