"""The way that an alarm takes: an event on the bus, Aodh's alarm, the pack's
plug-in, Mistral; as far as `ha-watch` begins it and Mistral shows it.
"""

from __future__ import annotations

import json
import time
import uuid

import world
from ground import until
from rig import settings

FLOW = "ha.v1.handle_host_failure"
ROUTE_S = 30.0
"""From an event to its execution; half a second when nothing else runs."""


class Publisher:
    """Puts events on Aodh's own topic by the pack's adapter, as `ha-watch`
    does.
    """

    def __init__(self) -> None:
        from ha_actions.adapters.bus import MessageBus

        url = settings.TRANSPORT_URL
        self._bus = MessageBus(url, queues="durable")

    def event(self, kind: str, **traits: str) -> str:
        """Publish one without a project; its message id."""
        from ha_actions.model import Event

        id = str(uuid.uuid4())
        made = Event(type=kind, traits=traits, at=time.time(), id=id)
        self._bus.publish([made])
        return id


def operators_id(incident: str, workflow: str = FLOW) -> str:
    """The execution that an operator's alarm starts for that incident."""
    from ha_alarms.start import execution_id

    return execution_id(settings.SECRET, workflow, incident)


def exists(execution: str) -> bool:
    """Whether Mistral has it."""
    client = world.cloud("lab").workflow
    path = f"/executions/{execution}"
    return bool(client.get(path, raise_exc=False).status_code == 200)


def by_alarm(host: str) -> str:
    """Say on the bus that the host is dead, as one watch does; the execution
    that has its incident, or that was started and has ended without one.

    It is not the only one: our own force-down is an event too, and what that
    starts meets the open incident and is dismissed. Nor is it always the one
    that this alarm starts: once a minute `ha.v1.reconcile` looks around, and
    may have found the host first.
    """
    execution = told_dead(host, str(uuid.uuid4()))
    until(
        lambda: exists(execution),
        ROUTE_S,
        f"Aodh and the plug-in starting {execution} for {host}",
        0.05,
    )
    return until(
        lambda: _at_work(host) or (_ended(execution) and execution),
        ROUTE_S,
        f"{execution} opening the incident of {host}",
    )


def _at_work(host: str) -> str:
    """The execution that has the host's open incident."""
    path = f"/environments/ha.open.{host}"
    answer = world.cloud("lab").workflow.get(path, raise_exc=False)
    if answer.status_code != 200:
        return ""
    entry = json.loads(json.loads(answer.json()["variables"])["json"])
    return str(entry["execution"])


def _ended(execution: str) -> bool:
    path = f"/executions/{execution}"
    state = world.cloud("lab").workflow.get(path).json()["state"]
    return state not in ("RUNNING", "IDLE")


def told_dead(host: str, incident: str) -> str:
    """Only say it, of that incident; the execution that it will start."""
    Publisher().event("compute.service.down", host=host, incident=incident)
    return operators_id(incident)
