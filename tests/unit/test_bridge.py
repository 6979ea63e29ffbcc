"""The bridge: whatever is sent to it, it answers; few things start."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
import requests
import requests_mock
import yaml
from ha_alarms import bridge
from ha_alarms.bridge import STATUS, Bridge, Rate
from ha_alarms.bridge_file import BridgeFile, from_file
from ha_alarms.delivery import Delivery, End
from ha_alarms.start import HOST_WORKFLOW, execution_id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KEYSTONE = "http://keystone/v3"
MISTRAL = "http://mistral/v2"
OPERATOR, TENANT, OTHER = "operator", "tenant", "other"
TOKENS = {"op": OPERATOR, "mine": TENANT}
FILE = BridgeFile(
    secret="s" * 20,
    keystone=KEYSTONE,
    mistral=MISTRAL,
    workflows=["ha.v1.*", "My_*"],
    operator_projects=[OPERATOR],
    per_minute=3,
    max_body=20_000,
)
ROOT = Path(__file__).parents[2]


def made(file: BridgeFile = FILE) -> Bridge:
    delivery = Delivery(
        file.secret, file.operator_projects, sleep=lambda seconds: None
    )
    return Bridge(file, delivery)


def alarm(
    kind: str = "compute.service.down", id: str = "m", **traits: Any
) -> dict[str, Any]:
    event = {
        "message_id": id,
        "event_type": kind,
        "generated": "2026-11-22T08:46:44",
        "traits": [[k, 1, v] for k, v in traits.items()],
    }
    return {
        "alarm_id": "a",
        "current": "alarm",
        "reason_data": {"type": "event", "event": event},
    }


def call(
    app: Bridge,
    body: Any = b"",
    path: str = f"/start/{HOST_WORKFLOW}",
    token: str = "op",
    **environ: Any,
) -> tuple[int, dict[str, Any], dict[str, str]]:
    """One request as a WSGI server makes it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    path, _, query = path.partition("?")
    given = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(raw)),
        "HTTP_X_AUTH_TOKEN": token,
        "wsgi.input": io.BytesIO(raw),
        **environ,
    }
    seen: list[Any] = []
    out = b"".join(app(given, lambda s, h: seen.append((s, dict(h)))))
    status, headers = seen[0]
    assert headers["Content-Length"] == str(len(out))
    return int(status.split()[0]), json.loads(out), headers


def keystone(request: Any, context: Any) -> Any:
    assert (
        request.headers["X-Auth-Token"] == request.headers["X-Subject-Token"]
    )
    project = TOKENS.get(request.headers["X-Auth-Token"])
    if project is None:
        context.status_code = 404
        return {"error": {"message": "Could not find token"}}
    return {"token": {"project": {"id": project}}}


@pytest.fixture
def wire() -> Iterator[requests_mock.Mocker]:
    with mocked() as wire:
        yield wire


def mocked() -> requests_mock.Mocker:
    wire = requests_mock.Mocker()
    wire.get(f"{KEYSTONE}/auth/tokens", json=keystone)
    wire.post(f"{MISTRAL}/executions", status_code=201, json={"id": "x"})
    return wire


def posted(wire: requests_mock.Mocker) -> list[Any]:
    return [r for r in wire.request_history if r.method == "POST"]


OWN = replace(FILE, username="ha-bridge", password="p")


def asked_by_the_bridge(wire: requests_mock.Mocker, status: int = 200) -> None:
    """As a real Keystone: a trust's token may not ask for itself."""

    def answer(request: Any, context: Any) -> Any:
        own = request.headers["X-Auth-Token"] == "bridges"
        context.status_code = status if own else 403
        project = TOKENS[request.headers["X-Subject-Token"]]
        return {"token": {"project": {"id": project}}}

    wire.get(f"{KEYSTONE}/auth/tokens", json=answer)
    wire.post(
        f"{KEYSTONE}/auth/tokens",
        status_code=201,
        headers={"X-Subject-Token": "bridges"},
        json={
            "token": {
                "methods": ["password"],
                "expires_at": "2999-01-01T00:00:00Z",
                "issued_at": "2026-01-01T00:00:00Z",
                "user": {"id": "u", "name": "u", "domain": {"id": "d"}},
            }
        },
    )


def test_a_tenants_token_is_looked_at_by_the_bridges_user(
    wire: requests_mock.Mocker,
) -> None:
    asked_by_the_bridge(wire)
    body = alarm("compute.instance.host_down", instance_id="vm-1")
    path = "/start/My_Repair?trait.server=instance_id"
    assert call(made(), body, path, token="mine")[0] == 401
    assert call(made(OWN), body, path, token="mine")[0] == 201
    [request] = [r for r in posted(wire) if r.url.startswith(MISTRAL)]
    assert request.headers["X-Auth-Token"] == "mine", "never the bridge's"


def test_a_bridge_whose_user_lacks_the_role_blames_no_alarm(
    wire: requests_mock.Mocker, caplog: pytest.LogCaptureFixture
) -> None:
    asked_by_the_bridge(wire, status=403)
    body = alarm("compute.instance.host_down", instance_id="vm-1")
    assert call(made(OWN), body, "/start/My_Repair", token="mine")[0] == 503
    assert "role `service`" in caplog.text


# -- right ------------------------------------------------------------------
def test_the_operators_alarm(wire: requests_mock.Mocker) -> None:
    app = made()
    body = alarm(host="c1", incident="k")
    status, said, _ = call(app, body)
    assert status == 201
    [request] = posted(wire)
    assert request.headers["X-Auth-Token"] == "op"
    id = execution_id(FILE.secret, HOST_WORKFLOW, "k")
    assert said["execution"] == request.json()["id"] == id
    assert json.loads(request.json()["input"]) == {"alarm": body}
    assert call(app, body)[0] == 200
    assert len(posted(wire)) == 1


def test_a_tenants_alarm_runs_with_its_token(
    wire: requests_mock.Mocker,
) -> None:
    body = alarm("compute.instance.host_down", instance_id="vm-1")
    path = "/start/My_Repair?trait.server=instance_id"
    assert call(made(), body, path, token="mine")[0] == 201
    [request] = posted(wire)
    assert request.headers["X-Auth-Token"] == "mine"
    assert json.loads(request.json()["input"]) == {"server": "vm-1"}


def test_it_is_an_application_for_any_wsgi_server(
    wire: requests_mock.Mocker,
) -> None:
    """Python's own validator stands between; it raises for what is not."""
    raw = json.dumps(alarm(host="c1")).encode()
    for token, wanted in (("op", "201 Created"), ("", "401 Unauthorized")):
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "SCRIPT_NAME": "",
            "PATH_INFO": f"/start/{HOST_WORKFLOW}",
            "QUERY_STRING": "",
            "CONTENT_LENGTH": str(len(raw)),
            "HTTP_X_AUTH_TOKEN": token,
            "wsgi.input": io.BytesIO(raw),
        }
        setup_testing_defaults(environ)
        seen: list[str] = []

        def start(
            status: str, headers: Any, exc: Any = None, seen: Any = seen
        ) -> Any:
            seen.append(status)
            return lambda data: None

        answer = validator(made())(environ, start)
        assert json.loads(b"".join(answer))
        answer.close()  # type: ignore[attr-defined]
        assert seen == [wanted]


# -- wrong ------------------------------------------------------------------
BODY = alarm(host="c1", incident="k")


@pytest.mark.parametrize(
    ("more", "status", "says"),
    [
        ({"token": ""}, 401, "no token"),
        ({"token": "a b"}, 401, "no token"),
        ({"token": "unknown"}, 401, "make the alarm again"),
        ({"path": "/"}, 404, "/start/WORKFLOW"),
        ({"REQUEST_METHOD": "GET"}, 405, "only POST"),
        ({"path": "/start/"}, 400, "is no name"),
        ({"path": "/start/My_a?x=1"}, 400, "'x' is unknown"),
        ({"path": "/start/std.create"}, 403, "not among the bridge's"),
        ({"CONTENT_LENGTH": ""}, 411, "length is not given"),
        ({"CONTENT_LENGTH": "-1"}, 400, "is no number"),
        ({"CONTENT_LENGTH": "٣"}, 400, "is no number"),
        ({"CONTENT_LENGTH": "20001"}, 413, "longer than 20000"),
        ({"CONTENT_LENGTH": "9" * 5000}, 413, "longer than 20000"),
        ({"body": b"{"}, 400, "not JSON"),
        ({"body": b"\xff\xfe"}, 400, "not JSON"),
        ({"body": b"[" * 19_999}, 400, "not JSON"),
        ({"body": []}, 422, "not a mapping"),
        ({"token": "mine"}, 422, "not listed in operator_projects"),
        (
            {
                "token": "mine",
                "path": "/start/My_a",
                "body": alarm("x", project_id=OTHER),
            },
            422,
            "is of project other",
        ),
    ],
)
def test_what_is_wrong_is_said_and_starts_nothing(
    wire: requests_mock.Mocker, more: Any, status: int, says: str
) -> None:
    got, said, _ = call(made(), **{"body": BODY, **more})
    assert got == status
    assert says in said.get("error", said.get("text"))
    assert posted(wire) == []


def test_an_oversized_body_is_never_read(wire: requests_mock.Mocker) -> None:
    body = b" " * 30_000
    stream = io.BytesIO(body)
    assert call(made(), body, **{"wsgi.input": stream})[0] == 413
    assert stream.tell() == 0


def test_mistrals_no_is_passed_on(wire: requests_mock.Mocker) -> None:
    wire.post(
        f"{MISTRAL}/executions",
        status_code=403,
        json={"faultstring": "not allowed"},
    )
    status, said, _ = call(made(), BODY)
    assert (status, said["text"]) == (403, "Mistral answers 403: not allowed")


@pytest.mark.parametrize("which", ["keystone", "mistral"])
def test_who_is_away_is_unavailable(
    wire: requests_mock.Mocker, which: str
) -> None:
    gone = requests.exceptions.ConnectionError("token op at ...")
    if which == "keystone":
        wire.get(f"{KEYSTONE}/auth/tokens", exc=gone)
    else:
        wire.post(f"{MISTRAL}/executions", exc=gone)
    status, said, _ = call(made(), BODY)
    assert status == 503
    assert "token" not in said["text"]


def test_a_token_without_a_project(wire: requests_mock.Mocker) -> None:
    wire.get(f"{KEYSTONE}/auth/tokens", json={"token": {}})
    assert call(made(), BODY)[0] == 401


# -- how often --------------------------------------------------------------
def test_a_project_that_asks_too_often(wire: requests_mock.Mocker) -> None:
    app = made()
    path = "/start/My_a"
    got = [
        call(app, alarm("x", id=f"m{n}"), path, token="mine") for n in range(5)
    ]
    assert [status for status, _, _ in got] == [201, 201, 201, 429, 429]
    assert got[3][2]["Retry-After"] == "60"
    storm = [call(app, alarm(id=f"o{n}"))[0] for n in range(50)]
    assert storm == [201] * 50


def test_the_rate_fills_again() -> None:
    now = [0.0]
    rate = Rate(2, lambda: now[0])
    assert [rate.admit("p") for _ in range(3)] == [True, True, False]
    assert rate.admit("other")
    now[0] = 29
    assert not rate.admit("p")
    now[0] = 31
    assert rate.admit("p")
    assert not rate.admit("p")
    now[0] = 1e6
    assert [rate.admit("p") for _ in range(3)] == [True, True, False]


# -- whatever ---------------------------------------------------------------
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(max_size=9), inner)
    ),
    max_leaves=20,
)
WORDS = st.sampled_from(["current", "reason_data", "event", "traits"])
ALARMS = st.fixed_dictionaries(
    {"current": st.just("alarm") | JSON},
    optional={
        "reason_data": st.fixed_dictionaries(
            {"event": st.dictionaries(WORDS | st.text(), JSON) | JSON}
        )
    },
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    body=st.binary(max_size=30_000) | JSON | ALARMS,
    path=st.text(max_size=60)
    | st.just(f"/start/{HOST_WORKFLOW}")
    | st.text(max_size=30).map(lambda q: f"/start/My_a?{q}"),
    token=st.sampled_from(["op", "mine", "unknown", ""]) | st.text(),
    length=st.none() | st.text(max_size=8) | st.integers().map(str),
    method=st.sampled_from(["POST", "GET", "PUT", ""]),
)
def test_whatever_comes_is_answered_and_a_stranger_starts_nothing(
    body: Any, path: str, token: str, length: str | None, method: str
) -> None:
    more = {} if length is None else {"CONTENT_LENGTH": length}
    with mocked() as wire:
        status, said, _ = call(
            made(), body, path, token, REQUEST_METHOD=method, **more
        )
        starts = posted(wire)
    assert status in bridge.REASONS
    assert said
    if token not in TOKENS:
        assert status >= 400
        assert starts == []
    for request in starts:
        assert request.headers["X-Auth-Token"] == token
        assert request.json()["workflow_id"] in (HOST_WORKFLOW, "My_a")
        ours = request.json()["workflow_id"] == HOST_WORKFLOW
        assert TOKENS[token] == OPERATOR or not ours


def test_every_end_has_a_status_with_words() -> None:
    assert set(STATUS) == set(End)
    assert set(STATUS.values()) <= set(bridge.REASONS)


# -- its file ---------------------------------------------------------------
def write(tmp_path: Path, text: str, mode: int = 0o600) -> str:
    path = tmp_path / "bridge.yaml"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def example() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        (ROOT / "bridge.example.yaml").read_text()
    )
    return found


def test_the_example_is_a_file(tmp_path: Path) -> None:
    text = yaml.safe_dump({**example(), "secret": "x"})
    assert from_file(write(tmp_path, text)) == replace(
        BridgeFile(**example()), secret="x"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "still the example's"),
        ({"secret": ""}, "secret is missing"),
        ({"workflow": ["x"]}, "did you mean 'workflows'?"),
        ({"max_body": "1"}, "max_body is no int"),
        ({"max_body": True}, "max_body is no int"),
        ({"per_minute": 0}, "per_minute is not above 0"),
        ({"workflows": "x"}, "workflows is no list[str]"),
        ({"workflows": [1]}, "workflows is no list[str]"),
    ],
)
def test_a_wrong_key_is_one_sentence(
    tmp_path: Path, change: Any, says: str
) -> None:
    text = yaml.safe_dump({**example(), **change})
    with pytest.raises(ValueError) as caught:
        from_file(write(tmp_path, text))
    assert says in str(caught.value)


def test_a_file_that_others_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "{}", 0o644)
    with pytest.raises(ValueError, match="mode 640"):
        from_file(path)


@pytest.mark.parametrize("text", ["[", "3", "\x00"])
def test_what_is_no_mapping(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError):
        from_file(write(tmp_path, text))


def test_a_server_gets_the_application_or_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(bridge.VARIABLE, str(tmp_path / "none.yaml"))
    with pytest.raises(ValueError, match="copy bridge"):
        bridge.__getattr__("application")
    text = yaml.safe_dump({**example(), "secret": "x"})
    monkeypatch.setenv(bridge.VARIABLE, write(tmp_path, text))
    monkeypatch.delattr(bridge, "application", raising=False)
    app = bridge.application
    assert isinstance(app, Bridge)
    assert bridge.application is app
    monkeypatch.delattr(bridge, "application")
