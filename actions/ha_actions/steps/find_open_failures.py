"""ha.find_open_failures: servers on whose failure nobody works any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.records.incidents import LIVE
from ha_actions.records.server_record import ServerRecord
from ha_actions.step_parts.run import Run
from ha_actions.steps.find_unfinished import YOUNG_S

DEADLINE_S = 80


@dataclass
class FindOpenFailures(HaAction):
    """Open, and their execution has ended.

    :returns: ``{failures: [id]}``.
    """

    def perform(self, run: Run) -> dict[str, Any]:
        """Young ones may have an execution that cannot be seen yet."""
        found = [
            entry.failure.id
            for entry in run.patiently(ServerRecord(run.record).all_opened)
            if run.clock.now() - entry.failure.opened_at >= YOUNG_S
            and run.record.execution_state(entry.execution) not in LIVE
        ]
        return {"failures": found}
