"""The watch's own adapters, at the wire; and its command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from ha_actions.errors import BadInput, Refused, Transient
from ha_alarms import watch
from ha_alarms.start import host_start
from ha_alarms.watch_metrics import Exporter
from ha_alarms.watch_mistral import MistralStarter
from ha_alarms.watch_pages import Alertmanager, All, Webhook
from ha_alarms.watch_ports import Figures, Page
from ha_alarms.watch_settings import Metrics
from unit.fake_openstack import KEYSTONE, MISTRAL, keystone
from unit.fakes import NOW

SECRET = "00000000-0000-4000-8000-000000000001"
START = host_start(SECRET, host="c1", incident="k", at=NOW)
HELD = Page(
    code="held", subject="c1", text="it is held", at=NOW, incident="c1-1"
)


class Api:
    """A keystoneauth adapter over plain requests."""

    def post(self, path: str, **more: Any) -> requests.Response:
        return requests.post(f"http://mistral.test/v2{path}", **more)  # noqa: S113


def test_an_execution_is_asked_for_by_its_id(requests_mock: Any) -> None:
    requests_mock.post("http://mistral.test/v2/executions", status_code=201)
    MistralStarter(Api()).start(START)
    sent = requests_mock.last_request.json()
    assert sent["id"] == START.execution_id
    assert json.loads(sent["input"])["opened_by"] == "watch"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status_code": 503}, Transient),
        ({"status_code": 409}, Transient),
        ({"exc": requests.ConnectTimeout}, Transient),
        ({"exc": requests.ReadTimeout}, Transient),
        ({"status_code": 404}, Refused),
        ({"status_code": 403}, Refused),
    ],
)
def test_an_execution_that_was_not_started(
    requests_mock: Any, answer: dict[str, Any], error: type[Exception]
) -> None:
    requests_mock.post("http://mistral.test/v2/executions", **answer)
    with pytest.raises(error):
        MistralStarter(Api()).start(START)


def test_a_webhook_gets_each_page_once(requests_mock: Any) -> None:
    requests_mock.post("https://hook.test/t0ken")
    hook = Webhook("https://hook.test/t0ken")
    hook.page(HELD)
    hook.page(Page(**{**vars(HELD), "again": True}))
    hook.page(Page(**{**vars(HELD), "over": True}))
    assert requests_mock.call_count == 1
    assert requests_mock.last_request.json() == {
        "code": "held",
        "subject": "c1",
        "text": "it is held",
        "incident": "c1-1",
        "at": "2027-01-15T08:00:00+00:00",
    }


def test_an_alert_is_raised_kept_up_and_taken_back(requests_mock: Any) -> None:
    requests_mock.post("http://am.test/api/v2/alerts")
    alerts = Alertmanager("http://am.test/")
    sent = []
    for page in (
        HELD,
        Page(**{**vars(HELD), "again": True, "at": NOW + 60}),
        Page(**{**vars(HELD), "over": True, "at": NOW + 90}),
    ):
        alerts.page(page)
        sent += requests_mock.last_request.json()
    assert [a["endsAt"] for a in sent] == [
        "2027-01-15T08:05:00+00:00",
        "2027-01-15T08:06:00+00:00",
        "2027-01-15T08:01:30+00:00",
    ]
    assert sent[0]["labels"] == sent[1]["labels"] == sent[2]["labels"]
    assert sent[0]["labels"]["incident"] == "c1-1"


def test_a_pager_that_fails_keeps_no_page_from_the_other(
    requests_mock: Any,
) -> None:
    requests_mock.post("https://hook.test/t0ken", exc=requests.ConnectTimeout)
    requests_mock.post("http://am.test/api/v2/alerts")
    both = All(
        [Webhook("https://hook.test/t0ken"), Alertmanager("http://am.test")]
    )
    with pytest.raises(Transient) as caught:
        both.page(HELD)
    assert "t0ken" not in caught.value.message
    assert requests_mock.call_count == 2


def test_the_figures_are_written_for_prometheus(tmp_path: Path) -> None:
    figures = Figures(round_at=NOW, hosts=3)
    figures.failed("nova")
    file = tmp_path / "ha.prom"
    Exporter(Metrics(textfile=str(file)), figures).write()
    text = file.read_text()
    assert "ha_watch_last_round_timestamp_seconds 1.8e+09" in text
    assert "ha_watch_hosts 3.0" in text
    assert 'ha_watch_failures_total{what="nova"} 1.0' in text


def test_metrics_on_a_port_answer_on_loopback() -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    Exporter(Metrics(port=port), Figures(hosts=7))
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5)
    assert "ha_watch_hosts 7.0" in answer.text
    with pytest.raises(BadInput) as caught:
        Exporter(Metrics(port=port), Figures())
    assert str(port) in caught.value.message


# -- the command -------------------------------------------------------
@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    clouds = {
        "clouds": {
            "ops": {
                "region_name": "R1",
                "auth": {
                    "auth_url": KEYSTONE,
                    "username": "ha",
                    "password": "hush",
                    "project_name": "ops",
                    "user_domain_name": "Default",
                    "project_domain_name": "Default",
                },
            }
        }
    }
    (tmp_path / "clouds.yaml").write_text(yaml.safe_dump(clouds))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    executor = {
        "operator_projects": ["p1"],
        "cloud": "ops",
        "namespace": "our secret",
    }
    write(tmp_path / "executor.yaml", executor)
    monkeypatch.setenv("HA_EXECUTOR_FILE", str(tmp_path / "executor.yaml"))
    monkeypatch.delenv("HA_WATCH_FILE", raising=False)
    return tmp_path


def write(path: Path, data: Any) -> str:
    path.write_text(yaml.safe_dump(data))
    return str(path)


def test_check_reads_the_files_and_calls_nothing(
    files: Path, capsys: pytest.CaptureFixture[str], requests_mock: Any
) -> None:
    assert watch.main(["--check"]) == 0
    assert requests_mock.call_count == 0
    assert "right" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("watch_file", "executor", "said"),
    [
        ({"timeing": {}}, {}, "did you mean 'timing'?"),
        ({"timing": {"interval_s": 0}}, {}, "timing: interval_s"),
        ({"beat_url": "nonsense://h"}, {}, "cannot be used"),
        ({}, {"namespace": "change-me"}, "namespace"),
        ({"pages": {"webhook": "env:NO_SUCH"}}, {}, "NO_SUCH"),
    ],
)
def test_a_bad_file_is_one_sentence_and_status_2(
    files: Path,
    capsys: pytest.CaptureFixture[str],
    watch_file: dict[str, Any],
    executor: dict[str, Any],
    said: str,
) -> None:
    path = files / "executor.yaml"
    write(path, {**yaml.safe_load(path.read_text()), **executor})
    args = ["--check", "--file", write(files / "w.yaml", watch_file)]
    assert watch.main(args) == 2
    assert said in capsys.readouterr().err


def test_one_round_at_the_wire(
    files: Path, capsys: pytest.CaptureFixture[str], requests_mock: Any
) -> None:
    keystone(requests_mock)
    recorded = Path(__file__).parents[1] / "recorded" / "nova-services.json"
    services = json.loads(recorded.read_text())
    requests_mock.get("http://nova.test/v2.1/os-services", json=services)
    requests_mock.get(
        "http://nova.test/v2.1/os-aggregates", json={"aggregates": []}
    )
    requests_mock.get(f"{MISTRAL}/environments", json={"environments": []})
    requests_mock.get(f"{MISTRAL}/environments/ha.policy", status_code=404)
    assert watch.main(["--once"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["hosts"] == len(services["services"])
    assert seen["failures"] == {"suspects": 1}  # there is no policy
