"""What goes over to a copy, at the wire."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ha_actions.errors import Failed, HaError, NoAnswer, Refused
from ha_actions.model import Guest, Port
from ha_actions.model.likeness import Disk
from unit import fake_openstack as fake
from unit.fake_openstack import CINDER, NEUTRON, NOVA, Lab, claim

OWNER = "ffff7a3c5b9f4d0e8a6c2b4d6e8f0a1c"
OLD = Guest(id="a", name="web", project=OWNER, host="c1")
COPY = Guest(id="b", name="web", project=OWNER, host="c2", zone="az1")
DISK = Disk(volume="v1", stays=True, size_gb=3, tag="data")
OLD_MAC, NEW_MAC = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02"
PORT = Port(id="p1", network="n", mac=OLD_MAC)
PORTS = (PORT, replace(PORT, address="2"))


@pytest.fixture
def lab(requests_mock: Any) -> Lab:
    return Lab(requests_mock)


def test_volumes_and_what_they_were_made_of(lab: Lab) -> None:
    server = fake.server(
        "a", image="", **{"OS-EXT-SRV-ATTR:root_device_name": "/dev/vda"}
    )
    lab.mock.get(f"{NOVA}/servers/a", json={"server": server})
    lab.mock.get(
        f"{NOVA}/servers/a/os-volume_attachments",
        json={
            "volumeAttachments": [
                {
                    "volumeId": "v1",
                    "device": "/dev/vdb",
                    "tag": "data",
                    "delete_on_termination": False,
                },
                {
                    "volumeId": "v2",
                    "device": "/dev/vda",
                    "tag": None,
                    "delete_on_termination": True,
                },
            ]
        },
    )
    bodies = {
        "v1": {"snapshot_id": "s1", "source_volid": None},
        "v2": {"volume_image_metadata": {"image_id": "img"}},
    }
    for id, body in bodies.items():
        lab.mock.get(
            f"{CINDER}/volumes/{id}",
            json={"volume": {"id": id, "size": 3, "volume_type": "x", **body}},
        )
    first, second = lab.cloud.disks(OLD)
    assert first == Disk(
        volume="v1",
        stays=True,
        device="/dev/vdb",
        tag="data",
        size_gb=3,
        kind="x",
        snapshot="s1",
    )
    assert (second.root, second.stays, second.image) == (True, False, "img")


def test_volumes_of_a_server_that_is_gone(lab: Lab) -> None:
    path = f"{NOVA}/servers/a"
    lab.mock.get(path, status_code=404)
    lab.mock.get(f"{path}/os-volume_attachments", status_code=404)
    with pytest.raises(Failed, match="is gone") as met:
        lab.cloud.disks(OLD)
    assert met.value.code == "not_found"


def test_only_what_cinder_calls_a_clone_counts(lab: Lab) -> None:
    marks = {"ha:replaces": "v1", "ha:incident": "i1"}
    lab.mock.get(
        f"{CINDER}/volumes/detail",
        json={
            "volumes": [
                {
                    "id": "forged",
                    "status": "available",
                    "source_volid": None,
                    "metadata": marks,
                },
                {
                    "id": "c1",
                    "status": "creating",
                    "source_volid": "v1",
                    "metadata": marks,
                },
            ]
        },
    )
    assert lab.cloud.clones(["v1"], "i1")["v1"].id == "c1"
    assert lab.cloud.clones(["v2"], "i1") == {}
    asked = lab.sent("GET")[-1].qs
    assert asked["metadata"] == ["{'ha:incident': 'i1'}"]


def test_a_clone_is_the_owners(lab: Lab) -> None:
    lab.mock.post(f"{CINDER}/volumes", status_code=202, json={"volume": {}})
    lab.cloud.clone_volume(OLD, DISK, "i1", claim())
    (post,) = lab.sent("POST")
    body = post.json()["volume"]
    assert (body["source_volid"], body["size"]) == ("v1", 3)
    assert body["metadata"] == {"ha:replaces": "v1", "ha:incident": "i1"}
    assert post.headers["X-Auth-Token"] == f"token-{OWNER}"


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (413, Failed, "quota"),
        (400, Failed, "rejected"),
        (403, Refused, "forbidden"),
        (500, NoAnswer, "no_answer"),
    ],
)
def test_what_cinder_says(
    lab: Lab, status: int, error: type[HaError], code: str
) -> None:
    lab.mock.post(
        f"{CINDER}/volumes",
        status_code=status,
        json={"x": {"code": status, "message": "VolumeLimitExceeded"}},
    )
    with pytest.raises(error) as met:
        lab.cloud.clone_volume(OLD, DISK, "i1", claim())
    assert met.value.code == code


def test_a_volume_is_attached_as_it_was(lab: Lab) -> None:
    path = f"{NOVA}/servers/b/os-volume_attachments"
    lab.mock.post(path, json={"volumeAttachment": {}})
    lab.cloud.attach(COPY, DISK, claim())
    assert lab.sent("POST")[0].json() == {
        "volumeAttachment": {
            "volumeId": "v1",
            "delete_on_termination": False,
            "tag": "data",
        }
    }
    said = {"badRequest": {"message": "Invalid volume: in-use"}}
    lab.mock.post(path, status_code=400, json=said)
    with pytest.raises(Failed, match="in-use"):
        lab.cloud.attach(COPY, DISK, claim())


def port_of(lab: Lab, owner: str, mac: str = OLD_MAC) -> None:
    body = {"id": "p1", "device_id": owner, "mac_address": mac}
    lab.mock.get(f"{NEUTRON}/ports/p1", json={"port": body})
    lab.mock.put(f"{NEUTRON}/ports/p1", json={"port": body})


def test_a_port_is_let_go_and_bound_again(lab: Lab) -> None:
    port_of(lab, "a")
    lab.cloud.free_ports(OLD, PORTS, claim())
    port_of(lab, "", NEW_MAC)
    ports = [replace(p, mac="") for p in PORTS]
    lab.cloud.bind_ports(COPY, ports, claim())
    free, other_mac, bound = (c.json()["port"] for c in lab.sent("PUT"))
    assert other_mac == {"mac_address": None}
    assert free == {
        "device_id": "",
        "device_owner": "",
        "binding:host_id": None,
    }
    assert bound == {
        "device_id": "b",
        "device_owner": "compute:az1",
        "binding:host_id": "c2",
    }


def test_a_port_that_is_where_it_shall_be_is_not_touched(lab: Lab) -> None:
    port_of(lab, "", NEW_MAC)
    lab.cloud.free_ports(OLD, PORTS, claim())
    port_of(lab, "b", NEW_MAC)
    lab.cloud.bind_ports(COPY, PORTS, claim())
    assert lab.sent("PUT") == []


def test_who_died_before_the_new_mac_goes_on_with_it(lab: Lab) -> None:
    port_of(lab, "", OLD_MAC)
    lab.cloud.free_ports(OLD, PORTS, claim())
    assert [c.json() for c in lab.sent("PUT")] == [
        {"port": {"mac_address": None}}
    ]


def test_a_port_that_is_given_back_has_its_mac_again(lab: Lab) -> None:
    port_of(lab, "", NEW_MAC)
    lab.cloud.bind_ports(OLD, PORTS, claim())
    mac, bound = (c.json()["port"] for c in lab.sent("PUT"))
    assert mac == {"mac_address": OLD_MAC}
    assert bound["device_id"] == "a"


def test_a_port_that_somebody_else_has_is_left(lab: Lab) -> None:
    port_of(lab, "stranger")
    for change in (lab.cloud.free_ports, lab.cloud.bind_ports):
        with pytest.raises(Failed, match="belongs to stranger") as met:
            change(OLD, PORTS, claim())
        assert met.value.code == "taken"
    assert lab.sent("PUT") == []
