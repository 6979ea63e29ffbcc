"""Where guests go when the policy says it: usable hosts, spares, turns."""

from __future__ import annotations

from typing import Any

import pytest
from ha_actions.deciders.targets import (
    NAMED,
    another,
    pick,
    spare,
    usable,
    wanted,
)
from ha_actions.model import Aggregate, Host, Migration
from unit import fake_openstack as fake
from unit.fake_openstack import Lab, claim

SETS = [
    Aggregate(name="gpu", hosts=("c1", "c2", "c3")),
    Aggregate(name="spares", hosts=("s1", "s2")),
]
DEAD = Host(name="c1", service_id="1", up=False, aggregates=("gpu", "rack"))


def host(name: str, up: bool = True, **more: Any) -> Host:
    return Host(name=name, service_id=name, up=up, **more)


def test_who_is_wanted() -> None:
    assert wanted(DEAD, {}, SETS) is None
    assert wanted(DEAD, {"other": "gpu"}, SETS) is None
    assert wanted(DEAD, {"gpu": "gpu"}, SETS) == {"c2", "c3"}
    assert wanted(DEAD, {"gpu": "spares"}, SETS) == {"s1", "s2"}
    both = {"gpu": "gpu", "rack": "spares"}
    assert wanted(DEAD, both, SETS) == {"c2", "c3", "s1", "s2"}
    assert wanted(DEAD, {"gpu": "gone"}, SETS) == frozenset()


def test_who_is_usable() -> None:
    hosts = [
        host("b"),
        host("a"),
        host("down", up=False),
        host("off", enabled=False),
        host("forced", forced_down=True),
        host("other"),
    ]
    names = {"a", "b", "down", "off", "forced"}
    assert usable(hosts, names) == ["a", "b"]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"disabled_reason": "reserved"}, True),
        ({"disabled_reason": "Reserved for failover"}, True),
        ({"disabled_reason": "a fan is broken; reserved"}, False),
        ({"disabled_reason": ""}, False),
        ({"disabled_reason": "reserved", "up": False}, False),
        ({"disabled_reason": "reserved", "forced_down": True}, False),
        ({"disabled_reason": "reserved", "enabled": True}, False),
    ],
)
def test_only_a_reserved_host_is_a_spare(
    more: dict[str, Any], found: bool
) -> None:
    one = host("s1", **({"enabled": False} | more))
    assert (spare([one], {"s1"}) is one) is found
    assert spare([one], {"s2"}) is None


def record(dest: str, status: str = "error") -> Migration:
    return Migration(id="1", guest="g", source="c1", dest=dest, status=status)


def test_each_host_is_tried_once() -> None:
    assert pick(["a", "b", "c"], [], 0) == "a"
    assert pick(["a", "b", "c"], [], 4) == "b"
    assert pick(["a", "b"], [record("a")], 0) == "b"
    assert pick(["a"], [record("a", "accepted")], 0) == "a"
    assert pick(["a", "b"], [record("b"), record("a")], 0) == ""
    assert pick([], [], 0) == ""


def test_after_a_failed_spawn_another_host_is_named() -> None:
    near = host("c3", aggregates=("gpu",))
    far, down = host("c2"), host("c4", up=False, aggregates=DEAD.aggregates)
    hosts = [DEAD, far, near, down]
    failed = record("c5", "failed")
    assert another(hosts, DEAD, [], 0) == ""
    assert another(hosts, DEAD, [record("")], 0) == "", "no room anywhere"
    assert another(hosts, DEAD, [record("c5", "done")], 0) == ""
    assert another(hosts, DEAD, [failed], 1) == "c3", "of its aggregate"
    assert another(hosts, DEAD, [failed, record("c3")], 0) == "c2"
    tried = [record("c3", "failed"), record("c2", "failed")]
    assert another(hosts, DEAD, tried, 0) == ""
    refused = [record(f"x{n}") for n in range(NAMED)]
    assert another(hosts, DEAD, [failed, *refused[1:]], 0) == "c3"
    assert another(hosts, DEAD, [failed, *refused], 0) == ""


@pytest.mark.parametrize(("to", "body"), [("c2", {"host": "c2"}), ("", {})])
def test_the_host_goes_into_the_post(
    requests_mock: Any, to: str, body: dict[str, str]
) -> None:
    lab = Lab(requests_mock)
    requests_mock.post(f"{fake.NOVA}/servers/g/action", json={})
    lab.cloud.evacuate("g", keep_off=False, claim=claim(), host=to)
    (sent,) = [r for r in lab.sent("POST") if "action" in r.url]
    assert sent.json() == {"evacuate": body}
    # from 2.68 on a given host is checked by the scheduler, never forced
    assert sent.headers["OpenStack-API-Version"] == "compute 2.94"
