"""ha.find_unfinished: incidents whose execution ended in the middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.report import DEFERRED
from ha_actions.records.incidents import LIVE
from ha_actions.step_parts.run import Run

DEADLINE_S = 80

LAST_RUN = "ha.reconciled"
"""The ledger's entry that says when reconcile last ran: ``{at}``."""

YOUNG_S = 60.0
"""An execution may not be visible yet when its incident is this young."""

PAUSE_S = 120.0
"""Between two looks for room for those who wait for it."""


@dataclass
class FindUnfinished(HaAction):
    """Open, and nobody works on it; or it waits for a host with room.

    :returns: ``{incidents: [id]}``.
    """

    def perform(self, run: Run) -> dict[str, Any]:
        """Those held for anything but room wait for a person.

        One whose time for waiting is over is listed once more: its close
        then holds it for a person.
        """
        found = []
        opened, _ = run.patiently(run.record.opened_and_bad)
        for entry in opened:
            if entry.held == DEFERRED:
                waited = run.clock.now() - entry.held_at
                if waited >= PAUSE_S:
                    found.append(entry.incident.id)
                    run.journal.note(
                        "reconcile",
                        entry.incident.host,
                        f"incident {entry.incident.id}: looks for room again",
                    )
            if entry.held:
                continue
            if run.clock.now() - entry.incident.opened_at < YOUNG_S:
                continue
            state = run.record.execution_state(entry.execution)
            if state not in LIVE:
                found.append(entry.incident.id)
                run.journal.note(
                    "reconcile",
                    entry.incident.host,
                    f"incident {entry.incident.id}: its execution is "
                    f"{state or 'missing'}",
                )
        return {"incidents": found}
