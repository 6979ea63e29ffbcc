"""From an event to a workflow by the real Aodh: what Nova tells, what
`ha-watch` says, whose alarms hear it.
"""

from __future__ import annotations

import time
import uuid
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.lab_full


NOTHING = """
version: '2.0'
lab.nothing:
  tasks:
    nothing: {action: std.noop}
"""


@pytest.fixture
def bus(full: ModuleType) -> ModuleType:
    """Aodh's side of the lab."""
    import bus

    return bus


def test_an_event_of_no_project_reaches_the_operators_alarm(
    full: ModuleType, bus: ModuleType, figure: Any
) -> None:
    with bus.receiver() as there:
        heard = bus.alarm(
            "down", "compute.service.down", f"{there.url}/op", project_id=""
        )
        deaf = bus.alarm(
            "tenant",
            "compute.service.down",
            f"{there.url}/tenant",
            cloud="lab-tenant",
        )
        publisher, late = bus.Publisher(), []
        for number in range(20):
            began = time.time()
            message = publisher.event(
                "compute.service.down", host="host1", incident=str(number)
            )
            bus.until(
                lambda n=number: len(there.got) > n, 10, "the alarm", 0.005
            )
            late.append(there.got[number][0] - began)
            event = there.got[number][2]["reason_data"]["event"]
            assert event["message_id"] == message
            assert ["incident", 1, str(number)] in event["traits"]
    figure(
        f"event -> alarm's action: p50 {bus.percentile(late, 0.5):.3f} s, "
        f"p95 {bus.percentile(late, 0.95):.3f} s of {len(late)}"
    )
    assert there.bodies("/tenant") == []
    assert (len(bus.fired(heard)), bus.fired(deaf)) == (20, [])


def test_what_nova_tells_reaches_the_tenants_alarm(
    full: ModuleType, bus: ModuleType
) -> None:
    lab = full
    id = lab.boot("mine", "host1")
    other = lab.boot("other", "host1")
    with bus.receiver() as there:
        bus.alarm(
            "vm-error",
            "compute.instance.update",
            f"{there.url}/error",
            cloud="lab-tenant",
            traits={"instance_id": id, "state": "error"},
        )
        compute = lab.cloud("lab").compute
        compute.reset_server_state(other, "error")
        compute.reset_server_state(id, "error")
        bus.until(lambda: there.bodies("/error"), 10, "the tenant's alarm")
        event = there.bodies("/error")[0]["reason_data"]["event"]
    traits = {name: value for name, _, value in event["traits"]}
    assert traits["instance_id"] == id
    assert traits["tenant_id"] == lab.cloud("lab-tenant").current_project_id


def test_force_down_by_another_reaches_the_operators_alarm(
    full: ModuleType, bus: ModuleType
) -> None:
    with bus.receiver() as there:
        bus.alarm(
            "forced",
            "service.update",
            f"{there.url}/forced",
            project_id="",
            traits={"binary": "nova-compute", "forced_down": "True"},
        )
        full.force_down("host4")
        bus.until(lambda: there.bodies("/forced"), 10, "the alarm")
        event = there.bodies("/forced")[0]["reason_data"]["event"]
    traits = {name: value for name, _, value in event["traits"]}
    assert traits["host"] == "host4"


def test_how_long_an_event_takes_to_become_an_execution(
    full: ModuleType, bus: ModuleType, figure: Any
) -> None:
    import control

    with_text = {"data": NOTHING, "headers": {"content-type": "text/plain"}}
    control.call("DELETE", "/workflows/lab.nothing")
    made = control.call("POST", "/workflows", **with_text)
    assert made.status_code == 201, made.text
    bus.alarm(
        "nothing",
        "lab.nothing",
        "trust+mistral://lab.nothing",
        project_id="",
    )
    publisher, late = bus.Publisher(), []
    for number in range(51):
        incident = str(uuid.uuid4())
        execution = bus.operators_id(incident, "lab.nothing")
        began = time.time()
        publisher.event("lab.nothing", incident=incident)
        bus.until(lambda e=execution: bus.exists(e), 15, "it", 0.02)
        if number:  # the first one logs in
            late.append(time.time() - began)
    p50, p95 = bus.percentile(late, 0.5), bus.percentile(late, 0.95)
    figure(f"event -> execution of 50: p50 {p50:.2f} s, p95 {p95:.2f} s")
    assert p95 < 5, late


def test_a_storm_of_events_starts_each_hosts_recovery_once(
    full: ModuleType, bus: ModuleType
) -> None:
    import control

    publisher = bus.Publisher()
    incidents = {host: str(uuid.uuid4()) for host in full.hosts()}
    for _ in range(75):
        for host, incident in incidents.items():
            publisher.event(
                "compute.service.down", host=host, incident=incident
            )
    wanted = {bus.operators_id(incident) for incident in incidents.values()}
    bus.until(lambda: all(map(bus.exists, wanted)), 60, "four executions")
    for execution in wanted:
        control.wait(execution)
    path = f"/executions?workflow_name={control.FLOW}&fields=id"
    rows = control.call("GET", path).json()["executions"]
    assert {row["id"] for row in rows} == wanted
    assert len(rows) == 4
    assert full.power("host1") == "On", "a host that lives was cut"
