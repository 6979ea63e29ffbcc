"""ha.answer: who would do the work, and could it? Changes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ha_actions import process_facts
from ha_actions.action import HaAction, classes
from ha_actions.deciders.policy import load
from ha_actions.errors import HaError
from ha_actions.model import Event
from ha_actions.outside import NoBus
from ha_actions.settings import Policy
from ha_actions.step_parts.run import Run
from ha_actions.steps.look_around import installed_alarms

DEADLINE_S = 60
PROBE_EVENT = "ha.probe"
TOLD_S = 20.0
"""Seconds for what the hosts themselves tell."""


@dataclass
class Answer(HaAction):
    """One engine and one executor say who they are and what they have.

    Mistral's engine makes the action and sends its attributes to an
    executor; so what is noted while it is made is the engine's word.

    :param hosts: name those of them for which this executor has no fence.
    :param look: read Nova and the ledger once, as a recovery would.
    :param probe: publish an event ``ha.probe`` with this as its trait.
    :returns: ``{engine, executor, unfenced, looks, queues, resuming, bus,
        published}``, see :mod:`~ha_actions.process_facts`; ``queues``: queue
        -> ``[messages, readers]``; ``resuming``: host -> whether it starts
        guests by itself when it boots, of hosts that tell; ``bus``: whether
        one is configured.
    """

    hosts: Any = None
    look: Any = False
    probe: Any = ""

    def __post_init__(self) -> None:
        self.engine = process_facts.here("engine", classes())

    def perform(self, run: Run) -> dict[str, Any]:
        """Nothing is changed, and no device is called."""
        bus = not isinstance(run.outside.bus, NoBus)
        mine = process_facts.here("executor", classes())
        mine["now"] = run.clock.now()
        wanted = [str(host) for host in self.hosts or []]
        return {
            "engine": self.engine,
            "executor": mine,
            "unfenced": [h for h in wanted if not run.outside.fences(h)],
            "looks": _looks(run) if self.look else {},
            "queues": _queues(run) if self.look else {},
            "resuming": _resuming(run, wanted) if self.look else {},
            "bus": bus,
            "published": _publish(run, str(self.probe)) if self.probe else {},
        }


def _publish(run: Run, probe: str) -> dict[str, Any]:
    """An event that means nothing but itself; its id and time."""
    event = Event(
        type=PROBE_EVENT,
        traits={"probe": probe},
        at=run.clock.now(),
        id=str(uuid.uuid4()),
    )
    run.outside.bus.publish([event])
    return {"id": event.id, "at": event.at}


def _looks(run: Run) -> dict[str, str]:
    """What is read -> ``ok``, or the sentence that says why not."""
    return {
        "nova": _try(lambda: run.outside.cloud("").hosts()),
        "alarms": _try(lambda: _alarms(run)),
        "ledger": _try(lambda: run.record.armed()),
        "policy": _try(lambda: load(run.record.policy_text())),
        "witnesses": _try(
            lambda: run.outside.witnesses(_policy(run), run.outside.cloud(""))
        ),
    }


def _alarms(run: Run) -> None:
    if run.outside.alarms is not None:
        run.outside.alarms(installed_alarms(run))


def _queues(run: Run) -> dict[str, list[int]]:
    """Empty where there is no bus, or it does not answer: the probe tells."""
    if run.outside.queues is None:
        return {}
    try:
        found = run.outside.queues()
    except HaError:
        return {}
    return {name: list(numbers) for name, numbers in found.items()}


def _resuming(run: Run, hosts: list[str]) -> dict[str, bool]:
    """By the witness that hears the hosts' own beats; none, or silent: {}."""
    try:
        known = run.outside.witnesses(_policy(run), run.outside.cloud(""))
        for witness in known.values():
            ask = getattr(witness, "resumes_guests", None)
            if callable(ask):
                told = run.clock.within(ask, TOLD_S)
                return {h: told[h] for h in hosts if h in told}
    except HaError:
        pass  # nobody tells: `check` says so
    return {}


def _policy(run: Run) -> Policy:
    return load(run.record.policy_text())


def _try(look: Callable[[], Any]) -> str:
    try:
        look()
    except HaError as error:
        return error.message
    return "ok"
