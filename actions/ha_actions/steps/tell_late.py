"""ha.tell_late: owners hear of an end that nobody lived to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.errors import BadInput, HaError
from ha_actions.model import Event
from ha_actions.records.untold import DROP_S, LATE_S, Marks, Untold
from ha_actions.step_parts.run import Run
from ha_actions.steps.tell_owners import news_of_the_end

DEADLINE_S = 80


@dataclass
class TellLate(HaAction):
    """Publish what was to be told and was not: an engine died in between, or
    the bus was away. The same events as then, with the same ids.

    :returns: ``{told, waiting}``: how many marks.
    """

    def perform(self, run: Run) -> dict[str, Any]:
        """One that fails keeps no other waiting."""
        marks, told, waiting = Marks(run.outside.ledger, run.clock), 0, 0
        for id, mark in list(marks.of()):
            if marks.age(mark) < LATE_S:
                continue
            try:
                events = _events(run, id, mark)
                run.outside.bus.publish(events)
            except HaError as error:
                waiting += 1
                if marks.age(mark) > DROP_S:
                    marks.told(id)
                    run.journal.tell(
                        _subject(run, id, mark),
                        "its owners never heard how it ended; given up after "
                        f"a day: {error.message}",
                    )
                continue
            marks.told(id)
            if not events:  # its owners had nothing to hear
                continue
            told += 1
            types = ", ".join(sorted({e.type for e in events}))
            subject = _subject(run, id, mark)
            run.journal.note("event", subject, f"told late: {types}")
        return {"told": told, "waiting": waiting}


def _subject(run: Run, id: str, mark: Untold) -> str:
    if mark.event is not None:
        return mark.event.traits["display_name"]
    try:
        return run.record.incident(id).host
    except BadInput:
        return id


def _events(run: Run, id: str, mark: Untold) -> list[Event]:
    if mark.event is not None:
        return [mark.event]
    try:
        incident = run.record.incident(id)
    except BadInput:
        return []  # its record has been let go
    return news_of_the_end(run, incident)
