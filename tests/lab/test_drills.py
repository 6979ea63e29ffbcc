"""Drills on the full lab: hosts really fail, an event on the bus reaches the
installed alarm in a real Aodh, the plug-in starts a real Mistral, and Nova,
Neutron, Cinder and the hosts themselves say what came of it.
"""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from many import PET, boot_all, boot_pets
from test_pets import amphorae_of, balancer_of
from test_pools import Pool

pytestmark = pytest.mark.lab_full

CATTLE = {"ha:protection": "cattle"}
IGNORE = {"ha:protection": "ignore"}
RECOVERY_S = 200


def assert_moved(
    lab: ModuleType, ctl: ModuleType, id: str, was_on: str, status: str
) -> None:
    """It is elsewhere, once, in that state, by one evacuation."""
    now = lab.server(id)
    assert (now["status"], now["task_state"]) == (status, None), now
    assert now["host"] != was_on
    running = [] if status == "SHUTOFF" else [now["host"]]
    assert lab.copies_running(id) == running
    assert lab.port_hosts(id) == [now["host"]]
    assert len(ctl.evacuations(id)) == 1, ctl.evacuations(id)


def assert_untouched(
    lab: ModuleType, mark: int, asked: int, host: str
) -> None:
    """Nothing was changed in Nova, nothing was cut."""
    changes = [c for c in lab.calls_since(mark) if c.method != "GET"]
    assert changes == []
    assert lab.power(host) == "On"
    orders = [a["what"] for a in lab.bmc_actions(asked)]
    assert not any(what.startswith("order") for what in orders)


@pytest.mark.lab_core
def test_power_loss_by_alarm(full: ModuleType, ctl: ModuleType) -> None:
    lab = full
    chosen = {"off": PET, "paused": PET, "locked": PET}
    chosen |= {"herd": CATTLE, "alone": IGNORE}
    posts = {
        name: partial(lab.post_server, name, "host1", metadata=tags)
        for name, tags in chosen.items()
    }
    posts["volume"] = partial(ctl.boot_from_volume, "volume", "host1")
    ids = boot_all(lab, posts)
    compute = lab.cloud("lab-tenant").compute
    compute.stop_server(ids["off"])
    compute.pause_server(ids["paused"])
    compute.lock_server(ids["locked"], locked_reason="mine")
    lab.wait_server(ids["off"], 60, status="SHUTOFF")
    lab.wait_server(ids["paused"], 60, status="PAUSED")
    pets = ("volume", "off", "paused", "locked")
    had = {n: ctl.addresses(ids[n]) for n in pets}
    disks = ctl.volumes(ids["volume"])
    assert len(disks) == 1
    asked = lab.bmc_mark()

    lab.pull_plug("host1")
    output = ctl.wait(ctl.by_alarm("host1"), RECOVERY_S)

    assert output["state"] == "closed", output
    for name, status in (
        ("volume", "ACTIVE"),
        ("off", "SHUTOFF"),
        ("paused", "PAUSED"),
        ("locked", "ACTIVE"),
    ):
        assert_moved(lab, ctl, ids[name], "host1", status)
        assert ctl.addresses(ids[name]) == had[name]
    assert ctl.volumes(ids["volume"]) == disks
    assert ctl.locked(ids["locked"]) == (True, "mine")
    assert lab.server(ids["herd"]) is None
    found = lab.cloud("lab").compute.servers(all_projects=True, name="herd")
    (new,) = list(found)
    assert new.status == "ACTIVE"
    assert new.metadata["ha:replaces"] == ids["herd"]
    assert lab.copies_running(new.id) == [new.compute_host]
    alone = lab.server(ids["alone"])
    assert (alone["host"], alone["status"]) == ("host1", "ACTIVE")
    service = lab.compute_service("host1")
    assert service["forced_down"] and service["status"] == "disabled"
    assert output["incident"] in service["disabled_reason"]
    assert lab.bmc_power("host1") == "Off"
    whats = [a["what"] for a in lab.bmc_actions(asked)]
    assert "order ForceOff" in whats, "a host that is off still gets the cut"
    report = ctl.report(output["incident"])
    assert report["state"] == "closed"
    rows = {row["name"]: row for row in report["guests"]}
    assert all(row["as_chosen"] for row in rows.values()), rows


@pytest.mark.lab_core
def test_a_dead_agent_on_a_live_host_is_left_alone(
    full: ModuleType, ctl: ModuleType
) -> None:
    lab = full
    (id,) = boot_pets(lab, "host2", 1)
    lab.kill("host2")
    lab.wait_host("host2", "down", 30)
    mark, asked = lab.call_mark(), lab.bmc_mark()

    output = ctl.wait(ctl.by_alarm("host2"), 90)

    assert output["state"] == "held", output
    report = ctl.report(output["incident"])
    assert report["verdict"]["ruling"].upper() == "ALIVE", report["verdict"]
    assert_untouched(lab, mark, asked, "host2")
    assert lab.copies_running(id) == ["host2"]


@pytest.mark.lab_core
def test_an_isolated_host_is_fenced_first(
    full: ModuleType, ctl: ModuleType
) -> None:
    """Its servers serve on until then, and are not drained."""
    lab = full
    ids = boot_pets(lab, "host3", 2)
    other = lab.boot("other", "host1", metadata=PET)
    pool = Pool(lab)
    for id in (ids[0], other):
        pool.add(id[:8], ctl.addresses(id)[0], 4)
    pool.monitor()
    serves = ctl.addresses(ids[0])[0]
    lab.until(
        lambda: {s for _, s in pool.members().values()} == {"ONLINE"},
        60,
        lambda: f"both members being ONLINE: {pool.members()}",
    )
    lab.bmc_faults("host3", off_delay=5)
    lab.isolate("host3")
    lab.wait_host("host3", "down", 30)
    assert [lab.copies_running(id) for id in ids] == [["host3"]] * 2
    mark, asked = lab.call_mark(), lab.bmc_mark()

    execution = ctl.by_alarm("host3")
    twice, weights = [], set()

    def ended() -> bool:
        weight = pool.members()[serves][0]
        if lab.power("host3") == "On":
            weights.add(weight)
        twice.extend(i for i in ids if len(lab.copies_running(i)) > 1)
        return ctl.state(execution) in ctl.ENDED

    lab.until(ended, RECOVERY_S, "the end of its recovery")
    output = ctl.wait(execution)

    assert output["state"] == "closed", output
    assert not twice, "a guest ran twice"
    assert weights == {4}, "its monitor called it ONLINE"
    off = [a["at"] for a in lab.bmc_actions(asked) if a["what"] == "reads Off"]
    posts = [
        c.at
        for c in lab.calls_since(mark)
        if c.method == "POST" and c.path.endswith("/action")
    ]
    assert off and posts and min(posts) > min(off)
    for id in ids:
        assert_moved(lab, ctl, id, "host3", "ACTIVE")


def test_a_dead_bmc_holds_and_resume_goes_on(
    full: ModuleType, ctl: ModuleType
) -> None:
    lab = full
    ctl.set_policy(fencing={"deadline_s": 20})
    id, stand_in = boot_pets(lab, "host4", 2)
    lb = balancer_of(lab, ctl, stand_in)
    lab.bmc_mood("host4", "dead")
    lab.pull_plug("host4")
    lab.wait_host("host4", "down", 30)
    mark = lab.call_mark()

    output = ctl.wait(ctl.by_alarm("host4"), RECOVERY_S)

    assert output["state"] == "held", output
    assert lab.server(id)["host"] == "host4"
    assert ctl.evacuations(id) == []
    posts = [c for c in lab.calls_since(mark) if c.method == "POST"]
    assert posts == []
    assert stand_in in amphorae_of(lab, lb), "nor is Octavia asked"
    code, told = ctl.ha_pack("incident", "show", output["incident"])
    assert code == 1 and told["reason"], told

    lab.bmc_mood("host4", "ok")
    code, told = ctl.ha_pack("incident", "resume", output["incident"])
    assert code == 0, told
    again = ctl.wait(told["execution"], RECOVERY_S)
    assert (again["state"], again["incident"]) == (
        "closed",
        output["incident"],
    )
    assert_moved(lab, ctl, id, "host4", "ACTIVE")
    assert stand_in not in amphorae_of(lab, lb)


@pytest.mark.lab_core
def test_five_alarms_at_once_are_one_incident(
    full: ModuleType, ctl: ModuleType, figure: Any
) -> None:
    lab = full
    ids = boot_pets(lab, "host1", 3)
    lab.pull_plug("host1")
    # one watch says it five times, and four others say it in their own words
    told = [str(uuid.uuid4())] * 5 + [str(uuid.uuid4()) for _ in range(4)]
    with ThreadPoolExecutor(len(told)) as pool:
        started = set(pool.map(lambda i: ctl.told_dead("host1", i), told))
    assert len(started) == 5
    began = time.time()
    lab.until(
        lambda: all(map(ctl.exists, started)), 60, "Aodh starting all five"
    )
    figure(f"published -> five executions: {time.time() - began:.2f} s")
    outputs = [ctl.wait(one, RECOVERY_S) for one in started]

    assert len(ctl.incidents()) == 1
    states = sorted(str(output["state"]) for output in outputs)
    assert states.count("closed") == 1, outputs
    for id in ids:
        assert_moved(lab, ctl, id, "host1", "ACTIVE")


@pytest.mark.parametrize("executor_too", [False, True])
def test_killed_in_the_middle(
    full: ModuleType, ctl: ModuleType, executor_too: bool
) -> None:
    """kill -9 of an engine, and of the executor at work with it."""
    lab = full
    ids = boot_pets(lab, "host2", 3)
    for host in ("host1", "host3", "host4"):
        lab.spawn_delay(host, 15)
    lab.pull_plug("host2")
    execution = ctl.by_alarm("host2")
    ctl.begun(execution, "recover_waves", 120)
    lab.until(lambda: ctl.evacuations(ids[0]), 60, "the first evacuation")

    ctl.kill_service("mistral-engine1")
    if executor_too:
        ctl.kill_service(ctl.executor_at_work())

    _see_to_the_end(lab, ctl, execution)
    for id in ids:
        assert_moved(lab, ctl, id, "host2", "ACTIVE")
    (incident,) = ctl.incidents()
    assert incident["state"] == "closed", incident
    print(f"\nits execution ended {ctl.state(execution)}")


def _see_to_the_end(
    lab: ModuleType, ctl: ModuleType, execution: str, seconds: float = 300
) -> None:
    """Until the incident is closed; an execution that ended without that is
    what ha.v1.reconcile, on its cron trigger, is for.
    """

    def closed() -> bool:
        if not ctl.still_open():
            return True
        if ctl.state(execution) in ctl.ENDED:
            ctl.wait(ctl.start({}, "ha.v1.reconcile"), 240)
        return False

    lab.until(closed, seconds, lambda: f"the end: {ctl.incidents()}", every=1)


FOREIGN = {
    "ha.fence_host": {"incident": "x"},
    "ha.evacuate_servers": {"incident": "x", "batch": "y"},
}


def test_another_project_is_refused(full: ModuleType, ctl: ModuleType) -> None:
    lab = full
    (id,) = boot_pets(lab, "host1", 1)
    mark, asked = lab.call_mark(), lab.bmc_mark()
    for action, inputs in FOREIGN.items():
        found = _as_a_tenant(lab, ctl, action, inputs)
        assert found["state"] == "ERROR", found
        assert "not_operator" in found["output"], found
    assert_untouched(lab, mark, asked, "host1")
    assert lab.copies_running(id) == ["host1"]
    assert ctl.incidents() == []


def _as_a_tenant(
    lab: ModuleType, ctl: ModuleType, action: str, inputs: dict[str, str]
) -> dict[str, Any]:
    """Call the action in the tenant's project; how it ended."""
    body = {"name": action, "input": inputs, "params": {"save_result": True}}
    answer = ctl.call(
        "POST", "/action_executions", cloud="lab-tenant", json=body
    )
    assert answer.status_code == 201, answer.text
    path = f"/action_executions/{answer.json()['id']}"

    def ended() -> Any:
        found = ctl.call("GET", path, cloud="lab-tenant").json()
        return found if found["state"] in ctl.ENDED else None

    found: dict[str, Any] = lab.until(ended, 60, f"the end of {action}")
    return found
