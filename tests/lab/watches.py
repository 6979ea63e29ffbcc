"""The real `ha-watch` and `ha-beat` of this checkout, for tests: processes of
their own over the full lab, and what their logs say when.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import control
import world
import yaml
from ground import until
from rig import process, settings
from rig.services import link, mistral

TIMING = {
    "interval_s": 0.5,
    "quiet_s": 5,
    "suspect_s": 3,
    "early_s": 1.5,
    "ask_again_s": 2,
    "grace_s": 4,
    "republish_s": 3,
}
"""To match the lab's heartbeats: each second, down after five."""
BEGIN_S = 4
"""Seconds in which a process of ours has begun."""
NOVA_DOWN_S = 5
"""nova.conf's service_down_time in the lab."""


class Running:
    """Processes that a test has started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self._last = time.monotonic()
        """When the last one was started."""

    def start(
        self,
        module: str,
        what: dict[str, Any],
        *,
        under: Sequence[str] = (),
        env: dict[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start ``ha_alarms.MODULE`` with a file of these settings.

        :param under: words before the command, such as ``faketime +10m``.
        """
        file = self._folder / f"{module}-{len(self._started)}.yaml"
        file.write_text(json.dumps(what))
        words = [sys.executable, "-m", f"ha_alarms.{module}", "--file"]
        with (self._folder / f"{file.name}.log").open("wb") as log:
            one = subprocess.Popen(
                [*under, *words, str(file)],
                env=process.environment("ha-pack", mistral.ENV) | (env or {}),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(one)
        self._last = time.monotonic()
        return one

    def log(self, number: int) -> str:
        """What the so-manieth has written."""
        return next(self._folder.glob(f"*-{number}.yaml.log")).read_text()

    def said(self, number: int, words: str) -> float | None:
        """When a line of its log first had these words, by its clock."""
        for line in self.log(number).splitlines():
            if words in line and (found := re.match(r"[\d-]+ [\d:,]+", line)):
                text = found.group().replace(",", ".")
                return datetime.fromisoformat(text).timestamp()
        return None

    def wait(self, number: int, words: str, seconds: float = 60) -> None:
        """Wait until its log has these words."""
        until(
            lambda: words in self.log(number),
            seconds,
            lambda: f"{words!r} in the log: {self.log(number)[-1500:]}",
        )

    def quiet_is_over(self) -> None:
        """Let the watches get over their quiet time; what a drill has done
        since it started them is part of it.
        """
        over = self._last + TIMING["quiet_s"] + BEGIN_S
        time.sleep(max(0.0, over - time.monotonic()))

    def stop(self) -> None:
        """End all, and show what the watches said."""
        for one in self._started:
            # all of its session: faketime does not become what it starts
            with suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGKILL)
            one.wait()
        for log in sorted(self._folder.glob("watch-*.log")):
            print(log.name, log.read_text()[-3000:])


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """Processes that end with the test."""
    made = Running(folder)
    try:
        yield made
    finally:
        made.stop()


class Cut:
    """A watch whose every way to the cloud is a link of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._link: subprocess.Popen[bytes] | None = None
        self.come_back()

    def come_back(self) -> None:
        """Its network carries again."""
        self.end()
        note = self._folder / "network"
        note.unlink(missing_ok=True)
        words = [*link.argv(self._folder, OWN_ADDRESS, *_carried())]
        self._link = subprocess.Popen(words)
        until(lambda: link.answers(OWN_ADDRESS), 10, "the watch's link")

    def go_dark(self) -> None:
        """Whatever it sends is dropped, its connections are cut."""
        assert self._link is not None
        self._link.send_signal(signal.SIGUSR1)
        until((self._folder / "network").exists, 10, "the link's darkness")

    def end(self) -> None:
        """Its network is gone for good."""
        if self._link is not None:
            self._link.kill()
            self._link.wait()


OWN_ADDRESS = "127.0.0.30"
"""Where the cut watch finds the cloud."""
CARRIED = ("keystone", "nova-api", "mistral", "rabbitmq")


def _carried() -> list[int]:
    return [settings.PORTS[name] for name in CARRIED]


@contextmanager
def cut_watch(watches: Running, folder: Path) -> Iterator[Cut]:
    """Start a watch that has only a link to Keystone, Nova, Mistral and the
    broker.
    """
    cut = Cut(folder)
    try:
        clouds = yaml.safe_load(settings.CLOUDS_YAML.read_text())
        mine = clouds["clouds"]["lab"]
        mine["auth"]["auth_url"] = _away(mine["auth"]["auth_url"])
        mine["api_timeout"] = 5  # else one call waits in the dark for 90 s
        for kind, api in (("compute", "nova"), ("workflow", "mistral")):
            url = _away(settings.api_url(api))
            mine[f"{kind}_endpoint_override"] = url
        executor = json.loads(mistral.EXECUTOR_FILE.read_text())
        executor["bus"]["url"] = _away(executor["bus"]["url"])
        files = {"clouds": clouds, "executor": executor}
        for name, what in files.items():
            (folder / f"cut-{name}.yaml").write_text(json.dumps(what))
            (folder / f"cut-{name}.yaml").chmod(0o600)
        watches.start(
            "watch",
            {"timing": TIMING, "executor": str(folder / "cut-executor.yaml")},
            env={"OS_CLIENT_CONFIG_FILE": str(folder / "cut-clouds.yaml")},
        )
        yield cut
    finally:
        cut.end()


def _away(url: str) -> str:
    return url.replace(settings.LISTEN, OWN_ADDRESS)


def stages(host: str, since: float, watches: Running, number: int) -> Any:
    """Seconds after `since` until each stage on the way to an open incident,
    the host having died then: ``{stage: seconds}``, in the order of the way.
    """
    known = _executions()
    found: dict[str, float] = {}
    waits: dict[str, Callable[[], object]] = {
        "Nova says down": lambda: (
            world.compute_service(host)["state"] == "down"
        ),
        "execution": lambda: _executions() - known,
        "incident open": lambda: is_open(host),
    }

    def all_seen() -> bool:
        for name, seen in waits.items():
            if name not in found and seen():
                found[name] = time.time() - since
        return len(found) == len(waits)

    until(all_seen, 60, lambda: f"{host}'s incident: {found}", every=0.05)
    for name in ("suspected", "DOWN"):
        if (at := watches.said(number, f"{name}")) is not None:
            found[f"the watch: {name}"] = at - since
    ordered = sorted(found.items(), key=lambda item: item[1])
    return {name: round(seconds, 1) for name, seconds in ordered}


def is_open(host: str) -> bool:
    """Whether the ledger has an open incident of it."""
    path = f"/environments/ha.open.{host}"
    return bool(control.call("GET", path).status_code == 200)


def _executions() -> set[str]:
    path = f"/executions?workflow_name={control.FLOW}&fields=id"
    rows = control.call("GET", path).json()["executions"]
    return {row["id"] for row in rows}


def handled_once(server: str, was_on: str, mark: set[str]) -> None:
    """Wait until nothing is open: one incident, one evacuation, one copy
    elsewhere.

    Nova tells of our own force-down too; what that starts is dismissed. An
    incident may have several attempts, each an execution.

    :param mark: executions of before, from :func:`mark`.
    """
    until(lambda: not is_open(was_on), 200, "the incident's end", every=0.5)
    ends = [control.wait(id) for id in _executions() - mark]
    acted = [e for e in ends if e.get("state") != "dismissed"]
    assert {e.get("state") for e in acted} == {"closed"}, ends
    assert len({e.get("incident") for e in acted}) == 1, ends
    now = world.wait_server(server, 60, status="ACTIVE")
    assert now["host"] != was_on
    assert world.copies_running(server) == [now["host"]]
    assert len(control.evacuations(server)) == 1


def bar(goal_s: float) -> float:
    """What a figure may be on this machine now: the goal, and more in
    proportion when more than two processes wait for each processor.
    """
    waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
    return goal_s * max(1.0, waiting / 2)


def mark() -> set[str]:
    """The executions until now."""
    return _executions()


__all__ = [
    "NOVA_DOWN_S",
    "TIMING",
    "Cut",
    "Running",
    "bar",
    "cut_watch",
    "handled_once",
    "is_open",
    "mark",
    "running",
    "settings",
    "stages",
]
