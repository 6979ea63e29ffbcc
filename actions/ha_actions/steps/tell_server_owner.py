"""ha.tell_server_owner: what becomes of a server that failed alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.errors import HaError
from ha_actions.records.untold import Marks
from ha_actions.step_parts.run import Run

DEADLINE_S = 80


@dataclass
class TellServerOwner(HaAction):
    """Publish what waits to be told of one failure.

    A bus that is away costs nothing: ha.tell_late tries again.

    :returns: ``{events}``: how many were published.
    """

    failure: str

    def perform(self, run: Run) -> dict[str, Any]:
        """Nothing waits: nothing is said."""
        marks = Marks(run.outside.ledger, run.clock)
        waiting = list(marks.of(f"{self.failure}."))
        events = [mark.event for _, mark in waiting if mark.event is not None]
        try:
            run.outside.bus.publish(events)
        except HaError as error:
            run.journal.note(
                "event",
                events[0].traits["display_name"],
                f"its owner is not told yet: {error.message}",
            )
            return {"events": 0}
        for id, _ in waiting:
            marks.told(id)
        return {"events": len(events)}
