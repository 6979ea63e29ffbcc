"""What must change so that the cloud has what the pack wants. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ha_actions.errors import Refused
from ha_actions.model import Word

from ha_installer.catalogue import KINDS, Thing

SHOWN = 12
"""Lines of a difference that people are shown."""


class Verb(Word):
    """What is done to one thing."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """One thing to do; ``thing`` is the new one, or that which goes."""

    verb: Verb
    thing: Thing
    lines: tuple[str, ...] = ()
    """For an update: what is different."""


def changes(
    wanted: Iterable[Thing], there: Iterable[Thing]
) -> tuple[Change, ...]:
    """Creations and updates in the order of :data:`KINDS`, then deletions
    in the opposite order. Empty: nothing to do.

    :raises Refused: ``not_ours``: a thing of that name is somebody else's.
    """
    want = {(t.kind, t.name): t for t in wanted}
    have = {(t.kind, t.name): t for t in there}
    foreign = [have[k] for k in want if k in have and not have[k].ours]
    if foreign:
        raise Refused(
            "not_ours",
            "Not ours, and of a name that the pack needs: "
            f"{', '.join(f'{t.kind} {t.name}' for t in foreign)}; rename or "
            "remove it, or let it go with its owner's consent.",
        )
    make = [
        Change(Verb.UPDATE, t, _lines(have[k].body, t.body))
        if k in have
        else Change(Verb.CREATE, t)
        for k, t in want.items()
        if k not in have or have[k].body != t.body
    ]
    drop = [
        Change(Verb.DELETE, t)
        for k, t in have.items()
        if t.ours and k not in want
    ]
    return (
        *sorted(make, key=_place),
        *sorted(drop, key=_place, reverse=True),
    )


def told(todo: Sequence[Change]) -> list[str]:
    """The same for people, one or more lines for each."""
    lines = []
    for change in todo:
        lines.append(f"{change.verb} {change.thing.kind} {change.thing.name}")
        lines += [f"    {line}" for line in change.lines]
    return lines


def _place(change: Change) -> tuple[int, str]:
    kind = change.thing.kind
    at = KINDS.index(kind) if kind in KINDS else len(KINDS)
    return at, change.thing.name


def _lines(old: str, new: str) -> tuple[str, ...]:
    found = [
        line
        for line in difflib.unified_diff(
            old.splitlines(), new.splitlines(), lineterm="", n=0
        )
        if not line.startswith(("---", "+++", "@@"))
    ]
    more = len(found) - SHOWN
    return (*found[:SHOWN], *([f"... {more} more"] if more > 0 else []))
