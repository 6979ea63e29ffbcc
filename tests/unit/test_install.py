"""install, upgrade, remove: over a real Mistral with engine and executor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from ha_actions.adapters.clock import SystemClock
from ha_actions.adapters.ledger_executions import ENDED, MistralExecutions
from ha_actions.model import Incident
from ha_actions.records.incidents import Opened, Record
from ha_installer import catalogue, cli, clouds
from ha_installer.catalogue import TAG, TRIGGER

HERE = Path(__file__).parent
WORDS = ("openstack workbook create ha.v1.yaml", "openstack cron trigger")


@pytest.fixture(scope="module")
def mistral(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Mistral is; its executor knows the project `operator`."""
    pytest.importorskip("mistral")
    folder = tmp_path_factory.mktemp("mistral")
    own = folder / "executor.yaml"
    own.write_text("operator_projects: [operator]\ncloud: here\n")
    config = folder / "clouds.yaml"
    config.write_text("clouds: {here: {auth_type: none}}\n")
    started = subprocess.Popen(
        [sys.executable, str(HERE / "mistral_api.py"), str(folder), "engine"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ
        | {
            "HA_EXECUTOR_FILE": str(own),
            "OS_CLIENT_CONFIG_FILE": str(config),
        },
    )
    assert started.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(started.stdout.readline())}/v2"
    finally:
        started.kill()


@pytest.fixture
def record(
    mistral: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Record]:
    """The cloud `here`, without anything of ours."""
    config = tmp_path / "clouds.yaml"
    config.write_text(
        "clouds:\n"
        "  here:\n"
        "    auth_type: none\n"
        f"    workflow_endpoint_override: {mistral}\n"
        "    alarm_endpoint_override: ''\n"
    )
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(config))
    monkeypatch.setenv("OS_CLOUD", "here")
    made = clouds.site("here").record
    yield made
    assert cli.main(["remove", "--yes", "--open-incidents-too"]) == 0


@pytest.fixture
def policy(tmp_path: Path) -> str:
    """A policy file."""
    path = tmp_path / "policy.yaml"
    path.write_text("version: 1\nmode: act\n")
    return str(path)


def told(
    capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0
) -> Any:
    """What `--json` printed."""
    capsys.readouterr()
    assert cli.main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def names(mistral: str, what: str) -> set[str]:
    found = requests.get(f"{mistral}/{what}", timeout=60).json()[what]
    return {one["name"] for one in found if one["name"].startswith("ha")}


def test_install_twice_then_remove(
    mistral: str,
    record: Record,
    policy: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = told(capsys, "install", "--policy", policy, status=1)
    assert shown["done"] is False
    assert f"create cron trigger {TRIGGER}" in shown["changes"]
    assert names(mistral, "workbooks") == set()
    assert record.ledger.read("ha.policy") is None

    done = told(capsys, "install", "--policy", policy, "--yes")
    assert done["done"] is True
    assert done["changes"] == shown["changes"]
    assert names(mistral, "workbooks") == {"ha.v1"}
    flows = set(catalogue.main_book().workflows)
    assert names(mistral, "workflows") == flows
    assert names(mistral, "cron_triggers") == {TRIGGER}
    assert not record.armed()

    assert told(capsys, "install", "--yes")["changes"] == []

    requests.post(
        f"{mistral}/environments",
        json={"name": "ha.theirs", "variables": {"a": 1}},
        timeout=60,
    ).raise_for_status()
    for n in range(45):  # more than this Mistral lists at once
        assert record.ledger.create(f"ha.claim.c1-0001.fence.{n}", {})
    assert told(capsys, "remove", "--yes")["done"] is True
    for what in ("workbooks", "workflows", "cron_triggers"):
        assert names(mistral, what) == set(), what
    assert names(mistral, "environments") == {"ha.theirs"}
    assert told(capsys, "remove", "--yes")["changes"] == []
    record.ledger.delete("ha.theirs")


def test_what_was_changed_or_deleted_comes_back(
    mistral: str,
    record: Record,
    policy: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["install", "--policy", policy, "--yes"]) == 0
    url = f"{mistral}/workflows/ha.v1.drill"
    assert requests.delete(url, timeout=60).status_code == 204
    assert told(capsys, "install", status=1)["changes"] == [
        "create workflow ha.v1.drill"
    ]
    assert cli.main(["install", "--yes"]) == 0
    assert requests.get(url, timeout=60).status_code == 200
    assert told(capsys, "install")["changes"] == []


def test_upgrade_takes_away_what_the_new_book_has_not(
    mistral: str,
    record: Record,
    policy: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An older book of ours is there, with a workflow that is no more."""
    old = catalogue.main_book().text + (
        f"\n  gone:\n    tags: [{TAG}]\n    tasks:\n"
        "      a: {action: std.noop}\n"
    )
    requests.post(
        f"{mistral}/workbooks",
        data=old.encode(),
        headers={"Content-Type": "text/plain"},
        timeout=300,
    ).raise_for_status()
    assert cli.main(["policy", "set", policy]) == 0
    changed = told(capsys, "upgrade", "--yes")["changes"]
    assert "update workbook ha.v1" in changed
    assert changed[-1] == "delete workflow ha.v1.gone"
    assert "ha.v1.gone" not in names(mistral, "workflows")


def test_a_book_that_is_not_ours_is_left_alone(
    mistral: str,
    record: Record,
    policy: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, plain = f"{mistral}/workbooks", {"Content-Type": "text/plain"}
    theirs = (
        "version: '2.0'\nname: ha.v1\n"
        "workflows: {w: {tasks: {a: {action: std.noop}}}}\n"
    )
    made = requests.post(url, data=theirs, headers=plain, timeout=60)
    made.raise_for_status()
    assert cli.main(["install", "--policy", policy, "--yes"]) == 3
    assert "Not ours" in capsys.readouterr().err
    assert requests.get(f"{url}/ha.v1", timeout=60).json()["definition"] == (
        theirs
    )
    assert told(capsys, "remove", "--yes")["changes"] == []
    requests.delete(f"{url}/ha.v1", timeout=60).raise_for_status()
    requests.delete(f"{mistral}/workflows/ha.v1.w", timeout=60)


def open_incident(record: Record) -> Opened:
    incident = Incident(
        id="c1-0001",
        host="c1",
        opened_at=SystemClock().now(),
        opened_by="alarm",
        request_id="req-1",
        policy="d1",
    )
    return record.take(Opened(incident, "execution-1"))


def test_no_upgrade_and_no_removal_beside_an_open_incident(
    mistral: str,
    record: Record,
    policy: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["install", "--policy", policy, "--yes"]) == 0
    entry = open_incident(record)
    # nothing to change: an open incident is no obstacle
    assert cli.main(["upgrade", "--yes"]) == 0
    requests.delete(f"{mistral}/workflows/ha.v1.drill", timeout=60)
    assert cli.main(["upgrade", "--yes"]) == 3
    assert "c1-0001 (host c1, at work)" in capsys.readouterr().err
    assert cli.main(["upgrade", "--yes", "--wait", "2s"]) == 3
    assert "waiting for incident c1-0001" in capsys.readouterr().err
    assert cli.main(["remove", "--yes"]) == 3
    assert "ha.v1.drill" not in names(mistral, "workflows")
    record.hold(entry, "ask")
    assert cli.main(["upgrade", "--yes"]) == 3
    assert cli.main(["upgrade", "--yes", "--with-held"]) == 0
    assert "ha.v1.drill" in names(mistral, "workflows")


def test_install_asks_for_the_policy(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can be asked here."""
    assert cli.main(["install", "--yes"]) == 2
    assert "--policy FILE" in capsys.readouterr().err


def test_files_for_ones_own_hands(
    tmp_path: Path, policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No cloud is touched."""
    folder = tmp_path / "by" / "hand"
    found = told(capsys, "install", "--policy", policy, "--files", str(folder))
    script = (folder / "install.sh").read_text()
    assert all(word in script for word in WORDS)
    assert "traits.state!=string::active" in script
    assert (folder / "ha.v1.yaml").read_text() == catalogue.main_book().text
    env = json.loads((folder / "ha.policy.json").read_text())
    assert "mode: act" in json.loads(env["variables"])["json"]
    assert found["files"][-1] == "install.sh"
    done = subprocess.run(
        ["sh", "-n", str(folder / "install.sh")], check=False
    )
    assert done.returncode == 0


def test_check_tells_each_line_and_its_cure(
    record: Record, policy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before and after an installation; one engine, one executor, no Nova."""
    lines = by_check(told(capsys, "check", "--no-probe", status=1))
    assert "create workbook ha.v1" in lines["installation"]["means"]
    assert lines["policy"]["state"] == "wrong"
    assert lines["reconcile"]["cure"] == "`ha-pack install` makes it."

    # not each minute: a first run of that would be waited for
    cron = ["--cron", "*/9 * * * *"]
    assert cli.main(["install", "--policy", policy, "--yes", *cron]) == 0
    found = told(capsys, "check", "--executors", "elsewhere", *cron, status=1)
    lines = by_check(found)
    state = {name: line["state"] for name, line in lines.items()}
    assert found["good"] is False
    assert state["installation"] == "ok"
    assert state["actions"] == "ok"
    assert state["mistral runs"] == "ok"
    assert state["policy"] == "ok"
    assert state["clocks"] == "ok"
    assert "No answer from elsewhere" in lines["executors"]["means"]
    assert "DEFAULT.scheduler_type is" in lines["scheduler"]["means"]
    assert state["heartbeat"] == "wrong"  # switched off in this process
    assert state["redundancy"] == "wrong"
    assert state["hosts"] == "unknown"
    assert state["reconcile"] == "unknown"
    assert lines["alarms"]["means"].startswith("This cloud has no Aodh")
    for line in found["lines"]:
        assert (line["cure"] == "") == (line["state"] == "ok"), line


def by_check(found: Any) -> dict[str, dict[str, str]]:
    return {line["check"]: line for line in found["lines"]}


def test_past_executions_are_found_and_forgotten(
    mistral: str, record: Record, policy: str
) -> None:
    """By the executor's own adapter, over the real API."""
    assert cli.main(["install", "--policy", policy, "--yes"]) == 0
    here = clouds.site("here")
    executions = MistralExecutions(here.mistral.rest.api)
    id = here.mistral.start("ha.v1.probe", {})
    while here.mistral.execution(id)[0] not in ENDED:
        here.clock.sleep(0.2)
    now = here.clock.now()
    assert id not in executions.past_executions(now - 3600)
    assert id in executions.past_executions(now + 60)
    assert executions.forget_execution(id)
    assert here.ledger.execution_state(id) == ""
    assert executions.forget_execution(id)
