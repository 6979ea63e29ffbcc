"""The real ha-watch over the full lab: a host dies, nobody posts anything, and
the incident is opened once, handled once, and told.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.lab_full

PET = {"ha:protection": "pet", "ha:local-disk": "discard"}
RECOVERY_S = 200
TIMING = {
    "interval_s": 1,
    "quiet_s": 5,
    "suspect_s": 3,
    "ask_again_s": 2,
    "grace_s": 4,
    "republish_s": 3,
}
"""To match the lab's heartbeats: each second, down after five."""
LEASE_S = 3


@pytest.fixture
def ctl(full: ModuleType) -> ModuleType:
    """The operator's side of the lab."""
    import control

    return control


Run = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def run(full: ModuleType, tmp_path: Path) -> Iterator[Run]:
    """Start ``ha_alarms.MODULE`` with a file of these settings."""
    from rig import process
    from rig.services import mistral

    started: list[subprocess.Popen[bytes]] = []

    def go(module: str, what: dict[str, Any]) -> subprocess.Popen[bytes]:
        file = tmp_path / f"{module}-{len(started)}.yaml"
        file.write_text(json.dumps(what))
        env = process.environment("ha-pack", mistral.ENV)
        with (tmp_path / f"{file.name}.log").open("wb") as log:
            one = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    f"ha_alarms.{module}",
                    "--file",
                    str(file),
                ],
                env=env,
                stdout=log,
                stderr=log,
            )
        started.append(one)
        return one

    yield go
    for one in started:
        one.kill()
        one.wait()
    for log in sorted(tmp_path.glob("watch-*.log")):
        print(log.name, log.read_text()[-3000:])


def settled(ctl: ModuleType) -> None:
    """Let the watches get over their quiet time."""
    time.sleep(TIMING["quiet_s"] + 4)


def opened(ctl: ModuleType, host: str, since: float) -> float:
    """Seconds until the incident is open in the ledger."""
    path = f"/environments/ha.open.{host}"
    ctl.until(
        lambda: ctl.call("GET", path).status_code == 200,
        60,
        f"an incident of {host}",
        every=0.05,
    )
    return time.time() - since


def ended(ctl: ModuleType, host: str) -> list[dict[str, Any]]:
    """Wait until nothing is open; the executions of the workflow."""
    path = f"/environments/ha.open.{host}"
    ctl.until(
        lambda: ctl.call("GET", path).status_code == 404,
        RECOVERY_S,
        f"the end of {host}'s incident",
        every=0.5,
    )
    answer = ctl.call("GET", f"/executions?workflow_name={ctl.FLOW}")
    found: list[dict[str, Any]] = answer.json()["executions"]
    return found


def handled_once(
    lab: ModuleType, ctl: ModuleType, id: str, was_on: str, mark: set[str]
) -> None:
    """One execution that acted, one evacuation, one copy elsewhere.

    Nova tells of our own force-down too; what that starts is dismissed.
    """
    new = [e for e in ended(ctl, was_on) if e["id"] not in mark]
    states = [ctl.wait(e["id"]).get("state") for e in new]
    assert [s for s in states if s != "dismissed"] == ["closed"], states
    now = lab.wait_server(id, 60, status="ACTIVE")
    assert now["host"] != was_on
    assert lab.copies_running(id) == [now["host"]]
    assert len(ctl.evacuations(id)) == 1


def known(ctl: ModuleType) -> set[str]:
    answer = ctl.call("GET", f"/executions?workflow_name={ctl.FLOW}")
    return {e["id"] for e in answer.json()["executions"]}


def test_three_watches_open_one_incident(
    full: ModuleType, ctl: ModuleType, run: Run
) -> None:
    id = full.boot("db", "host1", metadata=PET)
    mark = known(ctl)
    for _ in range(3):
        run("watch", {"timing": TIMING})
    settled(ctl)
    began = time.time()
    full.pull_plug("host1")
    took = opened(ctl, "host1", began)
    print(f"power off -> incident open, three watches: {took:.1f} s")
    handled_once(full, ctl, id, "host1", mark)


def test_without_aodh_the_watch_starts_it(
    full: ModuleType, ctl: ModuleType, run: Run
) -> None:
    """Isolated, not cut: the BMC still reads On, so Nova must say it first."""
    id = full.boot("db", "host2", metadata=PET)
    mark = known(ctl)
    ctl.kill_service("aodh-listener")
    try:
        run("watch", {"timing": TIMING})
        settled(ctl)
        began = time.time()
        full.isolate("host2")
        took = opened(ctl, "host2", began)
        print(f"isolated -> incident open, no Aodh: {took:.1f} s")
        handled_once(full, ctl, id, "host2", mark)
    finally:
        ctl.start_service("aodh-listener")


def test_a_beat_finds_a_death_sooner(
    full: ModuleType, ctl: ModuleType, run: Run
) -> None:
    from rig import settings

    id = full.boot("db", "host3", metadata=PET)
    mark = known(ctl)
    url = f"memcached://{settings.MEMCACHED}"
    asked = ["compute_service", "bmc_power", "tooz_beat"]
    policy = {"ask": asked, "veto": ["compute_service"]}
    ctl.set_policy(witnesses={"watch_s": 3, "beat_url": url, **policy})
    beats = {
        host: run("beat", {"url": url, "host": host, "lease_s": LEASE_S})
        for host in settings.HOSTS
    }
    run("watch", {"timing": TIMING | {"interval_s": 0.5}, "beat_url": url})
    settled(ctl)
    began = time.time()
    full.pull_plug("host3")
    beats["host3"].kill()
    took = opened(ctl, "host3", began)
    print(f"power off -> incident open, a beat of {LEASE_S} s: {took:.1f} s")
    handled_once(full, ctl, id, "host3", mark)
