"""From an alarm, or from the watch, to one and the same execution.

Pure, by the standard library alone: it loads in Aodh, in the bridge, in
``ha-watch`` and in the installer. Mistral answers a POST whose execution id
exists with that execution. So whoever computes the same id starts it once,
and nobody without the installation's secret can take an id in advance.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ha_alarms.target import Target

HOST_WORKFLOW = "ha.v1.handle_host_failure"
HOST_EVENT = "compute.service.down"
INCIDENT = "incident"
"""The trait that says which incident an event is about, however often and by
however many watchers it is published."""
SERVER = "instance_id"
HANDLES = "ha.v1.handle_"
"""Workflows of the pack that read the whole alarm, as their input `alarm`."""
OURS = "ha.v1."
"""Workflows of the pack itself: only the operator's alarms start them."""


@dataclass(frozen=True)
class Start:
    """One execution to ask Mistral for."""

    workflow: str
    execution_id: str
    input: Mapping[str, Any]
    env: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    namespace: str = ""

    def request(self) -> dict[str, Any]:
        """The body of ``POST /v2/executions``.

        Source: Mistral 23; ``input`` and ``params`` travel as JSON text, and
        what looks like an expression in ``env`` is evaluated unless told not
        to: an event holds names that tenants have written.
        """
        params = {"env": dict(self.env), "evaluate_env": False}
        return {
            "id": self.execution_id,
            "workflow_id": self.workflow,
            "workflow_namespace": self.namespace,
            "input": json.dumps(dict(self.input)),
            "params": json.dumps(params if self.env else {}),
            "description": self.description,
        }


@dataclass(frozen=True)
class NoStart:
    """Why an alarm starts nothing: one sentence for the log."""

    reason: str


def namespace(secret: str) -> uuid.UUID:
    """The secret of the installation as a UUID; any text will do.

    :raises ValueError: it is empty: then ids could be guessed.
    """
    if not secret:
        raise ValueError("the installation's secret is empty")
    try:
        return uuid.UUID(secret)
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, secret)


def execution_id(
    secret: str, workflow: str, incident: str, attempt: int = 1
) -> str:
    """The id of an operator's execution: alarm and watch agree on it."""
    return _id(secret, "operator", workflow, incident, str(attempt))


def tenant_execution_id(
    secret: str,
    project: str,
    workflow: str,
    event_type: str,
    incident: str,
    server: str,
) -> str:
    """The id of a tenant's: one per workflow, event, incident and server."""
    return _id(
        secret, "tenant", project, workflow, event_type, incident, server
    )


def host_start(
    secret: str,
    *,
    host: str,
    incident: str,
    at: float,
    service_id: str = "",
    attempt: int = 1,
    opened_by: str = "watch",
) -> Start:
    """What the watch posts: the same execution as the alarm would start.

    :param incident: the incident trait of its event.
    :param at: when the event was published, seconds since the epoch; the
        workflow dismisses one that is too old.
    """
    event = {
        "event_type": HOST_EVENT,
        "message_id": str(_id(secret, "event", host, incident)),
        "generated": _iso(at),
        "traits": [
            ["host", 1, host],
            ["service_id", 1, service_id],
            [INCIDENT, 1, incident],
        ],
    }
    alarm = {
        "alarm_name": f"ha-{opened_by}",
        "current": "alarm",
        "reason_data": {"type": "event", "event": event},
    }
    return Start(
        workflow=HOST_WORKFLOW,
        execution_id=execution_id(secret, HOST_WORKFLOW, incident, attempt),
        input={"alarm": alarm, "opened_by": opened_by},
        description=_told(opened_by, event),
    )


def resume_start(
    secret: str,
    *,
    incident: str,
    resume: str,
    attempt: int,
    opened_by: str = "watch",
) -> Start:
    """The next attempt of an open incident whose execution has ended.

    :param incident: the incident trait, as in :func:`host_start`.
    :param resume: the incident's id in the ledger.
    """
    return Start(
        workflow=HOST_WORKFLOW,
        execution_id=execution_id(secret, HOST_WORKFLOW, incident, attempt),
        input={"resume": resume, "opened_by": opened_by},
        description=json.dumps(
            {"triggered_by": opened_by, "resume": resume, "attempt": attempt}
        ),
    )


def start_of(
    alarm: Any,
    target: Target,
    *,
    secret: str,
    project: str,
    operator_projects: Collection[str] = (),
) -> Start | NoStart:
    """The execution that an alarm's body starts for the alarm's project.

    :param alarm: the body that Aodh posts.
    :param project: of the alarm, as its trust says; never from the body.
    """
    event = _event(alarm)
    if isinstance(event, NoStart):
        return event
    kind = str(event.get("event_type") or "")
    traits = _traits(event.get("traits"))
    key = str(traits.get(INCIDENT) or event.get("message_id") or "")
    if not key:
        return NoStart("its event has neither an incident nor a message id")
    server = str(traits.get(SERVER) or "")
    workflow = target.workflow
    owner = str(traits.get("project_id") or traits.get("tenant_id") or project)
    if project in operator_projects:
        subject = f"{key}/{server}" if server else key
        id = execution_id(secret, workflow, subject)
    elif workflow.startswith(OURS):
        return NoStart(
            f"{workflow} is the operator's, and project {project} of the "
            "alarm is not listed in operator_projects"
        )
    elif owner != project:
        return NoStart(
            f"its event is of project {owner}, and the alarm acts for project "
            f"{project}"
        )
    else:
        id = tenant_execution_id(secret, project, workflow, kind, key, server)
    inputs = _inputs(alarm, target, traits)
    if isinstance(inputs, NoStart):
        return inputs
    ours = workflow.startswith(OURS)
    return Start(
        workflow=workflow,
        execution_id=id,
        input=inputs,
        env={} if ours else {"event": _plain(event, traits)},
        description=_told("aodh", event, alarm.get("alarm_id")),
        namespace=target.namespace,
    )


def _inputs(
    alarm: Mapping[str, Any], target: Target, traits: Mapping[str, Any]
) -> dict[str, Any] | NoStart:
    missing = sorted(t for t in target.traits.values() if t not in traits)
    if missing:
        return NoStart(
            f"its event has no trait {', '.join(missing)}; it has "
            f"{', '.join(sorted(traits)) or 'none'}"
        )
    found = dict(target.inputs)
    found.update((name, traits[t]) for name, t in target.traits.items())
    if target.alarm_input or target.workflow.startswith(HANDLES):
        found[target.alarm_input or "alarm"] = dict(alarm)
    return found


def _event(alarm: Any) -> Mapping[str, Any] | NoStart:
    if not isinstance(alarm, Mapping):
        return NoStart("the alarm's body is not a mapping")
    if alarm.get("current") != "alarm":
        return NoStart(
            f"the alarm went to {alarm.get('current')!r}, not to 'alarm'"
        )
    data = alarm.get("reason_data")
    event = data.get("event") if isinstance(data, Mapping) else None
    if not isinstance(event, Mapping):
        return NoStart("it is not an event alarm: its body has no event")
    return event


def _traits(raw: Any) -> dict[str, Any]:
    """Trait -> value; Source: Aodh 23, a list of ``[name, type, value]``."""
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        return {}
    return {
        str(t[0]): t[2]
        for t in raw
        if isinstance(t, Sequence) and not isinstance(t, str) and len(t) == 3
    }


def _plain(
    event: Mapping[str, Any], traits: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "type": event.get("event_type"),
        "message_id": event.get("message_id"),
        "at": event.get("generated"),
        "traits": dict(traits),
    }


def _told(by: str, event: Mapping[str, Any], alarm: Any = None) -> str:
    """What ``openstack workflow execution show`` says of its origin."""
    return json.dumps(
        {
            "triggered_by": by,
            "alarm": alarm,
            "event": event.get("event_type"),
            "message_id": event.get("message_id"),
        }
    )


def _id(secret: str, *words: str) -> str:
    return str(uuid.uuid5(namespace(secret), json.dumps(words)))


def _iso(at: float) -> str:
    """As Aodh writes it: UTC, no zone."""
    when = datetime.fromtimestamp(at, timezone.utc).replace(tzinfo=None)
    return when.isoformat(timespec="microseconds")
