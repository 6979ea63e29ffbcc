"""Plays a workbook in memory, in virtual time, as Mistral 23 would.

Source: mistral 23.0.0, ``mistral/engine/{tasks,policies,workflows}.py`` and
``mistral/workflow/{data_flow,direct_workflow}.py``. A table of small
workbooks is run by both, and must end in the same way
(``tests/engine/test_engine.py``).

One thing is left out on purpose: the late answer of an action whose task
timed out while a further attempt runs is dropped here, where Mistral takes
it for one more failed attempt.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ha_actions.errors import BadInput
from ha_actions.sim.clock import Handle, TurnClock
from ha_actions.sim.execution import (
    CANCELLED,
    DELAYED,
    ERROR,
    IDLE,
    RUNNING,
    SUCCESS,
    Execution,
    TaskRun,
    Variables,
    follow,
    told,
)
from ha_actions.sim.expressions import EvaluationError, Scope
from ha_actions.sim.workbook import REQUIRED, Task, Workflow, load

LOST = "Heartbeat wasn't received."
_SPACE = uuid.UUID("5d0f2b3e-64a1-4f0c-8f5c-6d1c52d7c1aa")


class ExecutorKilled(BaseException):
    """The executor died in the middle of an action: nobody answers."""


class EngineKilled(BaseException):
    """An engine died with a task in hand: what waits for it, waits."""


class Unrunnable(Exception):
    """No such action, or inputs that it does not take.

    Mistral then fails the whole workflow, past every ``on-error``.
    """


@dataclass(frozen=True)
class ActionContext:
    """What an action learns of where it runs."""

    execution_id: str
    workflow: str
    task: str
    action_execution_id: str
    project: str | None
    """None once Mistral has given up an executor of the execution."""


@dataclass(frozen=True)
class ActionResult:
    """What an action answers: JSON values; ``error`` None on success."""

    data: Any = None
    error: Any = None


Answer = tuple[str, Any, "str | None"]
"""State, result, info of one attempt."""
_UNANSWERED: Answer = (RUNNING, None, None)
RunAction = Callable[[str, dict[str, Any], ActionContext], ActionResult]


class Interpreter:
    """Plays the workflows of one book; its executions are kept by id.

    :param run_action: called in a virtual thread of its own for each try of
        an action; raises :class:`ExecutorKilled` or :class:`Unrunnable`, and
        nothing else.
    :param heartbeat_s: seconds until the engine learns of a dead executor.
    :raises BadInput: the book uses a construct that is not known.
    """

    def __init__(
        self,
        workbook_text: str,
        run_action: RunAction,
        clock: TurnClock,
        heartbeat_s: float = 30.0,
    ) -> None:
        self._book = load(workbook_text)
        self._run_action = run_action
        self._clock = clock
        self._heartbeat_s = heartbeat_s
        self.executions: dict[str, Execution] = {}
        self.begins: Callable[[str, str], bool] = lambda task, action: True
        """Whether a task begins; False: its engine dies with it in hand."""

    def start(
        self,
        workflow: str,
        inputs: Mapping[str, Any],
        execution_id: str | None = None,
        project: str = "operator",
    ) -> Execution:
        """Start an execution; an id that exists gives that execution back.

        :raises BadInput: no such workflow, or its inputs do not fit.
        """
        flow = self._book.find(workflow)
        name = execution_id or _id("start", str(len(self.executions)))
        if name in self.executions:
            return self.executions[name]
        execution = self._make(name, flow, _json(inputs), project)
        execution.handle = self._clock.spawn(
            lambda: self._play(execution), f"{flow.name} {name[:8]}"
        )
        return execution

    def cancel(self, execution_id: str) -> None:
        """Stop it and what it started; actions that run go on unheard."""
        execution = self.executions[execution_id]
        execution.end(CANCELLED, None)
        execution.stands = False
        for child in execution.children:
            self.cancel(child.id)

    def project_of(self, execution_id: str) -> str:
        """The project that an execution, or a sub-workflow's, belongs to."""
        found = self.executions.get(execution_id)
        return found.project if found else ""

    # -- an execution ----------------------------------------------------
    def _make(
        self, name: str, flow: Workflow, given: dict[str, Any], project: str
    ) -> Execution:
        for key in given:
            if key not in flow.inputs:
                raise BadInput(
                    "workflow_input", f"{flow.name} has no input `{key}`."
                )
        filled = {**flow.inputs, **given}
        for key, value in filled.items():
            if value is REQUIRED:
                raise BadInput(
                    "workflow_input", f"{flow.name} needs the input `{key}`."
                )
        execution = Execution(name, flow, filled, project)
        self.executions[name] = execution
        return execution

    def _play(self, execution: Execution) -> None:
        self._go(execution, [(t, Variables()) for t in execution.flow.starts])
        for branch in execution.branches:  # grows while we wait
            self._join(branch)
        if execution.state != RUNNING or execution.stands:
            return
        failed = [
            run
            for run in execution.runs
            if run.state == ERROR and not run.handled
        ]
        try:
            if any(run.state == CANCELLED for run in execution.runs):
                execution.end(CANCELLED, "Cancelled tasks")
            elif failed:
                execution.end(ERROR, told(execution.flow, failed))
            else:
                execution.end(SUCCESS, None)
        except EvaluationError as e:
            execution.end(ERROR, f"Failed to check and complete: {e}")

    def _go(
        self, execution: Execution, todo: list[tuple[Task, Variables]]
    ) -> None:
        """Run the first here, and each other one side by side with it."""
        while todo:
            for other in todo[1:]:
                branch = partial(self._go, execution, [other])
                execution.branches.append(
                    self._clock.spawn(branch, other[0].name)
                )
            task, variables = todo[0]
            run = TaskRun(task.name, variables, moved=self._clock.now())
            execution.runs.append(run)
            try:
                self._run_task(execution, task, run)
                run.moved = self._clock.now()
                todo = follow(execution, task, run)
            except EngineKilled:
                execution.stands = True
                return
            except (EvaluationError, Unrunnable) as e:
                run.state = ERROR
                execution.end(ERROR, f"Failed to run task {task.name}: {e}")
                return

    def _join(self, handle: Handle, until: float | None = None) -> bool:
        ended = self._clock.wait(handle, until)
        if handle.error is not None and not isinstance(
            handle.error, ExecutorKilled
        ):
            raise handle.error
        return ended

    # -- a task ------------------------------------------------------------
    def _run_task(
        self, execution: Execution, task: Task, run: TaskRun
    ) -> None:
        scope = execution.of_task(run, run.before)
        action = str(task.action(scope)) if task.action else ""
        if not self.begins(task.name, action):
            run.state = IDLE
            raise EngineKilled
        timeout = _whole(task.timeout(scope), "timeout")
        retries = _whole(task.retries(scope), "retry count")
        delay = _whole(task.delay(scope), "retry delay")
        # Armed once for all attempts; it fires once.
        deadline = self._clock.now() + timeout if timeout else None
        for attempt in range(retries + 1):
            if attempt:
                run.state = DELAYED
                self._clock.sleep(delay)
                run.state, run.moved = RUNNING, self._clock.now()
            state, result, info = _UNANSWERED
            if deadline is None or self._clock.now() < deadline:
                began = self._clock.now()
                state, result, info = self._attempt(
                    execution, task, run, scope, deadline
                )
                if timeout and self._clock.now() - began > timeout:
                    # The executor bounds each try, though the task does not.
                    info = result = f"Timeout after {timeout} seconds"
                    state = ERROR if state != RUNNING else state
            if state == RUNNING:
                deadline = None
                state, result = ERROR, []
                info = f"Task timed out [timeout(s)={timeout}]."
            if state != ERROR:
                break
        run.state, run.result, run.info = state, result, info
        if state == SUCCESS:
            run.published = task.publish(execution.of_task(run, run.before))

    def _attempt(
        self,
        execution: Execution,
        task: Task,
        run: TaskRun,
        scope: Scope,
        deadline: float | None,
    ) -> Answer:
        """State, result, info; RUNNING when the deadline came first."""
        if task.items is None and task.action is not None:
            return self._call(execution, task, run, scope, deadline)
        answer: list[Answer] = []

        def work() -> None:
            answer.append(self._many(execution, task, run, scope))

        if deadline is None:
            work()
        else:
            self._join(self._clock.spawn(work, task.name), deadline)
        return answer[0] if answer else _UNANSWERED

    def _many(
        self, execution: Execution, task: Task, run: TaskRun, scope: Scope
    ) -> Answer:
        if task.items is None:
            return self._call(execution, task, run, scope, None)
        name, value = task.items
        items = value(scope)
        if not isinstance(items, Iterable):
            raise EvaluationError(f"Wrong input format for: {name}={items}")
        scopes = [
            Scope({**scope.variables, name: i}, scope.execution, scope.task)
            for i in items
        ]
        answers: list[Answer] = [_UNANSWERED] * len(scopes)
        turns = iter(range(len(scopes)))

        def work(turns: Iterator[int] = turns) -> None:
            for i in turns:
                answers[i] = self._call(execution, task, run, scopes[i], None)

        at_once = min(task.concurrency or len(scopes), len(scopes))
        if at_once < 2:
            work()
        else:
            names = [f"{task.name} {i}" for i in range(at_once)]
            handles = [self._clock.spawn(work, n) for n in names]
            for handle in handles:
                self._clock.wait(handle)
            for handle in handles:
                self._join(handle)
        results = [result for _, result, _ in answers]
        ends = {state for state, _, _ in answers}
        if CANCELLED in ends:
            return CANCELLED, results, "One or more actions was cancelled."
        if ERROR in ends:
            return ERROR, results, "One or more actions had failed."
        return SUCCESS, results, None

    def _call(
        self,
        execution: Execution,
        task: Task,
        run: TaskRun,
        scope: Scope,
        deadline: float | None,
    ) -> Answer:
        """One action or sub-workflow, once."""
        given = _json(task.input(scope))
        execution.calls += 1
        name = _id(execution.id, task.name, str(execution.calls))
        if task.action is None:
            flow = self._book.find(task.workflow)
            child = self._make(name, flow, given, execution.project)
            child.orphaned = execution.orphaned
            child.parent = execution
            execution.children.append(child)
            run.children.append(child)
            self._play(child)
            execution.orphaned |= child.orphaned
            if child.stands:
                raise EngineKilled
            return child.state, child.output, child.state_info
        action = str(task.action(scope) or "std.noop")
        context = ActionContext(
            execution.id,
            f"{self._book.name}.{execution.flow.name}",
            task.name,
            name,
            None if execution.orphaned else execution.project,
        )
        run.acted += 1
        run.acting += 1
        try:
            return self._act(execution, action, given, context, deadline)
        finally:
            run.acting -= 1

    def _act(
        self,
        execution: Execution,
        action: str,
        given: dict[str, Any],
        context: ActionContext,
        deadline: float | None,
    ) -> Answer:
        box: list[ActionResult] = []

        def act() -> None:
            box.append(self._run_action(action, given, context))

        handle = self._clock.spawn(
            act, f"{action} {context.action_execution_id[:8]}"
        )
        if not self._join(handle, deadline):
            return _UNANSWERED
        if not handle.ended or handle.error is not None:
            left = self._heartbeat_s
            if deadline is not None:
                left = min(left, deadline - self._clock.now())
            self._clock.sleep(left)
            if left < self._heartbeat_s:
                return _UNANSWERED
            execution.orphaned = True
            return ERROR, LOST, LOST
        answer = box[0]
        if answer.error is None:
            return SUCCESS, _json(answer.data), None
        error = _json(answer.error)
        return ERROR, error, str(error) if error else None


def _whole(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise EvaluationError(f"the {what} `{value}` is no whole number")
    return value


def _id(*parts: str) -> str:
    return str(uuid.uuid5(_SPACE, "/".join(parts)))


def _json(value: Any) -> Any:
    """A copy as it would be after the bus: a surprise fails loudly."""
    return json.loads(json.dumps(value))
