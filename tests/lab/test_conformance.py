"""The `Cloud` port says the same over the simulator and over the real
services. Where they differ, the simulator is wrong.

One dead host holds a server in each state of the matrix; each row asks the
port for the same things in both worlds and compares answers and endings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import pytest
from ha_actions.adapters.clock import SystemClock
from ha_actions.errors import HaError
from ha_actions.model import Claim, Fix, Guest
from ha_actions.ports import Cloud
from ha_actions.sim.build import build
from ha_actions.sim.clock import FreeClock
from ha_actions.sim.cloud import SimCloud
from ha_actions.sim.scenario import (
    GuestSpec,
    HostSpec,
    ServerGroupSpec,
    WorldSpec,
)
from ha_actions.sim.things import PAUSED, RUNNING

pytestmark = pytest.mark.lab_full

DEAD, OTHERS = "host1", ("host2", "host3", "host4")
SETTLED_S = 120


@dataclass(frozen=True)
class Row:
    """A state, what is asked, and what has to come of it."""

    name: str
    state: str
    reset: str = ""
    """Reset to this state before the evacuation."""
    keep_off: bool = False
    locked: bool = False
    refused: str = ""
    """Code of the refusal; else it is accepted."""
    ends: str = ""
    """vm_state at the end."""
    runs: bool = True
    """Whether it really runs at the end, once."""


ROWS = (
    Row("active", "ACTIVE", ends="active"),
    Row(
        "active, kept off", "ACTIVE", keep_off=True, ends="stopped", runs=False
    ),
    Row("stopped", "SHUTOFF", ends="stopped", runs=False),
    Row(
        "stopped, kept off",
        "SHUTOFF",
        keep_off=True,
        ends="stopped",
        runs=False,
    ),
    Row("error", "ACTIVE", reset="error", ends="active"),
    Row("stopped, then error", "SHUTOFF", reset="error", ends="active"),
    Row("locked", "ACTIVE", locked=True, ends="active"),
    Row("paused", "PAUSED", refused="conflict", ends="paused"),
    Row("suspended", "SUSPENDED", refused="conflict", ends="suspended"),
    Row("rescued", "RESCUED", refused="conflict", ends="rescued"),
    Row("rescued, then active", "RESCUED", reset="active", ends="active"),
    Row("paused, then active", "PAUSED", reset="active", ends="active"),
)
BY_NAME = {row.name: row for row in ROWS}


class Stage(Protocol):
    """One of the two worlds, with the dead host in it."""

    cloud: Cloud
    ids: dict[str, str]

    def claim(self, until: float = 60) -> Claim:
        """Leave to act, for that many seconds more."""

    def wait(self, seconds: float) -> None:
        """Let its time pass."""

    def running(self, id: str) -> list[str]:
        """Where the guest really runs."""


class Simulated:
    """The simulator's world; its time is virtual."""

    def __init__(self) -> None:
        self.clock = FreeClock()
        guests = {
            row.name: GuestSpec(on=DEAD, state=row.state, locked=row.locked)
            for row in ROWS
        }
        guests["elsewhere"] = GuestSpec(on=OTHERS[0])
        for n, on in enumerate((DEAD, *OTHERS), 1):
            guests[f"member-{n}"] = GuestSpec(on=on, server_group="apart")
        hosts = {name: HostSpec() for name in (DEAD, *OTHERS)}
        groups = {"apart": ServerGroupSpec()}
        self.world = build(
            WorldSpec(hosts=hosts, guests=guests, groups=groups), self.clock
        )
        self.cloud: Cloud = SimCloud(self.world)
        self.ids = {g.name: g.id for g in self.world.guests.values()}

    def strike(self) -> None:
        """The host loses power."""
        self.world.power(self.world.host(DEAD), False)

    def claim(self, until: float = 60) -> Claim:
        return _claim(self.clock.now() + until)

    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    def running(self, id: str) -> list[str]:
        return [
            name
            for name, host in self.world.hosts.items()
            if host.domains.get(id) in (RUNNING, PAUSED)
        ]


class Real:
    """The full lab."""

    def __init__(self, lab: ModuleType) -> None:
        from ha_actions.executor_file import cloud_of

        self.lab = lab
        self.clock = SystemClock()
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(lab.CLOUDS_YAML)
        self.cloud: Cloud = cloud_of("lab", self.clock)("")
        self.ids = {row.name: lab.post_server(row.name, DEAD) for row in ROWS}
        self.ids["elsewhere"] = lab.post_server("elsewhere", OTHERS[0])
        apart = lab.server_group("apart", "anti-affinity")
        for n, on in enumerate((DEAD, *OTHERS), 1):
            name = f"member-{n}"
            self.ids[name] = lab.post_server(name, on, hints={"group": apart})
        for id in self.ids.values():
            lab.wait_server(id, 180, status="ACTIVE")
        compute = lab.cloud("lab-tenant").compute
        act = {
            "SHUTOFF": compute.stop_server,
            "PAUSED": compute.pause_server,
            "SUSPENDED": compute.suspend_server,
            "RESCUED": compute.rescue_server,
        }
        for row in ROWS:
            if row.state in act:
                act[row.state](self.ids[row.name])
            if row.locked:
                compute.lock_server(self.ids[row.name])
        for row in ROWS:
            status = row.state.replace("RESCUED", "RESCUE")  # its own words
            lab.wait_server(self.ids[row.name], 60, status=status)

    def strike(self) -> None:
        """The host loses power."""
        self.lab.pull_plug(DEAD)

    def claim(self, until: float = 60) -> Claim:
        return _claim(self.clock.now() + until)

    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    def running(self, id: str) -> list[str]:
        found: list[str] = self.lab.copies_running(id)
        return found


def _claim(until: float) -> Claim:
    return Claim(
        incident="conformance",
        subject="all",
        holder="test",
        number=1,
        until=until,
    )


@dataclass
class Played:
    """What both worlds answered, kept for the rows."""

    stage: Stage
    codes: dict[str, str]
    """Row -> code of the evacuation's refusal, or nothing."""
    early: str
    """Code of an evacuation while Nova believes the host up."""
    late_claim: str
    """Code of an evacuation with a claim that is over."""
    unknown: str
    again: str
    """Code of an evacuation of a guest that is elsewhere already."""
    records: dict[str, str]
    """Guest id -> the state of its evacuation record."""
    ends: dict[str, Guest]


@pytest.fixture(scope="module", params=["simulator", "lab"])
def played(
    request: pytest.FixtureRequest,
) -> Iterator[Played]:
    """The whole play, once for each world."""
    if request.param == "simulator":
        stage: Any = Simulated()
        yield _play(stage)
        return
    lab = request.getfixturevalue("full_lab_up")
    lab.reset()
    yield _play(Real(lab))
    lab.reset()


def _code(
    stage: Stage, id: str, keep_off: bool = False, until: float = 60
) -> str:
    try:
        stage.cloud.evacuate(id, keep_off=keep_off, claim=stage.claim(until))
    except HaError as error:
        return error.code
    return ""


def _play(stage: Any) -> Played:
    cloud: Cloud = stage.cloud
    early = _code(stage, stage.ids["active"])
    stage.strike()
    (host,) = (h for h in cloud.hosts() if h.name == DEAD)
    cloud.mark_down(host, "conformance", stage.claim())
    late = _code(stage, stage.ids["active"], until=-1)
    unknown = _code(stage, "00000000-0000-4000-8000-000000000000")
    codes = {}
    for row in ROWS:
        id = stage.ids[row.name]
        if row.reset:
            cloud.reset_state(id, row.reset, stage.claim())
        codes[row.name] = _code(stage, id, row.keep_off)
    codes["member-1"] = _code(stage, stage.ids["member-1"])
    _settle(stage)
    again = _code(stage, stage.ids["active"])
    _settle(stage)
    return Played(
        stage=stage,
        codes=codes,
        early=early,
        late_claim=late,
        unknown=unknown,
        again=again,
        records={r.guest: str(r.status) for r in cloud.evacuations(DEAD)},
        ends=cloud.guests(stage.ids.values()),
    )


def _settle(stage: Stage) -> None:
    """Until no evacuation is open and no guest has a task."""
    for _ in range(SETTLED_S):
        found = stage.cloud.guests(stage.ids.values())
        open_ = [r for r in stage.cloud.evacuations(DEAD) if r.in_flight]
        if not open_ and not any(g.task_state for g in found.values()):
            return
        stage.wait(1)
    raise AssertionError("the evacuations did not end")


@pytest.mark.parametrize("name", BY_NAME)
def test_matrix(played: Played, name: str) -> None:
    row, id = BY_NAME[name], played.stage.ids[name]
    assert played.codes[name] == row.refused
    guest = played.ends[id]
    assert guest.vm_state == row.ends
    if row.refused:
        assert guest.host == DEAD and id not in played.records
        assert played.stage.running(id) == []
        return
    assert guest.host in OTHERS
    assert played.records[id] == "done"
    assert played.stage.running(id) == ([guest.host] if row.runs else [])
    assert guest.locked == row.locked


def test_refusals(played: Played) -> None:
    assert played.early == "in_use"
    assert played.late_claim == "superseded"
    assert played.unknown == "not_found"
    assert played.again == "in_use"


def test_what_is_listed(played: Played) -> None:
    cloud, ids = played.stage.cloud, played.stage.ids
    (host,) = (h for h in cloud.hosts() if h.name == DEAD)
    assert host.forced_down and not host.enabled
    left = {g.id for g in cloud.guests_on(DEAD)}
    refused = {ids[row.name] for row in ROWS if row.refused}
    assert left == refused | {ids["member-1"]}
    assert {g.id for g in cloud.guests_on(DEAD, brief=True)} == left
    assert played.ends[ids["elsewhere"]].host == OTHERS[0]
    assert cloud.guests(["00000000-0000-4000-8000-000000000000"]) == {}


def test_anti_affinity_with_a_member_on_each_host(played: Played) -> None:
    id = played.stage.ids["member-1"]
    assert played.codes["member-1"] == ""
    guest = played.ends[id]
    assert (guest.host, guest.vm_state) == (DEAD, "error")
    assert "No valid host" in guest.fault
    assert guest.group is not None and guest.group.policy == "anti-affinity"
    assert played.records[id] == "error"
    assert played.stage.running(id) == []


def test_what_placement_counts(played: Played) -> None:
    cloud, ids = played.stage.cloud, played.stage.ids
    moved = ids["active"]
    dead, there = (
        cloud.allocated(host) for host in (DEAD, played.ends[moved].host)
    )
    assert dead is not None and there is not None
    assert moved in dead and moved in there, "until the host returns"
    assert ids["elsewhere"] not in dead
    assert cloud.allocated("no-such-host") is None


def test_belongings(played: Played) -> None:
    cloud, id = played.stage.cloud, played.stage.ids["elsewhere"]
    ports = cloud.guests([id])[id].ports
    assert [p.id for p in cloud.ports_of([id])[id]] == [p.id for p in ports]
    assert cloud.floating_ips([p.id for p in ports], [ports[0].id]) == []
    assert cloud.moves(DEAD) == []
    assert cloud.volumes(["00000000-0000-4000-8000-000000000000"]) == {}


def test_what_was_lost_is_put_back(played: Played) -> None:
    cloud, stage = played.stage.cloud, played.stage
    id = stage.ids["elsewhere"]
    guest = cloud.guests([id])[id]
    port = guest.ports[0]
    for fix in (
        Fix("server tags", id, ("gold", "prod")),
        Fix("lock", id, ("mine",)),
        Fix("security groups", port.id, ()),
    ):
        cloud.mend(guest, fix, stage.claim())
    now = cloud.guests([id])[id]
    assert now.tags == ("gold", "prod")
    assert (now.locked, now.locked_reason) == (True, "mine")
    assert now.ports[0].security_groups == ()
    groups = Fix("security groups", port.id, port.security_groups)
    cloud.mend(guest, groups, stage.claim())
    again = cloud.guests([id])[id].ports[0]
    assert again.security_groups == port.security_groups


def test_a_deleted_server_is_missing(played: Played) -> None:
    cloud, stage = played.stage.cloud, played.stage
    id = stage.ids["elsewhere"]
    cloud.delete(id, stage.claim())
    for _ in range(30):
        if not cloud.guests([id]):
            break
        stage.wait(1)
    assert cloud.guests([id]) == {}
    cloud.delete(id, stage.claim())  # again: no error
