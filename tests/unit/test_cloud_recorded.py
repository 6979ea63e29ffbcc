"""Bodies that real services gave, read by our translation.

Recorded from Nova 34.0, Neutron 29.0 and Glance 33.0: a host that was forced
down, two servers evacuated from it, one of them with 2.95.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ha_actions.adapters.cloud import values
from ha_actions.model import Aggregate

RECORDED = Path(__file__).parents[1] / "recorded"


def recorded(name: str, key: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())[key]


def test_services() -> None:
    rack = Aggregate(name="rack-a", hosts=("host3",))
    found = {
        body["host"]: values.host(body, [rack])
        for body in recorded("nova-services", "services")
    }
    dead = found["host3"]
    assert (dead.up, dead.enabled, dead.forced_down) == (False, False, True)
    assert dead.disabled_reason == "ha i9"
    assert dead.updated_at == 1795347898.0
    assert dead.aggregates == ("rack-a",)
    assert found["host1"].up


def test_servers() -> None:
    states = {
        guest.name: (guest.host, guest.vm_state, guest.power)
        for guest in map(values.guest, recorded("nova-servers", "servers"))
    }
    assert states == {
        "b-0": ("host1", "active", "running"),
        "b-1": ("host1", "stopped", "shutdown"),
    }


def test_a_server_with_everything() -> None:
    guest = values.guest(recorded("nova-server", "server"))
    assert (guest.name, guest.flavor, guest.boot, guest.launched) == (
        "web",
        "tiny",
        "image",
        True,
    )
    assert guest.metadata == {"a": "b"}
    assert guest.created_at == 1795347954.0


def test_migrations() -> None:
    found = [
        values.migration(body)
        for body in recorded("nova-migrations", "migrations")
    ]
    assert [one.id for one in found] == ["2", "1"], "newest first"
    assert {(one.source, one.dest, one.status) for one in found} == {
        ("host3", "host1", "completed")
    }
    assert not any(one.in_flight for one in found)


def test_actions() -> None:
    actions = recorded("nova-actions", "instanceActions")
    assert [one["action"] for one in actions] == ["evacuate", "create"]
    assert values.moment(actions[0]["start_time"]) > 1795347800


def test_ports() -> None:
    (body,) = recorded("neutron-ports", "ports")
    (port,) = values.ports(body)
    assert (port.host, port.status) == ("host1", "ACTIVE")
    assert port.address.startswith("10.99.")
    assert body["binding:vnic_type"] == "normal"


def test_images() -> None:
    (body,) = recorded("glance-images", "images")
    assert values.image_properties(body) == {}
    assert values.image_properties({**body, "ha_group": "x"}) == {
        "ha_group": "x"
    }


@pytest.mark.parametrize(
    ("changes", "operators"),
    [
        ({}, True),
        ({"visibility": "private"}, False),
        ({"visibility": "shared"}, False),
        ({"visibility": "community"}, False),
        ({"visibility": "private", "owner": "ops"}, True),
        ({"visibility": "private", "owner": None}, False),
        ({"visibility": None, "owner": ""}, False),
    ],
)
def test_whose_word_an_image_speaks(
    changes: dict[str, Any], operators: bool
) -> None:
    (body,) = recorded("glance-images", "images")
    body = {**body, **changes}
    assert values.operators_image(body, {"ops", ""}.__contains__) is operators


def test_groups() -> None:
    (body,) = recorded("nova-groups", "server_groups")
    assert (body["policy"], len(body["members"])) == ("anti-affinity", 2)
