"""Values to JSON and back, strictly, by the dataclasses' own type hints.

One reader for the policy file, the ledger's entries, scenarios and cases: an
unknown key, a wrong type, a value out of bounds or not of the closed set is a
``BadInput`` that says where, and names the nearest known word.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, TypeVar

from ha_actions.errors import BadInput

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """A dataclass, enum or container as plain JSON values."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Enum):
        return value.value
    kind: Any = type(value)
    if names := _names(kind):
        return {
            name: one if type(one) in _PLAIN else to_json(one)
            for name in names
            for one in (getattr(value, name),)
        }
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(to_json(v) for v in value)
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    return value


def from_json(cls: type[T], data: Any, where: str) -> T:
    """Build ``cls`` from JSON values; missing fields get their defaults.

    :param where: how messages name the document ("policy", "plan", ...).
    :raises BadInput: code ``malformed``.
    """
    try:
        return typing.cast(T, _maker(typing.cast(Any, cls))(data))
    except _Wrong as wrong:
        place = where + "".join(reversed(wrong.path))
        raise BadInput("malformed", f"{place} {wrong.what}.") from None


def nearest(word: str, known: Iterable[str]) -> str:
    """``" (did you mean x?)"``, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


_PLAIN = frozenset({str, int, float, bool, type(None)})


@functools.cache
def _names(cls: Any) -> tuple[str, ...]:
    """A dataclass's fields; nothing for any other type."""
    if not dataclasses.is_dataclass(cls):
        return ()
    return tuple(f.name for f in dataclasses.fields(cls))


class _Wrong(Exception):
    """What is wrong; the place is put together on the way up, innermost
    first, so that reading a good document costs nothing for it."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.path: list[str] = []


_Make = Callable[[Any], Any]


@functools.cache
def _maker(hint: Any) -> _Make:
    """What reads a value of this type: made once for each type."""
    if hint is Any:
        return lambda data: data
    if dataclasses.is_dataclass(hint):
        return _dataclass(typing.cast(type, hint))
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _optional(hint)
    if origin in (list, tuple):
        return _sequence(hint)
    if origin is dict:
        return _mapping(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint)
    return functools.partial(_scalar, hint)


def _dataclass(cls: type) -> _Make:
    fields = {f.name: f for f in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    makers: dict[str, tuple[Any, _Make, Any]] = {}
    """Key -> the type that needs no look, what reads any other, bounds."""
    needed = [
        f.name
        for f in fields.values()
        if f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
    ]

    def make(data: Any) -> Any:
        if type(data) is not dict and not isinstance(data, Mapping):
            raise _Wrong(f"must be a mapping, not {_kind(data)}")
        if not makers:  # not before: a class may hold itself
            makers.update(
                (n, (_plain(hints[n], f), _maker(hints[n]), f.metadata))
                for n, f in fields.items()
            )
        values = {}
        for key, value in data.items():
            if key not in makers:
                hint = nearest(str(key), fields)
                raise _Wrong(f"has no key {str(key)!r}{hint}")
            plain, maker, metadata = makers[key]
            if type(value) is plain:
                values[key] = value
                continue
            try:
                values[key] = made = maker(value)
                if metadata:
                    _bounds(made, metadata)
            except _Wrong as wrong:
                wrong.path.append(f": {key}")
                raise
        for name in needed:
            if name not in values:
                raise _Wrong(f"lacks the key {name!r}")
        return cls(**values)

    return make


def _plain(hint: Any, field: dataclasses.Field[Any]) -> Any:
    """The type of which every value is good as it is; else none."""
    good = hint in (str, int, bool) and not field.metadata
    return hint if good else None


def _optional(hint: Any) -> _Make:
    kinds = [a for a in typing.get_args(hint) if a is not type(None)]
    if len(kinds) > 1 or len(kinds) == len(typing.get_args(hint)):
        raise TypeError(f"the codec reads X or None, not {hint}")
    maker = _maker(kinds[0])
    return lambda data: None if data is None else maker(data)


def _sequence(hint: Any) -> _Make:
    maker = _maker(typing.get_args(hint)[0])
    kind = list if typing.get_origin(hint) is list else tuple

    def make(data: Any) -> Any:
        if not isinstance(data, (list, tuple)):
            raise _Wrong(f"must be a list, not {_kind(data)}")
        made = []
        for i, value in enumerate(data):
            try:
                made.append(maker(value))
            except _Wrong as wrong:
                wrong.path.append(f"[{i}]")
                raise
        return kind(made)

    return make


def _mapping(hint: Any) -> _Make:
    maker = _maker(typing.get_args(hint)[1])

    def make(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise _Wrong(f"must be a mapping, not {_kind(data)}")
        made: dict[str, Any] = {}
        for key, value in data.items():
            if key is None or isinstance(key, (bool, tuple)):
                raise _Wrong(f"has the key {key!r}; put it in quotes")
            if str(key) in made:
                raise _Wrong(f"has the key {str(key)!r} twice")
            try:
                made[str(key)] = maker(value)
            except _Wrong as wrong:
                wrong.path.append(f": {key}")
                raise
        return made

    return make


def _enum(cls: type[Enum]) -> _Make:
    known = {str(m.value): m for m in cls}

    def make(data: Any) -> Any:
        if isinstance(data, bool):  # YAML 1.1 reads a bare `no` or `off` so
            words = ("yes", "on") if data else ("no", "off")
            data = next((w for w in words if w in known), data)
        if not isinstance(data, str) or data not in known:
            raise _Wrong(
                f"cannot be {data!r}{nearest(str(data), known)}; "
                f"it is one of {', '.join(known)}"
            )
        return known[data]

    return make


def _scalar(hint: Any, data: Any) -> Any:
    if type(data) is hint and hint is not float:
        return data
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if hint is str and isinstance(data, bool):
        words = "yes, on or true" if data else "no, off or false"
        raise _Wrong(f"must be text; put {words} in quotes")
    if hint is str and isinstance(data, (int, float)):
        raise _Wrong(f"must be text; put {data!r} in quotes")
    if isinstance(data, float) and not math.isfinite(data):
        raise _Wrong(f"cannot be {data!r}")
    if not isinstance(data, hint) or (
        hint is not bool and isinstance(data, bool)
    ):
        raise _Wrong(f"must be {_WORDS[hint]}, not {_kind(data)}")
    return data


def _bounds(value: Any, metadata: Mapping[str, Any]) -> None:
    low, high = metadata.get("low"), metadata.get("high")
    if value is None:
        return
    if low is not None and value < low:
        raise _Wrong(f"is {value}; the lowest allowed is {low}")
    if high is not None and value > high:
        raise _Wrong(f"is {value}; the highest allowed is {high}")


_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def _kind(data: Any) -> str:
    if data is None:
        return "nothing"
    if isinstance(data, Mapping):
        return "a mapping"
    if isinstance(data, (list, tuple)):
        return "a list"
    return repr(data)
