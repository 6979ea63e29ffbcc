"""The plug-in in Aodh's own notifier and API; Keystone and Mistral are stubs
at the wire."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests_mock
import yaml
from aodh import notifier, service
from aodh.api.controllers.v2 import alarms as api_alarms
from ha_alarms.start import HOST_WORKFLOW, execution_id
from keystoneauth1 import fixture
from stevedore import extension

pytestmark = pytest.mark.aodh
ROOT = Path(__file__).parents[2]
KEYSTONE = "http://keystone/v3"
MISTRAL = "http://mistral:8989/v2"
SECRET = "a secret of this installation"
OPERATOR, TENANT = "1" * 32, "2" * 32
TRUSTS = {"trust-op": OPERATOR, "trust-tenant": TENANT}


@pytest.fixture
def conf(tmp_path: Path) -> Any:
    file = tmp_path / "aodh.conf"
    file.write_text(
        f"""
[ha_alarms]
secret = {SECRET}
operator_projects = {OPERATOR}
deadline = 0.2
tries = 2
[service_credentials]
auth_type = password
auth_url = {KEYSTONE}
username = aodh
password = hunter2
user_domain_id = default
project_name = service
project_domain_id = default
interface = internal
[database]
connection = sqlite://
"""
    )
    return service.prepare_service([], config_files=[str(file)])


@pytest.fixture
def wire() -> Iterator[requests_mock.Mocker]:
    def token(request: Any, context: Any) -> Any:
        scope = request.json()["auth"]["scope"]
        trust = scope["OS-TRUST:trust"]["id"]
        if trust not in TRUSTS:
            context.status_code = 404
            return {"error": {"code": 404, "message": "no trust"}}
        context.status_code = 201
        context.headers["X-Subject-Token"] = f"token-of-{trust}"
        made = fixture.V3Token(
            project_id=TRUSTS[trust], trust_id=trust, trustor_user_id="u"
        )
        made.add_service("workflowv2").add_standard_endpoints(
            internal=MISTRAL, region="r"
        )
        return made

    with requests_mock.Mocker() as mocked:
        version = fixture.V3Discovery(KEYSTONE)
        mocked.get(KEYSTONE, json={"version": version})
        mocked.post(f"{KEYSTONE}/auth/tokens", json=token)
        mocked.post(f"{MISTRAL}/executions", status_code=201, json={"id": 1})
        yield mocked


@pytest.fixture
def endpoint(conf: Any) -> notifier.AlarmEndpoint:
    """As Aodh's notifier service makes it."""
    found = extension.ExtensionManager(
        notifier.AlarmNotifierService.NOTIFIER_EXTENSIONS_NAMESPACE,
        invoke_on_load=True,
        invoke_args=(conf,),
    )
    return notifier.AlarmEndpoint(found)


def message(action: str, incident: str = "k", **traits: Any) -> Any:
    event = {
        "message_id": str(uuid.uuid4()),
        "event_type": "compute.service.down",
        "generated": "2026-11-22T08:46:44",
        "traits": [["incident", 1, incident]]
        + [[k, 1, v] for k, v in traits.items()],
        "raw": {},
    }
    return {
        "payload": {
            "actions": [action],
            "alarm_id": "alarm-1",
            "alarm_name": "ha-host-down",
            "severity": "critical",
            "previous": "ok",
            "current": "alarm",
            "reason": "it hits",
            "reason_data": {"type": "event", "event": event},
        }
    }


def posted(wire: requests_mock.Mocker) -> list[Any]:
    return [
        r for r in wire.request_history if r.url == f"{MISTRAL}/executions"
    ]


def test_an_operators_alarm_starts_the_host_workflow(
    wire: requests_mock.Mocker, endpoint: notifier.AlarmEndpoint
) -> None:
    action = f"trust+mistral://trust-op:delete@{HOST_WORKFLOW}"
    endpoint.sample([message(action, host="c1")])
    [request] = posted(wire)
    assert request.headers["X-Auth-Token"] == "token-of-trust-op"
    assert request.json()["id"] == execution_id(SECRET, HOST_WORKFLOW, "k")
    body = json.loads(request.json()["input"])["alarm"]
    assert body["alarm_name"] == "ha-host-down"


def test_a_tenants_alarm_runs_with_the_tenants_rights(
    wire: requests_mock.Mocker, endpoint: notifier.AlarmEndpoint
) -> None:
    action = (
        "trust+mistral://trust-tenant:delete@My_Repair"
        "?trait.server=instance_id"
    )
    endpoint.sample([message(action, instance_id="vm-1")])
    [request] = posted(wire)
    assert request.headers["X-Auth-Token"] == "token-of-trust-tenant"
    assert request.json()["workflow_id"] == "My_Repair"
    assert json.loads(request.json()["input"]) == {"server": "vm-1"}


@pytest.mark.parametrize(
    ("action", "says"),
    [
        (
            f"trust+mistral://trust-tenant:delete@{HOST_WORKFLOW}",
            "not listed in operator_projects",
        ),
        ("trust+mistral://trust-gone:delete@wf", "make the alarm again"),
        ("trust+mistral://wf", "it has no trust"),
        ("trust+mistral://trust-op:delete@wf?x=1", "'x' is unknown"),
        (f"mistral://{HOST_WORKFLOW}", "mistral for alarm alarm-1 is unknown"),
    ],
)
def test_what_starts_nothing_says_why(
    wire: requests_mock.Mocker,
    endpoint: notifier.AlarmEndpoint,
    caplog: pytest.LogCaptureFixture,
    action: str,
    says: str,
) -> None:
    with caplog.at_level(logging.INFO):
        endpoint.sample([message(action, host="c1")])
    assert posted(wire) == []
    [line] = [r for r in caplog.records if r.levelname == "ERROR"]
    assert says in line.getMessage()
    for secret in (SECRET, "hunter2", "token-of", "trust-"):
        assert secret not in line.getMessage()


def test_a_storm_in_aodhs_own_endpoint(
    wire: requests_mock.Mocker, endpoint: notifier.AlarmEndpoint
) -> None:
    action = f"trust+mistral://trust-op:delete@{HOST_WORKFLOW}"

    def one(n: int) -> None:
        host = f"c{n % 100}"
        endpoint.sample([message(action, f"k-{host}", host=host)])

    with ThreadPoolExecutor(64) as pool:
        list(pool.map(one, range(10_000)))
    ids = [r.json()["id"] for r in posted(wire)]
    assert len(ids) == len(set(ids)) == 100


def test_aodhs_api_knows_the_scheme() -> None:
    assert "trust+mistral" in api_alarms.ACTIONS_SCHEMA
    assert "mistral" not in api_alarms.ACTIONS_SCHEMA


def test_the_shipped_alarms_are_aodhs() -> None:
    """Aodh's own types read every definition, and keep what it says."""
    for path in sorted((ROOT / "alarms").glob("*.yaml")):
        wanted = yaml.safe_load(path.read_text())["alarm"]
        rule = dict(wanted["event_rule"])
        made = api_alarms.Alarm(
            **{
                **wanted,
                "event_rule": api_alarms.ALARMS_RULES["event"].plugin(**rule),
            }
        )
        api_alarms.ALARMS_RULES["event"].plugin.validate_alarm(made)
        assert made.name == wanted["name"]
        assert made.project_id == ""
