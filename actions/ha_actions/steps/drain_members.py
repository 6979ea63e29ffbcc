"""ha.drain_members: no new connections to guests of a host that is down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ha_actions.action import HaAction
from ha_actions.errors import HaError, Refused
from ha_actions.model import Choice, Guest, Incident, Member, Protection
from ha_actions.policy import choose
from ha_actions.run import Run
from ha_actions.steps.update_members import WORKS

DEADLINE_S = 280


@dataclass(frozen=True)
class Drained:
    """What was taken out of service, with the weights to give back."""

    members: tuple[Member, ...]


@dataclass
class DrainMembers(HaAction):
    """Weight 0 for their members; the old weights go to the ledger first.

    Never the last serving member of a pool. A load balancer that refuses is
    noted and does not stop the recovery.
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
        chosen = self._choose(run, incident, members) if members else []
        new = [m for m in chosen if m.id not in weights]
        if kept is None or new:
            before = kept.members if kept else ()
            value = Drained((*before, *new))
            run.record.keep(incident.id, "drained", value)
        self._drain(run, incident, chosen)
        return {"drained": len(chosen)}

    def _choose(
        self, run: Run, incident: Incident, members: list[Member]
    ) -> list[Member]:
        cloud = run.cloud(incident)
        policy = run.policy(incident)
        aggregates = run.patiently(cloud.aggregates)
        guests = run.patiently(lambda: cloud.guests_on(incident.host))
        rescued = [
            g for g in guests if _is_rescued(choose(g, policy, aggregates))
        ]
        return _to_drain(rescued, members)

    def _drain(
        self, run: Run, incident: Incident, members: list[Member]
    ) -> None:
        host = run.host(incident)
        claim = None
        for lb in sorted({m.lb for m in members}):
            mine = [m for m in members if m.lb == lb]
            zero = {m.id: 0 for m in mine}
            try:
                claim = run.permit(incident, host.aggregates, claim, "drain")
                run.cloud(incident).set_weights(lb, zero, claim)
            except Refused:
                raise
            except HaError as error:
                pools = ", ".join(sorted({m.pool_name for m in mine}))
                run.journal.note(
                    "drain", pools, f"not drained: {error.message}"
                )
                continue
            for m in mine:
                run.journal.note(
                    "drain", m.name or m.id, f"weight 0 in {m.pool_name}"
                )
        if claim is not None:
            run.record.release(claim)


def members_of(guest: Guest, members: Sequence[Member]) -> list[Member]:
    """A member is a guest's only if address *and* subnet match a port.

    Tenants share 192.168/16.
    """
    places = {(p.subnet, p.address) for p in guest.ports}
    return [m for m in members if (m.subnet, m.address) in places]


def _is_rescued(choice: Choice) -> bool:
    return (
        choice.protection in (Protection.PET, Protection.CATTLE)
        and not choice.service_vm
    )


def _to_drain(
    guests: Sequence[Guest], members: Sequence[Member]
) -> list[Member]:
    mine = {m.id: m for g in guests for m in members_of(g, members)}
    chosen = []
    for pool in sorted({m.pool for m in mine.values()}):
        in_pool = [m for m in members if m.pool == pool]
        others = [
            m
            for m in in_pool
            if m.id not in mine and m.weight > 0 and m.status in WORKS
        ]
        if others:
            chosen += [m for m in in_pool if m.id in mine and m.weight > 0]
    return chosen
