"""Octavia at the wire."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests
from ha_actions.errors import Failed, HaError, NoAnswer, Refused, Transient
from ha_actions.model import Member
from unit import fake_openstack as fake
from unit.fake_openstack import Lab, claim

LBAAS = f"{fake.OCTAVIA}/lbaas"
POOL: dict[str, Any] = {
    "id": "p1",
    "name": "web",
    "loadbalancers": [{"id": "lb1"}],
    "members": [{"id": "m1"}, {"id": "m2"}, {"id": "m3"}],
}
EMPTY = {"id": "p2", "loadbalancers": [{"id": "lb1"}], "members": []}
BUSY = {
    "status_code": 409,
    "json": {
        "faultcode": "Client",
        "faultstring": "Pool p1 is immutable and cannot be updated.",
        "debuginfo": None,
    },
}


@pytest.fixture
def lab(requests_mock: Any) -> Lab:
    made = Lab(requests_mock)
    requests_mock.get(f"{LBAAS}/pools", json={"pools": [POOL, EMPTY]})
    requests_mock.get(
        f"{LBAAS}/pools/p1/members",
        json={"members": [fake.member(n) for n in (1, 2, 3)]},
    )
    status("ACTIVE", requests_mock)
    return made


def status(word: str, mock: Any) -> None:
    body = {"loadbalancer": {"id": "lb1", "provisioning_status": word}}
    mock.get(f"{LBAAS}/loadbalancers/lb1", json=body)


def test_members(lab: Lab) -> None:
    first = lab.cloud.members()[0]
    assert (first.id, first.pool, first.lb, first.pool_name) == (
        "m1",
        "p1",
        "lb1",
        "web",
    )
    assert (first.address, first.port, first.weight, first.status) == (
        "10.0.0.1",
        8080,
        10,
        "ONLINE",
    )
    assert (first.monitor_address, first.monitor_port) == ("", 0)
    # One call for the pools, and one for each that has members.
    assert len(lab.calls) == 2


def test_a_pool_may_be_tagged_to_be_drained_early(lab: Lab) -> None:
    tagged = {**POOL, "tags": ["mine", "ha:drain=suspicion"]}
    assert not any(m.early for m in lab.cloud.members())
    lab.mock.get(f"{LBAAS}/pools", json={"pools": [tagged, EMPTY]})
    assert all(m.early for m in lab.cloud.members())


def test_a_member_without_a_subnet_is_on_that_of_the_vip(lab: Lab) -> None:
    lab.mock.get(
        f"{LBAAS}/pools/p1/members",
        json={
            "members": [
                fake.member(1, subnet_id=None),
                fake.member(2, subnet_id="sub-2"),
            ]
        },
    )
    lab.mock.get(
        f"{LBAAS}/loadbalancers",
        json={"loadbalancers": [{"id": "lb1", "vip_subnet_id": "vip-1"}]},
    )
    assert [m.subnet for m in lab.cloud.members()] == ["vip-1", "sub-2"]
    # told by the load balancers: one more call, whatever their number
    assert len(lab.calls) == 3


def test_weights_are_one_batch_that_keeps_the_rest(lab: Lab) -> None:
    lab.mock.put(f"{LBAAS}/pools/p1/members", status_code=202)
    lab.cloud.set_weights("lb1", {"m1": 0, "m3": 0, "elsewhere": 0}, claim())
    (put,) = lab.sent("PUT")
    assert put.qs == {"additive_only": ["true"]}
    assert put.json() == {
        "members": [
            {
                "name": f"web-{n}",
                "address": f"10.0.0.{n}",
                "protocol_port": 8080,
                "admin_state_up": True,
                "backup": False,
                "subnet_id": "sub-1",
                "tags": ["keep"],
                "weight": 0,
            }
            for n in (1, 3)
        ]
    }


def test_weights_that_are_so_already(lab: Lab) -> None:
    lab.cloud.set_weights("lb1", {"m1": 10}, claim())
    assert lab.sent("PUT") == []


def test_it_waits_for_the_lock(lab: Lab) -> None:
    path = f"{LBAAS}/pools/p1/members"
    lab.mock.put(path, [BUSY, BUSY, {"status_code": 202}])
    lab.cloud.set_weights("lb1", {"m1": 0}, claim())
    assert lab.clock.at == 1002.0
    assert len(lab.sent("PUT")) == 3


def test_a_lock_that_stays(lab: Lab) -> None:
    lab.mock.put(f"{LBAAS}/pools/p1/members", **BUSY)
    with pytest.raises(Transient) as met:
        lab.cloud.set_weights("lb1", {"m1": 0}, claim())
    assert met.value.code == "lb_busy"
    assert 1170 < lab.clock.at <= 1180


def test_the_wait_ends_with_the_claim(lab: Lab) -> None:
    lab.mock.put(f"{LBAAS}/pools/p1/members", **BUSY)
    with pytest.raises(HaError):
        lab.cloud.set_weights("lb1", {"m1": 0}, claim(until=1003.5))
    assert lab.clock.at <= 1004


def test_a_load_balancer_in_error_is_not_waited_for(lab: Lab) -> None:
    lab.mock.put(f"{LBAAS}/pools/p1/members", **BUSY)
    status("ERROR", lab.mock)
    with pytest.raises(Failed, match="fail it over") as met:
        lab.cloud.set_weights("lb1", {"m1": 0}, claim())
    assert met.value.code == "lb_error"
    assert len(lab.sent("PUT")) == 1


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        ({"status_code": 403}, Refused, "forbidden"),
        ({"status_code": 404}, Failed, "not_found"),
        ({"status_code": 500}, NoAnswer, "no_answer"),
        ({"exc": requests.ReadTimeout}, NoAnswer, "no_answer"),
        ({"exc": requests.ConnectTimeout}, Transient, "api"),
    ],
)
def test_what_octavia_says(
    lab: Lab, answer: dict[str, Any], error: type[HaError], code: str
) -> None:
    lab.mock.put(f"{LBAAS}/pools/p1/members", **answer)
    with pytest.raises(error) as met:
        lab.cloud.set_weights("lb1", {"m1": 0}, claim())
    assert (type(met.value), met.value.code) == (error, code)
    assert len(lab.sent("PUT")) == 1


def new(like: Member, address: str, **changes: Any) -> Member:
    return replace(like, id="", address=address, **changes)


def test_new_members_are_one_batch(lab: Lab) -> None:
    path = f"{LBAAS}/pools/p1/members"
    lab.mock.put(path, [BUSY, {"status_code": 202}])
    like = lab.cloud.members()[0]
    two = [
        new(like, "10.0.0.8"),
        new(
            like,
            "10.0.0.9",
            backup=True,
            weight=0,
            monitor_address="10.9.0.9",
            monitor_port=81,
        ),
    ]
    lab.cloud.add_members("lb1", two, claim())
    put = lab.sent("PUT")[-1]
    assert put.qs == {"additive_only": ["true"]}
    plain = {
        "name": "web-1",
        "address": "10.0.0.8",
        "protocol_port": 8080,
        "weight": 10,
        "backup": False,
        "subnet_id": "sub-1",
    }
    assert put.json() == {
        "members": [
            plain,
            {
                **plain,
                "address": "10.0.0.9",
                "weight": 0,
                "backup": True,
                "monitor_address": "10.9.0.9",
                "monitor_port": 81,
            },
        ]
    }


def test_a_member_that_is_there_stays_as_it_is(lab: Lab) -> None:
    like = lab.cloud.members()[0]
    lab.cloud.add_members("lb1", [new(like, "10.0.0.2", weight=3)], claim())
    assert lab.sent("PUT") == []


def test_a_duplicate_is_not_sent_again(lab: Lab) -> None:
    """Somebody else has added it since: looked at first, then maybe."""
    text = (
        "Another member on this pool is already using ip 10.0.0.9 on "
        "protocol_port 8080"
    )
    lab.mock.put(
        f"{LBAAS}/pools/p1/members",
        status_code=409,
        json={"faultcode": "Client", "faultstring": text},
    )
    like = lab.cloud.members()[0]
    with pytest.raises(Transient, match="looked at again"):
        lab.cloud.add_members("lb1", [new(like, "10.0.0.9")], claim())
    assert len(lab.sent("PUT")) == 1


@pytest.mark.parametrize("answer", [204, 404])
def test_remove_a_member(lab: Lab, answer: int) -> None:
    lab.mock.delete(
        f"{LBAAS}/pools/p1/members/m1", [BUSY, {"status_code": answer}]
    )
    lab.cloud.remove_member(lab.cloud.members()[0], claim())
    assert len(lab.sent("DELETE")) == 2


def test_a_claim_that_is_over_sends_nothing(lab: Lab) -> None:
    over = claim(until=1.0)
    like = lab.cloud.members()[0]
    for change in (
        lambda: lab.cloud.set_weights("lb1", {"m1": 0}, over),
        lambda: lab.cloud.add_members("lb1", [new(like, "10.0.0.9")], over),
        lambda: lab.cloud.remove_member(like, over),
    ):
        with pytest.raises(Refused) as met:
            change()
        assert met.value.code == "superseded"
    assert lab.sent("PUT") + lab.sent("POST") + lab.sent("DELETE") == []
