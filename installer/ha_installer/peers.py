"""Other services that recover VMs, seen from outside. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ha_actions.errors import HaError
from ha_actions.model import Aggregate, Host

from ha_installer.catalogue import TAG
from ha_installer.rest import Rest

WORDS = ("instanceha", "instance-ha", "instance ha", "nova evacuate")
"""In a disabled service's reason. Source: openstack-k8s-operators
infra-operator, templates/instanceha: `instanceha evacuation: <time>`."""
TAGGED = "evacuable"
"""Metadata key of aggregates, flavors and images for InstanceHA. Source:
the same, EVACUABLE_TAG."""
HEALERS = ("/v1/signals", "heat", "/stacks/", "zaqar", "/resources/")
"""Parts of an alarm's action that lead to Heat (or Zaqar's trigger)."""


def by_masakari(rest: Rest | None, hosts: Sequence[str]) -> list[str]:
    """Segments of Masakari with hosts of this cloud.

    :raises HaError: Masakari is there, and cannot be read.
    """
    if rest is None:
        return []
    found = []
    for segment in rest.call("GET", "/segments").get("segments", []):
        if segment.get("enabled") is False:
            continue
        path = f"/segments/{segment['uuid']}/hosts"
        listed = rest.call("GET", path).get("hosts", [])
        ours = sorted(
            str(h["name"])
            for h in listed
            if h["name"] in hosts and not h.get("on_maintenance")
        )
        if ours:
            found.append(
                f"Masakari (segment {segment['name']}: {', '.join(ours[:5])})"
            )
    return found


def by_marks(
    hosts: Iterable[Host], aggregates: Iterable[Aggregate]
) -> list[str]:
    """Marks that InstanceHA leaves, or reads, in Nova."""
    found = [
        f"InstanceHA (host {h.name}: {h.disabled_reason})"
        for h in hosts
        if any(word in h.disabled_reason.lower() for word in WORDS)
    ]
    return found + [
        f"InstanceHA (aggregate {a.name} is {TAGGED})"
        for a in aggregates
        if TAGGED in a.metadata
    ]


def by_alarms(alarms: Iterable[Mapping[str, Any]]) -> list[str]:
    """Alarms on VM events that make Heat heal."""
    found = []
    for alarm in alarms:
        rule = alarm.get("event_rule") or {}
        kind = str(rule.get("event_type", ""))
        actions = " ".join(map(str, alarm.get("alarm_actions") or []))
        ours = str(alarm.get("description") or "").startswith(TAG)
        heals = any(word in actions.lower() for word in HEALERS)
        if kind.startswith("compute.instance") and heals and not ours:
            found.append(f"Heat (alarm {alarm.get('name')} on {kind})")
    return found


def unread(what: str, error: HaError) -> str:
    """Why one could not be looked at."""
    return f"{what} ({error.message})"
