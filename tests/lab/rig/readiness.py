"""Whether the lab is well: its hosts as tests need them, and each service."""

from __future__ import annotations

from typing import Any

from rig import hosts, process, services, settings
from rig.errors import LabError
from rig.rest import Cloud
from rig.service import Service
from rig.waiting import eventually


def ready() -> None:
    """Every host is up, enabled, not forced down and known to the scheduler;
    every BMC is well.
    """
    for host in settings.HOSTS:
        hosts.mood(host, "ok")
    cloud, beats = Cloud(), dict[str, set[str]]()
    eventually(
        "all hosts being up and enabled", lambda: _settled(cloud, beats), 120
    )


def _settled(cloud: Cloud, beats: dict[str, set[str]]) -> bool:
    """Whether all is well. `beats` keeps the heartbeats seen of each service.

    Nova's "up" is not enough: it is also said of a record a few seconds old
    whose service is still starting, or has just died. Two different
    heartbeats are, as long as we change nothing ourselves between them (a
    change moves them too). Of one that has run for a while one will do.
    """
    rows = cloud.compute_services()
    for row in rows:
        if row["forced_down"] or row["status"] != "enabled":
            # Refused (400) until the returned host has completed its
            # evacuations: so it is asked again.
            change = {"forced_down": False, "status": "enabled"}
            cloud.ask(
                "nova",
                "PUT",
                f"/os-services/{row['id']}",
                change,
                microversion="2.94",
            )
            beats.pop(row["id"], None)
        elif row["state"] == "up":
            beats.setdefault(row["id"], set()).add(row["updated_at"])
    alive = [
        row
        for row in rows
        if row["state"] == "up"
        and len(beats.get(row["id"], ())) >= _beats_wanted(row)
    ]
    computes = {
        row["host"] for row in alive if row["binary"] == "nova-compute"
    }
    return (
        len(alive) == len(rows)
        and computes == set(settings.HOSTS)
        and _schedulable(cloud)
    )


YOUNG_S = 20.0


def _beats_wanted(row: dict[str, Any]) -> int:
    binary = row["binary"]
    name = (
        hosts.compute_name(row["host"]) if binary == "nova-compute" else binary
    )
    return 1 if process.age(name) > YOUNG_S else 2


def _schedulable(cloud: Cloud) -> bool:
    """Nova has mapped every host, and Placement knows what each has: a host is
    up a second or two before that.
    """
    mapped = cloud("nova", "GET", "/os-hypervisors", microversion="2.94")[
        "hypervisors"
    ]
    wanted = (
        "resources=VCPU:1,MEMORY_MB:64,DISK_GB:1"
        "&required=!COMPUTE_STATUS_DISABLED"
    )
    offers = cloud(
        "placement",
        "GET",
        f"/allocation_candidates?{wanted}",
        microversion="1.36",
    )["provider_summaries"]
    return min(len(mapped), len(offers)) >= len(settings.HOSTS)


def must_be_up() -> None:
    """LabError when the lab does not run."""
    if not any(process.running(name) for name in process.recorded()):
        raise LabError("The lab is not up: run `lab up`.")


def status() -> list[dict[str, Any]]:
    """One row a service: name, pid, memory of its group (PSS), port, healthy:
    yes, NO, or off (one that nobody has started and nobody has to).
    """
    rows = []
    for service in services.SERVICES:
        found = process.members(service.name)
        rows.append(
            {
                "name": service.name,
                "pid": found[0].pid if found else None,
                "mib": sum(proc.pss_kib for proc in found) // 1024,
                "port": service.port,
                "healthy": _word(service, bool(found)),
            }
        )
    return rows


def _word(service: Service, runs: bool) -> str:
    if not runs:
        return "NO" if service.auto else "off"
    try:
        return "yes" if service.healthy() else "NO"
    except (OSError, LabError):
        return "NO"
