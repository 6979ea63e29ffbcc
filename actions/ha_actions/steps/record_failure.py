"""ha.record_failure: a batch whose action never ended well is an outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.model import Result
from ha_actions.step_parts.batch_step import Job
from ha_actions.step_parts.run import Run

DEADLINE_S = 80


@dataclass
class RecordFailure(HaAction):
    """Give every guest of the batch that has none a failed outcome."""

    incident: str
    batch: str

    def perform(self, run: Run) -> dict[str, Any]:
        """Never over an outcome that an attempt has written."""
        step = run.batch(self.incident, self.batch).action
        job = Job(run, self.incident, self.batch, step)
        job.outcomes = run.outcomes(self.incident, self.batch)
        job.settle_rest(
            Result.FAILED, "no_ending", "its action did not end; see its task"
        )
        return job.end()
