"""A cloud by an execution's token: that one, as it is, and no other."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml
from ha_actions import executor_file
from ha_actions.adapters.cloud import values
from ha_actions.errors import Refused
from ha_actions.model.caller import Caller
from ha_actions.outside import Own
from unit.fake_openstack import (
    GLANCE,
    KEYSTONE,
    MISTRAL,
    NEUTRON,
    NOVA,
    PROJECT,
    keystone,
    port,
    server,
)
from unit.fakes import Clock, claim

TOKEN = "the-trust's-own-token"
ENDS = "2036-11-22T10:00:00.000000Z"


@pytest.fixture
def heard(requests_mock: Any) -> dict[str, Any]:
    """What Mistral's API has heard from Keystone about the token."""
    keystone(requests_mock)
    import requests

    body = requests.post(
        f"{KEYSTONE}/auth/tokens", json={"auth": {}}, timeout=1
    ).json()["token"]
    requests_mock.reset_mock()
    requests_mock.post(f"{KEYSTONE}/auth/tokens", status_code=500)
    return dict(body)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The executor's file names a cloud with a password of its own."""
    auth = {"auth_url": KEYSTONE, "username": "ha", "password": "hush"}
    one = {"region_name": "R1", "auth": auth | {"project_name": "ops"}}
    path = tmp_path / "clouds.yaml"
    path.write_text(yaml.safe_dump({"clouds": {"ops": one}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    return executor_file.own_of("ops", Clock())


def caller(heard: dict[str, Any], **more: Any) -> Caller:
    given: dict[str, Any] = {
        "project": PROJECT,
        "token": TOKEN,
        "catalog": heard,
        "expires_at": ENDS,
        "keystone": KEYSTONE,
        "holder": "a-1",
    }
    return Caller(**(given | more))


def nova(mock: Any) -> None:
    """A tenant is shown neither hosts nor user data."""
    seen = server("a", tenant_id=PROJECT)
    for key in ("OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:user_data"):
        del seen[key]
    mock.get(f"{NOVA}/servers/detail", json={"servers": [seen]})
    mock.get(f"{NOVA}/servers/a", json={"server": seen})
    mock.get(f"{NEUTRON}/ports", json={"ports": [port("a")]})
    mock.get(f"{GLANCE}/images", json={"images": []})
    mock.get(f"{GLANCE}/images/img-1", json={"id": "img-1"})
    mock.get(f"{NOVA}/os-server-groups", json={"server_groups": []})
    flavor = {"id": "f1", "name": "tiny", "vcpus": 1, "ram": 64, "disk": 1}
    mock.get(f"{NOVA}/flavors/detail", json={"flavors": [flavor]})


def test_every_call_has_the_callers_token(
    heard: dict[str, Any],
    own: Any,
    requests_mock: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    nova(requests_mock)
    requests_mock.get(f"{MISTRAL}/environments/ha.own.a", status_code=404)
    found: Own = own(caller(heard))
    [guest] = found.cloud.guests_of("")
    assert (guest.id, guest.project) == ("a", PROJECT)
    assert found.ledger.read("ha.own.a") is None
    sent = [r for r in requests_mock.request_history if r.path != "/"]
    tokens = {r.headers.get("X-Auth-Token") for r in sent}
    assert tokens - {None} == {TOKEN}
    assert not [r for r in sent if r.path.endswith("/auth/tokens")]
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(found.caller)


def test_user_data_that_nova_hides_must_be_told(
    heard: dict[str, Any], own: Any, requests_mock: Any
) -> None:
    nova(requests_mock)
    made = requests_mock.post(
        f"{NOVA}/servers", status_code=202, json={"server": {"id": "new"}}
    )
    cloud = own(caller(heard)).cloud
    [guest] = cloud.guests_of("")
    with pytest.raises(Refused, match="input user_data"):
        cloud.recreate(guest, {}, claim())
    assert not made.called
    for told, sent in (("aGk=", "aGk="), ("", None)):
        like = values_like(told)
        assert cloud.recreate(guest, {}, claim(), like) == "new"
        body = made.last_request.json()["server"]
        assert body.get("user_data") == sent


def values_like(told: str) -> Any:
    from ha_actions.model.likeness import Likeness

    return Likeness(user_data=told)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"token": ""}, "no_token"),
        ({"project": ""}, "no_token"),
        ({"elsewhere": True}, "foreign_cloud"),
        ({"catalog": {}}, "no_catalog"),
        ({"project": "f" * 32}, "no_catalog"),
        ({"expires_at": "2026-11-22T10:00:00.000000Z"}, "token_expired"),
    ],
)
def test_without_a_good_token_nothing_is_asked(
    heard: dict[str, Any],
    own: Any,
    requests_mock: Any,
    more: dict[str, Any],
    code: str,
) -> None:
    with pytest.raises(Refused) as caught:
        own(caller(heard, **more))
    assert caught.value.code == code
    assert requests_mock.request_history == []


def test_a_token_that_nova_takes_no_more_is_said(
    heard: dict[str, Any], own: Any, requests_mock: Any
) -> None:
    requests_mock.get(f"{NOVA}/servers/detail", status_code=401, json={})
    with pytest.raises(Refused) as caught:
        own(caller(heard)).cloud.guests_of("")
    assert caught.value.code == "forbidden"


def test_the_executors_credentials_are_left_out(
    heard: dict[str, Any], own: Any
) -> None:
    conn = own(caller(heard)).cloud._api.conn
    assert "hush" not in repr(conn.config.config)
    assert conn.config.region_name == "R1"
    assert conn.current_project_id == PROJECT


def test_when_a_token_ends_is_read() -> None:
    assert values.moment(ENDS) > values.moment("2036-11-22T09:59:59Z")
