"""The operator's verbs, over the real Mistral API on SQLite.

The API stands alone (no engine behind it), reached through a clouds.yaml
without authentication, as any cloud is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ha_actions.adapters.clock import SystemClock
from ha_actions.errors import BadInput
from ha_actions.model import GuestReport as Row
from ha_actions.model import (
    Incident,
    Protection,
    Report,
    State,
)
from ha_actions.records.incidents import Opened, Record
from ha_installer import cli, clouds

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def mistral(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Mistral's API is."""
    pytest.importorskip("mistral")
    started = subprocess.Popen(
        [
            sys.executable,
            str(HERE / "mistral_api.py"),
            str(tmp_path_factory.mktemp("mistral")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
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
    """An empty ledger at the cloud `here`."""
    config = tmp_path / "clouds.yaml"
    config.write_text(
        "clouds:\n"
        "  here:\n"
        "    auth_type: none\n"
        f"    workflow_endpoint_override: {mistral}\n"
    )
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(config))
    monkeypatch.setenv("OS_CLOUD", "here")
    made = clouds.site("here").record
    yield made
    for name in made.ledger.names("ha."):
        made.ledger.delete(name)


@pytest.fixture
def held(record: Record) -> Incident:
    """An incident that waits for a person."""
    return hold(record, "ask")


def hold(record: Record, code: str) -> Incident:
    """Open and hold an incident of host c1, with a report."""
    now = SystemClock().now()
    incident = Incident(
        id="c1-0001",
        host="c1",
        opened_at=now,
        opened_by="alarm",
        request_id="req-1",
        policy="d1",
    )
    entry = Opened(incident, "execution-1")
    record.take(entry)
    record.keep(incident.id, "opening", incident)
    record.keep(
        incident.id,
        "report",
        Report(
            incident=incident,
            state=State.HELD,
            reason="the policy asks a person first",
            code=code,
            closed_at=now,
            guests=(
                Row(
                    guest="g1",
                    name="db",
                    protection=Protection.PET,
                    did="evacuate servers",
                    outcome="unfinished",
                    as_chosen=False,
                ),
            ),
        ),
    )
    record.hold(entry, code)
    return incident


def told(
    capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0
) -> Any:
    """What `--json` printed."""
    assert cli.main([*arguments, "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_arm_and_brakes(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, "status")["armed"] is False
    assert told(capsys, "arm")["armed"] is True
    brake = told(
        capsys, "disarm", "--host", "c1", "--for", "2h", "--because", "test"
    )
    assert brake["scope"] == "host:c1"
    assert brake["until"] - brake["since"] == 7200
    cli.main(["maintenance", "c2", "--for", "1h30m", "--because", "disks"])
    assert "host c2 is under maintenance until" in capsys.readouterr().out
    scopes = [b["scope"] for b in told(capsys, "status")["brakes"]]
    assert scopes == ["host:c1", "maintenance:c2"]
    assert record.disarmed("c1", ()) is not None
    lifted = told(capsys, "arm")["lifted"]
    assert [b["scope"] for b in lifted] == ["host:c1"]
    assert list(record.maintenance()) == ["c2"]
    assert cli.main(["maintenance", "c2", "--end"]) == 0
    capsys.readouterr()
    assert cli.main(["maintenance", "c2", "--end"]) == 2


def test_incidents(
    record: Record,
    held: Incident,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    [row] = told(capsys, "incidents")
    assert (row["incident"]["id"], row["state"]) == ("c1-0001", "held")
    assert cli.main(["status"]) == 1
    assert "ask: the policy asks a person first" in capsys.readouterr().out


def test_show(
    record: Record,
    held: Incident,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "report.html"
    assert cli.main(["incident", "show", held.id, "--html", str(page)]) == 1
    out = capsys.readouterr().out
    assert "Incident c1-0001 held: the policy asks a person first." in out
    assert "<!DOCTYPE html>" in page.read_text()
    assert cli.main(["incident", "show", "no-such"]) == 2


def test_abort_says_what_is_left(
    record: Record, held: Incident, capsys: pytest.CaptureFixture[str]
) -> None:
    record.ledger.write(
        f"ha.incident.{held.id}.drained",
        {"members": [{"id": "m1", "name": "web", "pool": "p", "weight": 5}]},
    )
    answer = told(capsys, "incident", "abort", held.id, "--because", "by hand")
    assert answer["undone"] == [
        "web: may still be drained in p, its weight was 5"
    ]
    assert record.opened("c1") is None
    report = record.part(held.id, "report", Report)
    assert report is not None
    assert (report.state, report.code) == (State.CLOSED, "aborted")
    assert cli.main(["incident", "abort", held.id]) == 3


def test_approve_only_what_asks(
    record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    incident = hold(record, "not_proven")
    assert cli.main(["incident", "approve", incident.id]) == 3
    assert "does not wait for a yes" in capsys.readouterr().err
    assert record.ledger.read(f"ha.incident.{incident.id}.approval") is None


def test_policy_set(
    record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = tmp_path / "policy.yaml"
    good.write_text("version: 1\nmode: act\n")
    assert cli.main(["policy", "set", str(good)]) == 0
    assert "`ha-pack arm` lets it act" in capsys.readouterr().out
    assert record.policy_text() == good.read_text()
    good.write_text("version: 1\nmoed: act\n")
    assert cli.main(["policy", "set", str(good)]) == 2
    assert "did you mean 'mode'" in capsys.readouterr().err
    assert "mode: act" in record.policy_text()


def test_an_unknown_workflow_is_one_sentence(
    record: Record, held: Incident, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of Mistral's engine runs here; its API alone answers."""
    assert cli.main(["incident", "show", held.id]) == 1
    capsys.readouterr()
    with pytest.raises(BadInput, match="Mistral answers 404"):
        clouds.site("here").mistral.execution("no-such-execution")


# -- a person's word --------------------------------------------------------
@pytest.fixture
def executor(tmp_path: Path) -> str:
    """An executor without any device; nothing of the cloud is asked."""
    path = tmp_path / "executor.yaml"
    path.write_text("operator_projects: [p]\ncloud: here\n")
    return str(path)


def confirm_dead(executor: str, *more: str) -> list[str]:
    return [
        "confirm-dead",
        "c1",
        "--because",
        "I pulled its cords",
        "--executor-file",
        executor,
        *more,
    ]


WORDS = (
    "version: 1\n"
    "fencing: {accept: [power, operator], people: 2}\n"
    "witnesses: {ask: [bmc_power], need_dead: 1, veto: []}\n"
)


def test_confirm_dead(
    record: Record,
    held: Incident,
    executor: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record.pin_policy(WORDS, "d1")
    kept = told(capsys, *confirm_dead(executor, "--for", "2h"))
    [word] = kept["words"]
    assert word["because"] == "I pulled its cords"
    assert word["until"] - word["at"] == 7200
    assert word["by"]
    assert kept["people_missing"] == 1
    assert kept["execution"] == ""
    assert kept["shown"] == ["bmc_power: silent no power device is configured"]
    assert record.parts(held.id, "word.") == ["word.1"]


def test_confirm_dead_is_refused(
    record: Record,
    executor: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(confirm_dead(executor)) == 3
    assert "has no open incident" in capsys.readouterr().err
    hold(record, "not_proven")
    record.pin_policy("version: 1\n", "d1")
    assert cli.main(confirm_dead(executor)) == 3
    assert "does not list `operator`" in capsys.readouterr().err
