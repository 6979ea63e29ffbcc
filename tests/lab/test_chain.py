"""From a dead host to its recovered server while the links of the chain break
one after another: the broker, each of Aodh's services, Mistral's; and watches
that are themselves not well.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from many import PET

pytestmark = pytest.mark.lab_full

AHEAD_S = 600
"""By how much the clock of one watch is wrong."""


def starts(ctl: ModuleType, mark: set[str]) -> list[str]:
    """Which events started executions since."""
    path = f"/executions?workflow_name={ctl.FLOW}&fields=id,description"
    rows = ctl.call("GET", path).json()["executions"]
    return [
        json.loads(row["description"]).get("event")
        for row in rows
        if row["id"] not in mark
    ]


def test_each_link_is_away_when_the_event_comes_to_it(
    full: ModuleType, ctl: ModuleType, w: ModuleType, run: Any
) -> None:
    """The event waits in the broker for the listener, the alarm for the
    notifier, the notifier for Mistral's API, the execution for engines and
    executors. The watch would wait much longer than all of them.
    """
    mark = w.mark()
    run.start("watch", {"timing": w.TIMING | {"grace_s": 300}})
    id = full.boot("db", "host1", metadata=PET)
    run.quiet_is_over()
    for name in ("aodh-listener", "aodh-evaluator", "aodh-notifier"):
        ctl.kill_service(name)
    full.pull_plug("host1")
    run.wait(0, "DOWN")
    ctl.start_service("aodh-listener")
    time.sleep(2)  # the event becomes an alarm
    assert starts(ctl, mark) == []
    ctl.kill_service("mistral-api")
    ctl.start_service("aodh-evaluator")
    ctl.start_service("aodh-notifier")
    time.sleep(2)  # its first try meets nobody
    workers = [
        f"mistral-{name}"
        for name in ("engine1", "engine2", "executor1", "executor2")
    ]
    for name in workers:
        ctl.kill_service(name)
    ctl.start_service("mistral-api")
    time.sleep(2)  # what is asked of it now waits for an engine
    for name in workers:
        ctl.start_service(name)
    ctl.until(lambda: starts(ctl, mark), 60, "the execution")
    ctl.until(lambda: w.is_open("host1"), 60, "the open incident")
    w.handled_once(id, "host1", mark)
    assert "asks Mistral" not in run.log(0)
    assert "compute.service.down" in starts(ctl, mark)


def test_the_broker_dies_with_the_host(
    full: ModuleType, ctl: ModuleType, w: ModuleType, run: Any
) -> None:
    """All heartbeats stop: the watch accuses nobody, until all others beat
    again; then the dead host alone is found, and handled once.
    """
    mark = w.mark()
    run.start("watch", {"timing": w.TIMING | {"apart_s": 8}})
    id = full.boot("db", "host2", metadata=PET)
    run.quiet_is_over()
    ctl.kill_service("rabbitmq")
    full.pull_plug("host2")
    run.wait(0, "nobody is accused")
    assert "DOWN" not in run.log(0)
    ctl.start_service("rabbitmq")
    ctl.until(lambda: w.is_open("host2"), 90, "the open incident")
    w.handled_once(id, "host2", mark)
    for other in ("host1", "host3", "host4"):
        assert full.power(other) == "On"
        assert f"{other}: DOWN" not in run.log(0)


def test_a_watch_ten_minutes_ahead_and_one_that_is_cut_off(
    full: ModuleType, ctl: ModuleType, w: ModuleType, run: Any, tmp_path: Path
) -> None:
    """The one finds a dead host all the same, and its event is not taken for
    one of the future; the other accuses nobody.
    """
    mark = w.mark()
    ahead = [f"+{AHEAD_S}s"]
    run.start("watch", {"timing": w.TIMING}, under=["faketime", "-f", *ahead])
    with w.cut_watch(run, tmp_path) as cut:
        id = full.boot("db", "host3", metadata=PET)
        run.quiet_is_over()
        run.wait(0, "s ahead of Nova's", 20)
        cut.go_dark()
        run.wait(1, "cannot read Nova's services", 90)
        cut.come_back()
        run.wait(1, "sees again", 90)
        time.sleep(3)
        for number in (0, 1):
            assert "DOWN" not in run.log(number)
            assert "suspected" not in run.log(number)
        assert w.mark() == mark
        cut.end()
    full.pull_plug("host3")
    ctl.until(lambda: w.is_open("host3"), 60, "the open incident")
    w.handled_once(id, "host3", mark)
