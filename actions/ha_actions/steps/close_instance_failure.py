"""ha.close_instance_failure: how it ended, told and remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.tidings_alone import restart_ended
from ha_actions.model.server import Climb, ServerFailure, ServerReport
from ha_actions.records.server_record import ServerRecord
from ha_actions.records.untold import Marks
from ha_actions.step_parts.run import Run

DEADLINE_S = 80
QUIET = frozenset({"deleted", "dry_run"})


@dataclass
class CloseInstanceFailure(HaAction):
    """Write the report and free the server's entry.

    :returns: ``{state: closed, code, summary}``.
    """

    failure: str

    def perform(self, run: Run) -> dict[str, Any]:
        """A repeat finds it shut and tells the same story."""
        record = ServerRecord(run.record)
        failure = record.failure(self.failure)
        report = record.part(failure.id, "report", ServerReport)
        if report is None:
            climb = record.part(failure.id, "climb", Climb) or Climb()
            report = report_of(failure, climb, run.clock.now())
            record.keep(failure.id, "report", report)
            if report.recovered or report.code in QUIET:
                run.journal.note("incident", failure.name, report.reason)
            else:
                run.journal.tell(failure.name, report.reason)
        if record.opened(failure.server) is not None:  # a repeat: it was told
            tell_owner(run, report)
        record.shut(failure)
        return {
            "state": "closed",
            "code": report.code,
            "summary": f"failure {failure.id}: {report.reason}",
        }


def tell_owner(run: Run, report: ServerReport) -> None:
    """Leave word for its owner, before the entry is freed."""
    if report.failure.dry_run:
        return
    event = restart_ended(run.outside.namespace, report)
    if event is not None:
        marks = Marks(run.outside.ledger, run.clock)
        marks.put(f"{report.failure.id}.end", event)


def report_of(
    failure: ServerFailure, climb: Climb, now: float
) -> ServerReport:
    """How a failure has ended, by the rungs that were tried."""
    last = climb.rungs[-1] if climb.rungs else None
    tried = ", ".join(f"{r.name} ({r.detail})" for r in climb.rungs)
    code = "not_recovered"
    good = False
    if failure.dry_run:
        code = "dry_run"
        reason = "it would have been restarted"
    elif last is not None and last.ended == "runs":
        code, good = "", True
        reason = f"it runs again, by {last.name}"
    elif climb.stopped:
        code, reason = climb.stopped, f"left to others: {climb.why}"
    else:
        reason = f"it does not run; tried: {tried or 'nothing'}"
    return ServerReport(
        failure=failure,
        recovered=good,
        code=code,
        reason=reason,
        closed_at=now,
        rungs=climb.rungs,
    )
