"""The `Cloud` port says the same over the simulator and over the real
services. Where they differ, the simulator is wrong.

One dead host holds a server in each state of the matrix; each row asks the
port for the same things in both worlds and compares answers and endings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from ha_actions.errors import HaError
from ha_actions.model import Fix, Guest
from ha_actions.model.likeness import Disk
from ha_actions.ports import Cloud
from twins import BY_NAME, DEAD, OTHERS, ROWS, Real, Simulated, Stage

pytestmark = pytest.mark.lab_full

SETTLED_S = 120
AWAY = ("shelved_offloaded",)
"""Such a server is on no host."""


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
    own_host: str
    """Code when its own host is asked for, and then one that is none."""
    no_host: str
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


def _code(
    stage: Stage,
    id: str,
    keep_off: bool = False,
    until: float = 60,
    to: str = "",
) -> str:
    claim = stage.claim(until)
    try:
        stage.cloud.evacuate(id, keep_off=keep_off, claim=claim, host=to)
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
    own_host = _code(stage, stage.ids["active"], to=DEAD)
    no_host = _code(stage, stage.ids["active"], to="nowhere")
    codes = {}
    for row in ROWS:
        id = stage.ids[row.name]
        if row.reset:
            cloud.reset_state(id, row.reset, stage.claim())
        codes[row.name] = _code(stage, id, row.keep_off, to=row.to)
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
        own_host=own_host,
        no_host=no_host,
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
    assert played.records.get(id, "") == ("" if row.refused else row.record)
    if row.stays:
        assert guest.host == ("" if guest.vm_state in AWAY else DEAD)
        assert played.stage.running(id) == []
        return
    assert guest.host == row.to or (not row.to and guest.host in OTHERS)
    assert played.stage.running(id) == ([guest.host] if row.runs else [])
    assert guest.locked == row.locked


def test_refusals(played: Played) -> None:
    assert played.early == "in_use"
    assert played.late_claim == "superseded"
    assert played.unknown == "not_found"
    assert played.own_host == "rejected"
    assert played.no_host == "not_found"
    assert played.again == "in_use"


def test_what_is_listed(played: Played) -> None:
    cloud, ids = played.stage.cloud, played.stage.ids
    (host,) = (h for h in cloud.hosts() if h.name == DEAD)
    assert host.forced_down and not host.enabled
    left = {g.id for g in cloud.guests_on(DEAD)}
    stay = {ids[r.name] for r in ROWS if r.stays and r.ends not in AWAY}
    assert left == stay | {ids["member-1"]}
    assert {g.id for g in cloud.guests_on(DEAD, brief=True)} == left
    assert played.ends[ids["member-2"]].host == OTHERS[0]
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
    assert ids["member-2"] not in dead
    assert cloud.allocated("no-such-host") is None


def test_belongings(played: Played) -> None:
    cloud, id = played.stage.cloud, played.stage.ids["member-2"]
    ports = cloud.guests([id])[id].ports
    assert [p.id for p in cloud.ports_of([id])[id]] == [p.id for p in ports]
    assert cloud.floating_ips([p.id for p in ports], [ports[0].id]) == []
    moved = [m.guest for m in cloud.moves(DEAD)]
    assert set(moved) <= {played.stage.ids["resized"]}
    assert cloud.volumes(["00000000-0000-4000-8000-000000000000"]) == {}


def test_what_was_lost_is_put_back(played: Played) -> None:
    cloud, stage = played.stage.cloud, played.stage
    id = stage.ids["member-2"]
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


def test_a_port_is_let_go_and_bound_again(played: Played) -> None:
    cloud, stage = played.stage.cloud, played.stage
    id, another = stage.ids["member-2"], stage.ids["member-3"]
    guest = cloud.guests([id])[id]
    other = cloud.guests([another])[another]
    cloud.free_ports(guest, guest.ports, stage.claim())
    cloud.free_ports(guest, guest.ports, stage.claim())  # again: no error
    assert not cloud.ports_of([id]).get(id)
    ports = [replace(p, mac="") for p in guest.ports]
    cloud.bind_ports(guest, ports, stage.claim())
    (port,) = cloud.ports_of([id])[id]
    was = guest.ports[0]
    assert (port.id, port.address) == (was.id, was.address)
    assert port.mac not in ("", was.mac)
    cloud.free_ports(guest, [port], stage.claim())
    cloud.bind_ports(guest, guest.ports, stage.claim())
    assert cloud.ports_of([id])[id][0].mac == was.mac
    assert port.host == guest.host
    with pytest.raises(HaError) as met:
        cloud.bind_ports(other, guest.ports, stage.claim())
    assert met.value.code == "taken"


def test_volumes_of_a_server_that_has_none(played: Played) -> None:
    cloud, id = played.stage.cloud, played.stage.ids["member-2"]
    guest = cloud.guests([id])[id]
    assert cloud.disks(guest) == []
    nobodys = "00000000-0000-4000-8000-000000000000"
    assert cloud.clones([nobodys], "conformance") == {}
    gone = Disk(volume=nobodys, stays=True, size_gb=1)
    with pytest.raises(HaError):
        cloud.attach(guest, gone, played.stage.claim())


def test_a_deleted_server_is_missing(played: Played) -> None:
    cloud, stage = played.stage.cloud, played.stage
    id = stage.ids["member-2"]
    cloud.delete(id, stage.claim())
    for _ in range(30):
        if not cloud.guests([id]):
            break
        stage.wait(1)
    assert cloud.guests([id]) == {}
    cloud.delete(id, stage.claim())  # again: no error
