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
        version = put.last_request.headers["X-OpenStack-Ironic-API-Version"]
        assert version == "1.5"  # else it knows no node by its name
        return
    with pytest.raises(raises):
        fence.cut(claim())


def test_a_claim_that_has_ended_sends_nothing(
    fence: ironic.IronicFence, requests_mock: Any
) -> None:
    requests_mock.get(NODE, json=node())
    put = requests_mock.put(f"{NODE}/states/power", status_code=202)
    with pytest.raises(Refused):
        fence.cut(claim(until=NOW - 1))
    assert not put.called


def test_it_waits_for_nothing_for_ever(
    fence: ironic.IronicFence, requests_mock: Any
) -> None:
    requests_mock.get(NODE, json=node())
    fence.power()
    asked = ironic._connection("metal")
    assert asked.session.timeout == ironic.TIMEOUT_S
    assert requests_mock.last_request.timeout == ironic.TIMEOUT_S


def test_no_such_cloud(fence: ironic.IronicFence) -> None:
    entry = {"cloud": "other", "node": "n1"}
    with pytest.raises(BadInput, match="no usable cloud 'other'"):
        ironic.IronicFence("c1", entry, Clock()).identify()
    read = ironic.IronicFence("c1", entry, Clock()).power()
    assert read.power is Power.UNKNOWN


# -- a look under a claim -----------------------------------------------------
CUT, AGAIN = "2026-11-22T10:00:00", "2026-11-22T10:05:00"


def cut_at(when: str) -> dict[str, Any]:
    return {"driver_internal_info": {"last_power_state_change": when}}


def answers(*nodes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"json": one} for one in nodes]


@pytest.mark.parametrize(
    ("before", "after", "power", "why"),
    [
        (node(**cut_at(CUT)), node(**cut_at(CUT)), Power.OFF, ""),
        (  # off already, and Ironic has never changed it
            node(driver_internal_info={}),
            node(driver_internal_info={}),
            Power.OFF,
            "",
        ),
        (  # Ironic believes Off, looks, finds it on, and cuts it
            node(**cut_at(CUT)),
            node(**cut_at(AGAIN)),
            Power.ON,
            "cut again",
        ),
        (
            node(**cut_at(CUT)),
            node(last_error="Failed to change", **cut_at(CUT)),
            Power.UNKNOWN,
            "recorded an error",
        ),
        (
            node(**cut_at(CUT)),
            node(power_state="power on", **cut_at(CUT)),
            Power.ON,
            "",
        ),
        (
            node(**cut_at(CUT)),
            node(driver_internal_info={"content": "** Redacted"}),
            Power.UNKNOWN,
            "does not show",
        ),
    ],
)
def test_a_look_is_ironics_own_and_new(
    fence: ironic.IronicFence,
    requests_mock: Any,
    before: dict[str, Any],
    after: dict[str, Any],
    power: Power,
    why: str,
) -> None:
    under_way = node(target_power_state="power off", **cut_at(CUT))
    requests_mock.get(NODE, answers(before, under_way, under_way, after))
    put = requests_mock.put(f"{NODE}/states/power", status_code=202)
    read = fence.look(claim())
    assert (read.power, put.call_count) == (power, 1)
    assert why in read.detail
    if power is not Power.UNKNOWN:
        assert read.at == NOW  # as old as the question


@pytest.mark.parametrize(
    ("interface", "then", "power"),
    [
        ("redfish", AGAIN, Power.OFF),
        ("redfish", CUT, Power.UNKNOWN),
        ("idrac-redfish", CUT, Power.UNKNOWN),
        ("ipmitool", CUT, Power.OFF),
    ],
)
def test_off_that_ironic_did_not_make_may_be_powering_off(
    fence: ironic.IronicFence,
    requests_mock: Any,
    interface: str,
    then: str,
    power: Power,
) -> None:
    requests_mock.put(f"{NODE}/states/power", status_code=202)
    before, after = (
        node(power_interface=interface, **cut_at(when)) for when in (CUT, then)
    )
    requests_mock.get(NODE, answers(before, after))
    fence.cut(claim())
    read = fence.look(claim())
    assert read.power is power
    assert ("PoweringOff" in read.detail) is (power is Power.UNKNOWN)


def test_what_changed_between_two_looks_was_on(
    fence: ironic.IronicFence, requests_mock: Any
) -> None:
    """Ironic's own sync had cut it: nothing was on at either look."""
    first, then = node(**cut_at(CUT)), node(**cut_at(AGAIN))
    requests_mock.put(f"{NODE}/states/power", status_code=202)
    requests_mock.get(NODE, answers(first, first, then, then, then, then))
    looks = [fence.look(claim()).power for _ in range(3)]
    assert looks == [Power.OFF, Power.ON, Power.OFF]


def test_a_busy_node_is_waited_for(
    fence: ironic.IronicFence, requests_mock: Any
) -> None:
    busy = {"status_code": 409}
    put = requests_mock.put(
        f"{NODE}/states/power", [busy, busy, {"status_code": 202}]
    )
    requests_mock.get(NODE, json=node(**cut_at(CUT)))
    assert fence.look(claim()).power is Power.OFF
    assert put.call_count == 3


@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 409},
        {"status_code": 401},
        {"status_code": 500},
        {"exc": requests.ReadTimeout},
    ],
)
def test_a_look_that_fails_says_nothing(
    fence: ironic.IronicFence, requests_mock: Any, answer: dict[str, Any]
) -> None:
    requests_mock.put(f"{NODE}/states/power", **answer)
    requests_mock.get(NODE, json=node(**cut_at(CUT)))
    assert fence.look(claim()).power is Power.UNKNOWN


def test_what_is_never_settled_says_nothing(
    fence: ironic.IronicFence, requests_mock: Any
) -> None:
    requests_mock.put(f"{NODE}/states/power", status_code=202)
    off = node(**cut_at(CUT))
    hangs = node(target_power_state="power off", **cut_at(CUT))
    requests_mock.get(NODE, [{"json": off}, {"json": hangs}])
    read = fence.look(claim())
    assert (read.power, "on its way" in read.detail) == (Power.UNKNOWN, True)


def test_a_look_whose_claim_has_ended_asks_nothing(
    fence: ironic.IronicFence, requests_mock: Any
) -> None:
    requests_mock.get(NODE, json=node(**cut_at(CUT)))
    put = requests_mock.put(f"{NODE}/states/power", status_code=202)
    with pytest.raises(Refused, match="ended before"):
        fence.look(claim(until=NOW - 1))
    assert not put.called
