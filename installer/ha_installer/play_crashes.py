"""Kills the embedded engine's executor, or itself, where a scenario says so.

Engine and executor are one process here, so a death is played: the action's
answer is thrown away, and the engine is told what its heartbeat checker
would tell it. An engine dies with the message in hand that begins a task.
Mistral's own executor and engine are wrapped for that, and put back.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ha_actions.sim.interpreter import LOST
from ha_actions.sim.play import engine_dies
from ha_actions.sim.verbs import Stage

HEARTBEAT_S = 30.0
"""Virtual seconds until the engine learns of it, as in memory."""


@contextmanager
def crashes(stage: Stage) -> Iterator[None]:
    """Let actions die where ``crash-before`` and ``crash-after`` say."""
    from mistral.executors.default_executor import DefaultExecutor

    real = DefaultExecutor._do_run_action

    def run(self: Any, action: Any, id: str, *rest: Any) -> Any:
        name = _name(type(action).__name__)
        if _dies(stage, "before", name):
            return _lose(self, stage, id)
        # Whether it dies after is known only after: it may place the crash.
        quiet = copy.copy(self)
        heard = quiet._engine_client = _Box()
        answer = real(quiet, action, id, *rest)
        if _dies(stage, "after", name):
            return _lose(self, stage, id)
        for call, how in heard.calls:
            self._engine_client.on_action_complete(*call, **how)
        return answer

    from mistral.engine.default_engine import DefaultEngine

    begin = DefaultEngine.start_task

    def start_task(self: Any, task_ex_id: str, *rest: Any, **how: Any) -> None:
        # whose task it is costs a look into the database, and so time
        placed = any(crash.when == "begin" for crash in stage.crashes)
        if not (placed and engine_dies(stage, _action_of(task_ex_id))):
            begin(self, task_ex_id, *rest, **how)

    DefaultExecutor._do_run_action = run
    DefaultEngine.start_task = start_task
    try:
        yield
    finally:
        DefaultExecutor._do_run_action = real
        DefaultEngine.start_task = begin


def _action_of(task: str) -> str:
    """The action of a task that has not begun; empty: a sub-workflow."""
    from mistral import expressions
    from mistral.db.v2 import api as db_api

    with db_api.transaction(read_only=True):
        found = db_api.get_task_execution(task)
        said = found.spec.get("action") or ""
        return str(
            expressions.evaluate(said, found.workflow_execution.input)
            if "<%" in said
            else said
        )


def _name(cls: str) -> str:
    """``FenceHost`` -> ``ha.fence_host``.

    The module is no guide: Mistral may make a class of that name itself.
    """
    return "ha." + re.sub(r"(?<!^)(?=[A-Z])", "_", cls).lower()


class _Box:
    """Takes an answer for the engine, and keeps it."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def on_action_complete(self, *call: Any, **how: Any) -> None:
        """Keep it."""
        self.calls.append((call, how))


def _dies(stage: Stage, when: str, name: str) -> bool:
    with stage.world.lock:
        mine = [c for c in stage.crashes if (c.when, c.step) == (when, name)]
        for crash in mine:
            crash.left -= 1
        if not any(crash.left == 0 for crash in mine):
            return False
        stage.journal.note("world", "executor", f"dies {when} {name}")
        return True


def _lose(executor: Any, stage: Stage, id: str) -> None:
    from mistral_lib.actions import Result

    stage.world.clock.sleep(HEARTBEAT_S)
    executor._engine_client.on_action_complete(id, Result(error=LOST))
