"""ha.find_unfinished: incidents whose execution ended in the middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.report import DEFERRED
from ha_actions.records import resumes
from ha_actions.records.incidents import LIVE, Opened
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
        then holds it for a person. One that was resumed often enough in vain
        is held here.
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
            if state not in LIVE and _goes_on(run, entry, state):
                found.append(entry.incident.id)
        return {"incidents": found}


def _goes_on(run: Run, entry: Opened, state: str) -> bool:
    """Whether it is resumed now; held for a person when that is in vain."""
    host, id = entry.incident.host, entry.incident.id
    n, last = resumes.in_a_row(run.record, entry)
    if resumes.over(n):
        text = resumes.give_up(run.record, entry, run.execution)
        if text:
            run.journal.tell(host, text, incident=id)
        return False
    if not resumes.due(n, last, run.clock.now()):
        return False
    run.journal.note(
        "reconcile",
        host,
        f"incident {id}: its execution is {state or 'missing'}",
    )
    return True
