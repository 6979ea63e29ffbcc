"""What all records have: the ledger, the clock, and a typed way to read."""

from __future__ import annotations

from typing import TypeVar

from ha_actions.codec import from_json
from ha_actions.ports import Clock, Ledger

T = TypeVar("T")


class Entries:
    """Entries of ours in the ledger; subclasses say what they mean."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self.ledger = ledger
        self.clock = clock

    def _read(self, name: str, cls: type[T]) -> T | None:
        entry = self.ledger.read(name)
        return None if entry is None else from_json(cls, entry, name)
