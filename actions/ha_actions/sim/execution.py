"""An execution's own state: its variables, its task runs, where it goes.

Source: mistral 23.0.0, ``mistral/workflow/{data_flow,direct_workflow}.py``
and ``mistral/engine/workflows.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ha_actions.sim.clock import Handle
from ha_actions.sim.expressions import Scope
from ha_actions.sim.workbook import COMMANDS, Task, Workflow

RUNNING, SUCCESS = "RUNNING", "SUCCESS"
IDLE, DELAYED = "IDLE", "DELAYED"
ERROR, CANCELLED = "ERROR", "CANCELLED"
_BATCH = 20
"""Tasks that Mistral reads at a time when it merges variables."""


@dataclass
class Variables:
    """What was published on the way to a task, and how often each."""

    values: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def with_published(self, published: Mapping[str, Any]) -> Variables:
        """These, and what a task published: replaced by name."""
        counts = dict(self.counts)
        for path in _paths(published):
            counts[path] = counts.get(path, 0) + 1
        return Variables({**self.values, **published}, counts)

    def merge(self, other: Variables) -> None:
        """Of two branches the value that was published more often."""
        _merge(self.values, self.counts, other.values, other.counts)
        for path, count in other.counts.items():
            self.counts[path] = max(count, self.counts.get(path, 0))


@dataclass
class TaskRun:
    """One run of a task, all its attempts together."""

    name: str
    before: Variables
    state: str = RUNNING
    result: Any = None
    info: str | None = None
    published: dict[str, Any] = field(default_factory=dict)
    last: bool = True
    """Whether no task follows it: its variables are in the output."""
    handled: bool = False
    moved: float = 0.0
    """When its state last changed."""
    acting: int = 0
    """How many actions of it have not ended, by what the engine knows."""
    acted: int = 0
    children: list[Execution] = field(default_factory=list)
    """Sub-workflows that were started for it."""

    def facts(self) -> dict[str, Any]:
        """What ``task()`` gives."""
        return {
            "name": self.name,
            "state": self.state,
            "state_info": self.info,
            "result": self.result,
            "published": self.published,
        }


@dataclass
class Execution:
    """A run of a workflow; ``output`` is set when it has ended."""

    id: str
    flow: Workflow
    inputs: dict[str, Any]
    project: str
    state: str = RUNNING
    output: dict[str, Any] = field(default_factory=dict)
    state_info: str | None = None
    handle: Handle | None = None
    """Its virtual thread; ``handle.error`` is a defect, not an ending."""
    runs: list[TaskRun] = field(default_factory=list)
    children: list[Execution] = field(default_factory=list)
    branches: list[Handle] = field(default_factory=list)
    calls: int = 0
    stands: bool = False
    """An engine died with a task in hand: it will never end by itself."""
    parent: Execution | None = None
    orphaned: bool = False
    """Goes on with the heartbeat checker's context, which has no project."""

    def scope(self, variables: Mapping[str, Any]) -> Scope:
        """What expressions outside of a task see."""
        facts = {"id": self.id, "name": self.flow.name, "input": self.inputs}
        return Scope({**self.inputs, **variables}, facts)

    def of_task(self, run: TaskRun, variables: Variables) -> Scope:
        """What expressions of a task see."""
        outer = self.scope(variables.values)
        return Scope(outer.variables, outer.execution, run.facts())

    def final(self) -> dict[str, Any]:
        """The variables of all the last tasks, merged."""
        ends = [
            run.before.with_published(run.published)
            for run in self.runs
            if run.last and run.state not in (RUNNING, IDLE, DELAYED)
        ]
        if not ends:
            return {}
        # Mistral reads them in batches and starts from a batch's last one.
        merged = ends.pop(min(len(ends), _BATCH) - 1)
        for other in ends:
            merged.merge(other)
        return merged.values

    def end(self, state: str, info: str | None) -> None:
        """Stop here, unless it has ended: what comes later is ignored."""
        if self.state != RUNNING:
            return
        final = self.final() if state != CANCELLED else {}
        if state == SUCCESS and self.flow.output is not None:
            self.output = self.flow.output(self.scope(final)) or final
        elif state == SUCCESS:
            self.output = final
        else:
            self.output = {"result": info, **final}
        self.state, self.state_info = state, info


def follow(
    execution: Execution, task: Task, run: TaskRun
) -> list[tuple[Task, Variables]]:
    """What a task leads to, as Mistral orders it."""
    if execution.state != RUNNING or run.state == CANCELLED:
        return []
    after = run.before.with_published(run.published)
    scope = execution.of_task(run, after)
    events = ["on-error" if run.state == ERROR else "on-success"]
    found = [
        (link, event)
        for event in [*events, "on-complete"]
        for link in task.links[event]
        if link.when is None or link.when(scope)
    ]
    run.handled = any(event == "on-error" for _, event in found)
    run.last = all(link.to in COMMANDS for link, _ in found)
    todo = []
    for link, _ in found:
        if link.to == "noop":
            continue
        if link.to in COMMANDS:
            said = link.message(scope)
            message = None if said in (None, "") else str(said)
            execution.end(ERROR if link.to == "fail" else SUCCESS, message)
            break
        todo.append((execution.flow.tasks[link.to], after))
    return todo


def told(flow: Workflow, failed: list[TaskRun]) -> str:
    """Why it failed. Mistral leaves out tasks that have any ``on-error``."""
    named = [r for r in failed if not flow.tasks[r.name].links["on-error"]]
    names = ", ".join(sorted(run.name for run in named))
    lines = [f"  {run.name} -> {run.info}" for run in named]
    return "\n".join([f"Failure caused by error in tasks: {names}", *lines])


def _paths(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def _merge(
    left: dict[str, Any],
    left_counts: Mapping[str, int],
    right: Mapping[str, Any],
    right_counts: Mapping[str, int],
    prefix: str = "",
) -> None:
    for key, value in right.items():
        path = prefix + key
        mine = left.get(key)
        if key not in left:
            left[key] = value
        elif isinstance(mine, dict) and isinstance(value, dict):
            left[key] = mine = dict(mine)
            _merge(mine, left_counts, value, right_counts, path + ".")
        elif right_counts.get(path, 0) > left_counts.get(path, 0):
            left[key] = value
