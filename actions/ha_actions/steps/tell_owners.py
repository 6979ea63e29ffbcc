"""ha.tell_owners: each guest's owner learns what is done, and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.tidings import (
    Owned,
    Owners,
    Teller,
    at_the_end,
    at_the_start,
)
from ha_actions.errors import HaError
from ha_actions.model import Event, Guest, Incident, Plan, Report
from ha_actions.records.fenced import fenced
from ha_actions.records.untold import Marks
from ha_actions.step_parts.run import Run

DEADLINE_S = 80
TOLD = "owners_not_told"


@dataclass
class TellOwners(HaAction):
    """Publish on the bus, beside the recovery: it never waits for this.

    :param end: the incident was closed or held; else it has just been
        planned.
    :returns: ``{events}``: how many were published.
    """

    incident: str
    end: bool = False

    def perform(self, run: Run) -> dict[str, Any]:
        """A bus that is away costs its events, and is told once."""
        incident = run.incident(self.incident)
        if incident.dry_run:
            return {"events": 0}
        try:
            if self.end:
                events = news_of_the_end(run, incident)
            else:
                events = _start(run, incident)
            run.outside.bus.publish(events)
        except HaError as error:
            name = f"ha.incident.{incident.id}.{TOLD}"
            if run.outside.ledger.create(name, {"at": run.clock.now()}):
                run.journal.tell(
                    incident.host,
                    f"the owners of its guests are not told: {error.message}",
                )
            return {"events": 0}
        if self.end:
            Marks(run.outside.ledger, run.clock).told(incident.id)
        return {"events": len(events)}


def keep_owners(run: Run, incident: Incident, guests: list[Guest]) -> None:
    """Remember whose guests the host had when it was planned first."""
    known = run.record.part(incident.id, "owned", Owners)
    found = {g.id: Owned(g.project, g.name) for g in guests}
    merged = {**found, **(known.guests if known else {})}
    if known is None or merged != known.guests:
        run.record.keep(incident.id, "owned", Owners(merged))


def _owners(run: Run, incident: Incident) -> dict[str, Owned]:
    known = run.record.part(incident.id, "owned", Owners)
    return dict(known.guests) if known else {}


def _start(run: Run, incident: Incident) -> list[Event]:
    numbers = run.record.parts(incident.id, "plan.")
    plan = run.record.part(incident.id, numbers[-1], Plan) if numbers else None
    owners = _owners(run, incident)
    return at_the_start(
        Teller(run.outside.namespace, incident),
        owners,
        plan.left_alone if plan else (),
        fenced=fenced(run.record, incident, owners),
        at=run.clock.now(),
    )


def news_of_the_end(run: Run, incident: Incident) -> list[Event]:
    """How it ended, for each owner; the same however often it is asked."""
    report = run.record.part(incident.id, "report", Report)
    if report is None:
        return []
    owners = _owners(run, incident)
    if not owners and not report.guests:  # it was held before the plan
        found = run.cloud(incident).guests_on(incident.host)
        owners = {g.id: Owned(g.project, g.name) for g in found}
    return at_the_end(run.outside.namespace, report, owners, run.clock.now())
