"""Nova, Neutron, Glance and Cinder at the wire."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import requests
from ha_actions.adapters.cloud.openstack import OpenStackCloud
from ha_actions.errors import (
    Failed,
    HaError,
    NoAnswer,
    Refused,
    Transient,
)
from ha_actions.model import Group, Host
from unit import fake_openstack as fake
from unit.fake_openstack import Lab, StillClock, claim
from urllib3.exceptions import NewConnectionError

NOVA = fake.NOVA


@pytest.fixture
def lab(requests_mock: Any) -> Lab:
    return Lab(requests_mock)


HOST = Host(name="c1", service_id="uuid-of-c1", up=False)


def test_hosts(lab: Lab) -> None:
    lab.mock.get(
        f"{NOVA}/os-services",
        json={
            "services": [
                fake.service("c1"),
                fake.service(
                    "c2",
                    state="down",
                    status="disabled",
                    forced_down=True,
                    disabled_reason="disk",
                ),
                # A cell that does not answer: all that Nova says.
                {"binary": "nova-compute", "host": "c3", "status": "UNKNOWN"},
            ]
        },
    )
    lab.mock.get(
        f"{NOVA}/os-aggregates",
        json={
            "aggregates": [
                {
                    "id": 1,
                    "name": "rack-a",
                    "hosts": ["c1"],
                    "metadata": {"rack": "a"},
                }
            ]
        },
    )
    one, two = lab.cloud.hosts()
    assert (one.name, one.up, one.aggregates) == ("c1", True, ("rack-a",))
    assert one.updated_at == 1795341610.0
    assert (two.up, two.enabled, two.forced_down, two.disabled_reason) == (
        False,
        False,
        True,
        "disk",
    )
    assert [a.metadata for a in lab.cloud.aggregates()] == [{"rack": "a"}]
    lab.cloud.hosts()
    assert lab.calls.count("GET compute/os-aggregates") == 1
    asked = lab.sent("GET")[-1]
    assert asked.headers["X-OpenStack-Request-ID"] == fake.REQUEST_ID
    assert asked.headers["OpenStack-API-Version"] == "compute 2.96"
    assert asked.timeout


def test_guests_on_a_host(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = {"OS-EXT-SRV-ATTR:user_data": "c2VjcmV0"}
    lab.mock.get(
        f"{NOVA}/servers/detail",
        [
            {
                "json": {
                    "servers": [fake.server("a", **secret)],
                    "servers_links": [{"rel": "next", "href": "x"}],
                }
            },
            {
                "json": {
                    "servers": [
                        fake.server(
                            "b",
                            image="",
                            locked=True,
                            metadata={"ha:priority": "high"},
                            **{  # type: ignore[arg-type]
                                "OS-EXT-STS:vm_state": "stopped",
                                "OS-EXT-STS:power_state": 4,
                                "os-extended-volumes:volumes_attached": [
                                    {"id": "v1"}
                                ],
                            },
                        )
                    ]
                }
            },
        ],
    )
    lab.mock.get(
        f"{fake.NEUTRON}/ports",
        [
            {"json": {"ports": [fake.port("a")]}},
            {"json": {"ports": [fake.port("b", host="c9")]}},
        ],
    )
    groups = {"id": "g1", "policy": "anti-affinity", "members": ["a"]}
    lab.mock.get(f"{NOVA}/os-server-groups", json={"server_groups": [groups]})
    image = {
        "id": "img-1",
        "name": "x",
        "status": "active",
        "visibility": "private",
        "owner": fake.PROJECT,
        "ha_group": "web",
    }
    lab.mock.get(f"{fake.GLANCE}/images", json={"images": [image]})
    a, b = lab.cloud.guests_on("c1")
    assert (a.host, a.vm_state, a.power, a.boot) == (
        "c1",
        "active",
        "running",
        "image",
    )
    assert a.flavor_specs == {"ha:protection": "pet"}
    assert a.image_properties == {"ha_group": "web"}
    assert a.operators_image  # of the connection's own project
    assert a.group == Group(id="g1")
    assert a.ports[0].address == "10.0.0.5"
    assert (b.vm_state, b.power, b.boot, b.locked, b.volumes) == (
        "stopped",
        "shutdown",
        "volume",
        True,
        ("v1",),
    )
    # Its port was bound elsewhere by an evacuation that did not end well.
    assert b.ports[0].host == "c9"
    assert lab.sent("GET")[-1].timeout
    lists = [one.qs for one in lab.sent("GET") if "detail" in one.path]
    assert lists[0] == {"all_tenants": ["1"], "host": ["c1"]}
    assert lists[1]["marker"] == ["a"]
    assert len(lab.calls) == 6
    assert "c2VjcmV0" not in caplog.text


def test_the_number_of_calls_does_not_grow(lab: Lab) -> None:
    many = [fake.server(f"s{n}") for n in range(500)]
    lab.mock.get(f"{NOVA}/servers/detail", json={"servers": many})
    ports = [fake.port(f"s{n}") for n in range(500)]
    lab.mock.get(f"{fake.NEUTRON}/ports", json={"ports": ports})
    assert len(lab.cloud.guests_on("c1")) == 500
    assert len(lab.calls) == 4


def test_an_empty_host_that_nova_knows(lab: Lab) -> None:
    lab.mock.get(f"{NOVA}/servers/detail", json={"servers": []})
    services = {"services": [fake.service("c1")]}
    lab.mock.get(f"{NOVA}/os-services", json=services)
    assert lab.cloud.guests_on("c1") == []
    with pytest.raises(Transient, match="cell may be down"):
        lab.cloud.guests_on("c2")


def test_a_host_that_was_just_listed_is_known(lab: Lab) -> None:
    lab.mock.get(f"{NOVA}/servers/detail", json={"servers": []})
    services = {"services": [fake.service("c1")]}
    lab.mock.get(f"{NOVA}/os-services", json=services)
    lab.cloud.hosts()
    lab.calls.clear()
    assert lab.cloud.guests_on("c1", brief=True) == []
    assert len(lab.calls) == 1
    lab.clock.sleep(301)
    assert lab.cloud.guests_on("c1", brief=True) == []
    assert len(lab.calls) == 3, "services are listed again"


def test_a_server_of_a_cell_that_is_down(lab: Lab) -> None:
    partial = {"id": "a", "status": "UNKNOWN", "tenant_id": "p"}
    lab.mock.get(f"{NOVA}/servers/a", json={"server": partial})
    with pytest.raises(Transient) as met:
        lab.cloud.guests(["a"])
    assert met.value.code == "cell_down"


def test_a_reader_who_sees_no_hosts(lab: Lab) -> None:
    seen = fake.server("a")
    del seen["OS-EXT-SRV-ATTR:host"]
    lab.mock.get(f"{NOVA}/servers/a", json={"server": seen})
    with pytest.raises(Refused, match="role admin"):
        lab.cloud.guests(["a"])


def test_guests_by_id(lab: Lab) -> None:
    """Ten that move from c1 to c2 and c3; one is deleted on the way."""
    ids = [f"s{n}" for n in range(10)]
    at = {one: "c1" for one in ids}

    def listed(request: Any, _: Any) -> dict[str, Any]:
        host = request.qs["host"][0]
        return {
            "servers": [fake.server(i, h) for i, h in at.items() if h == host]
        }

    lab.mock.get(f"{NOVA}/servers/detail", json=listed)
    records = [
        fake.migration(n, i, dest_compute="c2" if n < 5 else "c3")
        for n, i in enumerate(ids)
    ]
    lab.mock.get(f"{NOVA}/os-migrations", json={"migrations": records})
    lab.mock.get(f"{NOVA}/servers/s9", status_code=404)
    lab.cloud.guests_on("c1")
    lab.cloud.evacuations("c1")
    for n, one in enumerate(ids):
        at[one] = "c2" if n < 5 else "c3"
    del at["s9"]
    lab.calls.clear()
    found = lab.cloud.guests(ids)
    assert {one: g.host for one, g in found.items()} == at
    assert lab.calls.count("GET compute/servers/detail") == 3
    assert lab.calls.count("GET compute/servers/s9") == 1
    lab.calls.clear()
    lab.cloud.guests(ids)
    assert len(lab.calls) == 4


def test_guests_by_id_in_a_new_process(lab: Lab) -> None:
    ids = [f"s{n}" for n in range(6)]
    records = [fake.migration(n, i) for n, i in enumerate(ids)]
    lab.mock.get(f"{NOVA}/os-migrations", json={"migrations": records})
    lab.mock.get(f"{NOVA}/servers/detail?host=c1", json={"servers": []})
    moved = {"servers": [fake.server(i, "c2") for i in ids]}
    lab.mock.get(f"{NOVA}/servers/detail?host=c2", json=moved)
    assert set(lab.cloud.guests(ids)) == set(ids)
    assert not [c for c in lab.calls if "servers/s" in c]


def test_guests_that_changed_lately_are_one_list(lab: Lab) -> None:
    """Wherever they are; one that did not change is looked for as ever."""
    moved = [fake.server(f"s{n}", f"c{n}") for n in range(2, 6)]
    others = [fake.server("x", "c9")]
    lab.mock.get(
        f"{NOVA}/servers/detail?changes-since=1970-01-01T00:14:40Z",
        json={"servers": moved + others},
    )
    lab.mock.get(
        f"{NOVA}/servers/s1", json={"server": fake.server("s1", "c1")}
    )
    ids = [f"s{n}" for n in range(1, 6)]
    found = lab.cloud.guests(ids, brief=True, since=1000.0)
    assert {id: g.host for id, g in found.items()} == {
        f"s{n}": f"c{n}" for n in range(1, 6)
    }
    assert lab.calls == [
        "GET compute/servers/detail",
        "GET compute/servers/s1",
    ]
    query = lab.sent("GET")[0].qs
    assert query["deleted"] == ["false"]
    assert query["all_tenants"] == ["1"]
    lab.clock.sleep(4000)
    assert lab.cloud.guests(ids[:1], since=1000.0)
    assert lab.calls.count("GET compute/servers/detail") == 1


def test_a_server_in_no_group_says_so_itself(lab: Lab) -> None:
    alone = {**fake.server("a"), "server_groups": []}
    lab.mock.get(f"{NOVA}/servers/a", json={"server": alone})
    lab.cloud.guests(["a"])
    assert "GET compute/os-server-groups" not in lab.calls
    grouped = {**fake.server("b"), "server_groups": ["g1"]}
    lab.mock.get(f"{NOVA}/servers/b", json={"server": grouped})
    lab.cloud.guests(["b"])
    assert "GET compute/os-server-groups" in lab.calls


def test_groups_are_read_past_a_page_that_nova_cut(lab: Lab) -> None:
    """[api] max_limit may be less than what we ask for."""
    groups = [
        {"id": f"g{n}", "policy": "anti-affinity", "members": [f"s{n}"]}
        for n in range(450)
    ]

    def page(request: Any, context: Any) -> dict[str, Any]:
        at = int(request.qs["offset"][0])
        return {"server_groups": groups[at : at + 200]}

    lab.mock.get(f"{NOVA}/os-server-groups", json=page)
    grouped = {**fake.server("s449"), "server_groups": ["g449"]}
    lab.mock.get(f"{NOVA}/servers/s449", json={"server": grouped})
    assert lab.cloud.guests(["s449"])["s449"].group == Group(
        id="g449", policy="anti-affinity"
    )


def test_a_listing_may_serve_again(lab: Lab) -> None:
    services = {"services": [fake.service("c1")]}
    lab.mock.get(f"{NOVA}/os-services", json=services)
    assert lab.cloud.hosts(brief=True)[0].aggregates == ()
    assert lab.cloud.hosts(brief=True, max_age_s=10)[0].name == "c1"
    assert lab.calls == ["GET compute/os-services"]
    lab.clock.sleep(10)
    lab.cloud.hosts(brief=True, max_age_s=10)
    lab.cloud.hosts(brief=True)
    assert lab.calls == ["GET compute/os-services"] * 3


def test_guests_by_id_before_any_has_moved(lab: Lab) -> None:
    """Another process made the plan; only the source is known here."""
    ids = [f"s{n}" for n in range(6)]
    lab.mock.get(f"{NOVA}/os-migrations", json={"migrations": []})
    at_home = {"servers": [fake.server(i, "c1") for i in ids]}
    lab.mock.get(f"{NOVA}/servers/detail?host=c1", json=at_home)
    lab.cloud.evacuations("c1")
    assert set(lab.cloud.guests(ids)) == set(ids)
    assert not [c for c in lab.calls if "servers/s" in c]


def test_guests_by_id_moved_by_another_process(lab: Lab) -> None:
    ids = [f"s{n}" for n in range(6)]
    at_home = {"servers": [fake.server(i, "c1") for i in ids]}
    lab.mock.get(f"{NOVA}/servers/detail?host=c1", json=at_home)
    lab.cloud.guests_on("c1")
    records = [fake.migration(n, i) for n, i in enumerate(ids)]
    lab.mock.get(f"{NOVA}/os-migrations", json={"migrations": records})
    lab.mock.get(f"{NOVA}/servers/detail?host=c1", json={"servers": []})
    moved = {"servers": [fake.server(i, "c2") for i in ids]}
    lab.mock.get(f"{NOVA}/servers/detail?host=c2", json=moved)
    assert set(lab.cloud.guests(ids)) == set(ids)
    assert not [c for c in lab.calls if "servers/s" in c]


def test_evacuations(lab: Lab) -> None:
    records = [
        fake.migration(12, "b", created_at="2026-11-22T10:00:09.000000"),
        fake.migration(11, "a", status="done", dest_compute=None),
    ]
    lab.mock.get(f"{NOVA}/os-migrations", json={"migrations": records})
    old, new = lab.cloud.evacuations("c1")
    assert (old.id, old.dest, old.in_flight) == ("11", "", False)
    assert (new.id, new.dest, new.in_flight) == ("12", "c2", True)
    query = lab.sent("GET")[-1].qs
    assert query == {
        "source_compute": ["c1"],
        "migration_type": ["evacuation"],
    }


@pytest.mark.parametrize(
    ("action", "start", "asked"),
    [
        ("evacuate", "2026-11-22T10:00:00.000000", True),
        ("evacuate", "2026-11-22T09:59:50.000000", True),
        ("evacuate", "2026-11-22T09:00:00.000000", False),
        ("reboot", "2026-11-22T10:00:00.000000", False),
    ],
)
def test_evacuation_asked(
    lab: Lab, action: str, start: str, asked: bool
) -> None:
    actions = [{"action": action, "start_time": start}]
    lab.mock.get(
        f"{NOVA}/servers/a/os-instance-actions",
        json={"instanceActions": actions},
    )
    assert lab.cloud.evacuation_asked("a", 1795341600.0) is asked


def test_mark_down_is_one_put(lab: Lab) -> None:
    put = fake.service(
        "c1",
        status="disabled",
        forced_down=True,
        disabled_reason="x" * 255,
        updated_at="2026-11-22T10:00:10.250000",
    )
    lab.mock.put(f"{NOVA}/os-services/uuid-of-c1", json={"service": put})
    marked = lab.cloud.mark_down(HOST, "x" * 300, claim())
    assert (marked.name, marked.forced_down, marked.enabled) == (
        "c1",
        True,
        False,
    )
    # the database keeps full seconds, rounded: 10:00:11 is no heartbeat
    assert marked.updated_at == 1795341611.0
    assert [one.json() for one in lab.sent("PUT")] == [
        {
            "forced_down": True,
            "status": "disabled",
            "disabled_reason": "x" * 255,
        }
    ]


@pytest.mark.parametrize("answer", [{"text": "<html>"}, {"json": {}}])
def test_a_mark_that_is_not_shown_may_have_been_made(
    lab: Lab, answer: dict[str, Any]
) -> None:
    lab.mock.put(f"{NOVA}/os-services/uuid-of-c1", **answer)
    with pytest.raises(NoAnswer, match="proxy"):
        lab.cloud.mark_down(HOST, "x", claim())
    assert len(lab.sent("PUT")) == 1


def test_a_return_is_two_puts(lab: Lab) -> None:
    lab.mock.put(f"{NOVA}/os-services/uuid-of-c1", json={"service": {}})
    lab.cloud.lift_down(HOST, claim())
    lab.cloud.set_service(HOST, enabled=True, reason="x", claim=claim())
    lab.cloud.set_service(HOST, enabled=False, reason="mine", claim=claim())
    assert [one.json() for one in lab.sent("PUT")] == [
        {"forced_down": False},
        {"status": "enabled"},
        {"status": "disabled", "disabled_reason": "mine"},
    ]


def test_nova_has_not_cleaned_up(lab: Lab) -> None:
    lab.mock.put(
        f"{NOVA}/os-services/uuid-of-c1",
        status_code=400,
        json={
            "badRequest": {
                "code": 400,
                "message": "Unable to force up host c1 as `done` evacuation "
                "migration records remain associated with the host.",
            }
        },
    )
    with pytest.raises(Failed) as refused:
        lab.cloud.lift_down(HOST, claim())
    assert refused.value.code == "not_cleaned"


@pytest.mark.parametrize(
    ("keep_off", "version"), [(False, "2.94"), (True, "2.95")]
)
def test_evacuate(lab: Lab, keep_off: bool, version: str) -> None:
    lab.mock.post(f"{NOVA}/servers/a/action", status_code=200, text="")
    lab.cloud.evacuate("a", keep_off=keep_off, claim=claim())
    (post,) = lab.sent("POST")
    assert post.json() == {"evacuate": {}}
    assert post.headers["OpenStack-API-Version"] == f"compute {version}"
    assert post.headers["X-OpenStack-Request-ID"] == fake.REQUEST_ID


def said(kind: str, code: int, message: str) -> dict[str, Any]:
    return {
        "status_code": code,
        "json": {kind: {"code": code, "message": message}},
    }


REFUSED = requests.ConnectionError(
    NewConnectionError(None, "refused")  # type: ignore[arg-type]
)


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (
            said("badRequest", 400, "Compute service of c1 is still in use."),
            Failed,
            "in_use",
        ),
        (
            said("badRequest", 400, "No valid host was found."),
            Failed,
            "no_valid_host",
        ),
        (
            said(
                "conflictingRequest",
                409,
                "Cannot 'evacuate' instance a while it is in vm_state paused",
            ),
            Failed,
            "conflict",
        ),
        (
            said("itemNotFound", 404, "Instance a could not be found."),
            Failed,
            "not_found",
        ),
        (said("badRequest", 400, "Nonsense."), Failed, "rejected"),
        (said("forbidden", 403, "Policy."), Refused, "forbidden"),
        ({"status_code": 406}, Failed, "too_old"),
        ({"status_code": 429}, Transient, "api"),
        ({"status_code": 500}, NoAnswer, "no_answer"),
        ({"status_code": 503}, NoAnswer, "no_answer"),
        ({"status_code": 504}, NoAnswer, "no_answer"),
        ({"exc": requests.ReadTimeout}, NoAnswer, "no_answer"),
        ({"exc": requests.ConnectionError("reset")}, NoAnswer, "no_answer"),
        ({"exc": requests.ConnectTimeout}, Transient, "api"),
        ({"exc": REFUSED}, Transient, "api"),
    ],
)
def test_what_nova_says_to_an_evacuation(
    lab: Lab, answer: dict[str, Any], error: type[HaError], code: str
) -> None:
    lab.mock.post(f"{NOVA}/servers/a/action", **answer)
    with pytest.raises(error) as met:
        lab.cloud.evacuate("a", keep_off=False, claim=claim())
    assert (type(met.value), met.value.code) == (error, code)
    assert len(lab.sent("POST")) == 1, "a change is never repeated"


def test_a_claim_that_is_over_sends_nothing(lab: Lab) -> None:
    over = claim(until=999.0)
    cloud = lab.cloud
    changes: list[Callable[[], object]] = [
        lambda: cloud.mark_down(HOST, "x", over),
        lambda: cloud.evacuate("a", keep_off=False, claim=over),
        lambda: cloud.reset_state("a", "active", over),
        lambda: cloud.set_power("a", "stop", over),
        lambda: cloud.delete("a", over),
    ]
    for change in changes:
        with pytest.raises(Refused) as met:
            change()
        assert met.value.code == "superseded"
    assert lab.calls == []


def test_no_token_no_change(lab: Lab) -> None:
    lab.mock.post(f"{fake.KEYSTONE}/auth/tokens", status_code=401)
    with pytest.raises(Refused, match="Keystone"):
        lab.cloud.delete("a", claim())
    lab.mock.post(f"{fake.KEYSTONE}/auth/tokens", exc=requests.ReadTimeout)
    with pytest.raises(Transient) as met:
        lab.cloud.delete("a", claim())
    assert type(met.value) is Transient
    assert lab.calls == []


def test_small_changes(lab: Lab) -> None:
    lab.mock.post(f"{NOVA}/servers/a/action", status_code=202)
    lab.mock.delete(f"{NOVA}/servers/a", status_code=204)
    lab.mock.delete(f"{NOVA}/servers/b", status_code=404)
    lab.cloud.reset_state("a", "active", claim())
    for verb in ("start", "stop", "pause", "suspend"):
        lab.cloud.set_power("a", verb, claim())
    lab.cloud.delete("a", claim())
    lab.cloud.delete("b", claim())
    assert [one.json() for one in lab.sent("POST")] == [
        {"os-resetState": {"state": "active"}},
        {"os-start": None},
        {"os-stop": None},
        {"pause": None},
        {"suspend": None},
    ]


def test_a_read_is_tried_again(lab: Lab) -> None:
    good = {"json": {"services": [fake.service("c1")]}}
    lab.mock.get(
        f"{NOVA}/os-services",
        [{"status_code": 503}, {"exc": requests.ReadTimeout}, good],
    )
    assert [host.name for host in lab.cloud.hosts()] == ["c1"]
    assert lab.clock.at == 1003.0


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status_code": 503}, Transient),
        ({"status_code": 403}, Refused),
        ({"status_code": 404}, Failed),
        ({"text": "<html>"}, Transient),
        ({"json": {"other": []}}, Failed),
    ],
)
def test_a_read_that_fails(
    lab: Lab, answer: dict[str, Any], error: type[HaError]
) -> None:
    lab.mock.get(f"{NOVA}/os-services", **answer)
    with pytest.raises(error) as met:
        lab.cloud.hosts()
    assert type(met.value) is error
    assert "hush" not in str(met.value.as_dict())


def test_volumes(lab: Lab) -> None:
    def listed(request: Any, _: Any) -> dict[str, Any]:
        assert request.qs["id"] == ["['v1', 'v2', 'v3']"]
        return {"volumes": [{"id": "v1", "status": "in-use"}]}

    lab.mock.get(f"{fake.CINDER}/volumes/detail", json=listed)
    body = {"volume": {"id": "v2", "status": "error"}}
    lab.mock.get(f"{fake.CINDER}/volumes/v2", json=body)
    lab.mock.get(f"{fake.CINDER}/volumes/v3", status_code=404)
    found = lab.cloud.volumes(["v1", "v2", "v3"])
    assert {id: v.status for id, v in found.items()} == {
        "v1": "in-use",
        "v2": "error",
    }


def test_without_cinder_octavia(requests_mock: Any) -> None:
    fake.keystone(requests_mock, "block-storage", "load-balancer")
    cloud = OpenStackCloud(fake.connect(), StillClock())
    assert cloud.volumes(["v1"]) == {}
    assert cloud.members() == []


def test_copies(lab: Lab) -> None:
    mine = {"ha:incident": "i1", "ha:replaces": "old"}
    listed = [
        fake.server("new", metadata=mine),
        fake.server("other", metadata={**mine, "ha:replaces": "not asked"}),
        fake.server("odd", metadata={}),
        # any tenant may write these words on a server of his own
        fake.server("thief", metadata=mine, tenant_id="thief"),
    ]
    owners = {"old": listed[0]["tenant_id"], "else": "thief"}
    lab.mock.get(f"{NOVA}/servers/detail", json={"servers": listed})
    found = lab.cloud.copies(owners)
    assert {k: g.id for k, g in found.items()} == {"old": "new"}
    asked = [one.qs for one in lab.sent("GET") if "detail" in one.path]
    tags = "ha:replaces:old,ha:replaces:else"
    assert asked == [{"all_tenants": ["1"], "tags-any": [tags]}]


def test_a_busy_service_is_given_the_time_that_it_asks_for(lab: Lab) -> None:
    lab.mock.get(
        f"{fake.NOVA}/os-aggregates",
        [
            {"status_code": 429, "headers": {"Retry-After": "7"}},
            {"json": {"aggregates": []}},
        ],
    )
    before = lab.clock.at
    assert lab.cloud.aggregates() == []
    assert lab.clock.at - before == 7.0
