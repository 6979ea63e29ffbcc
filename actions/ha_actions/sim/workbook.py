"""Reads a workbook into values, and refuses what cannot be played.

Only the constructs of Mistral's language that the pack's own workbooks use
are known. Everything else is refused when it is read, by name and place, so
that the in-memory player can never quietly do less than the real engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from ha_actions.errors import BadInput
from ha_actions.sim.expressions import INLINE, Value, compile_value

COMMANDS = frozenset({"noop", "fail", "succeed"})
REQUIRED = object()
"""The default of an input that must be given."""

_COMMAND = re.compile(r"(noop|fail|succeed)(?:\(msg=(.*)\))?", re.DOTALL)
_ITEMS = re.compile(r"\s*([\w-]+)\s+in\s+(\[.*\]|<%.*%>)\s*", re.DOTALL)
_EVENTS = ("on-success", "on-error", "on-complete")
_BOOK = frozenset({"version", "name", "description", "tags", "workflows"})
_WORKFLOW = frozenset(
    {"type", "description", "tags", "input", "output", "tasks"}
)
_TASK = frozenset(
    {
        "description",
        "tags",
        "action",
        "workflow",
        "input",
        "with-items",
        "concurrency",
        "keep-result",
        "publish",
        "timeout",
        "retry",
        *_EVENTS,
    }
)


@dataclass(frozen=True)
class Link:
    """Where a task leads: a task's name or an engine command."""

    to: str
    when: Value | None
    message: Value


@dataclass(frozen=True)
class Task:
    """One task; exactly one of ``action`` and ``workflow`` is set."""

    name: str
    action: Value | None
    workflow: str
    input: Value
    items: tuple[str, Value] | None
    concurrency: int
    publish: Value
    links: Mapping[str, tuple[Link, ...]]
    timeout: Value
    retries: Value
    delay: Value


@dataclass(frozen=True)
class Workflow:
    """A direct workflow by its short name."""

    name: str
    inputs: Mapping[str, Any]
    output: Value | None
    tasks: Mapping[str, Task]
    starts: tuple[Task, ...]


@dataclass(frozen=True)
class Workbook:
    """A book: its workflows by short name."""

    name: str
    workflows: Mapping[str, Workflow]

    def find(self, name: str) -> Workflow:
        """A workflow by ``book.workflow`` or by its short name.

        :raises BadInput: there is none.
        """
        short = name.removeprefix(self.name + ".")
        if short not in self.workflows:
            raise BadInput(
                "workbook_no_workflow",
                f"The workbook {self.name} has no workflow `{name}`; it has "
                f"{', '.join(sorted(self.workflows))}.",
            )
        return self.workflows[short]


@lru_cache(maxsize=32)
def load(text: str) -> Workbook:
    """Read a workbook.

    :raises BadInput: it is no workbook, or uses what cannot be played.
    """
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise _bad("the workbook", f"is not YAML: {e}") from e
    book = _mapping(raw, "the workbook", _BOOK)
    name = str(book.get("name", ""))
    if not name:
        raise _bad("the workbook", "has no name")
    flows = _mapping(book.get("workflows"), f"{name}, workflows")
    read = {
        key: _workflow(f"{name}.{key}", key, raw_flow, flows)
        for key, raw_flow in flows.items()
    }
    return Workbook(name, read)


def inputs(raw: Any, where: str) -> dict[str, Any]:
    """A workflow's inputs: name -> default, or ``REQUIRED``.

    :raises BadInput: it is not a list of names and ``name: default``.
    """
    found: dict[str, Any] = {}
    for item in raw or []:
        if isinstance(item, str):
            found[item] = REQUIRED
        elif isinstance(item, dict) and len(item) == 1:
            found.update(item)
        else:
            raise _bad(where, f"has an input `{item}` that is no name")
    return found


def _bad(where: str, what: str) -> BadInput:
    return BadInput("workbook_refused", f"{where}: {what}.")


def _mapping(
    raw: Any, where: str, known: Collection[str] | None = None
) -> dict[str, Any]:
    if not isinstance(raw, dict) or not raw:
        raise _bad(where, "must be a map with at least one key")
    for key in raw:
        if known is not None and key not in known:
            raise _bad(
                where,
                f"the construct `{key}` is not one that the interpreter "
                f"knows; it knows {', '.join(sorted(known))}",
            )
    return raw


def _workflow(
    where: str, name: str, raw: Any, flows: Mapping[str, Any]
) -> Workflow:
    body = _mapping(raw, where, _WORKFLOW)
    if body.get("type", "direct") != "direct":
        raise _bad(where, f"type `{body['type']}` is not known; use direct")
    raw_tasks = _mapping(body.get("tasks"), f"{where}, tasks")
    tasks = {
        key: _task(f"{where}/{key}", key, raw_task, set(raw_tasks), flows)
        for key, raw_task in raw_tasks.items()
    }
    published = {k for t in raw_tasks.values() for k in t.get("publish", {})}
    reached = {
        link.to
        for task in tasks.values()
        for links in task.links.values()
        for link in links
    }
    for task in tasks.values():
        if task.items and task.items[0] in published:
            raise _bad(
                f"{where}/{task.name}",
                f"the with-items variable `{task.items[0]}` is published "
                "too, and Mistral would then use the published one; rename "
                "one of them",
            )
    starts = tuple(t for key, t in tasks.items() if key not in reached)
    if not starts:
        raise _bad(where, "no task can start it; each follows another")
    output = body.get("output")
    return Workflow(
        name,
        inputs(body.get("input"), where),
        compile_value(output, f"{where}, output") if output else None,
        tasks,
        starts,
    )


def _task(
    where: str,
    name: str,
    raw: Any,
    names: Collection[str],
    flows: Mapping[str, Any],
) -> Task:
    body = _mapping(raw, where, _TASK)
    action, workflow = body.get("action"), body.get("workflow")
    if (action is None) == (workflow is None):
        raise _bad(where, "needs either an action or a workflow")
    if action is not None and " " in INLINE.sub("", str(action)).strip():
        raise _bad(where, "inputs in the action's line; use `input`")
    given = body.get("input", {})
    if workflow is not None:
        _fits(where, str(workflow), given, flows)
    retry = body.get("retry", {})
    if retry:
        _mapping(retry, f"{where}, retry", {"count", "delay"})
    items = body.get("with-items")
    if retry and items is not None:
        raise _bad(where, "retry on with-items loses items in Mistral 23")
    concurrency = body.get("concurrency", 0)
    if not isinstance(concurrency, int):
        raise _bad(where, "concurrency must be a number")
    links = {e: tuple(_links(body, e, where, names)) for e in _EVENTS}
    if not body.get("keep-result", True):
        for event in _EVENTS:
            if "task(" in str(body.get(event)):
                raise _bad(
                    where,
                    f"{event} reads task() although keep-result is false; "
                    "what it finds depends on Mistral's cache, so publish it",
                )
    return Task(
        name=name,
        action=None if action is None else compile_value(action, where),
        workflow=str(workflow or ""),
        input=compile_value(given, where),
        items=None if items is None else _items(items, where),
        concurrency=concurrency,
        publish=compile_value(body.get("publish", {}), where),
        links=links,
        timeout=compile_value(body.get("timeout", 0), where),
        retries=compile_value(retry.get("count", 0), where),
        delay=compile_value(retry.get("delay", 0), where),
    )


def _fits(
    where: str, workflow: str, given: Any, flows: Mapping[str, Any]
) -> None:
    if workflow not in flows:
        raise _bad(where, f"there is no workflow `{workflow}` in this book")
    wanted = inputs(flows[workflow].get("input"), workflow)
    for name in given:
        if name not in wanted:
            raise _bad(where, f"`{workflow}` has no input `{name}`")
    for name, default in wanted.items():
        if default is REQUIRED and name not in given:
            raise _bad(where, f"`{workflow}` needs the input `{name}`")


def _items(raw: Any, where: str) -> tuple[str, Value]:
    match = _ITEMS.fullmatch(raw) if isinstance(raw, str) else None
    if not match:
        raise _bad(where, "with-items must be `name in <% ... %>`")
    value = match[2]
    data = json.loads(value) if value.startswith("[") else value
    return match[1], compile_value(data, where)


def _links(
    body: Mapping[str, Any], event: str, where: str, names: Collection[str]
) -> list[Link]:
    raw = body.get(event)
    found = []
    for item in raw if isinstance(raw, list) else [raw] if raw else []:
        if isinstance(item, dict) and len(item) == 1:
            ((target, condition),) = item.items()
        elif isinstance(item, str):
            target, condition = item, None
        else:
            raise _bad(where, f"{event} must be a list of tasks")
        command = _COMMAND.fullmatch(target)
        if target not in names and not command:
            raise _bad(where, f"{event} leads to `{target}`, not a task here")
        if command and command[2] and " " not in target:
            raise _bad(
                where,
                f"{event}: Mistral refuses `{target}`; its message needs a "
                "space",
            )
        if condition is not None and not INLINE.fullmatch(str(condition)):
            raise _bad(where, f"{event}, `{target}`: needs `<% ... %>`")
        message = (command[2] or "") if command else ""
        found.append(
            Link(
                to=command[1] if command else target,
                when=None
                if condition is None
                else compile_value(condition, where),
                message=compile_value(message.strip("\"'"), where),
            )
        )
    return found
