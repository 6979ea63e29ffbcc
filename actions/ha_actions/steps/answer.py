"""ha.answer: who would do the work, and could it? Changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ha_actions import process_facts
from ha_actions.action import HaAction, classes
from ha_actions.errors import HaError
from ha_actions.policy import load
from ha_actions.run import Run
from ha_actions.settings import Policy

DEADLINE_S = 60


@dataclass
class Answer(HaAction):
    """One engine and one executor say who they are and what they have.

    Mistral's engine makes the action and sends its attributes to an
    executor; so what is noted while it is made is the engine's word.

    :param hosts: name those of them for which this executor has no fence.
    :param look: read Nova and the ledger once, as a recovery would.
    :returns: ``{engine, executor, unfenced, looks}``, see
        :mod:`~ha_actions.process_facts`.
    """

    hosts: Any = None
    look: Any = False

    def __post_init__(self) -> None:
        self.engine = process_facts.here("engine", classes())

    def perform(self, run: Run) -> dict[str, Any]:
        """Nothing is changed, and no device is called."""
        mine = process_facts.here("executor", classes())
        mine["now"] = run.clock.now()
        wanted = [str(host) for host in self.hosts or []]
        return {
            "engine": self.engine,
            "executor": mine,
            "unfenced": [h for h in wanted if not run.outside.fences(h)],
            "looks": _looks(run) if self.look else {},
        }


def _looks(run: Run) -> dict[str, str]:
    """What is read -> ``ok``, or the sentence that says why not."""
    return {
        "nova": _try(lambda: run.outside.cloud("").hosts()),
        "ledger": _try(lambda: run.record.armed()),
        "policy": _try(lambda: load(run.record.policy_text())),
        "witnesses": _try(
            lambda: run.outside.witnesses(_policy(run), run.outside.cloud(""))
        ),
    }


def _policy(run: Run) -> Policy:
    return load(run.record.policy_text())


def _try(look: Callable[[], Any]) -> str:
    try:
        look()
    except HaError as error:
        return error.message
    return "ok"
