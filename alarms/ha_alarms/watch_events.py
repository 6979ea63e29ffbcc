"""The events that the watch publishes: pure, one function for each.

The host's own are for the operator's alarms. Those of guests carry what
their owner may know: never the host's name, its rack or a testimony.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping

from ha_actions.model import Event, Guest, Host, Verdict
from ha_alarms.start import HOST_EVENT, INCIDENT, SERVER

HOST_UP = "compute.service.up"
GUEST_DOWN = "compute.instance.host_down"
GUEST_FENCED = "compute.instance.host_fenced"
GUEST_BACK = "compute.instance.recovered"
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


def of_guests(
    namespace: str,
    kind: str,
    host: str,
    key: str,
    owners: Mapping[str, str],
    now: float,
    more: Mapping[str, Mapping[str, str]] | None = None,
) -> list[Event]:
    """One event for each guest, in its owner's project.

    :param owners: guest id -> project.
    :param more: guest id -> further traits.
    """
    return [
        _event(
            namespace,
            kind,
            project,
            {
                SERVER: guest,
                "host_id": host_id(project, host),
                INCIDENT: key,
                **(more or {}).get(guest, {}),
            },
            now,
            key,
            guest,
        )
        for guest, project in sorted(owners.items())
    ]


def owners_of(guests: Iterable[Guest]) -> dict[str, str]:
    """Guest id -> project."""
    return {guest.id: guest.project for guest in guests}


def host_id(project: str, host: str) -> str:
    """The host as this project knows it: a server's ``hostId``.

    Source: nova/utils.py, generate_hostid.
    """
    return hashlib.sha224((project + host).encode()).hexdigest()


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


def public_id(namespace: str, incident: str) -> str:
    """An incident's id as tenants may know it: the real one names the host."""
    return str(uuid.uuid5(uuid.UUID(namespace), f"public {incident}"))
