"""Recreating a server: what is copied, and what is refused."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from ha_actions.errors import Failed, HaError, NoAnswer, Refused
from ha_actions.model import Group, Guest, Port
from ha_actions.model.likeness import Disk, Likeness, NewDisk
from unit import fake_openstack as fake
from unit.fake_openstack import NOVA, Lab, claim

OWNER = "ffff7a3c5b9f4d0e8a6c2b4d6e8f0a1c"
SECRET = "c2VjcmV0LXVzZXItZGF0YQ=="
FLAVOR = {"id": "f1", "name": "tiny", "vcpus": 1, "ram": 64, "disk": 1}
PAIR = {"name": "k", "public_key": "ssh-ed25519 AAAA me@home", "type": "ssh"}


def guest(**changes: Any) -> Guest:
    return Guest(
        **{
            "id": "a",
            "name": "web-1",
            "project": OWNER,
            "host": "c1",
            "image": "img-1",
            "ports": (Port(id="port-of-a", network="net-1"),),
            **changes,
        }
    )


def old(**changes: Any) -> dict[str, Any]:
    return fake.server(
        "a",
        **{
            "name": "web-1",
            "tenant_id": OWNER,
            "metadata": {"ha:protection": "cattle"},
            "tags": ["blue", "ha:incident:earlier"],
            "OS-EXT-SRV-ATTR:user_data": SECRET,
            "config_drive": "True",
            "pinned_availability_zone": "az1",
            "OS-EXT-SRV-ATTR:hostname": "www",
            **changes,
        },
    )


@pytest.fixture
def lab(requests_mock: Any) -> Lab:
    made = Lab(requests_mock)
    ready(requests_mock)
    return made


def ready(mock: Any, **changes: Any) -> None:
    mock.get(f"{NOVA}/servers/a", json={"server": old(**changes)})
    mock.get(f"{NOVA}/flavors/detail", json={"flavors": [FLAVOR]})
    mock.get(f"{fake.NEUTRON}/ports", json={"ports": [fake.port("a")]})
    mock.get(f"{fake.GLANCE}/images/img-1", json={"status": "active"})
    mock.post(
        f"{NOVA}/servers", status_code=202, json={"server": {"id": "new"}}
    )


META = {"ha:replaces": "a", "ha:incident": "i1"}


def test_the_copy_is_like_the_old_one(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    group = Group(id="g1")
    assert lab.cloud.recreate(guest(group=group), META, claim()) == "new"
    (post,) = lab.sent("POST")
    assert post.json() == {
        "server": {
            "name": "web-1",
            "imageRef": "img-1",
            "flavorRef": "f1",
            "config_drive": True,
            "OS-DCF:diskConfig": "MANUAL",
            "user_data": SECRET,
            "availability_zone": "az1",
            "hostname": "www",
            "metadata": {"ha:protection": "cattle", **META},
            "tags": ["blue", "ha:incident:i1", "ha:replaces:a"],
            "networks": [{"uuid": "net-1"}],
            "security_groups": [{"name": "sg-1"}],
        },
        "os:scheduler_hints": {"group": "g1"},
    }
    assert post.headers["X-Auth-Token"] == f"token-{OWNER}"
    assert post.headers["X-OpenStack-Request-ID"] == fake.REQUEST_ID
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("server", "ports", "flavors", "says"),
    [
        ({"image": ""}, None, None, "nothing is known that it could boot"),
        (
            {"os-extended-volumes:volumes_attached": [{"id": "v"}]},
            None,
            None,
            "a volume was attached to it meanwhile",
        ),
        ({}, None, [], "flavor 'tiny' is gone"),
        ({}, None, [{**FLAVOR, "ram": 128}], "was changed"),
        (
            {},
            [
                fake.port("a"),
                fake.port("a", id="p2", security_groups=["sg-2"]),
            ],
            None,
            "differ in security groups",
        ),
        ({}, [fake.port("a", security_groups=[])], None, "no security group"),
        (
            {},
            [fake.port("a", **{"binding:vnic_type": "direct"})],
            None,
            "not a normal one",
        ),
        (
            {},
            [fake.port("a", allowed_address_pairs=[{"ip_address": "1"}])],
            None,
            "allowed address pairs",
        ),
        (
            {},
            [fake.port("a", port_security_enabled=False)],
            None,
            "port security off",
        ),
    ],
)
def test_what_cannot_be_copied(
    lab: Lab, server: Any, ports: Any, flavors: Any, says: str
) -> None:
    ready(lab.mock, **server)
    if ports is not None:
        lab.mock.get(f"{fake.NEUTRON}/ports", json={"ports": ports})
    if flavors is not None:
        lab.mock.get(f"{NOVA}/flavors/detail", json={"flavors": flavors})
    with pytest.raises(Refused, match=says) as met:
        lab.cloud.recreate(guest(), META, claim())
    assert met.value.code == "cannot_copy"
    assert lab.sent("POST") == []


def test_a_server_without_ports(lab: Lab) -> None:
    lab.mock.get(f"{fake.NEUTRON}/ports", json={"ports": []})
    lab.cloud.recreate(guest(), META, claim())
    assert lab.sent("POST")[0].json()["server"]["networks"] == "none"


ROOT = Disk(
    volume="v1",
    root=True,
    stays=True,
    device="/dev/vda",
    size_gb=8,
    kind="ssd",
)
SCRATCH = Disk(volume="v2", device="/dev/vdb", size_gb=1, tag="scratch")


@pytest.mark.parametrize(
    ("image", "disks", "rows"),
    [
        (
            "",
            (NewDisk(SCRATCH, "blank"), NewDisk(ROOT, "image", "img-1")),
            [
                {
                    "boot_index": 0,
                    "source_type": "image",
                    "uuid": "img-1",
                    "destination_type": "volume",
                    "delete_on_termination": False,
                    "volume_size": 8,
                    "volume_type": "ssd",
                },
                {
                    "boot_index": -1,
                    "source_type": "blank",
                    "destination_type": "volume",
                    "delete_on_termination": True,
                    "volume_size": 1,
                    "tag": "scratch",
                },
            ],
        ),
        (
            "img-1",
            (NewDisk(SCRATCH, "volume", "clone"),),
            [
                {
                    "boot_index": 0,
                    "source_type": "image",
                    "uuid": "img-1",
                    "destination_type": "local",
                    "delete_on_termination": True,
                },
                {
                    "boot_index": -1,
                    "source_type": "volume",
                    "uuid": "clone",
                    "destination_type": "volume",
                    "delete_on_termination": True,
                    "tag": "scratch",
                },
            ],
        ),
    ],
)
def test_volumes_made_anew(
    lab: Lab, image: str, disks: Any, rows: Any
) -> None:
    attached = [{"id": d.like.volume} for d in disks]
    ready(
        lab.mock,
        image={"id": image} if image else "",
        **{"os-extended-volumes:volumes_attached": attached},
    )
    lab.cloud.recreate(guest(), META, claim(), Likeness(disks=disks))
    made = lab.sent("POST")[0].json()["server"]
    assert made["block_device_mapping_v2"] == rows
    assert made.get("imageRef", "") == image


def test_a_volume_that_comes_over_later_is_not_made_anew(lab: Lab) -> None:
    attached = [{"id": "v9"}]
    ready(lab.mock, **{"os-extended-volumes:volumes_attached": attached})
    lab.cloud.recreate(guest(), META, claim(), Likeness(later=("v9",)))
    made = lab.sent("POST")[0].json()["server"]
    assert "block_device_mapping_v2" not in made


def test_a_copy_is_kept_off_its_neighbours_hosts(lab: Lab) -> None:
    like = Likeness(away_from=("b", "c"))
    lab.cloud.recreate(guest(group=Group(id="g1")), META, claim(), like)
    hints = lab.sent("POST")[0].json()["os:scheduler_hints"]
    assert hints == {"group": "g1", "different_host": ["b", "c"]}


def test_ports_that_are_taken_over(lab: Lab) -> None:
    twice = Port(id="p1", network="net-1", address="10.0.0.1")
    like = Likeness(ports=(twice, replace(twice, address="fd00::1")))
    lab.cloud.recreate(guest(), META, claim(), like)
    made = lab.sent("POST")[0].json()["server"]
    assert made["networks"] == [{"port": "p1"}]
    assert "security_groups" not in made


def keypairs(lab: Lab, theirs: Any, mine: Any) -> None:
    def answer(request: Any, context: Any) -> dict[str, Any]:
        found = theirs if request.qs.get("user_id") == ["owner"] else mine
        if found is None:
            context.status_code = 404
            return {}
        return {"keypair": found}

    ready(lab.mock, key_name="k")
    lab.mock.get(f"{NOVA}/os-keypairs/k", json=answer)
    lab.mock.post(f"{NOVA}/os-keypairs", status_code=201)


def test_a_key_pair_is_imported(lab: Lab) -> None:
    keypairs(lab, PAIR, None)
    lab.cloud.recreate(guest(), META, claim())
    key, server = lab.sent("POST")
    assert key.json() == {"keypair": PAIR}
    assert server.json()["server"]["key_name"] == "k"


def test_a_key_pair_that_we_have(lab: Lab) -> None:
    comment = {**PAIR, "public_key": "ssh-ed25519 AAAA other comment"}
    keypairs(lab, PAIR, comment)
    lab.cloud.recreate(guest(), META, claim())
    assert len(lab.sent("POST")) == 1


@pytest.mark.parametrize(
    ("theirs", "mine", "says"),
    [
        (None, None, "deleted it"),
        (None, PAIR, "deleted it"),
        (
            PAIR,
            {**PAIR, "public_key": "ssh-ed25519 BBBB"},
            "another key of that name",
        ),
    ],
)
def test_a_key_pair_that_is_not_theirs(
    lab: Lab, theirs: Any, mine: Any, says: str
) -> None:
    keypairs(lab, theirs, mine)
    with pytest.raises(Refused, match=says):
        lab.cloud.recreate(guest(), META, claim())
    assert lab.sent("POST") == []


@pytest.mark.parametrize(
    ("status", "text", "error", "code"),
    [
        (403, "Quota exceeded for instances", Failed, "quota"),
        (403, "Policy does not allow", Refused, "forbidden"),
        (400, "Can not find requested image", Refused, "cannot_copy"),
        (409, "Multiple possible networks", Failed, "conflict"),
        (500, "Oh", NoAnswer, "no_answer"),
    ],
)
def test_what_nova_says(
    lab: Lab, status: int, text: str, error: type[HaError], code: str
) -> None:
    lab.mock.post(
        f"{NOVA}/servers",
        status_code=status,
        json={"x": {"code": status, "message": text}},
    )
    with pytest.raises(error) as met:
        lab.cloud.recreate(guest(), META, claim())
    assert (type(met.value), met.value.code) == (error, code)


def test_no_role_in_the_owners_project(lab: Lab) -> None:
    fake.keystone(lab.mock, projects=False)
    with pytest.raises(Refused, match="role admin there") as met:
        lab.cloud.recreate(guest(), META, claim())
    assert met.value.code == "forbidden"


def test_a_server_that_is_gone(lab: Lab) -> None:
    lab.mock.get(f"{NOVA}/servers/a", status_code=404)
    with pytest.raises(Failed) as met:
        lab.cloud.recreate(guest(), META, claim())
    assert met.value.code == "not_found"


def test_a_claim_that_is_over_sends_nothing(lab: Lab) -> None:
    with pytest.raises(Refused) as met:
        lab.cloud.recreate(guest(), META, claim(until=1.0))
    assert met.value.code == "superseded"
    assert lab.sent("POST") == []


def test_a_hostname_that_nova_made_is_made_anew(lab: Lab) -> None:
    ready(lab.mock, **{"OS-EXT-SRV-ATTR:hostname": "Server-a"})
    lab.cloud.recreate(guest(), META, claim())
    (post,) = lab.sent("POST")
    assert "hostname" not in post.json()["server"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"status_code": 404}, "its image img-1 is gone"),
        ({"json": {"status": "deactivated"}}, "img-1 is deactivated"),
    ],
)
def test_an_image_that_boots_nothing_is_told_beforehand(
    lab: Lab, answer: Any, says: str
) -> None:
    lab.mock.get(f"{fake.GLANCE}/images/img-1", **answer)
    assert says in lab.cloud.lacks(guest())


def test_a_role_that_we_lack_is_told_beforehand(lab: Lab) -> None:
    fake.keystone(lab.mock, projects=False)
    assert "role admin there" in lab.cloud.lacks(guest())


def test_what_a_copy_would_lack_is_read_and_nothing_made(lab: Lab) -> None:
    whole = lab.cloud
    assert whole.lacks(guest()) == ""
    ready(lab.mock, key_name="k", user_id="u")
    lab.mock.get(f"{NOVA}/os-keypairs/k", status_code=404)
    assert "its owner has deleted it" in whole.lacks(guest())
    lab.mock.get(f"{NOVA}/flavors/detail", json={"flavors": []})
    assert "flavor 'tiny' is gone" in whole.lacks(guest())
    ready(lab.mock)
    odd = {**fake.port("a"), "port_security_enabled": False}
    lab.mock.get(f"{fake.NEUTRON}/ports", json={"ports": [odd]})
    assert "port security off" in whole.lacks(guest())
    assert whole.lacks(guest(), new_ports=False) == "", "it gets that one"
    lab.mock.get(f"{NOVA}/servers/a", status_code=404)
    assert whole.lacks(guest()) == "", "it is gone: nobody needs a copy"
    assert [r.url for r in lab.sent("POST") if NOVA in r.url] == []
