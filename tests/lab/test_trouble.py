"""Something else breaks in the middle of a recovery: the destination, the
broker, Nova's API. The guests still end once, somewhere, and the incident
ends.
"""

from __future__ import annotations

import time
from types import ModuleType

import pytest
from many import boot_pets

pytestmark = pytest.mark.lab_full

# Two of four hosts die in these drills; the lab's own limit is one.
TWO_MAY_DIE = {
    "hosts_down_percent": 100,
    "cloud_down_percent": 100,
    "fences": 50,
    "domain": "rack",
}


def recovering(
    lab: ModuleType,
    ctl: ModuleType,
    host: str,
    ids: list[str],
    spawn_s: float = 8,
) -> str:
    """The host is dead and the first evacuation was posted; the execution."""
    for other in lab.hosts():
        if other != host:
            lab.spawn_delay(other, spawn_s)
    lab.pull_plug(host)
    execution: str = ctl.by_alarm(host)
    lab.until(
        lambda: any(ctl.evacuations(id) for id in ids),
        120,
        "the first evacuation",
    )
    return execution


def at_work(lab: ModuleType, ctl: ModuleType, ids: list[str]) -> None:
    """Each has a destination that builds it.

    What Nova accepted and lost, in its API's memory or a dead host's queue,
    names no destination: its guest is held, for nothing is posted twice.
    """
    lab.until(
        lambda: all(
            (found := ctl.evacuations(id)) and found[0]["dest_compute"]
            for id in ids
        ),
        60,
        "every destination at work",
    )


def see_to_the_end(
    lab: ModuleType, ctl: ModuleType, count: int = 1, seconds: float = 400
) -> None:
    """Until the incidents are closed, with what a cron trigger starts every
    minute and what a person types when one is held.
    """
    asked = [time.monotonic()]

    def closed() -> bool:
        if not ctl.still_open():
            rows = ctl.incidents()
            if len(rows) == count:
                assert all(r["state"] == "closed" for r in rows), rows
                return True
        if time.monotonic() - asked[0] > 45:
            asked[0] = time.monotonic()
            ctl.start({}, "ha.v1.reconcile")
            for row in ctl.incidents():
                if row["state"] == "held":
                    print(f"\nheld, resumed by hand: {row}")
                    ctl.ha_pack("incident", "resume", row["incident"]["id"])
        return False

    lab.until(closed, seconds, lambda: f"the end: {ctl.incidents()}", every=2)


def assert_once(lab: ModuleType, ids: list[str], dead: set[str]) -> None:
    """Each guest runs once, where Nova says, and on no dead host."""
    for id in ids:
        now = lab.server(id)
        assert (now["status"], now["task_state"]) == ("ACTIVE", None), now
        assert now["host"] not in dead, now
        assert lab.copies_running(id) == [now["host"]]
        assert lab.port_hosts(id) == [now["host"]]


def assert_one_record_each(ctl: ModuleType, ids: list[str]) -> None:
    """Nobody was evacuated twice, by Nova's own records."""
    records = {id: ctl.evacuations(id) for id in ids}
    assert all(len(found) == 1 for found in records.values()), records


def test_the_destination_dies_too(full: ModuleType, ctl: ModuleType) -> None:
    lab = full
    ctl.set_policy(limits=TWO_MAY_DIE)
    ids = boot_pets(lab, "host1", 4)
    recovering(lab, ctl, "host1", ids, spawn_s=20)
    at_work(lab, ctl, ids)
    target = ctl.evacuations(ids[0])[0]["dest_compute"]

    lab.pull_plug(target)
    for host in lab.hosts():  # what comes now need not be slow
        lab.spawn_delay(host, 0)
    ctl.by_alarm(target)

    see_to_the_end(lab, ctl, count=2)
    assert_once(lab, ids, {"host1", target})
    assert lab.bmc_power(target) == "Off"


def test_the_broker_restarts(full: ModuleType, ctl: ModuleType) -> None:
    lab = full
    ids = boot_pets(lab, "host1", 4)
    recovering(lab, ctl, "host1", ids)

    ctl.restart("rabbitmq", away_s=5)

    see_to_the_end(lab, ctl)
    assert_once(lab, ids, {"host1"})


@pytest.mark.lab_core
def test_novas_api_is_away(full: ModuleType, ctl: ModuleType) -> None:
    lab = full
    ids = boot_pets(lab, "host2", 4)
    execution = recovering(lab, ctl, "host2", ids, spawn_s=20)
    at_work(lab, ctl, ids)

    ctl.kill_service("nova-api")
    time.sleep(20)
    ctl.start_service("nova-api")

    output = ctl.wait(execution, 240)
    assert output["state"] == "closed", output
    assert_once(lab, ids, {"host2"})
    assert_one_record_each(ctl, ids)
