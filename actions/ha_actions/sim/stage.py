"""The stage on which a script plays, and its checked lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ha_actions.ports import Ledger
from ha_actions.sim import alarms
from ha_actions.sim.journal import TraceJournal
from ha_actions.sim.world import World


@dataclass(frozen=True)
class Act:
    """One checked line of a script."""

    at: float
    verb: str
    words: tuple[str, ...]
    after: str = ""
    """The moment from which ``at`` counts; empty: the start."""

    @property
    def line(self) -> str:
        """As it is written in the file."""
        return " ".join([self.verb, *self.words])


@dataclass
class Crash:
    """The executor dies before or after the n-th run of an action, or an
    engine as it begins (``begin``) the n-th task of it."""

    when: str
    step: str
    left: int


@dataclass
class Stage:
    """What a verb acts on; ``start`` is the engine's POST of an execution."""

    world: World
    journal: TraceJournal
    ledger: Ledger
    start: Callable[[str, dict[str, Any], str, str], str]
    """(workflow, inputs, execution id, project) -> id."""
    cancel: Callable[[str], None] = lambda execution: None
    """Somebody cancels an execution."""
    crashes: list[Crash] = field(default_factory=list)
    watches: dict[str, Any] = field(default_factory=dict)
    """Name -> the :class:`~ha_actions.sim.watches.SimWatch` on the stage."""
    double: bool = False
    """Deliver every alarm twice."""
    counter: int = 0

    def writes(self) -> int:
        """How often the ledger was written, where that is counted."""
        return int(getattr(self.ledger, "writes", 0))

    def fresh_id(self) -> str:
        """An execution id that nobody has used."""
        self.counter += 1
        return alarms.execution_id("hand", str(self.counter))
