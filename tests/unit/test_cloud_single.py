"""What is asked of Nova for one server, at the wire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests_mock
from fake_openstack import NOVA, Lab, claim, migration
from ha_actions.errors import Failed
from ha_actions.model.server import Deed


@pytest.fixture
def lab() -> Iterator[Lab]:
    with requests_mock.Mocker() as mock:
        yield Lab(mock)


def test_instance_actions_tell_who_asked(lab: Lab) -> None:
    lab.mock.get(
        f"{NOVA}/servers/a/os-instance-actions",
        json={
            "instanceActions": [
                {
                    "action": "stop",
                    "instance_uuid": "a",
                    "message": None,
                    "project_id": None,
                    "user_id": None,
                    "request_id": "req-1",
                    "start_time": "2026-11-22T10:00:00.000000",
                    "updated_at": None,
                },
                {
                    "action": "resize",
                    "message": "Error",
                    "user_id": "u1",
                    "request_id": "req-0",
                    "start_time": "2026-11-22T09:00:00.000000",
                },
            ]
        },
    )
    stop, resize = lab.cloud.deeds("a")
    assert (stop.action, stop.user, stop.failed) == ("stop", "", False)
    assert stop.at - resize.at == 3600
    assert (resize.user, resize.failed) == ("u1", True)
    assert isinstance(stop, Deed)


def test_a_deleted_server_has_no_actions(lab: Lab) -> None:
    lab.mock.get(f"{NOVA}/servers/a/os-instance-actions", status_code=404)
    assert lab.cloud.deeds("a") == []


def test_migrations_of_one_server(lab: Lab) -> None:
    asked = lab.mock.get(
        f"{NOVA}/os-migrations",
        json={
            "migrations": [
                migration(1, "a", migration_type="resize", status="finished")
            ]
        },
    )
    (found,) = lab.cloud.migrations("a")
    assert found.kind == "resize" and found.in_flight
    assert asked.last_request.qs["instance_uuid"] == ["a"]


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("reboot", {"reboot": {"type": "HARD"}}),
        ("migrate", {"migrate": None}),
        ("confirm_migrate", {"confirmResize": None}),
        ("start", {"os-start": None}),
    ],
)
def test_a_request_is_sent_once(
    lab: Lab, verb: str, body: dict[str, object]
) -> None:
    asked = lab.mock.post(f"{NOVA}/servers/a/action", status_code=202)
    if verb in ("migrate", "confirm_migrate"):
        getattr(lab.cloud, verb)("a", claim())
    else:
        lab.cloud.set_power("a", verb, claim())
    assert asked.call_count == 1
    assert asked.last_request.json() == body


def test_a_refusal_is_told_with_its_code(lab: Lab) -> None:
    lab.mock.post(
        f"{NOVA}/servers/a/action",
        status_code=409,
        json={"conflictingRequest": {"code": 409, "message": "no"}},
    )
    with pytest.raises(Failed) as error:
        lab.cloud.migrate("a", claim())
    assert error.value.code == "conflict"
