"""``ports.Journal`` that keeps the trace of a scenario."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ha_actions.sim.clock import FreeClock, TurnClock


class TraceJournal:
    """The trace: ``{at, kind, subject, text}``, ``at`` since the start."""

    def __init__(
        self,
        clock: TurnClock | FreeClock,
        live: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.clock = clock
        self.trace: list[dict[str, Any]] = []
        self.told: list[tuple[str, str]] = []
        self.live = live
        self.happened: Callable[[str], None] = lambda kind: None
        """Told of each entry's kind: a script may wait for one."""

    def note(self, kind: str, subject: str, text: str, **facts: Any) -> None:
        """One thing that happened."""
        entry = {
            "at": round(self.clock.now() - self.clock.start, 3),
            "kind": kind,
            "subject": subject,
            "text": text,
        }
        self.trace.append(entry)
        self.happened(kind)
        if self.live is not None:
            self.live(entry)

    def tell(self, subject: str, text: str, **facts: Any) -> None:
        """The same, and a person must see it."""
        self.told.append((subject, text))
        self.note("told", subject, text, **facts)
