"""ha.verify: is everything really back? The host is listed anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.errors import Transient
from ha_actions.model import Finding, Incident, Plan, Planned, Refusal
from ha_actions.step_parts.gathering import MEMBERS_UNKNOWN, earlier_guests
from ha_actions.step_parts.kept_plans import FirstPlan
from ha_actions.step_parts.recovery_look import look, mend
from ha_actions.step_parts.run import Run
from ha_actions.steps.fence_host import VOIDS

DEADLINE_S = 650
PLANS = 4
"""So many plans one attempt may need for guests that landed late."""


@dataclass(frozen=True)
class Checked:
    """The recovery check's findings, and when they were made."""

    at: float
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


@dataclass
class Verify(HaAction):
    """Compare before and after; see who landed on the host meanwhile.

    :returns: ``{next: close | assess | plan, wrong: number}``. ``assess``
        when the proof became void; ``plan`` when a guest is on the dead host
        that no plan has seen.
    """

    incident: str

    def perform(self, run: Run) -> dict[str, Any]:
        """Bulk reads; changed is only what the rescue has lost."""
        incident = run.incident(self.incident)
        planned = earlier_guests(run, incident)
        seen = look(run, incident, planned)
        if mend(run, incident, seen):
            seen = look(run, incident, planned)
        findings = seen.findings
        run.record.keep(
            incident.id,
            "checked",
            Checked(run.clock.now(), tuple(findings), tuple(seen.notes)),
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
    left = run.patiently(lambda: cloud.guests_on(incident.host, brief=True))
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
