"""From an event to a workflow by the real Aodh: what Nova tells, what
`ha-watch` says, whose alarms hear it.
"""

from __future__ import annotations

import time
from types import ModuleType

import pytest

pytestmark = pytest.mark.lab_full


@pytest.fixture
def bus(full: ModuleType) -> ModuleType:
    """Aodh's side of the lab."""
    import bus

    return bus


def test_an_event_of_no_project_reaches_the_operators_alarm(
    full: ModuleType, bus: ModuleType
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
    print(
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
