"""What runs in the embedded engine, out of its own database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ha_actions.model.work import FlowWork, TaskWork

OURS = "ha.v1."
PROJECT = "operator"
"""Without Keystone Mistral keeps no project: the engine is the operator's."""
ENDED = ("SUCCESS", "ERROR", "CANCELLED")


class EngineExecutions:
    """:class:`ha_actions.ports.Executions` over Mistral's own tables.

    :param enter: gives the calling thread a Mistral context.
    """

    def __init__(self, enter: Callable[[], None]) -> None:
        self._enter = enter

    def past_executions(self, before: float) -> list[str]:
        """None: the engine does not live for weeks."""
        return []

    def forget_execution(self, execution: str) -> bool:
        """Whether it has ended; it goes with the engine."""
        db = self._db()
        with db.transaction(read_only=True):
            found = db.load_workflow_execution(execution)
            return found is None or found.state in ENDED

    def at_work(self) -> list[FlowWork]:
        """Those that somebody has started, that neither ended nor paused."""
        db = self._db()
        with db.transaction(read_only=True):
            return [
                _flow(one)
                for one in db.get_workflow_executions(
                    state={"in": ["RUNNING", "IDLE"]}
                )
                if one.workflow_name.startswith(OURS)
                and not one.task_execution_id
            ]

    def whole(self, flow: FlowWork) -> FlowWork:
        """One of them with its tasks."""
        db = self._db()
        with db.transaction(read_only=True):
            return _flow(db.get_workflow_execution(flow.id), tasks=True)

    def cancel_execution(self, execution: str) -> None:
        """End it and what it started, as CANCELLED."""
        from mistral.rpc import clients

        self._enter()
        clients.get_engine_client().stop_workflow(execution, "CANCELLED")

    def _db(self) -> Any:
        from mistral.db.v2 import api

        self._enter()
        return api


def _flow(one: Any, tasks: bool = False) -> FlowWork:
    """Of a row of Mistral's, within its transaction."""
    found = list(one.task_executions) if tasks else []
    live = [task for task in found if task.state not in ENDED]
    return FlowWork(
        id=str(one.id),
        workflow=str(one.workflow_name),
        state=str(one.state),
        moved=str(one.updated_at),
        project=PROJECT,
        inputs=dict(one.input or {}),
        tasks=tuple(_task(task) for task in live),
        ended=len(found) - len(live),
    )


def _task(one: Any) -> TaskWork:
    return TaskWork(
        id=str(one.id),
        name=str(one.name),
        state=str(one.state),
        moved=str(one.updated_at),
        actions=tuple(str(a.state) for a in one.action_executions),
        flows=tuple(
            _flow(sub, tasks=sub.state not in ENDED)
            for sub in one.workflow_executions
        ),
    )
