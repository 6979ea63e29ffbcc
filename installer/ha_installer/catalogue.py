"""What is ours in an operator's Mistral: the workbooks, by name and digest."""

from __future__ import annotations

import hashlib
import json
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


@dataclass(frozen=True)
class Thing:
    """One thing that is, or should be, in the cloud.

    ``body`` is its whole meaning as text: the same body, nothing to do.
    """

    kind: str
    name: str
    body: str
    ours: bool = True
    """Whether it carries our tag; what does not is never touched."""


KINDS = ("policy", "workbook", "workflow", "cron trigger", "alarm")
"""In the order in which they are made: the entrance comes last."""

TRIGGER = f"{TAG}.reconcile"
"""Cron triggers have no tags; so its name carries ours."""
EVERY_MINUTE = "* * * * *"


def of_book(book: Book) -> tuple[Thing, ...]:
    """A workbook and the workflows that it makes."""
    flows = yaml.safe_load(book.text)["workflows"]
    return (
        Thing("workbook", book.name, book.text),
        *(
            Thing("workflow", f"{book.name}.{flow}", canonical(spec))
            for flow, spec in flows.items()
        ),
    )


def trigger(pattern: str = EVERY_MINUTE) -> Thing:
    """What starts ``ha.v1.reconcile`` again and again."""
    body = {
        "workflow_name": f"{MAIN}.reconcile",
        "pattern": pattern,
        "workflow_input": {},
    }
    return Thing("cron trigger", TRIGGER, canonical(body))


def alarms() -> tuple[Thing, ...]:
    """Every alarm definition of the package: bodies for Aodh's API.

    :raises BadInput: one is not a definition, or has no name.
    """
    folder = files("ha_installer.alarms")
    return tuple(
        alarm(item.read_text("utf-8"), item.name)
        for item in sorted(folder.iterdir(), key=lambda i: i.name)
        if item.name.endswith(".yaml")
    )


def alarm(text: str, where: str) -> Thing:
    """One alarm: the file's `alarm` is the body for Aodh's API.

    Aodh's alarms have no tags; so the description begins with ours.

    :raises BadInput: it is not a definition, or lacks our tag.
    """
    try:
        body = dict(yaml.safe_load(text)["alarm"])
        name, description = str(body["name"]), str(body["description"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as e:
        raise BadInput(
            "alarm", f"{where} is not an alarm definition: {e}"
        ) from e
    if not description.startswith(TAG):
        raise BadInput(
            "alarm", f"{where}: the description must begin with `{TAG}`."
        )
    return Thing("alarm", name, canonical(body))


def canonical(value: Any) -> str:
    """JSON in one form: equal texts, equal values."""
    return json.dumps(value, sort_keys=True, indent=1)
