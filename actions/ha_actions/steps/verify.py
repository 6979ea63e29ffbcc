"""ha.verify: is everything really back? The host is listed anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.errors import Transient
from ha_actions.model import (
    Finding,
    Guest,
    Incident,
    Member,
    Plan,
    Planned,
    Protection,
    Refusal,
)
from ha_actions.recovery_check import check_guest
from ha_actions.run import Run
from ha_actions.steps.fence_host import VOIDS
from ha_actions.steps.make_plan import (
    MEMBERS_UNKNOWN,
    FirstPlan,
    earlier_guests,
)

DEADLINE_S = 650
PLANS = 4
"""So many plans one attempt may need for guests that landed late."""


@dataclass(frozen=True)
class Checked:
    """The recovery check's findings, and when they were made."""

    at: float
    findings: tuple[Finding, ...]


@dataclass
class Verify(HaAction):
    """Compare before and after; see who landed on the host meanwhile.

    :returns: ``{next: close | assess | plan, wrong: number}``. ``assess``
        when the proof became void; ``plan`` when a guest is on the dead host
        that no plan has seen.
    """

    incident: str

    def perform(self, run: Run) -> dict[str, Any]:
        """Bulk reads only; nothing is changed here."""
        incident = run.incident(self.incident)
        planned = earlier_guests(run, incident)
        findings = _look(run, incident, planned)
        run.record.keep(
            incident.id, "checked", Checked(run.clock.now(), tuple(findings))
        )
        wrong = [f for f in findings if not f.ok]
        run.journal.note(
            "check",
            incident.host,
            f"recovery check: {len(findings) - len(wrong)} of "
            f"{len(findings)} ok"
            if findings
            else "recovery check: nobody to check",
        )
        for f in wrong:
            run.journal.note("check", f.name, f"{f.check}: {f.detail}")
        return {
            "next": _next(run, incident, planned),
            "wrong": len(wrong),
        }


def _pools_known_now(run: Run, incident: Incident) -> bool:
    """Octavia did not answer the plan, and does now: plan for the pools."""
    held = run.record.part(incident.id, "refusal", Refusal)
    if held is None or held.code != MEMBERS_UNKNOWN:
        return False
    try:
        run.patiently(run.cloud(incident).members, for_s=60)
    except Transient:
        return False
    run.outside.ledger.delete(f"ha.incident.{incident.id}.refusal")
    run.journal.note("check", incident.host, "Octavia answers again")
    return True


def _next(run: Run, incident: Incident, planned: dict[str, Planned]) -> str:
    voids = run.record.voids(incident.id)
    proven = run.record.proof(incident.id) is not None
    if not proven and 0 < voids <= VOIDS:
        return "assess"
    if not proven or _plans(run, incident) >= PLANS:
        return "close"
    if _pools_known_now(run, incident):
        return "plan"
    cloud = run.cloud(incident)
    left = run.patiently(lambda: cloud.guests_on(incident.host))
    seen = planned.keys() | _left_alone(run, incident)
    # also those that cannot be brought back: the report must name them
    landed = [g for g in left if g.id not in seen]
    for guest in landed:
        run.journal.note("check", guest.name, "landed after the plan was made")
    return "plan" if landed else "close"


def _plans(run: Run, incident: Incident) -> int:
    """Plans that this attempt has made."""
    first = run.record.part(incident.id, "first_plan", FirstPlan)
    made = len(run.record.parts(incident.id, "plan."))
    if first is None or first.execution != run.execution:
        return made
    return made - first.number + 1


def _left_alone(run: Run, incident: Incident) -> set[str]:
    plans = (
        run.record.part(incident.id, part, Plan)
        for part in run.record.parts(incident.id, "plan.")
    )
    return {one.guest for plan in plans if plan for one in plan.left_alone}


def _look(
    run: Run, incident: Incident, planned: dict[str, Planned]
) -> list[Finding]:
    if not planned:
        return []
    cloud = run.cloud(incident)
    now = run.patiently(lambda: cloud.guests(planned))
    cattle = [
        p for p in planned.values() if p.choice.protection is Protection.CATTLE
    ]
    owners = {p.guest.id: p.guest.project for p in cattle}
    copies: dict[str, Guest] = (
        run.patiently(lambda: cloud.copies(owners)) if cattle else {}
    )
    up = {h.name for h in run.patiently(cloud.hosts) if h.up}
    volumes = {v for p in planned.values() for v in p.guest.volumes}
    states = (
        run.patiently(lambda: cloud.volume_states(volumes)) if volumes else {}
    )
    in_pools = any(p.members for p in planned.values())
    members: list[Member] | None = []
    if in_pools:
        try:
            members = run.patiently(cloud.members)
        except Transient:
            members = None
    balancers = _balancers(run, incident, planned)
    return [
        finding
        for id, p in planned.items()
        for finding in check_guest(
            p,
            now.get(id),
            copies.get(id),
            dead_host=incident.host,
            hosts_up=up,
            volumes=states,
            members=members,
            balancer=balancers.get(p.balancer, ""),
        )
    ]


def _balancers(
    run: Run, incident: Incident, planned: dict[str, Planned]
) -> dict[str, str]:
    """State of each load balancer that had an amphora on the host."""
    lbs = {p.balancer for p in planned.values() if p.balancer}
    cloud = run.cloud(incident)
    if not lbs:
        return {}
    try:
        return run.patiently(lambda: cloud.balancer_states(lbs))
    except Transient:
        return dict.fromkeys(lbs, "not known: Octavia does not answer")
