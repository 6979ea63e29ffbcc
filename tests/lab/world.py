"""The lab for tests: what really happens on the hosts, and what Nova says
about it.

Two truths, never mixed: `guests_running()`, `power()` and `bmc_actions()` read
the hosts themselves; `server()`, `compute_service()` and the rest ask the
APIs. Everything that waits has a deadline and raises `Late`, with what it saw
last. Needs openstacksdk; the lab has to be up (`lab up`).

Marks: `mark = call_mark()` before, `calls_since(mark)` after; the calls of
this module carry the user agent `ha-lab-tests` and are left out unless asked
for.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from ground import (
    AGENT,
    Call,
    Late,
    bmc,
    bmc_actions,
    bmc_faults,
    bmc_mark,
    bmc_mood,
    bmc_power,
    call_mark,
    calls_since,
    copies_running,
    crash,
    guests_known,
    guests_running,
    hosts,
    is_up,
    isolate,
    kill,
    live_migration_delay,
    plug_in,
    power,
    power_off,
    power_on,
    pull_plug,
    reset,
    spawn_delay,
    spawn_fail,
    until,
)
from rig import settings

__all__ = [
    "AGENT",
    "CLOUDS_YAML",
    "MICROVERSION",
    "Call",
    "Late",
    "bmc",
    "bmc_actions",
    "bmc_faults",
    "bmc_mark",
    "bmc_mood",
    "bmc_power",
    "boot",
    "call_mark",
    "calls_since",
    "cloud",
    "compute_service",
    "copies_running",
    "crash",
    "evacuate",
    "force_down",
    "guests_known",
    "guests_running",
    "hosts",
    "is_up",
    "isolate",
    "kill",
    "live_migration_delay",
    "migrations",
    "plug_in",
    "port_hosts",
    "post_server",
    "power",
    "power_off",
    "power_on",
    "pull_plug",
    "reset",
    "server",
    "server_group",
    "spawn_delay",
    "spawn_fail",
    "until",
    "wait_host",
    "wait_server",
]

MICROVERSION = "2.96"
CLOUDS_YAML = settings.CLOUDS_YAML


@cache
def cloud(name: str = "lab") -> Any:
    """An openstacksdk connection: `lab` (admin) or `lab-tenant` (project demo,
    role member).
    """
    import openstack
    from openstack.config import loader

    config = loader.OpenStackConfig(
        config_files=[str(CLOUDS_YAML)],
        load_envvars=False,
        app_name=AGENT,
        app_version="1",
    )
    connection = openstack.connection.Connection(
        config=config.get_one(cloud=name)
    )
    connection.compute.default_microversion = MICROVERSION
    return connection


def boot(
    name: str,
    host: str | None = None,
    *,
    as_cloud: str = "lab-tenant",
    seconds: float = 60,
    **more: Any,
) -> str:
    """Boot a `tiny` server, on a certain host when named, and wait for it;
    returns its id.

    A tenant may not choose a host, so with `host` the admin creates it in the
    tenant's project. `more` goes into the request's body as it is
    (metadata=..., for instance).
    """
    server_id = post_server(name, host, as_cloud=as_cloud, **more)
    wait_server(server_id, seconds, status="ACTIVE")
    return server_id


def post_server(
    name: str,
    host: str | None = None,
    *,
    as_cloud: str = "lab-tenant",
    hints: dict[str, str] | None = None,
    **more: Any,
) -> str:
    """boot() without the wait: for many at once."""
    connection = (
        _admin_in_demo()
        if host and as_cloud == "lab-tenant"
        else cloud(as_cloud)
    )
    image, flavor, network = _seeds()
    body = {
        "name": name,
        "flavorRef": flavor,
        "imageRef": image,
        "networks": [{"uuid": network}],
        **more,
    }
    if host:
        body["host"] = host
    request: dict[str, Any] = {"server": body}
    if hints:
        request["os:scheduler_hints"] = hints
    answer = connection.compute.post(
        "/servers", json=request, microversion=MICROVERSION
    )
    assert answer.status_code == 202, (
        f"Nova refused to boot {name}: {answer.status_code} {answer.text}"
    )
    return str(answer.json()["server"]["id"])


def server_group(name: str, policy: str) -> str:
    """A new server group of the tenant's; an old one of that name goes:
    Nova's scheduler remembers for two minutes where its members were.
    """
    compute = cloud("lab-tenant").compute
    while found := compute.find_server_group(name):
        compute.delete_server_group(found)
    made = compute.create_server_group(name=name, policy=policy)
    return str(made.id)


@cache
def _admin_in_demo() -> Any:
    connection = cloud("lab").connect_as_project("demo")
    connection.compute.default_microversion = MICROVERSION
    return connection


@cache
def _seeds() -> tuple[str, str, str]:
    admin = cloud("lab")
    image, flavor = (
        admin.image.find_image("tiny"),
        admin.compute.find_flavor("tiny"),
    )
    return image.id, flavor.id, admin.network.find_network("lab").id


def server(server_id: str) -> dict[str, Any] | None:
    """Nova's view of a server as plain data, or None when it is gone."""
    answer = cloud().compute.get(
        f"/servers/{server_id}", microversion=MICROVERSION
    )
    if answer.status_code == 404:
        return None
    body = answer.json()["server"]
    return {
        "id": body["id"],
        "name": body["name"],
        "status": body["status"],
        "host": body["OS-EXT-SRV-ATTR:host"],
        "vm_state": body["OS-EXT-STS:vm_state"],
        "task_state": body["OS-EXT-STS:task_state"],
        "project_id": body["tenant_id"],
        "metadata": body["metadata"],
        "fault": body.get("fault", {}).get("message"),
    }


def wait_server(
    server_id: str,
    seconds: float = 60,
    *,
    status: str,
    not_on: str | None = None,
) -> dict[str, Any]:
    """Wait until the server has that status, no task, and (when named) another
    host than `not_on`.
    """
    seen: dict[str, Any] = {}

    def settled() -> dict[str, Any] | None:
        if not _may_be(server_id, status, "ERROR"):
            seen["status"] = f"neither {status} nor in ERROR"
            return None
        found = server(server_id)
        seen.clear()
        seen.update(found or {"status": "gone"})
        if (
            found
            and found["status"] == "ERROR"
            and status != "ERROR"
            and not found["task_state"]
        ):
            raise Late(f"{found['name']} is in ERROR: {found['fault']}")
        good = (
            found
            and found["status"] == status
            and not found["task_state"]
            and (not_on is None or found["host"] != not_on)
        )
        return found if good else None

    return until(
        settled,
        seconds,
        lambda: f"server {server_id} being {status}, last seen {seen}",
        every=0.8,
    )


def _may_be(server_id: str, *statuses: str) -> bool:
    """Whether it has one of them. Nova asks Neutron twice to show a server,
    and not at all to list it.
    """
    words = "".join(f"&status={status}" for status in statuses)
    answer = cloud().compute.get(
        f"/servers?all_tenants=1&uuid={server_id}{words}",
        microversion=MICROVERSION,
    )
    return bool(answer.json()["servers"])


def compute_service(host: str) -> dict[str, Any]:
    """Nova's record of the host's nova-compute: id, state, status,
    forced_down, disabled_reason, updated_at.
    """
    answer = cloud().compute.get(
        f"/os-services?binary=nova-compute&host={host}",
        microversion=MICROVERSION,
    )
    found: dict[str, Any] = answer.json()["services"][0]
    return found


def wait_host(host: str, state: str, seconds: float = 60) -> None:
    """Wait until Nova calls the host "up" or "down". Up needs a heartbeat that
    came while we waited: the word alone is also said for five seconds of a
    host that has just died.
    """
    beats: set[str] = set()

    def reached() -> bool:
        row = compute_service(host)
        beats.add(row["updated_at"])
        return row["state"] == state and (state == "down" or len(beats) > 1)

    until(reached, seconds, f"Nova calling {host} {state}")


def force_down(host: str, down: bool = True, seconds: float = 60) -> None:
    """Set or lift forced_down. Lifting is refused until the returned host has
    completed its evacuations: retried.
    """
    path = f"/os-services/{compute_service(host)['id']}"

    def done() -> bool:
        answer = cloud().compute.put(
            path, json={"forced_down": down}, microversion=MICROVERSION
        )
        return bool(answer.status_code == 200)

    until(done, seconds, f"forced_down of {host} becoming {down}")


def evacuate(server_id: str) -> None:
    """Ask Nova once, with 2.94, so that a running server runs again on its new
    host.
    """
    body: dict[str, Any] = {"evacuate": {}}
    answer = cloud().compute.post(
        f"/servers/{server_id}/action", json=body, microversion="2.94"
    )
    assert answer.status_code == 200, (
        f"Nova refused the evacuation: {answer.status_code} {answer.text}"
    )


def migrations(**query: str) -> list[dict[str, Any]]:
    """Nova's migration records, e.g. migrations(migration_type="evacuation",
    source_compute="host1").
    """
    answer = cloud().compute.get(
        "/os-migrations", params=query, microversion="2.80"
    )
    found: list[dict[str, Any]] = answer.json()["migrations"]
    return found


def port_hosts(server_id: str) -> list[str]:
    """Where Neutron binds the server's ports."""
    return [
        port.binding_host_id
        for port in cloud().network.ports(device_id=server_id)
    ]
