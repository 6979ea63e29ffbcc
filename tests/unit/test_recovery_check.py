"""Before and after, compared: each finding, good and bad."""

from __future__ import annotations

from typing import Any

import pytest
from ha_actions.deciders.recovery_check import check_guest, wanted_state
from ha_actions.model import Finding, Guest, Member, Protection, Volume
from unit.fakes import guest, planned, port

CATTLE = Protection.CATTLE
MEMBER = Member(
    id="m1",
    pool="pool-1",
    pool_name="web",
    address="10.0.0.5",
    subnet="sub-1",
    status="ONLINE",
)


def member(**changes: Any) -> Member:
    values = {name: getattr(MEMBER, name) for name in MEMBER.__slots__}
    return Member(**(values | changes))


BEFORE: dict[str, Any] = {"ports": (port(host="c1"),)}
AFTER: dict[str, Any] = {"host": "c2", "ports": (port(),)}


def check(
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    *,
    gone: bool = False,
    copy: Guest | None = None,
    protection: Protection = Protection.PET,
    had: list[Member] | None = None,
    members: list[Member] | None = None,
    volumes: dict[str, str] | None = None,
    unknown_members: bool = False,
) -> list[Finding]:
    prior = guest(**(BEFORE | (before or {})))
    now = None if gone else guest(**(AFTER | (after or {})))
    return check_guest(
        planned(prior, protection, had or []),
        now,
        copy,
        dead_host="c1",
        hosts_up={"c2", "c3"},
        volumes={
            id: Volume(id=id, status=s) for id, s in (volumes or {}).items()
        },
        members=None if unknown_members else members or [],
    )


def bad(found: list[Finding]) -> list[str]:
    return [f.check for f in found if not f.ok]


def test_all_is_well() -> None:
    found = check(
        {"volumes": ("v1",), "locked": True},
        {"volumes": ("v1",), "locked": True},
        volumes={"v1": "in-use"},
        had=[MEMBER],
        members=[MEMBER],
    )
    assert bad(found) == []
    assert {f.check for f in found} == {
        "host",
        "state",
        "addresses",
        "lock",
        "volumes",
        "ports",
        "member",
    }
    assert all(f.guest == "id-db" and f.detail for f in found)


def test_a_pet_that_its_owner_deleted_has_no_finding() -> None:
    assert check(gone=True) == []


# -- pets -----------------------------------------------------------------
@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        ({}, {"host": "c1"}, ["host", "ports"]),
        ({}, {"host": "c9"}, ["host", "ports"]),
        ({}, {"host": ""}, ["host", "ports"]),
        ({}, {"vm_state": "error"}, ["state"]),
        ({}, {"vm_state": "stopped"}, ["state"]),
        ({}, {"task_state": "rebuilding"}, ["state"]),
        ({"vm_state": "stopped"}, {"vm_state": "stopped"}, []),
        ({"vm_state": "stopped"}, {"vm_state": "active"}, ["state"]),
        ({"vm_state": "paused"}, {"vm_state": "paused"}, []),
        ({"vm_state": "paused"}, {"vm_state": "active"}, ["state"]),
        ({"vm_state": "suspended"}, {"vm_state": "stopped"}, []),
        ({"vm_state": "rescued"}, {"vm_state": "active"}, []),
        ({"vm_state": "error"}, {"vm_state": "active"}, []),
        (
            {"vm_state": "error", "power": "shutdown"},
            {"vm_state": "stopped"},
            [],
        ),
        ({}, {"ports": ()}, ["addresses"]),
        ({}, {"ports": (port("10.0.0.6"),)}, ["addresses"]),
        ({}, {"ports": (port(host="c1"),)}, ["ports"]),
        ({}, {"ports": (port(status="DOWN"),)}, ["ports"]),
        (
            {"vm_state": "stopped"},
            {"vm_state": "stopped", "ports": (port(status="DOWN"),)},
            [],
        ),
        ({"ports": ()}, {"ports": ()}, []),
        ({"locked": True}, {}, ["lock"]),
        ({}, {"locked": True}, ["lock"]),
        ({"volumes": ("v1", "v2")}, {"volumes": ("v1",)}, ["volumes"]),
    ],
)
def test_a_pet(
    before: dict[str, Any], after: dict[str, Any], wrong: list[str]
) -> None:
    assert bad(check(before, after)) == wrong


@pytest.mark.parametrize(
    ("states", "wrong"),
    [
        ({"v1": "in-use"}, []),
        ({}, []),  # there is no Cinder to ask
        ({"v1": "available"}, ["volumes"]),
        ({"v1": "error"}, ["volumes"]),
        ({"v1": "reserved"}, ["volumes"]),
    ],
)
def test_volumes(states: dict[str, str], wrong: list[str]) -> None:
    with_volume = {"volumes": ("v1",)}
    found = check(with_volume, with_volume, volumes=states)
    assert bad(found) == wrong


@pytest.mark.parametrize(
    ("state", "power", "wanted"),
    [
        ("active", "running", "active"),
        ("stopped", "shutdown", "stopped"),
        ("paused", "paused", "paused"),
        ("suspended", "shutdown", "stopped"),
        ("rescued", "running", "active"),
        ("error", "running", "active"),
        ("error", "shutdown", "stopped"),
    ],
)
def test_the_state_a_pet_should_have(
    state: str, power: str, wanted: str
) -> None:
    assert wanted_state(guest(vm_state=state, power=power)) == wanted


# -- cattle ---------------------------------------------------------------
COPY = guest("web-new", "c3", ports=(port("10.0.0.9", host="c3"),))


@pytest.mark.parametrize(
    ("gone", "copy", "wrong"),
    [
        (True, COPY, []),
        (False, COPY, ["one copy"]),
        (False, None, ["one copy"]),
        (True, guest("web-new", "c1"), ["host"]),
        (True, guest("web-new", "c3", vm_state="error"), ["state"]),
    ],
)
def test_cattle(gone: bool, copy: Guest | None, wrong: list[str]) -> None:
    found = check(gone=gone, copy=copy, protection=CATTLE)
    assert bad(found) == wrong


def test_stopped_cattle_is_stopped_again() -> None:
    for state, wrong in (("stopped", []), ("active", ["state"])):
        found = check(
            {"vm_state": "stopped"},
            gone=True,
            copy=guest("web-new", "c3", vm_state=state),
            protection=CATTLE,
        )
        assert bad(found) == wrong


# -- members --------------------------------------------------------------
@pytest.mark.parametrize(
    ("had", "members", "wrong"),
    [
        ([MEMBER], [MEMBER], []),
        ([MEMBER], [], ["member"]),
        ([MEMBER], [member(weight=0)], ["member"]),
        ([MEMBER], [member(status="ERROR")], ["member"]),
        ([MEMBER], [member(status="OFFLINE")], ["member"]),
        ([MEMBER], [member(status="NO_MONITOR")], []),
        ([MEMBER], [member(pool="pool-2")], ["member"]),
        ([MEMBER], [member(id="m2")], ["member"]),
        ([MEMBER], [member(address="10.0.0.6")], ["member"]),
        ([MEMBER], [member(subnet="sub-2")], ["member"]),
        # its owner had drained it: it need not work
        ([member(weight=0)], [member(weight=0, status="ERROR")], []),
        ([MEMBER, member(id="m2", pool="p2")], [MEMBER], ["member"]),
        ([], [member(status="ERROR")], []),
    ],
)
def test_members_of_a_pet(
    had: list[Member], members: list[Member], wrong: list[str]
) -> None:
    assert bad(check(had=had, members=members)) == wrong


def test_a_stopped_guest_cannot_serve() -> None:
    off = {"vm_state": "stopped"}
    found = check(off, off, had=[MEMBER], members=[member(status="ERROR")])
    assert bad(found) == []


def test_an_octavia_that_does_not_answer_is_not_good() -> None:
    found = check(had=[MEMBER], unknown_members=True)
    assert bad(found) == ["member"]
    assert bad(check(unknown_members=True)) == []


@pytest.mark.parametrize(
    ("address", "wrong"), [("10.0.0.9", []), ("10.0.0.5", ["member"])]
)
def test_members_of_cattle_are_those_of_the_copy(
    address: str, wrong: list[str]
) -> None:
    found = check(
        gone=True,
        copy=COPY,
        protection=CATTLE,
        had=[MEMBER],
        members=[member(id="new", address=address)],
    )
    assert bad(found) == wrong
