"""A BMC at the wire: the bodies are those of sushy-tools' emulator."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from fences import peers
from ha_actions.adapters.clock import SystemClock
from ha_actions.errors import (
    BadInput,
    Failed,
    HaError,
    NoAnswer,
    Refused,
    Transient,
)
from ha_actions.fences.redfish import RedfishFence
from ha_actions.model import Claim, Power

BMC = "https://bmc-1.test"
SYSTEM = f"{BMC}/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
SETTINGS = {
    "address": BMC,
    "username": "fencer",
    "password": "hush",
    "system": "1",
}


def body(power: Any = "On", **more: Any) -> dict[str, Any]:
    return {
        "@odata.id": "/redfish/v1/Systems/1",
        "Id": "1",
        "Name": "cmp1",
        "UUID": "4c4c4544-0042-3510-8052-b4c04f4a3132",
        "SerialNumber": "SN77",
        "PowerState": power,
        "Actions": {
            "#ComputerSystem.Reset": {
                "target": "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues": ["On", "ForceOff"],
            }
        },
        **more,
    }


def fence(**more: Any) -> RedfishFence:
    return RedfishFence("c1", {**SETTINGS, **more}, SystemClock())


def claim(until: float = 4e9) -> Claim:
    return Claim(
        incident="i", subject="fence c1", holder="h", number=1, until=until
    )


@pytest.mark.parametrize(
    ("answer", "power"),
    [
        ({"json": body("On")}, Power.ON),
        ({"json": body("Off")}, Power.OFF),
        ({"json": body("PoweringOff")}, Power.UNKNOWN),
        ({"json": body("PoweringOn")}, Power.UNKNOWN),
        ({"json": body("Paused")}, Power.UNKNOWN),
        ({"json": body("off")}, Power.UNKNOWN),
        ({"json": body("Unknown")}, Power.UNKNOWN),
        ({"json": body(None)}, Power.UNKNOWN),
        ({"json": body(["Off"])}, Power.UNKNOWN),
        ({"json": {"PowerState": "Off"}}, Power.UNKNOWN),
        ({"json": ["Off"]}, Power.UNKNOWN),
        ({"text": "<html>Off</html>"}, Power.UNKNOWN),
        ({"text": ""}, Power.UNKNOWN),
        ({"status_code": 401}, Power.UNKNOWN),
        ({"status_code": 404}, Power.UNKNOWN),
        ({"status_code": 500}, Power.UNKNOWN),
        ({"status_code": 503}, Power.UNKNOWN),
        (
            {
                "status_code": 302,
                "headers": {"Location": "https://other.test/redfish/v1/x"},
            },
            Power.UNKNOWN,
        ),
        ({"exc": requests.ConnectTimeout}, Power.UNKNOWN),
        ({"exc": requests.ReadTimeout}, Power.UNKNOWN),
        ({"exc": requests.exceptions.SSLError}, Power.UNKNOWN),
        ({"exc": requests.exceptions.ChunkedEncodingError}, Power.UNKNOWN),
    ],
)
def test_only_a_plain_off_is_off(
    requests_mock: Any, answer: dict[str, Any], power: Power
) -> None:
    requests_mock.get(SYSTEM, **answer)
    requests_mock.get("https://other.test/redfish/v1/x", json=body("Off"))
    read = fence().power()
    assert read.power is power, read
    assert read.device == "redfish bmc-1.test"
    assert bool(read.detail) == (power is Power.UNKNOWN)
    assert "hush" not in repr(read)


def test_each_reading_asks_anew(
    requests_mock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    requests_mock.get(SYSTEM, [{"json": body("On")}, {"json": body("Off")}])
    bmc = fence()
    assert [bmc.power().power, bmc.power().power] == [Power.ON, Power.OFF]
    sent = requests_mock.request_history
    assert len(sent) == 2
    assert all(not one.proxies for one in sent)
    assert all(one.headers["Connection"] == "close" for one in sent)
    assert all(one.timeout <= 10 for one in sent)
    assert all(one.verify is True for one in sent)


def test_the_ca_file_is_used(requests_mock: Any) -> None:
    requests_mock.get(SYSTEM, json=body())
    fence(verify="/etc/ca.pem", system="/redfish/v1/Systems/1").power()
    assert requests_mock.last_request.verify == "/etc/ca.pem"


@pytest.mark.parametrize(
    "identity", ["", "cmp1", "SN77", "4C4C4544-0042-3510-8052-B4C04F4A3132"]
)
def test_identify(requests_mock: Any, identity: str) -> None:
    requests_mock.get(SYSTEM, json=body())
    assert "SN77" in fence(identity=identity).identify()


def test_the_wrong_machine(requests_mock: Any) -> None:
    requests_mock.get(SYSTEM, json=body())
    with pytest.raises(BadInput, match=r"controls cmp1 / .*, not cmp2") as e:
        fence(identity="cmp2").identify()
    assert e.value.code == "wrong_machine"


def test_identify_without_an_answer(requests_mock: Any) -> None:
    requests_mock.get(SYSTEM, exc=requests.ConnectTimeout)
    with pytest.raises(Transient):
        fence().identify()


@pytest.mark.parametrize(
    ("verb", "reset"), [("cut", "ForceOff"), ("restore", "On")]
)
def test_it_asks_once(requests_mock: Any, verb: str, reset: str) -> None:
    requests_mock.get(SYSTEM, json=body())
    requests_mock.post(RESET, status_code=204)
    getattr(fence(), verb)(claim())
    sent = [r for r in requests_mock.request_history if r.method == "POST"]
    assert [one.json() for one in sent] == [{"ResetType": reset}]


def test_a_claim_that_is_over_sends_nothing(requests_mock: Any) -> None:
    requests_mock.get(SYSTEM, json=body())
    requests_mock.post(RESET, status_code=204)
    with pytest.raises(Refused) as met:
        fence().cut(claim(until=1.0))
    assert met.value.code == "superseded"
    assert not [r for r in requests_mock.request_history if r.method == "POST"]


@pytest.mark.parametrize("status", [400, 409])
def test_cutting_what_is_off(requests_mock: Any, status: int) -> None:
    requests_mock.get(SYSTEM, json=body("Off"))
    requests_mock.post(RESET, status_code=status, json={"error": {}})
    fence().cut(claim())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status_code": 400, "json": {"error": {}}}, Failed),
        ({"status_code": 409, "json": {"error": {}}}, Failed),
        ({"status_code": 401}, Refused),
        ({"status_code": 403}, Refused),
        ({"status_code": 405}, Failed),
        ({"status_code": 500}, Transient),
        ({"status_code": 503}, Transient),
        ({"exc": requests.ReadTimeout}, NoAnswer),
    ],
)
def test_a_cut_that_is_refused(
    requests_mock: Any, answer: dict[str, Any], error: type[HaError]
) -> None:
    requests_mock.get(SYSTEM, json=body("On"))
    requests_mock.post(RESET, **answer)
    with pytest.raises(error) as met:
        fence().cut(claim())
    assert type(met.value) is error
    assert "hush" not in str(met.value.as_dict())
    sent = [r for r in requests_mock.request_history if r.method == "POST"]
    assert len(sent) == 1


def test_a_switch_on_another_machine(requests_mock: Any) -> None:
    where = "https://other.test/redfish/v1/Systems/1/Reset"
    actions = {"#ComputerSystem.Reset": {"target": where}}
    requests_mock.get(SYSTEM, json=body(Actions=actions))
    requests_mock.post(where, status_code=204)
    with pytest.raises(BadInput, match="another machine"):
        fence().cut(claim())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"system": ""}, "system must name"),
        ({"address": "bmc-1.test"}, "https://"),
        ({"verify": 1}, "CA file"),
        ({"passwort": "x"}, "did you mean 'password'"),
        ({"username": None}, "username must be text"),
    ],
)
def test_wrong_settings(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says) as met:
        fence(**wrong)
    assert "hush" not in str(met.value.as_dict())


def test_the_password_is_never_shown() -> None:
    bmc = fence()
    assert "hush" not in repr(bmc) + str(bmc) + repr(bmc._set)


@pytest.mark.parametrize(
    ("policy", "remarks"),
    [("AlwaysOn", True), ("LastState", False), ("AlwaysOff", False)],
)
def test_a_host_that_powers_on_by_itself(
    requests_mock: Any, policy: str, remarks: bool
) -> None:
    requests_mock.get(SYSTEM, json=body(PowerRestorePolicy=policy))
    assert ("LastState" in fence().remark()) is remarks


# -- sessions -----------------------------------------------------------------
SESSIONS = f"{BMC}/redfish/v1/SessionService/Sessions"


def sessions(wire: Any, **more: Any) -> None:
    wire.post(
        SESSIONS,
        status_code=201,
        json={},
        headers={
            "X-Auth-Token": "t0ken",
            "Location": f"{SESSIONS}/7",
        },
        **more,
    )
    wire.delete(f"{SESSIONS}/7", status_code=204)


def calls(wire: Any) -> list[tuple[str, str]]:
    return [(r.method, r.path) for r in wire.request_history]


def test_a_look_in_a_session_of_its_own(requests_mock: Any) -> None:
    sessions(requests_mock)
    requests_mock.get(SYSTEM, json=body("Off"))
    assert fence(auth="session").power().power is Power.OFF
    path = "/redfish/v1/sessionservice/sessions"
    assert calls(requests_mock) == [
        ("POST", path),
        ("GET", "/redfish/v1/systems/1"),
        ("DELETE", f"{path}/7"),
    ]
    begin, look, end = requests_mock.request_history
    assert begin.json() == {"UserName": "fencer", "Password": "hush"}
    assert look.headers["X-Auth-Token"] == "t0ken"
    assert end.headers["X-Auth-Token"] == "t0ken"
    assert "Authorization" not in look.headers


def test_a_cut_in_a_session(requests_mock: Any) -> None:
    sessions(requests_mock)
    requests_mock.get(SYSTEM, json=body("On"))
    requests_mock.post(RESET, status_code=204)
    fence(auth="session").cut(claim())
    done = [method for method, _ in calls(requests_mock)]
    assert done == ["POST", "GET", "POST", "DELETE"]


@pytest.mark.parametrize("status", [404, 500])
def test_a_session_is_ended_when_the_look_fails(
    requests_mock: Any, status: int
) -> None:
    sessions(requests_mock)
    requests_mock.get(SYSTEM, status_code=status)
    assert fence(auth="session").power().power is Power.UNKNOWN
    assert calls(requests_mock)[-1][0] == "DELETE"


def test_a_session_that_cannot_be_ended_changes_no_reading(
    requests_mock: Any,
) -> None:
    sessions(requests_mock)
    requests_mock.delete(f"{SESSIONS}/7", exc=requests.ConnectTimeout)
    requests_mock.get(SYSTEM, json=body("Off"))
    assert fence(auth="session").power().power is Power.OFF


def test_a_session_that_is_refused(requests_mock: Any) -> None:
    requests_mock.post(SESSIONS, status_code=401)
    bmc = fence(auth="session")
    with pytest.raises(Refused, match="refuses the credentials") as error:
        bmc.cut(claim())
    assert "hush" not in str(error.value)
    assert bmc.power().power is Power.UNKNOWN


def test_a_session_that_cannot_begin_has_cut_nothing(
    requests_mock: Any,
) -> None:
    """Not sent is not NoAnswer: the loop may ask again."""
    requests_mock.post(SESSIONS, exc=requests.ReadTimeout)
    with pytest.raises(Transient) as error:
        fence(auth="session").cut(claim())
    assert not isinstance(error.value, NoAnswer)


def test_a_remark_costs_no_second_look(requests_mock: Any) -> None:
    requests_mock.get(SYSTEM, json=body(PowerRestorePolicy="AlwaysOn"))
    bmc = fence()
    bmc.identify()
    assert "AlwaysOn" in bmc.remark()
    assert requests_mock.call_count == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_given_no_password(
    requests_mock: Any, status: int
) -> None:
    """Not to another machine, and not to another address of the same."""
    for there in ("https://other.test/x", f"{BMC}/redfish/v1/elsewhere"):
        away = {"status_code": status, "headers": {"Location": there}}
        requests_mock.post(SESSIONS, **away)
        requests_mock.get(SYSTEM, **away)
        requests_mock.post("https://other.test/x", status_code=201)
        requests_mock.get("https://other.test/x", json=body("Off"))
        for auth in ("session", "basic"):
            bmc = fence(auth=auth)
            with pytest.raises(Failed, match="redirects to another address"):
                bmc.cut(claim())
            assert bmc.power().power is Power.UNKNOWN
    there = {(r.hostname, r.path) for r in requests_mock.request_history}
    assert there == {
        ("bmc-1.test", "/redfish/v1/sessionservice/sessions"),
        ("bmc-1.test", "/redfish/v1/systems/1"),
    }


def test_a_redirected_cut_is_not_sent_on(requests_mock: Any) -> None:
    requests_mock.get(SYSTEM, json=body("On"))
    requests_mock.post(
        RESET,
        status_code=308,
        headers={"Location": "https://other.test/reset"},
    )
    with pytest.raises(Failed, match="redirects"):
        fence().cut(claim())
    assert requests_mock.last_request.hostname == "bmc-1.test"


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    """A real handshake: what OpenSSL says is told in one sentence."""
    peers.certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            plain, _ = server.accept()
            with contextlib.suppress(OSError), plain:
                context.wrap_socket(plain, server_side=True).close()

        thread = threading.Thread(target=answer)
        thread.start()
        bmc = fence(address=f"https://127.0.0.1:{port}")
        with pytest.raises(BadInput, match="give its CA file as `verify`"):
            bmc.identify()
        thread.join(10)
