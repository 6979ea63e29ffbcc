"""The lab's own smoke test: a host dies by its BMC, its servers come back
elsewhere, and nothing runs twice.
"""

from __future__ import annotations

from types import ModuleType

import pytest

pytestmark = pytest.mark.lab


def test_a_host_loses_power_and_its_servers_come_back_elsewhere(
    lab: ModuleType,
) -> None:
    posted = [lab.post_server(f"pet-{number}", "host1") for number in (1, 2)]
    for server_id in posted:
        lab.wait_server(server_id, 60, status="ACTIVE")
    assert set(lab.guests_running()["host1"]) == set(posted)

    calls, actions = lab.call_mark(), lab.bmc_mark()
    lab.power_off("host1", 20)
    assert lab.guests_running()["host1"] == {}, (
        "a guest runs on a host without power"
    )
    assert [action["what"] for action in lab.bmc_actions(actions)].count(
        "is Off"
    ) == 1
    lab.wait_host("host1", "down", 20)

    lab.force_down("host1")
    for server_id in posted:
        lab.evacuate(server_id)
    for server_id in posted:
        moved = lab.wait_server(server_id, 90, status="ACTIVE", not_on="host1")
        assert lab.copies_running(server_id) == [moved["host"]]
        assert lab.port_hosts(server_id) == [moved["host"]]
    posts = [
        call
        for call in lab.calls_since(calls, ours=True)
        if call.method == "POST" and call.path.endswith("/action")
    ]
    assert len(posts) == 2
    assert lab.calls_since(calls) == [], "somebody else called Nova"

    lab.power_on("host1", 20)
    lab.force_down("host1", False, seconds=90)
    lab.wait_host("host1", "up", 60)
    lab.until(
        lambda: not lab.guests_known("host1"),
        60,
        "host1 forgetting the evacuated servers",
    )
    assert {
        row["status"] for row in lab.migrations(source_compute="host1")
    } >= {"completed"}


def test_a_killed_agent_leaves_its_guests_running(lab: ModuleType) -> None:
    server_id = lab.boot("alone", "host2")
    lab.kill("host2")
    lab.wait_host("host2", "down", 20)
    assert lab.copies_running(server_id) == ["host2"]
    assert lab.bmc_power("host2") == "On"
    lab.plug_in("host2")
    lab.wait_host("host2", "up", 60)
    assert lab.copies_running(server_id) == ["host2"]


def test_a_lying_bmc_reads_off_while_the_host_runs_on(lab: ModuleType) -> None:
    lab.bmc_mood("host3", "lies")
    lab.power_off("host3", 10)
    assert lab.power("host3") == "On"
    assert lab.compute_service("host3")["state"] == "up"


def test_a_deaf_bmc_accepts_the_order_and_stays_on(lab: ModuleType) -> None:
    lab.bmc_mood("host3", "deaf")
    with pytest.raises(lab.Late):
        lab.power_off("host3", 3)
    assert lab.bmc_power("host3") == "On"
