"""The events that the watch publishes: pure, one function for each.

The host's own are for the operator's alarms. Those of guests carry what
their owner may know: never the host's name, its rack or a testimony.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from ha_actions.deciders.tidings import host_id
from ha_actions.model import Event, Guest, Host, Verdict
from ha_alarms.start import HOST_EVENT, INCIDENT, SERVER

HOST_UP = "compute.service.up"
GUEST_DOWN = "compute.instance.host_down"
TEXT_MAX = 255
"""Source: Ceilometer cuts a text trait there."""


def host_down(
    namespace: str, host: Host, key: str, verdict: Verdict, now: float
) -> Event:
    """A compute host is dead, as far as the watch can see."""
    said = ", ".join(f"{t.witness} {t.says}" for t in verdict.testimonies)
    traits = {
        "host": host.name,
        "service_id": host.service_id,
        INCIDENT: key,
        "last_seen": f"{host.updated_at:.6f}",
        "testimonies": said[:TEXT_MAX],
    }
    return _event(namespace, HOST_EVENT, "", traits, now, key, host.name)


def host_up(namespace: str, host: Host, now: float) -> Event:
    """A compute host is in service again."""
    traits = {"host": host.name, "service_id": host.service_id}
    seen = f"{host.updated_at:.6f}"
    return _event(namespace, HOST_UP, "", traits, now, host.name, seen)


def guests_down(
    namespace: str, host: str, key: str, guests: Iterable[Guest], now: float
) -> list[Event]:
    """One event for each guest, in its owner's project."""
    return [
        _event(
            namespace,
            GUEST_DOWN,
            guest.project,
            {
                SERVER: guest.id,
                "display_name": guest.name,
                "host_id": host_id(guest.project, host),
                INCIDENT: key,
            },
            now,
            key,
            guest.id,
        )
        for guest in guests
    ]


def _event(
    namespace: str,
    kind: str,
    project: str,
    traits: dict[str, str],
    now: float,
    *words: str,
) -> Event:
    """An event whose id is the same whoever publishes it, and when."""
    id = uuid.uuid5(uuid.UUID(namespace), " ".join((kind, *words)))
    return Event(type=kind, project=project, traits=traits, at=now, id=str(id))
