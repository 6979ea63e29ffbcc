"""One VM fails alone on the full lab: restarted where its owner wants that,
left where he stopped it himself, and he hears of it by his own alarm.
"""

from __future__ import annotations

import time
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.lab_full

FLOW = "ha.v1.handle_instance_failure"
CHOSEN = {
    "ha:protection": "pet",
    "ha:local-disk": "discard",
    "ha:restart": "on-crash",
}
RESTART_S = 180


def runs(ctl: ModuleType) -> list[dict[str, Any]]:
    """Executions that began since the reset, with their outputs."""
    found: list[dict[str, Any]] = ctl.call(
        "GET", f"/executions?workflow_name={FLOW}&fields=id,state,output"
    ).json()["executions"]
    return found


def kinds(there: Any, server: str) -> dict[str, dict[str, str]]:
    """Kind of event -> its traits, as the owner got them of one server."""
    found = {}
    for body in there.bodies("/mine"):
        event = body["reason_data"]["event"]
        traits = {name: value for name, _, value in event["traits"]}
        if traits.get("instance_id") == server and "incident" in traits:
            found[event["event_type"].rpartition(".")[2]] = traits
    return found


def test_a_crash_is_restarted_and_a_stop_is_left(
    full: ModuleType, figure: Any
) -> None:
    import bus
    import control as ctl

    lab = full
    ids = {
        name: lab.post_server(name, "host1", metadata=tags)
        for name, tags in {
            "crashes": CHOSEN,
            "stopped": CHOSEN,
            "plain": {"ha:protection": "pet"},
        }.items()
    }
    for id in ids.values():
        lab.wait_server(id, 120, status="ACTIVE")
    owner = lab.cloud("lab-tenant").compute
    with bus.receiver() as there:
        bus.alarm(
            "mine",
            "compute.instance.*",
            f"{there.url}/mine",
            cloud="lab-tenant",
        )
        owner.stop_server(ids["stopped"])
        lab.wait_server(ids["stopped"], 60, status="SHUTOFF")
        began = time.time()
        for name in ("crashes", "plain"):
            lab.crash(ids[name])
            lab.wait_server(ids[name], 120, status="SHUTOFF")
        # the hypervisor does not say "crashed": a host's own monitor does
        for name in ("crashes", "plain", "stopped"):
            bus.Publisher().event(
                "compute.instance.crashed", instance_id=ids[name]
            )
        now = lab.wait_server(ids["crashes"], RESTART_S, status="ACTIVE")
        figure(f"crash -> running again: {time.time() - began:.1f} s")
        lab.until(
            lambda: "recovered" in kinds(there, ids["crashes"]),
            60,
            "its owner hearing that it runs again",
        )
        told = kinds(there, ids["crashes"])
    assert now["host"] == "host1"
    assert lab.copies_running(ids["crashes"]) == ["host1"]
    assert {"recovering", "recovered"} <= set(told), told
    assert told["recovered"]["cause"] == "crash"
    assert "host1" not in told["recovered"].values()
    for name in ("plain", "stopped"):
        assert lab.server(ids[name])["status"] == "SHUTOFF"
        assert lab.copies_running(ids[name]) == []
    assert ctl.incidents() == []
