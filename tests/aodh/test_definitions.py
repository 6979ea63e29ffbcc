"""The event definitions in Ceilometer's own converter, behind its defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ceilometer
import pytest
import yaml
from ceilometer import service
from ceilometer.event import converter
from stevedore import extension

pytestmark = pytest.mark.aodh
SETTINGS = Path(__file__).parents[2] / "alarms" / "settings"
SHIPPED = (
    Path(ceilometer.__file__).parent / "pipeline/data/event_definitions.yaml"
)


@pytest.fixture(scope="module")
def convert() -> Any:
    conf = service.prepare_service([], [])
    plugins = extension.ExtensionManager(
        namespace="ceilometer.event.trait_plugin"
    )
    ours = (SETTINGS / "event_definitions.yaml").read_text()
    both = yaml.safe_load(SHIPPED.read_text() + "\n" + ours)
    made = converter.NotificationEventsConverter(conf, both, plugins)

    def to_traits(kind: str, payload: Any) -> dict[str, Any]:
        event = made.to_event(
            "info",
            {
                "event_type": kind,
                "metadata": {
                    "message_id": "m",
                    "timestamp": "2026-11-22 08:46:44",
                },
                "publisher_id": "ha.pack",
                "ctxt": {"project_id": "whoever-caused-it", "user_id": "u"},
                "payload": payload,
            },
        )
        return {t.name: t.value for t in event.traits}

    return to_traits


def versioned(**data: Any) -> dict[str, Any]:
    return {"nova_object.data": data, "nova_object.version": "1.0"}


def test_a_dead_host_is_the_operators(convert: Any) -> None:
    got = convert("compute.service.down", {"host": "c1", "incident": "k"})
    assert got["host"] == "c1"
    assert got["incident"] == "k"
    assert not {"project_id", "tenant_id", "user_id"} & set(got)


def test_a_forced_down_service_is_the_operators(convert: Any) -> None:
    got = convert(
        "service.update",
        versioned(host="c1", binary="nova-compute", forced_down=True),
    )
    assert (got["host"], got["forced_down"]) == ("c1", "True")
    assert not {"project_id", "tenant_id"} & set(got)


def test_a_server_in_error_is_the_operators(convert: Any) -> None:
    change = versioned(old_state="active", state="error")
    got = convert(
        "instance.update",
        versioned(
            uuid="vm-1", tenant_id="t", state="error", state_update=change
        ),
    )
    assert got["instance_id"] == "vm-1"
    assert (got["old_state"], got["state"]) == ("active", "error")
    assert got["owner"] == "t"
    assert not {"project_id", "tenant_id"} & set(got)


@pytest.mark.parametrize("kind", ["host_down", "host_fenced", "recovered"])
def test_a_tenants_event_is_the_tenants(convert: Any, kind: str) -> None:
    got = convert(
        f"compute.instance.{kind}",
        {
            "tenant_id": "t",
            "instance_id": "vm-1",
            "incident": "k",
            "hostId": "as the tenant knows it",
        },
    )
    assert got["host_id"] == "as the tenant knows it"
    assert got["project_id"] == got["tenant_id"] == "t"
    assert got["instance_id"] == "vm-1"
    assert "host" not in got


def test_novas_own_events_stay_as_they_were(convert: Any) -> None:
    got = convert(
        "compute.instance.update",
        {"tenant_id": "t", "instance_id": "vm-1", "state": "error"},
    )
    assert got["project_id"] == "t"
    assert got["state"] == "error"
