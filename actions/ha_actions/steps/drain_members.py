"""ha.drain_members: no new connections to guests of a host that is down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.membership import Drain, to_drain
from ha_actions.deciders.policy import choose
from ha_actions.errors import HaError, Refused
from ha_actions.model import Choice, Claim, Incident, Member, Protection
from ha_actions.step_parts.run import Run

DEADLINE_S = 280
SIDE_BY_SIDE = 8
"""Load balancers that are asked at once."""


@dataclass(frozen=True)
class Drained:
    """What was taken out of service, with the weights to give back."""

    members: tuple[Member, ...]


@dataclass
class DrainMembers(HaAction):
    """Weight 0 for their members; the old weights go to the ledger first.

    Never the last serving member of a pool, and never one that its health
    monitor calls ONLINE. A load balancer that refuses is noted and does not
    stop the recovery.
    :returns: ``{drained: number}``.
    """

    incident: str

    def perform(self, run: Run) -> dict[str, Any]:
        """Of an earlier attempt: the weights it found are the true ones.

        Guests that it brought back are elsewhere by now, and serve.
        """
        incident = run.incident(self.incident)
        if incident.dry_run:
            return {"drained": 0}
        kept = run.record.part(incident.id, "drained", Drained)
        weights = {m.id: m.weight for m in kept.members} if kept else {}
        try:
            found = run.patiently(run.cloud(incident).members, for_s=10)
        except HaError as error:
            run.journal.note(
                "drain", incident.host, f"not drained: {error.message}"
            )
            return {"drained": 0}
        members = [
            replace(m, weight=weights.get(m.id, m.weight)) for m in found
        ]
        found_out = _choose(run, incident, members)
        chosen = found_out.chosen
        for m in members:
            if m.id in found_out.spared:
                why = f"not drained in {m.pool_name}: {found_out.spared[m.id]}"
                run.journal.note("drain", m.name or m.id, why)
        new = [m for m in chosen if m.id not in weights]
        if kept is None or new:
            before = kept.members if kept else ()
            value = Drained((*before, *new))
            run.record.keep(incident.id, "drained", value)
        if chosen:
            _drain(run, incident, chosen)
        return {"drained": len(chosen)}


def _choose(run: Run, incident: Incident, members: list[Member]) -> Drain:
    if not members:
        return Drain((), {})
    cloud = run.cloud(incident)
    policy = run.policy(incident)
    aggregates = run.aggregates(incident, cloud)
    guests = run.patiently(lambda: cloud.guests_on(incident.host))
    rescued = [g for g in guests if _is_rescued(choose(g, policy, aggregates))]
    return to_drain(rescued, members)


def _drain(run: Run, incident: Incident, members: Sequence[Member]) -> None:
    """Every load balancer at once: one that is locked keeps nobody up."""
    host = run.host(incident)
    claim = run.permit(incident, host.aggregates, None, "drain")
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
