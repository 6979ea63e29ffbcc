"""What the watch needs beside the executor's ports."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from ha_alarms.start import Start


@dataclass(frozen=True, kw_only=True)
class Page:
    """Something that a person must see."""

    code: str
    """Stable: ``held``, ``unprotected``, ``sick``, ``blind`` ..."""
    subject: str
    """A host, or ``watch``."""
    text: str
    at: float
    incident: str = ""
    again: bool = False
    """It was told before, and still holds."""
    over: bool = False
    """It holds no longer."""


class Starter(Protocol):
    """Mistral, as far as the watch asks it for something."""

    def start(self, start: Start) -> None:
        """Ask for an execution; one with that id is taken for it.

        :raises Transient: not done, or nobody knows: asking again is safe.
        """


class Pager(Protocol):
    """Where pages go besides the log."""

    def page(self, page: Page) -> None:
        """Send one.

        :raises Transient: it did not arrive; it is sent again.
        """


class Beats(Protocol):
    """Who has a beat, by an engine that forgets those who stop."""

    def ended(self) -> Collection[str]:
        """Hosts that keep a beat and have lost it; empty if none can be
        told, and where nobody at all has one."""


class Aside(Protocol):
    """Work beside the rounds."""

    def begin(self, job: Callable[[], None]) -> Callable[[], bool]:
        """Start a job that raises nothing; whether it has ended."""


@dataclass
class Figures:
    """What a watch counts of itself; the metrics show it."""

    round_at: float = 0.0
    """When the last round ended that could read Nova."""
    round_s: float = 0.0
    hosts: int = 0
    suspects: int = 0
    open: int = 0
    held: int = 0
    offset_s: float = 0.0
    events: int = 0
    starts: int = 0
    pages: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    """Code of an error -> how often."""

    def failed(self, code: str) -> None:
        """Count a failure of the watch's own reach."""
        self.failures[code] = self.failures.get(code, 0) + 1


class NoPager:
    """:class:`Pager` where none is configured: the log has it."""

    def page(self, page: Page) -> None:
        """Send it nowhere."""


class NoBeats:
    """:class:`Beats` where none are kept."""

    def ended(self) -> Collection[str]:
        """Nobody's."""
        return ()
