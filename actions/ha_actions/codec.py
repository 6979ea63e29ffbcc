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
from collections.abc import Iterable, Mapping
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
        return {name: to_json(getattr(value, name)) for name in names}
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
    return typing.cast(T, _build(cls, data, where))


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


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _build(hint: Any, data: Any, where: str) -> Any:
    if hint is Any:
        return data
    if dataclasses.is_dataclass(hint):
        return _dataclass(typing.cast(type, hint), data, where)
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _optional(hint, data, where)
    if origin in (list, tuple):
        return _sequence(hint, data, where)
    if origin is dict:
        return _mapping(hint, data, where)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint, data, where)
    return _scalar(hint, data, where)


def _dataclass(cls: type, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise _bad(where, f"must be a mapping, not {_kind(data)}")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            hint = nearest(str(key), fields)
            raise _bad(where, f"has no key {str(key)!r}{hint}")
    values = {}
    for name, hint in _hints(cls).items():
        if name in data and name in fields:
            at = f"{where}: {name}"
            values[name] = _build(hint, data[name], at)
            _bounds(values[name], fields[name].metadata, at)
    needed = [
        f.name
        for f in fields.values()
        if f.default is dataclasses.MISSING
        and f.default_factory is dataclasses.MISSING
        and f.name not in values
    ]
    if needed:
        raise _bad(where, f"lacks the key {needed[0]!r}")
    return cls(**values)


def _optional(hint: Any, data: Any, where: str) -> Any:
    if data is None:
        return None
    kinds = [a for a in typing.get_args(hint) if a is not type(None)]
    if len(kinds) > 1 or len(kinds) == len(typing.get_args(hint)):
        raise TypeError(f"the codec reads X or None, not {hint}")
    return _build(kinds[0], data, where)


def _sequence(hint: Any, data: Any, where: str) -> Any:
    if not isinstance(data, (list, tuple)):
        raise _bad(where, f"must be a list, not {_kind(data)}")
    item = typing.get_args(hint)[0]
    made = [_build(item, v, f"{where}[{i}]") for i, v in enumerate(data)]
    return made if typing.get_origin(hint) is list else tuple(made)


def _mapping(hint: Any, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise _bad(where, f"must be a mapping, not {_kind(data)}")
    of = typing.get_args(hint)[1]
    made: dict[str, Any] = {}
    for key, value in data.items():
        if key is None or isinstance(key, (bool, tuple)):
            raise _bad(where, f"has the key {key!r}; put it in quotes")
        if str(key) in made:
            raise _bad(where, f"has the key {str(key)!r} twice")
        made[str(key)] = _build(of, value, f"{where}: {key}")
    return made


def _enum(cls: type[Enum], data: Any, where: str) -> Enum:
    known = [str(m.value) for m in cls]
    if isinstance(data, bool):  # YAML 1.1 reads a bare `no` or `off` so
        words = ("yes", "on") if data else ("no", "off")
        data = next((w for w in words if w in known), data)
    if data not in known:
        raise _bad(
            where,
            f"cannot be {data!r}{nearest(str(data), known)}; "
            f"it is one of {', '.join(known)}",
        )
    return cls(data)


def _scalar(hint: Any, data: Any, where: str) -> Any:
    if hint is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if hint is str and isinstance(data, bool):
        words = "yes, on or true" if data else "no, off or false"
        raise _bad(where, f"must be text; put {words} in quotes")
    if hint is str and isinstance(data, (int, float)):
        raise _bad(where, f"must be text; put {data!r} in quotes")
    if isinstance(data, float) and not math.isfinite(data):
        raise _bad(where, f"cannot be {data!r}")
    if not isinstance(data, hint) or (
        hint is not bool and isinstance(data, bool)
    ):
        raise _bad(where, f"must be {_WORDS[hint]}, not {_kind(data)}")
    return data


def _bounds(value: Any, metadata: Mapping[str, Any], where: str) -> None:
    low, high = metadata.get("low"), metadata.get("high")
    if value is None:
        return
    if low is not None and value < low:
        raise _bad(where, f"is {value}; the lowest allowed is {low}")
    if high is not None and value > high:
        raise _bad(where, f"is {value}; the highest allowed is {high}")


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


def _bad(where: str, what: str) -> BadInput:
    return BadInput("malformed", f"{where} {what}.")
