"""Back to the seeded state, in seconds, whatever a drill has done: its steps
go side by side, and only what a drill has struck is started anew.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from rig import graph, hosts, process, services, settings
from rig.lab import alone
from rig.progress import say
from rig.readiness import must_be_up, ready
from rig.rest import Cloud
from rig.waiting import eventually

AGAIN_S = 20.0
"""A deletion that came to nothing is asked for again."""
SIDE_BY_SIDE = 8
HEARD_S = 1.5
"""Aodh's listener keeps the alarms for a second (event_alarm_cache_ttl)."""


def reset() -> None:
    """The seeded state, whatever a drill has done: every service and host
    runs and is well, and nobody owns anything.
    """
    must_be_up()
    with alone():
        struck = [host for host in settings.HOSTS if _struck(host)]
        graph.run([*_steps(struck), *(_more() if settings.FULL else [])])
    say("the lab is reset")


def _steps(struck: list[str]) -> list[graph.Step]:
    cloud = Cloud()
    return [
        graph.Step("services", _services_as_seeded),
        graph.Step("hosts struck", partial(_end, struck)),
        graph.Step(
            "hosts down",
            partial(_seen_down, cloud, struck),
            ["services", "hosts struck"],
        ),
        graph.Step(
            "servers deleted",
            partial(_all_deleted, cloud, "servers", _servers),
            ["hosts down", "quiet"],
        ),
        graph.Step(
            "hosts enabled", partial(_enabled, cloud, struck), ["hosts down"]
        ),
        graph.Step(
            "hosts started", partial(_begin, struck), ["hosts enabled"]
        ),
        graph.Step("hosts ready", ready, ["hosts started"]),
        graph.Step(
            "no guests", _no_guests, ["hosts ready", "servers deleted"]
        ),
    ]


def _more() -> list[graph.Step]:
    """What the full lab has besides."""
    from rig.services import mistral, octavia

    return [
        graph.Step("quiet", _quiet, ["services"]),
        graph.Step("load balancers deleted", octavia.reset, ["quiet"]),
        graph.Step(
            "volumes deleted",
            partial(_all_deleted, Cloud(), "volumes", _volumes),
            ["servers deleted"],
        ),
        graph.Step(
            "floating IPs deleted",
            partial(_all_deleted, Cloud(), "floatingips", _floating_ips),
            ["quiet"],
        ),
        # last: what is deleted makes events, and alarms hear them
        graph.Step(
            "pack as installed",
            mistral.forget_incidents,
            ["servers deleted", "volumes deleted", "load balancers deleted"],
        ),
    ]


def _struck(host: str) -> bool:
    """Whether it has no power, no network or no nova-compute."""
    return (
        hosts.power(host) == "Off"
        or hosts.dark(host)
        or not process.running(hosts.compute_name(host))
    )


def _end(struck: list[str]) -> None:
    """Nothing of them runs any more; every BMC is well."""
    for host in struck:
        hosts.kill(host)
    for host in settings.HOSTS:
        hosts.mood(host, "ok")


def _seen_down(cloud: Cloud, struck: list[str]) -> None:
    """Nova deletes by itself what a dead host holds, once it knows that it is
    dead; before, it would wait for the host.
    """

    def down() -> bool:
        return not [
            row
            for row in cloud.compute_services()
            if row["binary"] == "nova-compute"
            and row["host"] in struck
            and row["state"] == "up"
        ]

    eventually("Nova calling the struck hosts down", down, 30)


def _enabled(cloud: Cloud, struck: list[str]) -> None:
    """Before they start: a nova-compute tells Placement so when it begins. One
    that is enabled a moment later is left out by the scheduler for most of a
    minute, for Nova believes it down and does not tell it.
    """
    for row in cloud.compute_services():
        if row["host"] in struck and row["status"] != "enabled":
            path = f"/os-services/{row['id']}"
            change = {"status": "enabled"}
            cloud("nova", "PUT", path, change, microversion="2.94")


def _begin(struck: list[str]) -> None:
    """They start with empty disks: their servers are being deleted, and Nova
    would look for the rest of them every half minute only.
    """
    for host in settings.HOSTS:
        hosts.no_knobs(host)
    for host in struck:
        hosts.wipe(host)
        hosts.energise(host)


def _services_as_seeded() -> None:
    """What a drill has stopped runs again; what it has started, does not."""
    computes = {hosts.compute_name(host) for host in settings.HOSTS}
    wanted = []
    for one in services.SERVICES:
        if one.auto and one.name not in computes | _links():
            if not process.running(one.name):
                wanted.append(one)
        elif not one.auto:
            process.stop(one.name, one.grace)
    graph.run([graph.Step(one.name, one.up, one.after) for one in wanted])


def _links() -> set[str]:
    return {hosts.link_name(host) for host in settings.HOSTS}


def _quiet() -> None:
    """No workflow goes on, so that none makes anything anew, and no alarm
    starts one.
    """
    from rig import seeded
    from rig.services import heat, mistral, octavia

    seeded.silence()
    silent = time.monotonic()
    mistral.end_executions()
    if settings.HEAT:
        # first: Octavia 16 fails on the last member of a load balancer, and
        # Heat on a member that it cannot delete
        octavia.reset()
        heat.reset()
    time.sleep(max(0.0, silent + HEARD_S - time.monotonic()))


def _no_guests() -> None:
    eventually(
        "the end of all guests",
        lambda: not any(hosts.guests_on(host) for host in settings.HOSTS),
        90,
    )


# What to list, and what to delete of each, by service.
_servers = ("nova", "/servers?all_tenants=1", "/servers/{}")
_floating_ips = (
    "neutron",
    "/v2.0/floatingips?fields=id",
    "/v2.0/floatingips/{}",
)
_volumes = (
    "cinder",
    "/volumes?all_tenants=1",
    "/volumes/{}?force=true",
)


def _all_deleted(cloud: Cloud, what: str, where: tuple[str, str, str]) -> None:
    """All at once, and then until there is none."""
    asked: dict[str, float] = {}
    service, listed, one = where

    def none_left() -> bool:
        found = [row["id"] for row in cloud(service, "GET", listed)[what]]
        now = time.monotonic()
        due = [id for id in found if now - asked.get(id, -AGAIN_S) > AGAIN_S]
        for id, ok in zip(due, pool.map(delete, due), strict=True):
            if ok:
                asked[id] = now
        return not found

    def delete(id: str) -> bool:
        return cloud.ask(service, "DELETE", one.format(id)).status < 400

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        eventually(f"the deletion of all {what}", none_left, 120)
