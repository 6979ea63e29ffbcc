"""News of owners that is not yet known to be on the bus: marks in the ledger.

``ha.untold.<id>``: an incident's end, by the incident's id; or one event of
``<failure>.<kind>``, of a server that failed alone. A mark is made before the
record is shut and goes once the bus has taken the news: so an engine that
dies in between loses none. Told twice is told once: the ids are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ha_actions.codec import from_json, to_json
from ha_actions.model import Event
from ha_actions.ports import Clock, Ledger

PREFIX = "ha.untold."
LATE_S = 120.0
"""A mark this old has nobody at work on it any more."""
DROP_S = 86400.0
"""After a day it is no news; a person hears of it instead."""


@dataclass(frozen=True)
class Untold:
    """One mark."""

    since: float
    event: Event | None = None
    """What to publish; None: it is made from the incident's report."""


class Marks:
    """The marks, over the ledger."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def put(self, id: str, event: Event | None = None) -> None:
        """Remember that it must be told, before anything is shut."""
        mark = Untold(self._clock.now(), event)
        self._ledger.write(f"{PREFIX}{id}", to_json(mark))

    def told(self, id: str) -> None:
        """The bus has it."""
        self._ledger.delete(f"{PREFIX}{id}")

    def of(self, prefix: str = "") -> Iterator[tuple[str, Untold]]:
        """Id and mark of all whose id begins so."""
        for name in self._ledger.names(f"{PREFIX}{prefix}"):
            entry = self._ledger.read(name)
            if entry is not None:
                mark = from_json(Untold, entry, name)
                yield name.removeprefix(PREFIX), mark

    def age(self, mark: Untold) -> float:
        """Seconds since it was put."""
        return self._clock.now() - mark.since
