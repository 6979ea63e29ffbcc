"""ha.find_unfinished: incidents whose execution ended in the middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.incidents import LIVE
from ha_actions.run import Run

DEADLINE_S = 80

YOUNG_S = 60.0
"""An execution may not be visible yet when its incident is this young."""


@dataclass
class FindUnfinished(HaAction):
    """Open, not held, and nobody works on it.

    :returns: ``{incidents: [id]}``.
    """

    def perform(self, run: Run) -> dict[str, Any]:
        """Held ones wait for a person and are not listed."""
        found = []
        for entry in run.patiently(run.record.all_opened):
            if entry.held:
                continue
            if run.clock.now() - entry.incident.opened_at < YOUNG_S:
                continue
            state = run.outside.ledger.execution_state(entry.execution)
            if state not in LIVE:
                found.append(entry.incident.id)
                run.journal.note(
                    "reconcile",
                    entry.incident.host,
                    f"incident {entry.incident.id}: its execution is "
                    f"{state or 'missing'}",
                )
        return {"incidents": found}
