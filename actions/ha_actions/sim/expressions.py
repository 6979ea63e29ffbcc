"""YAQL in workbooks: compiled once, evaluated as Mistral 23 does.

Source: mistral 23.0.0, ``mistral/expressions/yaql_expression.py``: the engine
options, what ``$`` is, and how text around an expression is joined.
"""

from __future__ import annotations

import re

# yaql 3.2 uses ``collections.abc`` without importing it; this import does.
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaql
from yaql.language import exceptions as yaql_errors
from yaql.language import expressions as nodes
from yaql.language import factory
from yaql.language import utils as yaql_utils

from ha_actions.errors import BadInput

INLINE = re.compile(r"<%.*?%>")
JINJA = re.compile(r"{{.*?}}|{%.*?%}")
_PATH = re.compile(r"(\$|task\(\)|execution\(\))((?:\.[A-Za-z]\w*)+)")
_TEST = re.compile(_PATH.pattern + r"\s*=\s*([A-Za-z]\w*)")
_WORDS = frozenset({"true", "false", "null", "and", "or", "not", "in", "is"})


@dataclass(frozen=True)
class Scope:
    """What an expression sees."""

    variables: Mapping[str, Any]
    """``$``: what was published upstream, over the workflow's input."""
    execution: Mapping[str, Any]
    task: Mapping[str, Any] | None = None
    """The current task: name, state, result, published."""


Value = Callable[[Scope], Any]


class EvaluationError(Exception):
    """An expression failed; Mistral then fails the whole workflow."""


def _task(context: Any) -> Any:
    return context["__task"]


def _execution(context: Any) -> Any:
    return context["__execution"]


def _make_engine() -> Any:
    maker = factory.YaqlFactory(keyword_operator="=>", allow_delegates=True)
    return maker.create(
        options={
            "yaql.limitIterators": -1,
            "yaql.memoryQuota": -1,
            "yaql.convertTuplesToLists": True,
            "yaql.convertSetsToLists": False,
            "yaql.iterableDicts": False,
            "yaql.convertOutputData": True,
        }
    )


_ENGINE = _make_engine()
_ROOT = yaql.create_context()
_ROOT.register_function(_task, name="task")
_ROOT.register_function(_execution, name="execution")


@dataclass(frozen=True)
class Parsed:
    """One expression without its ``<% %>``."""

    text: str
    statement: Any

    def functions(self) -> set[str]:
        """Names of the functions that it calls, operators left out."""
        return {
            n.name
            for n in _walk(self.statement)
            if isinstance(n, nodes.Function) and n.name[0] not in "#*"
        }

    def variables(self) -> set[str]:
        """Names read from ``$``, as ``$.name`` or ``$.get(name)``.

        Inside ``select($.x)`` and its like ``$`` is the item: not counted.
        """
        return set(_variables(self.statement))


def parse(text: str, where: str) -> Parsed:
    """Parse an expression without its ``<% %>``.

    :raises BadInput: it is no YAQL, or calls a function that is not known.
    """
    try:
        statement = _ENGINE(text)
    except (yaql_errors.YaqlException, KeyError, ValueError, TypeError) as e:
        raise BadInput(
            "workbook_expression",
            f"{where}: `{text}` is not a YAQL expression: {e}.",
        ) from e
    parsed = Parsed(text, statement)
    for name in sorted(parsed.functions()):
        if not any(_ROOT.collect_functions(name)):
            raise BadInput(
                "workbook_function",
                f"{where}: `{text}` calls the function `{name}`, which "
                "neither YAQL nor the interpreter has; use task(), "
                "execution() or a function of YAQL.",
            )
    return parsed


def inline(text: str, where: str) -> list[Parsed]:
    """Every expression in a text.

    :raises BadInput: see :func:`parse`; or it holds Jinja.
    """
    if JINJA.search(text):
        raise BadInput(
            "workbook_jinja",
            f"{where}: `{text}` holds Jinja; write it as YAQL, `<% %>`.",
        )
    return [
        parse(part.strip("<%>").strip(), where)
        for part in INLINE.findall(text)
    ]


def compile_value(data: Any, where: str) -> Value:
    """A function that evaluates data with expressions anywhere inside.

    :raises BadInput: an expression in it is wrong.
    """
    if isinstance(data, dict):
        fields = {
            key: compile_value(item, f"{where}.{key}")
            for key, item in data.items()
        }
        return lambda scope: {k: get(scope) for k, get in fields.items()}
    if isinstance(data, list):
        items = [compile_value(item, where) for item in data]
        return lambda scope: [get(scope) for get in items]
    if isinstance(data, str):
        return _compile_text(data, where)
    return lambda scope: data


def _compile_text(text: str, where: str) -> Value:
    parsed = inline(text, where)
    if not parsed:
        return lambda scope: text
    if len(parsed) == 1 and INLINE.fullmatch(text):
        return _compile_one(parsed[0])
    pieces = INLINE.split(text)
    values = [_compile_one(p) for p in parsed]

    def join(scope: Scope) -> str:
        said = [str(get(scope)) for get in values] + [""]
        return "".join(a + b for a, b in zip(pieces, said, strict=True))

    return join


def _compile_one(parsed: Parsed) -> Value:
    """The expression; a plain path takes a short cut past YAQL (20x).

    The short cut answers only what YAQL would answer in the same way:
    dicts all along the path, keys that exist. All else goes to YAQL.
    """

    def slow(scope: Scope) -> Any:
        return _evaluate(parsed, scope)

    path = _PATH.fullmatch(parsed.text)
    test = _TEST.fullmatch(parsed.text)
    if path:
        root, steps = path[1], path[2].split(".")[1:]

        def look(scope: Scope) -> Any:
            found, value = _follow(root, steps, scope)
            return value if found else slow(scope)

        return look
    if test and test[3] not in _WORDS:
        root, steps, word = test[1], test[2].split(".")[1:], test[3]

        def compare(scope: Scope) -> Any:
            found, value = _follow(root, steps, scope)
            if found and (value is None or isinstance(value, str)):
                return value == word
            return slow(scope)

        return compare
    return slow


def _follow(root: str, steps: list[str], scope: Scope) -> tuple[bool, Any]:
    at: Any = scope.variables
    if root != "$":
        at = scope.task if root == "task()" else scope.execution
    for step in steps:
        if not isinstance(at, dict) or step not in at:
            return False, None
        at = at[step]
    return True, at


def _evaluate(parsed: Parsed, scope: Scope) -> Any:
    context = _ROOT.create_child_context()
    context["$"] = yaql_utils.convert_input_data(dict(scope.variables))
    context["__task"] = scope.task
    context["__execution"] = scope.execution
    try:
        result = parsed.statement.evaluate(context=context)
    except (
        yaql_errors.YaqlException,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as e:
        raise EvaluationError(
            f"Can not evaluate YAQL expression [expression={parsed.text}, "
            f"error={e}]"
        ) from e
    if isinstance(result, yaql_utils.FrozenDict):
        return dict(result)
    return list(result) if isinstance(result, Iterator) else result


def _children(node: Any) -> Iterator[Any]:
    yield from getattr(node, "args", ())
    for name in ("expr", "source", "destination"):
        if hasattr(node, name):
            yield getattr(node, name)


def _walk(node: Any) -> Iterator[Any]:
    if isinstance(node, nodes.Expression):
        yield node
        for child in _children(node):
            yield from _walk(child)


def _is_dollar(node: Any) -> bool:
    return (
        isinstance(node, nodes.GetContextValue)
        and getattr(node.args[0], "value", None) == "$"
    )


def _variables(node: Any) -> Iterator[str]:
    if not isinstance(node, nodes.Expression):
        return
    name = getattr(node, "name", "")
    if name in ("#operator_.", "#operator_?."):
        left, right = node.args
        if _is_dollar(left):
            if isinstance(right, nodes.Function):
                right = right.args[0] if right.name == "get" else None
            if isinstance(right, nodes.Constant):
                yield str(right.value)
            return
        yield from _variables(left)
        return  # what is right of a dot has a `$` of its own
    for child in _children(node):
        yield from _variables(child)
