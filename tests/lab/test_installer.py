"""The pack in a real cloud, and out again: install, check, upgrade, remove.

Mistral has two engines and two executors behind RabbitMQ; Aodh, where the
lab has it, takes the alarms. The next drill's reset installs the pack again
where it is not as the lab has it.
"""

from __future__ import annotations

import json
import subprocess
import time
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.lab_full

EXECUTORS = "executor1,executor2"
MISSED = "executor1,executor2,executor9"
LOCAL = {"ha:local-disk": "discard"}
GOOD = (
    "installation",
    "executors",
    "actions",
    "scheduler",
    "heartbeat",
    "clocks",
    "executors read ledger",
    "executors read nova",
    "executors read policy",
    "executors read witnesses",
    "policy",
    "fences",
    "witnesses",
    "other recovery",
    "reconcile",
    "mistral runs",
)
"""What must be ok in the lab; the others depend on what else it runs."""


def pack(*words: str, status: int | None = 0) -> Any:
    """`ha-pack WORDS --json` from the wheel, with time for a whole check."""
    from rig import process, settings
    from rig.services import mistral

    done = subprocess.run(
        [str(settings.MISTRAL_BIN / "ha-pack"), *words, "--json"],
        env=process.environment("ha-pack", mistral.ENV | {"OS_CLOUD": "lab"}),
        capture_output=True,
        text=True,
        timeout=500,
        cwd=settings.STATE,
    )
    assert status is None or done.returncode == status, (words, done)
    return json.loads(done.stdout) if done.stdout.strip() else done.stderr


def policy_file() -> str:
    from rig import settings
    from rig.services import mistral

    path = settings.PACK / "policy-install.yaml"
    path.write_text(json.dumps(mistral.policy()))
    return str(path)


def names(ctl: ModuleType, what: str) -> set[str]:
    found = ctl.call("GET", f"/{what}").json()[what]
    return {one["name"] for one in found if one["name"].startswith("ha")}


def test_install_twice_check_and_remove(
    full: ModuleType, ctl: ModuleType, figure: Any
) -> None:
    pack("remove", "--yes", "--open-incidents-too")
    for what in ("workbooks", "workflows", "cron_triggers", "environments"):
        assert names(ctl, what) == set(), what

    words = ("install", "--policy", policy_file(), "--executors", EXECUTORS)
    shown = pack(*words, status=1)
    assert names(ctl, "workbooks") == set()
    began = time.monotonic()
    done = pack(*words, "--yes")
    figure(f"install: {time.monotonic() - began:.1f} s")
    assert done["changes"] == shown["changes"]
    assert "create workbook ha.v1" in done["changes"]
    began = time.monotonic()
    assert pack("install", "--yes")["changes"] == []
    figure(f"install again: {time.monotonic() - began:.1f} s")

    # what the cron trigger would start
    assert ctl.wait(ctl.start({}, "ha.v1.reconcile"))["execution_state"] == (
        "SUCCESS"
    )
    began = time.monotonic()
    found = pack("check", "--executors", EXECUTORS, status=None)
    figure(f"check: {time.monotonic() - began:.1f} s")
    lines = {line["check"]: line for line in found["lines"]}
    for line in found["lines"]:
        print(line["state"], line["check"], line["means"], line["cure"])
    assert {name: lines[name]["state"] for name in GOOD} == dict.fromkeys(
        GOOD, "ok"
    )
    assert "2 executor(s)" in lines["executors"]["means"]
    assert "2 engine(s)" in lines["executors"]["means"]

    found = pack("check", "--no-probe", "--executors", MISSED, status=1)
    (line,) = [x for x in found["lines"] if x["check"] == "executors"]
    assert line["state"] == "wrong"
    assert "No answer from executor9" in line["means"]

    assert pack("remove", "--yes")["done"] is True
    for what in ("workbooks", "workflows", "cron_triggers", "environments"):
        assert names(ctl, what) == set(), what
    assert pack("remove", "--yes")["changes"] == []


def test_upgrade_lets_an_open_incident_finish(
    full: ModuleType, ctl: ModuleType
) -> None:
    """The incident runs on its old workflow; the upgrade waits for its end."""
    lab = full
    id = lab.post_server(
        "pet", "host1", metadata={"ha:protection": "pet"} | LOCAL
    )
    lab.wait_server(id, 120, status="ACTIVE")
    assert ctl.call("DELETE", "/workflows/ha.v1.drill").status_code == 204
    lab.pull_plug("host1")
    execution = ctl.by_alarm("host1")
    ctl.begun(execution, "assess_host")

    refused = pack("upgrade", "--yes", status=3)
    assert refused["error"]["code"] == "incident_open"
    assert pack("remove", "--yes", status=3)["error"]["code"] == (
        "incident_open"
    )
    done = pack("upgrade", "--yes", "--wait", "5m")
    assert done["changes"] == ["create workflow ha.v1.drill"]
    assert ctl.wait(execution)["state"] == "closed"
    assert "ha.v1.drill" in names(ctl, "workflows")
    assert lab.copies_running(id) == [lab.server(id)["host"]]
