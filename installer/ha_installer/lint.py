"""What Mistral does not check: names, inputs, expressions, time budgets.

A missing action, a wrong input or a bad expression fails a whole workflow
past every ``on-error``, in the middle of an incident. So they fail the build.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

import yaml
from ha_actions.errors import BadInput
from ha_actions.sim.expressions import INLINE, Parsed, inline
from ha_actions.sim.workbook import REQUIRED, inputs, load

MARGIN_S = 30
"""What the queue may cost, on top of all attempts."""


@dataclass(frozen=True)
class ActionSpec:
    """What an action takes, and the seconds that one attempt may last."""

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    deadline_s: int | None = None


def installed_actions() -> dict[str, ActionSpec]:
    """Every ``ha.`` action of this environment, from its entry point."""
    return {
        point.name: _spec(point.load())
        for point in entry_points(group="mistral.actions")
        if point.name.startswith("ha.")
    }


def _spec(cls: type) -> ActionSpec:
    parameters = inspect.signature(cls).parameters.values()
    required = {p.name for p in parameters if p.default is p.empty}
    module = importlib.import_module(cls.__module__)
    deadline = getattr(module, "DEADLINE_S", None)
    return ActionSpec(
        frozenset(required),
        frozenset(p.name for p in parameters) - required,
        deadline if isinstance(deadline, int) else None,
    )


def lint(
    text: str,
    actions: Mapping[str, ActionSpec] | None = None,
    steps: Iterable[str] | None = None,
) -> list[str]:
    """Everything wrong with a workbook, one sentence each; empty is good.

    :param actions: what exists; by default what is installed here.
    :param steps: what an ``action`` that is an expression may name; by
        default every action that takes a ``batch``.
    """
    known = installed_actions() if actions is None else actions
    if steps is None:
        steps = [n for n, a in known.items() if "batch" in a.required]
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as e:
        return [f"The workbook is not YAML: {e}"]
    if not isinstance(raw, dict) or not isinstance(raw.get("workflows"), dict):
        return ["The workbook has no `workflows`."]
    found = list(_Lint(raw, known, sorted(steps)).book())
    if not found:
        try:
            load(text)
        except BadInput as e:
            found.append(e.message)
    return found


class _Lint:
    """One pass over one book; each method yields sentences."""

    def __init__(
        self,
        raw: Mapping[str, Any],
        actions: Mapping[str, ActionSpec],
        steps: list[str],
    ) -> None:
        self.flows: Mapping[str, Any] = raw["workflows"]
        self.actions = actions
        self.steps = steps
        self.inputs = {
            name: inputs((flow or {}).get("input"), name)
            for name, flow in self.flows.items()
        }

    def book(self) -> Iterator[str]:
        for name, flow in self.flows.items():
            yield from self._flow(name, flow or {})

    def _flow(self, name: str, flow: Mapping[str, Any]) -> Iterator[str]:
        tasks = flow.get("tasks") or {}
        defined = set(self.inputs[name])
        for task in tasks.values():
            defined |= set((task or {}).get("publish") or {})
        if "task-defaults" in flow:
            yield (
                f"{name}: task-defaults reach with-items tasks too, which "
                "must not have a retry; write timeout and retry on each task."
            )
        yield from self._expressions(f"{name}, output", flow, defined)
        for key, task in tasks.items():
            where = f"{name}/{key}"
            body = task or {}
            item = str(body.get("with-items", "")).split(" in ")[0].strip()
            yield from self._expressions(where, body, defined | {item})
            yield from self._calls(where, body)
            yield from self._times(where, name, body)

    # -- expressions -----------------------------------------------------
    def _expressions(
        self, where: str, body: Mapping[str, Any], defined: set[str]
    ) -> Iterator[str]:
        for text in _texts({k: v for k, v in body.items() if k != "tasks"}):
            try:
                parsed = inline(text, where)
            except BadInput as e:
                yield e.message
                continue
            for expression in parsed:
                yield from _undefined(where, expression, defined)

    # -- actions and sub-workflows ---------------------------------------
    def _calls(self, where: str, body: Mapping[str, Any]) -> Iterator[str]:
        given = set(body.get("input") or {})
        if "workflow" in body:
            called = str(body["workflow"])
            if called not in self.flows:
                yield f"{where}: there is no workflow `{called}` in this book."
                return
            takes = self.inputs[called]
            needs = {k for k, v in takes.items() if v is REQUIRED}
            yield from _fit(where, called, given, needs, set(takes))
            return
        if "action" not in body:
            yield f"{where}: it has neither an action nor a workflow."
            return
        for action in self._named(str(body["action"])):
            spec = self.actions.get(action)
            if spec is None:
                yield f"{where}: there is no action `{action}`."
                continue
            takes_all = set(spec.required | spec.optional)
            yield from _fit(
                where, action, given, set(spec.required), takes_all
            )

    def _named(self, action: str) -> list[str]:
        return self.steps if INLINE.search(action) else [action]

    # -- time --------------------------------------------------------------
    def _times(
        self, where: str, flow: str, body: Mapping[str, Any]
    ) -> Iterator[str]:
        retry, timeout = body.get("retry"), body.get("timeout")
        if "with-items" in body:
            if retry:
                yield (
                    f"{where}: retry on a with-items task loses items in "
                    "Mistral 23; put it on the plain task of a sub-workflow."
                )
            return
        if "action" not in body:
            return
        if not isinstance(timeout, int):
            yield f"{where}: it has no timeout in whole seconds."
        if not isinstance(retry, dict) or "count" not in retry:
            yield f"{where}: it has no retry with a count and a delay."
            return
        delay = self._delay(flow, retry.get("delay", 0))
        if delay is None:
            yield (
                f"{where}: its retry delay must be a whole number, or "
                "`<% $.NAME %>` of an input whose default is one."
            )
            return
        for action in self._named(str(body["action"])):
            spec = self.actions.get(action)
            if spec is None:
                continue
            if spec.deadline_s is None:
                yield (
                    f"{where}: the module of `{action}` has no whole number "
                    "DEADLINE_S."
                )
                continue
            least = (retry["count"] + 1) * (spec.deadline_s + delay) + MARGIN_S
            if isinstance(timeout, int) and timeout < least:
                yield (
                    f"{where}: its timeout of {timeout} s is less than "
                    f"{least} s, what {retry['count'] + 1} attempts of "
                    f"`{action}` ({spec.deadline_s} s), the delays ({delay} "
                    f"s) and {MARGIN_S} s for the queue may need."
                )

    def _delay(self, flow: str, delay: Any) -> int | None:
        """Its longest default: a sub-workflow is given its caller's."""
        if isinstance(delay, int):
            return delay
        name = str(delay).strip("<%> ").removeprefix("$.")
        if name not in self.inputs[flow]:
            return None
        defaults = [
            given[name]
            for given in self.inputs.values()
            if isinstance(given.get(name), int)
        ]
        return max(defaults, default=None)


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)
    elif isinstance(data, str):
        yield data


def _undefined(
    where: str, expression: Parsed, defined: set[str]
) -> Iterator[str]:
    for name in sorted(expression.variables() - defined):
        yield (
            f"{where}: `{expression.text}` reads `{name}`, which is neither "
            "an input nor published by a task of this workflow."
        )


def _fit(
    where: str, called: str, given: set[str], needs: set[str], takes: set[str]
) -> Iterator[str]:
    for name in sorted(given - takes):
        yield f"{where}: `{called}` has no input `{name}`."
    for name in sorted(needs - given):
        yield f"{where}: `{called}` needs the input `{name}`."
