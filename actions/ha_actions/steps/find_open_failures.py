"""ha.find_open_failures: servers on whose failure nobody works any more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ha_actions.action import HaAction
from ha_actions.errors import HaError
from ha_actions.model.server import Climb
from ha_actions.records import resumes
from ha_actions.records.incidents import LIVE
from ha_actions.records.server_record import ServerOpened, ServerRecord
from ha_actions.step_parts.run import Run
from ha_actions.steps.close_instance_failure import report_of, tell_owner
from ha_actions.steps.find_unfinished import YOUNG_S

DEADLINE_S = 80


@dataclass
class FindOpenFailures(HaAction):
    """Open, and their execution has ended.

    :returns: ``{failures: [id]}``.
    """

    def perform(self, run: Run) -> dict[str, Any]:
        """Young ones may have an execution that cannot be seen yet.

        One that was resumed often enough in vain is closed here, and told.
        """
        record, found = ServerRecord(run.record), []
        for entry in run.patiently(record.all_opened):
            if run.clock.now() - entry.failure.opened_at < YOUNG_S:
                continue
            if run.record.execution_state(entry.execution) in LIVE:
                continue
            if resumes.over(entry.attempt - 1):
                _give_up(run, record, entry)
            else:
                found.append(entry.failure.id)
        return {"failures": found}


def _give_up(run: Run, record: ServerRecord, entry: ServerOpened) -> None:
    mine = record.go_on(entry, run.execution)
    if mine is None:
        return
    report = report_of(entry.failure, _climb(record, entry), run.clock.now())
    if not report.recovered:
        report = replace(
            report,
            code=resumes.IN_VAIN,
            reason=f"given up: {entry.attempt} attempts in a row have ended "
            "in the middle; see the failed tasks of their executions",
        )
    record.keep(entry.failure.id, "report", report)
    run.journal.tell(entry.failure.name, report.reason)
    tell_owner(run, report)
    record.shut(entry.failure)


def _climb(record: ServerRecord, entry: ServerOpened) -> Climb:
    try:
        return record.part(entry.failure.id, "climb", Climb) or Climb()
    except HaError as error:
        if error.retryable:
            raise
        return Climb()  # it may be for this very entry that nothing works
