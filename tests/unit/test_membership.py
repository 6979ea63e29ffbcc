"""Whose a member is, who is drained, where a copy enters, who serves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ha_actions.deciders.membership import (
    member_for,
    members_of,
    not_serving,
    to_drain,
    urgency,
)
from ha_actions.model import Guest, Member, Port, Protection
from unit.fakes import guest, planned


def port(address: str, network: str = "net", subnet: str = "sub") -> Port:
    return Port(
        id=f"port-{address}", network=network, subnet=subnet, address=address
    )


def member(address: str, **changes: object) -> Member:
    base = Member(
        id=f"m-{address}",
        pool="web",
        pool_name="web",
        lb="lb",
        address=address,
        subnet="sub",
        weight=3,
        status="ERROR",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def at(name: str, *ports: Port) -> Guest:
    return guest(name, ports=ports)


def test_the_same_address_on_another_subnet_is_another_tenants() -> None:
    theirs = member("10.0.0.1", subnet="sub-of-others")
    mine = member("10.0.0.1", id="mine")
    assert members_of(at("a", port("10.0.0.1")), [theirs, mine]) == [mine]


@pytest.mark.parametrize(
    ("mine", "other", "drained", "spared"),
    [
        ("ERROR", "ONLINE", True, ""),
        ("NO_MONITOR", "NO_MONITOR", True, ""),
        ("OFFLINE", "NO_MONITOR", True, ""),
        ("ONLINE", "ONLINE", False, "its health monitor calls it ONLINE"),
        ("ERROR", "ERROR", False, "nobody else serves there"),
    ],
)
def test_who_is_drained(
    mine: str, other: str, drained: bool, spared: str
) -> None:
    dead = at("a", port("10.0.0.1"))
    members = [
        member("10.0.0.1", status=mine),
        member("10.0.0.2", status=other),
    ]
    told = to_drain([dead], members)
    assert bool(told.chosen) is drained
    assert told.spared.get("m-10.0.0.1", "") == spared


def test_a_member_without_weight_does_not_serve_for_others() -> None:
    dead = at("a", port("10.0.0.1"))
    idle = member("10.0.0.2", status="ONLINE", weight=0)
    told = to_drain([dead], [member("10.0.0.1"), idle])
    assert told.chosen == ()


def test_members_of_one_host_do_not_serve_for_each_other() -> None:
    both = [at("a", port("10.0.0.1")), at("b", port("10.0.0.2"))]
    members = [
        member("10.0.0.1", status="NO_MONITOR"),
        member("10.0.0.2", status="NO_MONITOR"),
    ]
    assert to_drain(both, members).chosen == ()


def test_a_copy_enters_at_its_address_on_the_members_own_network() -> None:
    old = at("a", port("10.0.0.1"), port("192.168.0.1", "back", "back-sub"))
    copy = at("a", port("192.168.0.9", "back", "back-sub"), port("10.0.0.9"))
    front = member(
        "10.0.0.1",
        monitor_address="192.168.0.1",
        monitor_port=81,
        backup=True,
    )
    made = member_for(front, old, copy)
    assert made is not None
    assert (made.address, made.subnet) == ("10.0.0.9", "sub")
    assert (made.monitor_address, made.monitor_port) == ("192.168.0.9", 81)
    assert (made.weight, made.backup, made.id) == (3, True, "")
    back = member("192.168.0.1", subnet="back-sub")
    behind = member_for(back, old, copy)
    assert behind is not None
    assert behind.address == "192.168.0.9"


def test_a_monitor_address_of_somebody_else_is_kept() -> None:
    made = member_for(
        member("10.0.0.1", monitor_address="10.9.9.9"),
        at("a", port("10.0.0.1")),
        at("a", port("10.0.0.9")),
    )
    assert made is not None
    assert made.monitor_address == "10.9.9.9"


def test_two_ports_of_one_network_keep_their_order() -> None:
    old = at("a", port("10.0.0.1"), port("10.0.0.2"))
    copy = at("a", port("10.0.0.8"), port("10.0.0.9"))
    made = member_for(member("10.0.0.2"), old, copy)
    assert made is not None
    assert made.address == "10.0.0.9"


def test_a_copy_without_a_port_there_enters_nowhere() -> None:
    old = at("a", port("10.0.0.1"))
    copy = at("a", port("192.168.0.9", "back", "back-sub"))
    assert member_for(member("10.0.0.1"), old, copy) is None


def test_the_neediest_pool_counts() -> None:
    lone = member("10.0.0.1", pool="lone")
    many = member("10.0.0.1", id="m", pool="many")
    others = [
        member(f"10.0.1.{n}", pool="many", status="ONLINE") for n in range(3)
    ]
    both = planned(guest("a"), Protection.CATTLE, [lone, many])
    rich = planned(guest("b"), Protection.CATTLE, [many])
    poolless = planned(guest("c"), Protection.CATTLE, [])
    told = urgency([both, rich, poolless], [lone, many, *others])
    assert told == {"id-a": 0.0, "id-b": 0.75}


@pytest.mark.parametrize(
    ("now", "wrong"),
    [
        ([member("10.0.0.9", status="ONLINE")], ""),
        ([member("10.0.0.9", status="NO_MONITOR")], ""),
        ([member("10.0.0.9")], "its member in web is ERROR"),
        (
            [member("10.0.0.9", status="ONLINE", weight=0)],
            "its member in web is ONLINE",
        ),
        ([], "it has no member in web"),
        ([member("10.0.0.9", pool="other")], "it has no member in web"),
    ],
)
def test_whether_a_copy_serves(now: list[Member], wrong: str) -> None:
    old = planned(
        at("a", port("10.0.0.1")), Protection.CATTLE, [member("10.0.0.1")]
    )
    copy = at("a", port("10.0.0.9"))
    assert not_serving(old, copy, now) == wrong


def test_one_that_was_off_need_not_serve() -> None:
    off = guest("a", vm_state="stopped", ports=(port("10.0.0.1"),))
    mine = member("10.0.0.1")
    assert (
        not_serving(planned(off, Protection.PET, [mine]), None, [mine]) == ""
    )
