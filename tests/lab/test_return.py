"""A host comes back on the full lab: Nova cleans up, the pack lifts what it
had put on, and a person enables.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from many import boot_pets

pytestmark = pytest.mark.lab_full

HOST = "host1"


def lose(lab: ModuleType, ctl: ModuleType) -> tuple[list[str], dict[str, Any]]:
    """Two pets, their host's power cut, and their recovery."""
    ids = boot_pets(lab, HOST, 2)
    lab.pull_plug(HOST)
    output = ctl.wait(ctl.by_alarm(HOST), 200)
    assert output["state"] == "closed", output
    return ids, output


def statuses(ctl: ModuleType, ids: list[str]) -> set[str]:
    """Of every evacuation record of these servers."""
    return {m["status"] for id in ids for m in ctl.evacuations(id)}


@pytest.mark.lab_core
def test_a_host_returns(full: ModuleType, ctl: ModuleType) -> None:
    lab = full
    ids, output = lose(lab, ctl)
    assert statuses(ctl, ids) == {"done"}
    assert set(lab.guests_known(HOST)) >= set(ids), "stale guests"

    # It is still off: Nova itself says no; the pack has looked, and does not
    # even ask.
    answer = lab.cloud().compute.put(
        f"/os-services/{lab.compute_service(HOST)['id']}",
        json={"forced_down": False},
        microversion=lab.MICROVERSION,
    )
    assert answer.status_code == 400, answer.text
    assert "evacuation migration records remain" in answer.text
    mark = lab.call_mark()
    ctl.set_policy(returning={"wait_s": 0})
    code, told = ctl.ha_pack("return", HOST)
    assert code == 3 and told["error"]["code"] == "not_back", told
    assert [c for c in lab.calls_since(mark) if c.method != "GET"] == []
    assert all(lab.copies_running(id) != [HOST] for id in ids)

    lab.plug_in(HOST)
    # Nova cleans up when nova-compute starts, although it is forced down.
    lab.until(
        lambda: statuses(ctl, ids) == {"completed"},
        120,
        lambda: f"completed evacuations: {statuses(ctl, ids)}",
    )
    service = lab.compute_service(HOST)
    assert service["forced_down"] and service["status"] == "disabled"

    def lifted() -> bool:
        done = ctl.wait(ctl.start({}, "ha.v1.reconcile"), 120)
        assert done["execution_state"] == "SUCCESS", done
        return not lab.compute_service(HOST)["forced_down"]

    lab.until(lifted, 120, lambda: f"lifted: {lab.compute_service(HOST)}")
    service = lab.compute_service(HOST)
    assert service["status"] == "disabled"
    assert output["incident"] in service["disabled_reason"]
    assert not set(lab.guests_known(HOST)) & set(ids), "stale guests"
    puts = [
        c
        for c in lab.calls_since(mark)
        if c.method == "PUT" and "/os-services/" in c.path
    ]
    assert [c.status for c in puts] == [200], "lifted once, when it was time"
    for id in ids:
        now = lab.server(id)
        assert (now["status"], now["task_state"]) == ("ACTIVE", None), now
        assert lab.copies_running(id) == [now["host"]] != [HOST]

    code, told = ctl.ha_pack("return", HOST, "--because", "new power supply")
    assert code == 0, told
    assert told["state"] == "returned"
    service = lab.compute_service(HOST)
    assert (service["status"], service["state"]) == ("enabled", "up")
    assert not service["disabled_reason"]
    # and it takes servers again
    new = lab.post_server("new", HOST)
    lab.wait_server(new, 120, status="ACTIVE")

    code, told = ctl.ha_pack("return", HOST)
    assert code == 3 and told["error"]["code"] == "not_ours", told
