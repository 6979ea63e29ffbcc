"""Rules of the policy: YAQL over one guest, checked when the policy loads.

In an expression ``$`` is the guest as JSON (every field of ``model.Guest``),
with ``aggregates``, the names of its host's aggregates. A rule is true only
when it gives ``true``. It is a pure function of the guest: what could give
another answer tomorrow (``now``, ``random``) is refused, and so are endless
sequences. Answers are remembered by expression and facts: at 0.2-0.4 ms for
one evaluation, 500 guests and 6 rules would cost a second each time.
"""

from __future__ import annotations

import collections.abc  # noqa: F401  yaql uses it without importing it
import dataclasses
import functools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaql
from yaql.language import exceptions, expressions

from ha_actions.codec import nearest, to_json
from ha_actions.errors import BadInput
from ha_actions.model import Aggregate, Guest

FACTS = frozenset({f.name for f in dataclasses.fields(Guest)} | {"aggregates"})
"""What an expression may read of ``$``."""

_FORBIDDEN = frozenset(
    {
        *("now", "localtz", "random", "randomInt", "eval", "call", "def"),
        *("range", "sequence", "generate", "generateMany", "cycle", "repeat"),
    }
)
_FAILS = (
    exceptions.YaqlException,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    re.error,
)
_BAD_REGEX = "bad regular expression"
_MEMORY = 1_000_000  # bytes that one evaluation may hold
_ITEMS = 10_000  # and items that it may walk through
_BEGINS = "startsWith"
_JOINS = {"#operator_or": True, "#operator_and": False}
"""What joins two terms, and the left one's truth that ends it."""
_DELIMITERS = ("<%", "%>", "{{", "{%")


@functools.lru_cache(maxsize=1)
def _engine() -> Any:
    return yaql.YaqlFactory().create(
        {
            "yaql.memoryQuota": _MEMORY,
            "yaql.limitIterators": _ITEMS,
            "yaql.convertInputData": False,  # our JSON values are plain
        }
    )


@functools.lru_cache(maxsize=1)
def _context() -> Any:
    return yaql.create_context()


@dataclasses.dataclass(frozen=True)
class _Parsed:
    statement: Any
    reads: frozenset[str]


@functools.lru_cache(maxsize=1000)
def _parse(expression: str) -> _Parsed:
    """Parse, and find what it reads; raises yaql's errors, or BadInput."""
    statement = _engine()(expression)
    return _Parsed(statement, frozenset(_reads(statement, False)))


def _reads(node: Any, inside: bool) -> Iterator[str]:
    """Names of the facts that a node reads.

    ``inside`` a method's arguments ``$`` may be an item of a list, so names
    are not judged there.
    """
    if isinstance(node, expressions.GetContextValue):
        yield from FACTS  # the bare `$`: all of it
    elif isinstance(node, expressions.Wrap):
        yield from _reads(node.expr, inside)
    elif isinstance(node, expressions.MappingRuleExpression):
        yield from _reads(node.source, inside)
        yield from _reads(node.destination, inside)
    elif isinstance(node, expressions.Function):
        yield from _function_reads(node, inside)


def _function_reads(node: Any, inside: bool) -> Iterator[str]:
    _known(node.name)
    if node.name not in ("#operator_.", "#operator_?."):
        for arg in node.args:
            yield from _reads(arg, inside)
        return
    left, right = node.args
    if _is_guest(left) and isinstance(right, expressions.KeywordConstant):
        name = str(right.value)
        if not inside and name not in FACTS:
            raise BadInput(
                "malformed",
                f"reads $.{name}, which a guest does not have"
                f"{nearest(name, FACTS)}",
            )
        yield name
        return
    yield from _reads(left, inside)
    if isinstance(right, expressions.Function):
        _known(right.name)
        for arg in right.args:
            yield from _reads(arg, True)


def _is_guest(node: Any) -> bool:
    return (
        isinstance(node, expressions.GetContextValue)
        and node.path.value == "$"
    )


def _known(name: str) -> None:
    if not name.isidentifier():
        return  # an operator
    if name in _FORBIDDEN:
        raise BadInput(
            "malformed",
            f"calls {name}(), which a rule may not: its answer must depend "
            "on the guest alone, and come soon",
        )
    if not any(_context().collect_functions(name)):
        raise BadInput("malformed", f"calls {name}(), which YAQL has not")


def check(expression: str, where: str) -> None:
    """Refuse an expression that cannot be right.

    :raises BadInput: it is empty, is wrapped in Mistral's delimiters, does
        not parse, reads what no guest has, calls an unknown function, or
        fails or gives no truth value for a guest with nothing but a name.
    """
    if not expression.strip():
        raise _bad(where, "is empty; write YAQL such as $.boot = volume")
    for mark in _DELIMITERS:
        if mark in expression:
            raise _bad(
                where,
                f"holds {mark!r}; write the expression bare, since Mistral "
                "would evaluate it on its own",
            )
    try:
        _parse(expression)
    except BadInput as wrong:
        raise _bad(where, wrong.message) from None
    except _FAILS as wrong:
        raise _bad(where, f"is not YAQL: {_short(wrong)}") from None
    plain = Guest(id="0", name="plain", project="0", host="plain")
    answer, failure = evaluate(expression, facts(plain, ()))
    if failure.startswith(_BAD_REGEX):
        raise _bad(where, f"holds a {failure}")
    if failure:
        raise _bad(
            where,
            f"fails for a guest that lacks what it reads ({failure}); use "
            ".get(key, '') on metadata and ?. on what may be null",
        )
    if not isinstance(answer, bool):
        raise _bad(where, f"gives {answer!r}, not true or false")


def facts(guest: Guest, aggregates: Sequence[Aggregate]) -> dict[str, Any]:
    """The guest as an expression sees it: plain JSON values."""
    seen: dict[str, Any] = to_json(guest)
    seen["aggregates"] = sorted(
        a.name for a in aggregates if guest.host in a.hosts
    )
    return seen


def evaluate(expression: str, seen: dict[str, Any]) -> tuple[Any, str]:
    """Its value, and why there is none (then the value is None).

    :param seen: of :func:`facts`.
    """
    try:
        node = _parse(expression).statement.expression
    except (BadInput, *_FAILS) as wrong:
        return None, _short(wrong)
    return _answer(node, seen)


def _answer(node: Any, seen: dict[str, Any]) -> tuple[Any, str]:
    """A node's value; what `and` and `or` join is remembered by itself.

    A rule that reads metadata alone is then answered once for all guests
    with the same metadata, whatever stands beside it.
    """
    if isinstance(node, expressions.Wrap):
        return _answer(node.expr, seen)
    if isinstance(node, expressions.Function) and node.name in _JOINS:
        left, failure = _answer(node.args[0], seen)
        if failure or bool(left) is _JOINS[node.name]:
            return left, failure
        return _answer(node.args[1], seen)
    begins = _begins(node)
    if begins is not None and isinstance(seen.get(begins[0]), str):
        return seen[begins[0]].startswith(begins[1]), ""
    kept = {name: seen[name] for name in _facts_of(node) if name in seen}
    return _value(node, json.dumps(kept, sort_keys=True))


@functools.lru_cache(maxsize=1000)
def _begins(node: Any) -> tuple[str, str] | None:
    """(fact, text) of `$.fact.startsWith("text")`, which names ask most.

    Names differ from guest to guest, so that nothing remembered helps; YAQL
    takes 0.3 ms for what Python does in none.
    """
    if not isinstance(node, expressions.Function) or len(node.args) != 2:
        return None
    left, right = node.args
    if node.name != "#operator_." or getattr(right, "name", "") != _BEGINS:
        return None
    read = tuple(_reads(left, False))
    words = [getattr(arg, "value", None) for arg in right.args]
    if len(read) != 1 or len(words) != 1 or not isinstance(words[0], str):
        return None
    if not _is_guest(getattr(left, "args", [None])[0]):
        return None
    return read[0], words[0]


@functools.lru_cache(maxsize=1000)
def _facts_of(node: Any) -> tuple[str, ...]:
    return tuple(sorted(set(_reads(node, False))))


@functools.lru_cache(maxsize=50_000)
def _value(node: Any, seen: str) -> tuple[Any, str]:
    try:
        return (
            expressions.Statement(node, _engine()).evaluate(
                data=json.loads(seen),
                context=_context().create_child_context(),
            ),
            "",
        )
    except _FAILS as wrong:
        return None, _short(wrong)


def _short(wrong: BaseException) -> str:
    text = str(wrong) or type(wrong).__name__
    if isinstance(wrong, re.error):
        text = f"{_BAD_REGEX}: {text}"
    if "#property#" in text:
        missing = text.split("#property#")[-1].strip('"')
        text = f"there is nothing to read .{missing} from"
    return text if len(text) <= 160 else text[:157] + "..."


def _bad(where: str, what: str) -> BadInput:
    return BadInput("malformed", f"{where} {what}.")
