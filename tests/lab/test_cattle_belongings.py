"""Cattle with volumes and ports of its own on the full lab: what outlives a
server goes over to its copy, once and after the proof; the rest is made anew.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import pytest
from many import boot_all
from test_cattle import copies
from test_pools import Pool

pytestmark = pytest.mark.lab_full

CATTLE = {"ha:protection": "cattle"}
KEEPS = CATTLE | {"ha:ports": "keep"}
CLONES = CATTLE | {"ha:volumes": "clone"}
HOST = "host1"


def volumes_of(lab: ModuleType, server: str) -> dict[str, bool]:
    """Volume id -> whether Nova deletes it with the server."""
    body = lab.cloud("lab").compute.get(
        f"/servers/{server}", microversion=lab.MICROVERSION
    )
    rows = body.json()["server"]["os-extended-volumes:volumes_attached"]
    return {row["id"]: row["delete_on_termination"] for row in rows}


def with_data(lab: ModuleType, server: str) -> str:
    """A data volume of the tenant's at the server, which outlives it."""
    storage = lab.cloud("lab-tenant").block_storage
    made = storage.create_volume(size=1, name="data")
    lab.until(
        lambda: storage.get_volume(made.id).status == "available",
        60,
        "the data volume being made",
    )
    lab.cloud("lab-tenant").compute.create_volume_attachment(
        server, volume_id=made.id
    )
    lab.until(
        lambda: storage.get_volume(made.id).status == "in-use",
        60,
        "the data volume being attached",
    )
    return str(made.id)


def port_of(lab: ModuleType, name: str) -> Any:
    """A port that a server's owner made."""
    on = lab.cloud("lab").network.find_network("lab").id
    return lab.cloud("lab-tenant").network.create_port(
        network_id=on, name=name
    )


def test_what_outlives_cattle_goes_over(full: ModuleType) -> None:
    import control as ctl

    lab = full
    own = port_of(lab, "own-port")
    there = [{"port": own.id}]
    cattle = partial(lab.post_server, metadata=KEEPS)
    volume = ctl.boot_from_volume
    ids = boot_all(
        lab,
        {
            "booted": partial(volume, "booted", HOST, metadata=CATTLE),
            "cloned": partial(volume, "cloned", HOST, metadata=CLONES),
            "made": partial(cattle, "own-port", HOST, networks=there),
            "novas": partial(cattle, "novas-port", HOST),
            "other": partial(cattle, "other", "host2", metadata=CATTLE),
        },
    )
    booted, cloned, made_port, novas, other = ids.values()
    old = {booted, cloned, made_port, novas}
    data = with_data(lab, booted)
    roots = {id: set(volumes_of(lab, id)) - {data} for id in (booted, cloned)}
    address = {id: ctl.addresses(id)[0] for id in (made_port, novas, other)}
    ports = {
        id: [p.id for p in lab.cloud("lab").network.ports(device_id=id)]
        for id in (made_port, novas)
    }
    assert ports[made_port] == [own.id]
    pool = Pool(lab)
    for id, found in address.items():
        # Octavia reaches a member without a subnet through the VIP's
        pool.add(id[:8], found, 3, subnet=id == other)
    pool.monitor()
    serving = {found: (3, "ONLINE") for found in address.values()}
    lab.until(
        lambda: pool.members() == serving,
        60,
        lambda: f"all members being ONLINE: {pool.members()}",
    )

    lab.pull_plug(HOST)
    output = ctl.wait(ctl.by_alarm(HOST), 300)
    assert output["state"] == "closed", (
        output,
        ctl.report(output["incident"]),
    )

    new = {id: copies(lab, id)[0].id for id in old}
    assert [lab.server(id) for id in old] == [None] * len(old)
    has = {id: volumes_of(lab, new[id]) for id in (booted, cloned)}
    assert has[booted].pop(data) is False
    storage = lab.cloud("lab").block_storage
    assert [a["server_id"] for a in storage.get_volume(data).attachments] == [
        new[booted]
    ]
    for id in (booted, cloned):
        (root,) = has[id]
        assert root not in roots[id]
    (clone,) = has[cloned]
    assert {storage.get_volume(clone).source_volume_id} == roots[cloned]
    for id in (made_port, novas):
        here = [p for p in lab.cloud("lab").network.ports(device_id=new[id])]
        assert [p.id for p in here] == ports[id]
        assert here[0].binding_host_id == lab.server(new[id])["host"]
        assert ctl.addresses(new[id]) == [address[id]]
    lab.until(
        lambda: pool.members() == serving,
        30,
        lambda: f"{serving}, last seen {pool.members()}",
    )
