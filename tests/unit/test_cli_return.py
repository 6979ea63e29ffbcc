"""`ha-pack return`, over Mistral's wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests_mock
from ha_installer import cli

URL = "http://mistral.test/v2"


@pytest.fixture(autouse=True)
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "clouds.yaml"
    config.write_text(
        "clouds:\n  here:\n    auth_type: none\n"
        f"    workflow_endpoint_override: {URL}\n"
    )
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(config))
    monkeypatch.setenv("OS_CLOUD", "here")


def answers(wire: requests_mock.Mocker, state: str, output: Any) -> None:
    wire.post(f"{URL}/executions", json={"id": "e1"}, status_code=201)
    wire.get(
        f"{URL}/executions/e1",
        json={"id": "e1", "state": state, "output": json.dumps(output)},
    )


def test_it_says_what_was_done(
    requests_mock: requests_mock.Mocker, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(
        requests_mock,
        "SUCCESS",
        {"state": "returned", "code": "", "summary": "c1: enabled"},
    )
    assert cli.main(["return", "c1", "--because", "new board"]) == 0
    assert "c1: enabled" in capsys.readouterr().out
    sent = requests_mock.request_history[0].json()
    assert sent["workflow_name"] == "ha.v1.return_host"
    assert sent["input"]["because"] == "new board"
    assert sent["input"]["by"]
    assert not sent["input"]["enable"]


@pytest.mark.parametrize(
    ("code", "status"), [("flapping", 3), ("unknown_host", 2)]
)
def test_a_refusal_is_one_sentence(
    requests_mock: requests_mock.Mocker,
    capsys: pytest.CaptureFixture[str],
    code: str,
    status: int,
) -> None:
    output = {"state": "refused", "code": code, "summary": f"{code}: so it is"}
    answers(requests_mock, "SUCCESS", output)
    assert cli.main(["return", "c1"]) == status
    assert capsys.readouterr().err == "ha-pack: so it is.\n"


def test_an_execution_that_failed(
    requests_mock: requests_mock.Mocker, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(requests_mock, "ERROR", {})
    assert cli.main(["return", "c1"]) == 1
    assert "ended ERROR" in capsys.readouterr().err


def test_a_reboot_that_nobody_saw(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["return", "c1", "--rebooted"]) == 2
    assert "--because" in capsys.readouterr().err
