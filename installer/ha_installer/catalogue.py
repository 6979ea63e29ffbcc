"""What is ours in an operator's Mistral: the workbooks, by name and digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml
from ha_actions.errors import BadInput

TAG = "ha-pack-managed"
"""On everything that we install; nothing without it is ever touched."""
MAIN = "ha.v1"
"""The name of the workbook whose workflows alarms and people start."""


@dataclass(frozen=True)
class Book:
    """One workbook as it is shipped."""

    name: str
    text: str
    workflows: tuple[str, ...]
    """Full names, as Mistral registers them: ``book.workflow``."""

    @property
    def digest(self) -> str:
        """Short SHA-256 of the text: the same digest, nothing to update."""
        return digest(self.text)


def digest(text: str) -> str:
    """Short SHA-256 (16 hex digits), the same whatever the line ends."""
    plain = "\n".join(text.splitlines()) + "\n"
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def books() -> tuple[Book, ...]:
    """Every workbook of the package, by name.

    :raises BadInput: one is not a workbook, or lacks our tag.
    """
    folder = files("ha_installer.workbooks")
    texts = {
        item.name: item.read_text("utf-8")
        for item in folder.iterdir()
        if item.name.endswith(".yaml")
    }
    return tuple(read(text, file) for file, text in sorted(texts.items()))


def main_book() -> Book:
    """The workbook ``ha.v1``."""
    return next(book for book in books() if book.name == MAIN)


def read(text: str, where: str) -> Book:
    """A workbook from its text.

    :raises BadInput: it is not a workbook, or lacks our tag.
    """
    try:
        raw: Any = yaml.safe_load(text)
        name, flows = str(raw["name"]), tuple(raw["workflows"])
        tags = raw.get("tags", [])
        untagged = [
            flow
            for flow in flows
            if TAG not in raw["workflows"][flow].get("tags", [])
        ]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as e:
        raise BadInput("workbook", f"{where} is not a workbook: {e}") from e
    if TAG not in tags or untagged:
        raise BadInput(
            "workbook_tag",
            f"{where}: the tag `{TAG}` is missing on the book or on "
            f"{', '.join(untagged) or 'its top level'}; add it.",
        )
    return Book(name, text, tuple(f"{name}.{flow}" for flow in flows))
