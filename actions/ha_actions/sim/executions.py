"""``ports.Executions`` over the interpreter's executions."""

from __future__ import annotations

from dataclasses import replace

from ha_actions.model.work import FlowWork, TaskWork
from ha_actions.sim.execution import Execution, TaskRun
from ha_actions.sim.interpreter import Interpreter

BOOK = "ha.v1"
ENDED = ("SUCCESS", "ERROR", "CANCELLED")


class SimExecutions:
    """Mistral's memory of what runs; nothing of it is ever too old."""

    def __init__(self, engine: Interpreter) -> None:
        self._engine = engine

    def past_executions(self, before: float) -> list[str]:
        """None: a scenario does not last for weeks."""
        return []

    def forget_execution(self, execution: str) -> bool:
        """Whether it has ended; it is kept, for whoever looks at the run."""
        found = self._engine.executions.get(execution)
        return found is None or found.state in ENDED

    def at_work(self) -> list[FlowWork]:
        """Those that somebody has started and that have not ended."""
        return [
            _flow(one)
            for one in self._engine.executions.values()
            if one.parent is None and one.state not in ENDED
        ]

    def whole(self, flow: FlowWork) -> FlowWork:
        """One of them with its tasks."""
        return _whole(self._engine.executions[flow.id])

    def cancel_execution(self, execution: str) -> None:
        """End it and what it started."""
        self._engine.cancel(execution)


def _flow(one: Execution) -> FlowWork:
    return FlowWork(
        id=one.id,
        workflow=f"{BOOK}.{one.flow.name}",
        state=one.state,
        project=one.project,
        inputs=one.inputs,
    )


def _whole(one: Execution) -> FlowWork:
    live = [run for run in one.runs if run.state not in ENDED]
    return replace(
        _flow(one),
        tasks=tuple(_task(one, run) for run in live),
        ended=len(one.runs) - len(live),
    )


def _task(one: Execution, run: TaskRun) -> TaskWork:
    ended = run.acted - run.acting
    return TaskWork(
        id=f"{one.id}.{one.runs.index(run)}",
        name=run.name,
        state=run.state,
        moved=f"{run.moved:.3f}",
        actions=("ERROR",) * ended + ("RUNNING",) * run.acting,
        flows=tuple(
            _flow(sub) if sub.state in ENDED else _whole(sub)
            for sub in run.children
        ),
    )
