"""The body that Aodh posts for a dead host, and the execution's id."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ha_actions.model import Event
from ha_actions.sim.things import uid

LATE_S = 3600.0
"""How old the event of a late alarm is."""


def body(host: str, now: float, how: str = "") -> dict[str, Any]:
    """An event alarm's notification.

    :param how: ``late``, ``malformed``, ``unknown`` or nothing odd.

    Source: recorded from Aodh 23; traits are lists [name, type, value].
    """
    named = "no-such-host" if how == "unknown" else host
    at = now - LATE_S if how == "late" else now
    event_id = uid("event", f"{host}/{now}")
    event: dict[str, Any] = {
        "message_id": event_id,
        "event_type": "compute.service.down",
        "generated": _iso(at),
        "traits": [
            ["host", 1, named],
            ["service_id", 1, uid("service", named)],
            ["incident_id", 1, uid("outage", f"{host}/{now}")],
        ],
        "raw": {},
        "message_signature": "",
    }
    if how == "malformed":
        del event["traits"]
    return _body(event)


def fired(event: Event) -> dict[str, Any]:
    """The notification of an alarm that an event of the bus has set off."""
    return _body(
        {
            "message_id": event.id,
            "event_type": event.type,
            "generated": _iso(event.at),
            "traits": [[n, 1, value] for n, value in event.traits.items()],
            "raw": {},
            "message_signature": "",
        }
    )


def _iso(at: float) -> str:
    when = datetime.fromtimestamp(at, timezone.utc).replace(tzinfo=None)
    return when.isoformat(timespec="microseconds")


def _body(event: dict[str, Any]) -> dict[str, Any]:
    id, kind = event["message_id"], event["event_type"]
    return {
        "alarm_name": "ha-host-down",
        "alarm_id": uid("alarm", "ha-host-down"),
        "severity": "critical",
        "previous": "insufficient data",
        "current": "alarm",
        "reason": f"Event <id={id},event_type={kind}> "
        "hits the query <query=[]>.",
        "reason_data": {"type": "event", "event": event},
    }


def execution_id(subject: str, key: str) -> str:
    """The same id for the same incident, as the notifier makes it."""
    return uid("execution", f"{subject}/{key}")


def server_body(
    server: str, now: float, power: str, how: str = ""
) -> dict[str, Any]:
    """An event alarm's notification of Nova's ``instance.update``.

    :param power: the power state that the event tells.
    :param how: ``late``, ``malformed``, ``unknown`` or nothing odd.
    """
    named = uid("guest", "no-such-server") if how == "unknown" else server
    told = body(server, now, "late" if how == "late" else "")
    event = told["reason_data"]["event"]
    event["event_type"] = "instance.update"
    event["traits"] = [
        ["instance_id", 1, named],
        ["old_state", 1, "active"],
        ["power_state", 1, power],
    ]
    if how == "malformed":
        del event["traits"]
    return {**told, "alarm_name": "ha-server-failed"}
