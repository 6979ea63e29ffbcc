"""Ironic at the wire: what its words are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from ha_actions.errors import (
    BadInput,
    Failed,
    HaError,
    NoAnswer,
    Refused,
    Transient,
)
from ha_actions.fences import ironic
from ha_actions.model import Power
from unit.fakes import NOW, Clock, claim

API = "http://ironic.test"
NODE = f"{API}/v1/nodes/n1"
UUID = "11111111-2222-3333-4444-555555555555"


def node(**more: Any) -> dict[str, Any]:
    return {
        "uuid": UUID,
        "name": "n1",
        "power_state": "power off",
        "target_power_state": None,
        "last_error": None,
        "maintenance": False,
        "fault": None,
        **more,
    }


@pytest.fixture
def fence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requests_mock: Any
) -> ironic.IronicFence:
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(
        yaml.safe_dump(
            {
                "clouds": {
                    "metal": {
                        "auth_type": "none",
                        "baremetal_endpoint_override": API,
                    }
                }
            }
        )
    )
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    ironic._connection.cache_clear()
    version = {
        "id": "v1",
        "status": "CURRENT",
        "min_version": "1.1",
        "version": "1.82",
        "links": [{"rel": "self", "href": f"{API}/v1/"}],
    }
    for path in ("", "/"):
        requests_mock.get(
            API + path,
            json={"versions": [version], "default_version": version},
        )
    for path in ("/v1", "/v1/"):
        requests_mock.get(API + path, json={"id": "v1", "version": version})
    return ironic.IronicFence("c1", {"cloud": "metal", "node": "n1"}, Clock())


@pytest.mark.parametrize(
    ("answer", "power", "why"),
    [
        ({"json": node()}, Power.OFF, ""),
        ({"json": node(power_state="power on")}, Power.ON, ""),
        (
            {"json": node(target_power_state="power off")},
            Power.UNKNOWN,
            "on its way",
        ),
        ({"json": node(last_error="Failed")}, Power.UNKNOWN, "an error"),
        (
            {"json": node(maintenance=True, fault="power failure")},
            Power.UNKNOWN,
            "power failure",
        ),
        ({"json": node(power_state=None)}, Power.UNKNOWN, "None"),
        ({"json": node(power_state="error")}, Power.UNKNOWN, "error"),
        ({"status_code": 404}, Power.UNKNOWN, "no node n1"),
        ({"status_code": 403}, Power.UNKNOWN, "credentials"),
        ({"status_code": 500}, Power.UNKNOWN, "500"),
        ({"exc": requests.ConnectTimeout}, Power.UNKNOWN, "did not answer"),
    ],
)
def test_only_a_settled_power_off_is_off(
    fence: ironic.IronicFence,
    requests_mock: Any,
    answer: dict[str, Any],
    power: Power,
    why: str,
) -> None:
    requests_mock.get(NODE, **answer)
    read = fence.power()
    assert read.power is power, read
    assert why in read.detail


def test_identify(fence: ironic.IronicFence, requests_mock: Any) -> None:
    requests_mock.get(NODE, json=node())
    assert fence.identify() == f"n1 / {UUID}"
    entry = {"cloud": "metal", "node": "n1", "identity": "n2"}
    with pytest.raises(BadInput, match="not n2"):
        ironic.IronicFence("c1", entry, Clock()).identify()


@pytest.mark.parametrize(
    ("answer", "raises"),
    [
        ({"status_code": 202}, None),
        ({"status_code": 400}, Failed),
        ({"status_code": 503}, Transient),
        ({"status_code": 401}, Refused),
        ({"exc": requests.ReadTimeout}, NoAnswer),
    ],
)
def test_cut(
    fence: ironic.IronicFence,
    requests_mock: Any,
    answer: dict[str, Any],
    raises: type[HaError] | None,
) -> None:
    requests_mock.get(NODE, json=node())
    put = requests_mock.put(f"{NODE}/states/power", **answer)
    if raises is None:
        fence.cut(claim())
        assert put.last_request.json()["target"] == "power off"
        return
    with pytest.raises(raises):
        fence.cut(claim())


def test_a_claim_that_has_ended_sends_nothing(
    fence: ironic.IronicFence, requests_mock: Any
) -> None:
    with pytest.raises(Refused):
        fence.cut(claim(until=NOW - 1))
    assert requests_mock.call_count == 0


def test_no_such_cloud(fence: ironic.IronicFence) -> None:
    entry = {"cloud": "other", "node": "n1"}
    with pytest.raises(BadInput, match="no usable cloud 'other'"):
        ironic.IronicFence("c1", entry, Clock()).identify()
    read = ironic.IronicFence("c1", entry, Clock()).power()
    assert read.power is Power.UNKNOWN
