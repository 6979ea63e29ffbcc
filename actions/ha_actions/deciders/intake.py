"""What a start says: a summons to look at a host, or a dismissal.

Pure: reads the body that Aodh posts, or a host named by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from ha_actions.model import Dismissal

EVENTS = ("compute.service.down", "compute.host.down", "service.update")
"""Event types that may open an incident.

``service.update`` is Nova's own, and counts only with ``forced_down`` set: it
is how another monitor, or a person, says that a host is dead.
"""

SKEW_S = 120
"""How far in the future an event's time may lie: clocks differ."""


@dataclass(frozen=True)
class Summons:
    """Somebody says that this host is dead. Nothing is believed yet."""

    host: str
    event_at: float
    by: str
    reason: str
    key: str = ""
    """The incident that the event names."""
    last_seen: float = 0.0
    """The service's ``updated_at`` when it was taken for dead."""


def read_alarm(
    body: Any, *, now: float, stale_s: float
) -> Summons | Dismissal:
    """Read an alarm body; anything odd is a dismissal with its reason.

    Source: the form was recorded from Aodh 23: ``reason_data.event.traits``
    is a list of ``[name, type, value]``.
    """
    event = event_of(body)
    if isinstance(event, Dismissal):
        return event
    if body.get("current", "alarm") != "alarm":
        return Dismissal(
            code="not_alarm",
            reason=f"the alarm went to {body['current']!r}, not to 'alarm'",
        )
    traits = traits_of(event.get("traits"))
    kind = str(event.get("event_type", ""))
    host = traits.get("host")
    if not any(kind == known for known in EVENTS):
        return _malformed(
            f"the event type {kind!r} is none of {', '.join(EVENTS)}"
        )
    if not isinstance(host, str) or not host:
        return _malformed(f"the event {kind} has no trait 'host'")
    if kind == "service.update" and not _true(traits.get("forced_down")):
        return Dismissal(
            code="not_down",
            reason="the service was updated, not forced down",
            host=host,
        )
    news = timely(event, host, kind, now, stale_s)
    if isinstance(news, Dismissal):
        return news
    return replace(
        news,
        key=str(traits.get("incident") or ""),
        last_seen=_number(traits.get("last_seen")),
    )


def by_hand(host: str, reason: str, by: str, now: float) -> Summons:
    """A host that a person, a drill or the watch names."""
    return Summons(host, now, by, reason)


def event_of(body: Any) -> Mapping[str, Any] | Dismissal:
    """The event in an alarm's body, or what is odd about it."""
    if not isinstance(body, Mapping):
        return _malformed("the alarm is not a mapping")
    data = body.get("reason_data")
    if not isinstance(data, Mapping):
        return _malformed("the alarm has no 'reason_data'")
    event = data.get("event")
    if not isinstance(event, Mapping):
        return _malformed(
            "its 'reason_data' has no 'event': only event alarms open "
            "incidents"
        )
    return event


def traits_of(raw: Any) -> dict[str, Any]:
    """Name -> value; anything odd is left out."""
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        return {}
    return {
        str(t[0]): t[2]
        for t in raw
        if isinstance(t, Sequence) and not isinstance(t, str) and len(t) == 3
    }


def timely(
    event: Mapping[str, Any], host: str, kind: str, now: float, stale_s: float
) -> Summons | Dismissal:
    """The summons, unless its event is too old, or of the future."""
    text = str(event.get("generated", ""))
    try:
        parsed = datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        return _malformed(f"the event's time {text!r} cannot be read")
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=timezone.utc)
    age = now - parsed.timestamp()
    if age > stale_s:
        return Dismissal(
            code="stale",
            reason=f"its event is {age:.0f} s old; the limit is {stale_s:.0f}",
            host=host,
        )
    if age < -SKEW_S:
        return _malformed(f"its event is {-age:.0f} s in the future")
    return Summons(host, parsed.timestamp(), "alarm", kind)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _true(value: Any) -> bool:
    return str(value).lower() == "true"  # Ceilometer makes text of booleans


def _malformed(what: str) -> Dismissal:
    return Dismissal(code="malformed", reason=what)
