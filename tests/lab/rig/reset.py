"""Back to the seeded state, under a minute, whatever a drill has done."""

from __future__ import annotations

from functools import partial

from rig import graph, hosts, process, services, settings
from rig.lab import alone
from rig.progress import say
from rig.readiness import must_be_up, ready
from rig.rest import Cloud
from rig.waiting import eventually


def reset() -> None:
    """The seeded state, whatever a drill has done: every service and host
    runs and is well, and nobody owns anything.
    """
    must_be_up()
    with alone():
        _services_as_seeded()
        if settings.FULL:
            _quiet()
        for host in settings.HOSTS:
            hosts.mood(host, "ok")
            hosts.energise(host)
        cloud = Cloud()
        eventually(
            "the deletion of all servers",
            partial(_no_servers, cloud, set()),
            120,
        )
        ready()
        eventually(
            "the end of all guests",
            lambda: not any(hosts.guests_on(host) for host in settings.HOSTS),
            90,
        )
        if settings.FULL:
            _reset_more(cloud)
    say("the lab is reset")


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
    from rig.services import aodh, heat, mistral

    aodh.reset()
    mistral.end_executions()
    if settings.HEAT:
        heat.reset()


def _reset_more(cloud: Cloud) -> None:
    from rig.services import mistral, octavia

    mistral.forget_incidents()
    octavia.reset()
    asked: set[str] = set()
    eventually(
        "the deletion of all volumes", partial(_no_volumes, cloud, asked), 60
    )


def _no_volumes(cloud: Cloud, asked: set[str]) -> bool:
    path = "/volumes/detail?all_tenants=1"
    volumes = cloud("cinder", "GET", path)["volumes"]
    for volume in volumes:
        if volume["id"] in asked:
            continue
        path = f"/volumes/{volume['id']}?force=true"
        if cloud.ask("cinder", "DELETE", path).status < 400:
            asked.add(volume["id"])
    return not volumes


def _no_servers(cloud: Cloud, asked: set[str]) -> bool:
    servers = cloud(
        "nova", "GET", "/servers/detail?all_tenants=1", microversion="2.94"
    )["servers"]
    for server in servers:
        if (
            server["id"] not in asked
            and not cloud.ask(
                "nova", "DELETE", f"/servers/{server['id']}"
            ).status
            >= 400
        ):
            asked.add(server["id"])
    return not servers
