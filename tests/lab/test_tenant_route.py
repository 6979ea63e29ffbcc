"""A tenant's alarm runs the tenant's workflow, with the tenant's rights."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.lab_full

WORKFLOW = "lab_tenants_own"
TEXT = f"""---
version: '2.0'
{WORKFLOW}:
  input: [server, incident: '']
  output: {{server: <% $.server %>}}
  tasks:
    reached: {{action: std.noop}}
"""
DOWN = "compute.instance.host_down"


@pytest.fixture
def bus(full: ModuleType) -> ModuleType:
    """Aodh's side of the lab."""
    import bus

    return bus


class Tenant:
    """The project `demo`, through its own credentials."""

    def __init__(self, lab: ModuleType) -> None:
        self.project = str(lab.cloud("lab-tenant").current_project_id)

    def call(self, method: str, path: str, **more: Any) -> Any:
        import control

        return control.call(method, path, cloud="lab-tenant", **more)

    def runs(self) -> list[dict[str, Any]]:
        """Executions of the tenant's workflow, as he sees them."""
        found: list[dict[str, Any]] = self.call(
            "GET",
            "/executions",
            params={
                "workflow_name": WORKFLOW,
                "fields": "id,state,input,project_id",
            },
        ).json()["executions"]
        return found


@pytest.fixture
def tenant(full: ModuleType, bus: ModuleType) -> Iterator[Tenant]:
    made = Tenant(full)
    made.call("DELETE", f"/workflows/{WORKFLOW}")
    answer = made.call(
        "POST",
        "/workflows",
        data=TEXT,
        headers={"Content-Type": "text/plain"},
    )
    assert answer.status_code == 201, answer.text
    yield made
    for alarm in bus.api("GET", "/v2/alarms", "lab-tenant").json():
        bus.api("DELETE", f"/v2/alarms/{alarm['alarm_id']}", "lab-tenant")
    for run in made.runs():
        made.call("DELETE", f"/executions/{run['id']}")
    made.call("DELETE", f"/workflows/{WORKFLOW}")


@pytest.fixture
def pack(full: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`ha-pack tenant WORDS` as the tenant."""
    from ha_installer import cli

    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(full.CLOUDS_YAML))
    monkeypatch.setenv("OS_CLOUD", "lab-tenant")
    return lambda *words: cli.main(["tenant", *words])


def test_the_tenants_workflow_runs_once_in_his_project(
    bus: ModuleType, tenant: Tenant, pack: Any, figure: Any
) -> None:
    assert pack("alarm", WORKFLOW, "--on", "host_down") == 0
    time.sleep(bus.CACHE_S + 0.5)
    server, incident = str(uuid.uuid4()), str(uuid.uuid4())
    publisher, began = bus.Publisher(), time.time()
    for project in ("f" * 32, *[tenant.project] * 5):
        publisher.event(
            DOWN, project_id=project, instance_id=server, incident=incident
        )
    bus.until(tenant.runs, 15, "the tenant's execution", 0.05)
    figure(f"tenant's event -> execution: {time.time() - began:.2f} s")
    time.sleep(2)  # doubles would have come by now
    [run] = tenant.runs()
    assert run["project_id"] == tenant.project
    assert json.loads(run["input"]) == {"server": server, "incident": incident}


def test_a_tenants_alarm_cannot_start_the_operators_workflow(
    full: ModuleType, bus: ModuleType, tenant: Tenant
) -> None:
    import control

    alarm = bus.alarm(
        "mine",
        "x.mine",
        "trust+mistral://ha.v1.handle_host_failure",
        cloud="lab-tenant",
    )
    bus.Publisher().event(
        "x.mine", project_id=tenant.project, host="host1", incident="k"
    )
    where = f"/v2/alarms/{alarm}"
    bus.until(
        lambda: bus.api("GET", where, "lab-tenant").json()["state"] == "alarm",
        10,
        "the alarm",
    )
    time.sleep(2)
    assert control.incidents() == []
    assert not bus.exists(bus.operators_id("k"))


def test_the_probe_reaches_a_workflow_of_his(
    full: ModuleType, tenant: Tenant, pack: Any, figure: Any
) -> None:
    full.boot("shop", "host1")
    began = time.time()
    assert pack("alarm", WORKFLOW, "--probe", "shop") == 0
    figure(f"probe: {time.time() - began:.1f} s")
    assert pack("status") == 0
