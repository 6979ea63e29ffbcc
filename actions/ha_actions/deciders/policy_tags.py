"""The tags: their names, their values, and how one object's word is read.

The only module that knows how a tag is spelt. A closed tag lists its values
least destructive first: that is the order in which they win on one object.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ha_actions.codec import nearest
from ha_actions.model import Priority, Protection

TAG_PROTECTION = "ha:protection"
TAG_PRIORITY = "ha:priority"
TAG_AFTER = "ha:after"
TAG_GROUP = "ha:group"
TAG_PROBE = "ha:probe"
TAG_LOCAL_DISK = "ha:local-disk"
TAG_DUPLICATES = "ha:duplicates"
TAG_RESTART = "ha:restart"
TAG_FALLBACK = "ha:fallback"
TAG_VOLUMES = "ha:volumes"
TAG_PORTS = "ha:ports"

TAG_REPLACES = "ha:replaces"
TAG_INCIDENT = "ha:incident"
OURS = frozenset({TAG_REPLACES, TAG_INCIDENT})
"""Written by the pack on the servers that it makes; nobody sets them."""

CAREFUL = (
    Protection.IGNORE,
    Protection.CUSTOM,
    Protection.PET,
    Protection.CATTLE,
)
"""Protections, least destructive first."""


@dataclass(frozen=True)
class Tag:
    """One tag: a closed list of values, or a pattern."""

    key: str
    field: str
    """The field of ``Choice`` that it decides."""
    values: tuple[str, ...] = ()
    """Least destructive first."""
    pattern: str = ""
    form: str = ""
    """The pattern in words."""

    def wrong(self, text: str) -> str:
        """Why a value cannot be taken; empty if it can."""
        if self.values:
            if text in self.values:
                return ""
            known = ", ".join(self.values)
            return f"is not one of {known}{nearest(text, self.values)}"
        if re.fullmatch(self.pattern, text) and _port_fits(self.key, text):
            return ""
        return f"is not {self.form}"


FORBIDDEN = "no"
"""Of ``ha:duplicates``: two must never run at once."""

KEEP = "keep"
"""Of ``ha:ports``: the copy gets the old server's own."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_NAME_FORM = "a name of at most 64 letters, digits, '.', '_' or '-'"

TAGS: dict[str, Tag] = {
    tag.key: tag
    for tag in (
        Tag(TAG_PROTECTION, "protection", tuple(str(p) for p in CAREFUL)),
        Tag(
            TAG_PRIORITY,
            "priority",
            (str(Priority.LOW), str(Priority.MEDIUM), str(Priority.HIGH)),
        ),
        Tag(TAG_AFTER, "after", pattern=_NAME, form=_NAME_FORM),
        Tag(TAG_GROUP, "group", pattern=_NAME, form=_NAME_FORM),
        Tag(
            TAG_PROBE,
            "probe",
            pattern=r"tcp:[0-9]{1,5}|http:[0-9]{1,5}(/[!-~]{0,200})?",
            form="tcp:PORT or http:PORT/PATH",
        ),
        # `keep`, `yes` and `never` are the defaults: the words with which a
        # nearer object takes back what a farther one said.
        Tag(TAG_LOCAL_DISK, "discard_local_disk", ("keep", "discard")),
        Tag(TAG_DUPLICATES, "duplicates", (FORBIDDEN, "yes")),
        Tag(TAG_RESTART, "restart_on_crash", ("never", "on-crash")),
        Tag(TAG_FALLBACK, "fallback", ("none", "cattle")),
        Tag(TAG_VOLUMES, "volumes", ("refuse", "clone", "anew")),
        Tag(TAG_PORTS, "keep_ports", (KEEP, "new")),
    )
}


def _port_fits(key: str, text: str) -> bool:
    if key != TAG_PROBE:
        return True
    port = text.split(":", 1)[1].split("/", 1)[0]
    return 0 < int(port) < 65536


@functools.cache
def spellings(key: str, underscored: bool) -> tuple[str, ...]:
    """How a tag may be written: scoped, and as a plain property name."""
    if not underscored:
        return (key,)
    return (key, key.replace(":", "_").replace("-", "_"))


@dataclass(frozen=True)
class Level:
    """Objects that are equally near to a guest, and speak together."""

    objects: tuple[tuple[str, Mapping[str, str]], ...]
    """What the object is called, and its keys and values."""
    underscored: bool = False
    """Whether ``ha_protection`` is read as ``ha:protection`` too."""
    rule: str = ""
    """Of a rule: how it is named, whatever it sets."""
    tenant: bool = False
    """Whether the ceiling applies."""


@dataclass(frozen=True)
class Said:
    """What one level says of one tag; ``value`` is empty for nothing."""

    value: str = ""
    who: str = ""
    warnings: tuple[str, ...] = ()


def listen(tag: Tag, level: Level, ceiling: Sequence[str]) -> Said:
    """Read a tag from a level; on one level the least destructive wins.

    :param ceiling: protections that a tenant may choose.
    """
    good: list[tuple[str, str]] = []
    warnings: list[str] = []
    for who, text in _found(tag, level):
        for word in _words(tag, text):
            wrong = tag.wrong(word)
            if not wrong and level.tenant and tag.key == TAG_PROTECTION:
                wrong = _above(word, ceiling)
            if wrong and tag.key == TAG_DUPLICATES:
                # whoever writes this has something to say against two
                good.append((FORBIDDEN, who))
                warnings.append(
                    f"{who}: {_shown(word)} {wrong}; {FORBIDDEN!r} is taken, "
                    "the safer."
                )
            elif wrong:
                warnings.append(f"{who}: {_shown(word)} {wrong}; ignored.")
            else:
                good.append((word, who))
    if not good:
        return Said(warnings=tuple(warnings))
    value, who = min(good, key=lambda g: _care(tag, g[0]))
    others = sorted({word for word, _ in good} - {value})
    if others:
        warnings.append(
            f"{who}: {value} and {', '.join(others)} contradict each "
            f"other; {value} is taken{', the safer' if tag.values else ''}."
        )
    return Said(value, who, tuple(warnings))


def _found(tag: Tag, level: Level) -> Iterable[tuple[str, str]]:
    for label, texts in level.objects:
        for key in spellings(tag.key, level.underscored):
            if key in texts:
                yield level.rule or f"{label} {key}", str(texts[key])


def _words(tag: Tag, text: str) -> list[str]:
    if not tag.values:
        return [text.strip()]
    return [word.strip().lower() for word in text.split(",")]


def _care(tag: Tag, value: str) -> tuple[int, str]:
    return (tag.values.index(value) if tag.values else 0, value)


def _above(word: str, ceiling: Sequence[str]) -> str:
    if word in ceiling:
        return ""
    allowed = ", ".join(ceiling) or "nothing"
    return f"is above what the operator lets tenants choose ({allowed})"


def _shown(word: str) -> str:
    return repr(word if len(word) <= 40 else word[:37] + "...")


def speaks(level: Level) -> bool:
    """Whether it says anything that is listened to: most levels do not."""
    known = _known_keys(level.underscored)
    return any(not known.isdisjoint(texts) for _, texts in level.objects)


def strangers(level: Level) -> list[str]:
    """Warnings for keys that look like tags and are none.

    ``ha:`` is ours alone; of ``ha_`` only what is nearly a tag is meant.
    """
    known = _known_keys(level.underscored)
    found = []
    for label, texts in level.objects:
        for key in texts:
            if key in known or not key.lower().startswith(("ha:", "ha_")):
                continue
            close = difflib.get_close_matches(key.lower(), known, 1, 0.8)
            if close or key.lower().startswith("ha:"):
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                found.append(
                    f"{label} {_shown(key)[1:-1]} is not a tag that is read "
                    f"there{hint}; ignored."
                )
    return sorted(found)


@functools.cache
def _known_keys(underscored: bool) -> frozenset[str]:
    known = {name for key in TAGS for name in spellings(key, underscored)}
    return frozenset(known | OURS)
