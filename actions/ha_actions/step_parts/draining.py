"""Weight 0 for members of guests whose host is down, or thought so.

The old weights go to the ledger first; the incident's close gives them back
to members whose guests were not recovered.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ha_actions.deciders.judge import within_limits
from ha_actions.deciders.membership import Drain, suspected_pools, to_drain
from ha_actions.deciders.policy import choose, domain_of, mode_for
from ha_actions.errors import HaError, Refused
from ha_actions.model import (
    Choice,
    Claim,
    Incident,
    Member,
    Mode,
    Protection,
)
from ha_actions.records.claims import LEASE_S
from ha_actions.settings import Policy
from ha_actions.step_parts.run import Run, host_named, unlisted

SIDE_BY_SIDE = 8
"""Load balancers that are asked at once."""

SUSPECT_S = 10.0
"""Lease of a drain on suspicion: a load balancer that is locked must not put
the verdict off."""


@dataclass(frozen=True)
class Drained:
    """What was taken out of service, with the weights to give back."""

    members: tuple[Member, ...]


def drain(
    run: Run,
    incident: Incident,
    members: Sequence[Member],
    pools: Collection[str] | None = None,
    lease_s: float = LEASE_S,
) -> int:
    """Drain what may be drained; how many members.

    Of an earlier attempt: the weights it found are the true ones. Guests that
    it brought back are elsewhere by now, and serve.

    :param members: every member, as Octavia shows it now.
    :param pools: ids of the only ones to be drained; None: all.
    """
    kept = run.record.part(incident.id, "drained", Drained)
    weights = {m.id: m.weight for m in kept.members} if kept else {}
    true = [replace(m, weight=weights.get(m.id, m.weight)) for m in members]
    found = _choose(run, incident, true, pools)
    for m in true:
        if m.id in found.spared:
            why = f"not drained in {m.pool_name}: {found.spared[m.id]}"
            run.journal.note("drain", m.name or m.id, why)
    new = [m for m in found.chosen if m.id not in weights]
    if new or (kept is None and pools is None):
        before = kept.members if kept else ()
        value = Drained((*before, *new))
        run.record.keep(incident.id, "drained", value)
    idle = {m.id for m in members if m.weight == 0}
    left = [m for m in found.chosen if m.id not in idle]
    if left:
        _drain(run, incident, left, lease_s)
    return len(found.chosen)


def drain_suspected(run: Run, incident: Incident, policy: Policy) -> None:
    """Before the verdict, for pools that were opted in to that.

    Only where the pack may act by itself, and within the limits: when many
    hosts seem down, the fault is elsewhere. No failure of it stops the
    judging; a host that turns out alive gets its weights back at the close.
    """
    if incident.dry_run or not policy.recovery.suspicion:
        return
    try:
        if not _may_act(run, incident, policy):
            return
        members = run.cloud(incident).members()
        pools = suspected_pools(members, policy.recovery.suspicion)
        if pools:
            drain(run, incident, members, pools, SUSPECT_S)
    except HaError as error:
        if error.code in ("superseded", "aborted"):
            raise
        text = f"not drained on suspicion: {error.message}"
        run.journal.note("drain", incident.host, text)


def _may_act(run: Run, incident: Incident, policy: Policy) -> bool:
    cloud = run.cloud(incident)
    hosts = cloud.hosts()
    aggregates = run.aggregates(incident, cloud)
    host = host_named(incident.host, hosts) or unlisted(incident.host)
    domains = {h.name: domain_of(h, policy, aggregates) for h in hosts}
    maintained = run.record.maintenance()
    return (
        run.record.armed()
        and mode_for(host, policy) is Mode.ACT
        and within_limits(host.name, hosts, domains, policy.limits, maintained)
        is None
    )


def _choose(
    run: Run,
    incident: Incident,
    members: list[Member],
    pools: Collection[str] | None,
) -> Drain:
    if not members:
        return Drain((), {})
    cloud = run.cloud(incident)
    policy = run.policy(incident)
    aggregates = run.aggregates(incident, cloud)
    guests = run.patiently(lambda: cloud.guests_on(incident.host))
    rescued = [g for g in guests if _is_rescued(choose(g, policy, aggregates))]
    found = to_drain(rescued, members)
    if pools is None:
        return found
    return Drain(tuple(m for m in found.chosen if m.pool in pools), {})


def _drain(
    run: Run, incident: Incident, members: Sequence[Member], lease_s: float
) -> None:
    """Every load balancer at once: one that is locked keeps nobody up."""
    host = run.host(incident)
    claim = run.permit(incident, host.aggregates, None, "drain", lease_s)
    lbs = sorted({m.lb for m in members})
    calls = [
        partial(
            _zero, run, incident, [m for m in members if m.lb == lb], claim
        )
        for lb in lbs
    ]
    run.clock.together(calls, SIDE_BY_SIDE)
    run.record.release(claim)


def _zero(
    run: Run, incident: Incident, members: Sequence[Member], claim: Claim
) -> None:
    """Weight 0 for members of one load balancer."""
    zero = {m.id: 0 for m in members}
    try:
        run.cloud(incident).set_weights(members[0].lb, zero, claim)
    except Refused:
        raise
    except HaError as error:
        pools = ", ".join(sorted({m.pool_name for m in members}))
        run.journal.note("drain", pools, f"not drained: {error.message}")
        return
    for m in members:
        run.journal.note("drain", m.name or m.id, f"weight 0 in {m.pool_name}")


def _is_rescued(choice: Choice) -> bool:
    return (
        choice.protection in (Protection.PET, Protection.CATTLE)
        and not choice.service_vm
    )
