"""``ports.Ledger`` in memory: JSON text, as the real one stores it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ha_actions.errors import BadInput

NAME_MAX = 200
VALUE_MAX = 900_000


class MemoryLedger:
    """Entries by name; ``states`` tells an execution's state.

    Values go through JSON both ways, so that nobody shares an object with
    the ledger, and nothing that JSON cannot hold passes unseen.
    """

    def __init__(self, states: Callable[[str], str] | None = None) -> None:
        self.entries: dict[str, str] = {}
        self.states = states or (lambda execution: "")
        self.projects: Callable[[str], str] = lambda execution: ""
        self.writes = 0

    def create(self, name: str, value: Mapping[str, Any]) -> bool:
        """Make an entry; False, and nothing changed, if there is one."""
        self.writes += 1
        text = _text(name, value)
        return self.entries.setdefault(name, text) is text

    def read(self, name: str) -> dict[str, Any] | None:
        """An entry's value, or None."""
        text = self.entries.get(name)
        if text is None:
            return None
        value: dict[str, Any] = json.loads(text)
        return value

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Make or replace an entry."""
        self.writes += 1
        self.entries[name] = _text(name, value)

    def delete(self, name: str) -> None:
        """Remove an entry; no error if there is none."""
        self.writes += 1
        self.entries.pop(name, None)

    def names(self, prefix: str) -> list[str]:
        """Names that start with the prefix, sorted."""
        return sorted(n for n in self.entries if n.startswith(prefix))

    def execution_state(self, execution: str) -> str:
        """Mistral's word for an execution, ``""`` if there is none."""
        return self.states(execution)

    def execution_project(self, execution: str) -> str:
        """The project that owns it, ``""`` if there is none."""
        return self.projects(execution)


def _text(name: str, value: Mapping[str, Any]) -> str:
    text = json.dumps(value)
    if len(name) > NAME_MAX or len(text) > VALUE_MAX:
        raise BadInput(
            "entry_too_large",
            f"Ledger entry {name[:40]!r} has a name of {len(name)} and a "
            f"value of {len(text)} characters; at most {NAME_MAX} and "
            f"{VALUE_MAX} fit.",
        )
    return text
