"""Alarms go into Aodh, change in place and go again: at the wire."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import requests_mock
from ha_actions.errors import BadInput, Refused
from ha_installer import catalogue
from ha_installer.catalogue import TAG, Thing, canonical
from ha_installer.diff import Verb, changes
from ha_installer.into_aodh import IntoAodh
from ha_installer.rest import Rest

BASE = "http://aodh.test"


class Adapter:
    """The shape of a keystoneauth adapter, over requests."""

    def __getattr__(self, verb: str) -> Any:
        def call(path: str, **kwargs: Any) -> requests.Response:
            return requests.request(
                verb.upper(), BASE + path, timeout=5, **kwargs
            )

        return call


class Aodh:
    """As much of Aodh as answers these calls, in its words.

    Source: facts recorded of Aodh 23: it adds fields of its own, lists
    alarms without a project only to whom asks for them.
    """

    def __init__(self, wire: requests_mock.Mocker) -> None:
        self.alarms: dict[str, dict[str, Any]] = {}
        self.changed: list[str] = []
        wire.get(f"{BASE}/v2/alarms", json=self._list)
        wire.post(f"{BASE}/v2/alarms", json=self._create, status_code=201)
        path = re.compile(rf"{BASE}/v2/alarms/.+")
        wire.get(path, json=lambda r, c: self.alarms[_id(r)])
        wire.put(path, json=self._replace)
        wire.delete(path, text=self._delete, status_code=204)

    def _list(self, request: Any, context: Any) -> Any:
        asked = parse_qs(urlsplit(request.url).query, keep_blank_values=True)
        none = asked.get("q.field") == ["project_id"]
        return [
            a for a in self.alarms.values() if (a["project_id"] == "") == none
        ]

    def _create(self, request: Any, context: Any) -> Any:
        id = f"id-{len(self.alarms)}"
        self.changed.append("POST")
        self.alarms[id] = _filled(request.json()) | {"alarm_id": id}
        return self.alarms[id]

    def _replace(self, request: Any, context: Any) -> Any:
        self.changed.append("PUT")
        self.alarms[_id(request)] = _filled(request.json())
        return self.alarms[_id(request)]

    def _delete(self, request: Any, context: Any) -> str:
        self.changed.append("DELETE")
        del self.alarms[_id(request)]
        return ""


def _id(request: Any) -> str:
    return str(request.url).rpartition("/")[2]


def _filled(body: dict[str, Any]) -> dict[str, Any]:
    """With what Aodh adds."""
    return {
        "project_id": "mine",
        "ok_actions": [],
        "state": "insufficient data",
        "time_constraints": [],
        **body,
    }


@pytest.fixture
def aodh() -> Iterator[Aodh]:
    with requests_mock.Mocker() as wire:
        yield Aodh(wire)


@pytest.fixture
def into(aodh: Aodh) -> IntoAodh:
    return IntoAodh(Rest(Adapter(), "Aodh"))


def put(into: IntoAodh, wanted: list[Thing]) -> list[str]:
    todo = changes(wanted, into.there(wanted))
    for change in todo:
        into.apply(change)
    return [f"{c.verb} {c.thing.name}" for c in todo]


def test_once_then_never_again(aodh: Aodh, into: IntoAodh) -> None:
    wanted = list(catalogue.alarms())
    assert len(wanted) >= 3
    assert put(into, wanted) == sorted(f"create {t.name}" for t in wanted)
    assert put(into, wanted) == []
    assert aodh.changed == ["POST"] * len(wanted)


def test_what_was_changed_is_put_back_in_place(
    aodh: Aodh, into: IntoAodh
) -> None:
    wanted = list(catalogue.alarms())
    put(into, wanted)
    [id] = [i for i, a in aodh.alarms.items() if a["name"] == wanted[0].name]
    aodh.alarms[id]["enabled"] = False
    aodh.alarms[id]["alarm_actions"] = ["log://"]
    assert put(into, wanted) == [f"update {wanted[0].name}"]
    assert aodh.changed[-1] == "PUT"
    assert aodh.alarms[id]["enabled"] is True
    assert aodh.alarms[id]["alarm_id"] == id
    assert put(into, wanted) == []


def test_ours_alone_goes(aodh: Aodh, into: IntoAodh) -> None:
    put(into, list(catalogue.alarms()))
    aodh.alarms["theirs"] = _filled(
        {"alarm_id": "theirs", "name": "cpu", "description": "mine"}
    )
    there = into.there([])
    for change in changes([], there):
        assert change.verb is Verb.DELETE
        into.apply(change)
    assert set(aodh.alarms) == {"theirs"}


def test_an_alarm_of_our_name_that_is_not_ours(
    aodh: Aodh, into: IntoAodh
) -> None:
    wanted = list(catalogue.alarms())
    aodh.alarms["theirs"] = _filled(
        {"alarm_id": "theirs", "name": wanted[0].name, "description": "mine"}
    )
    with pytest.raises(Refused, match=f"alarm {wanted[0].name}"):
        put(into, wanted)
    assert aodh.changed == []


def test_a_refusal_is_aodh_s_own_sentence() -> None:
    body = {"error_message": {"faultstring": "Alarm quota exceeded"}}
    with requests_mock.Mocker() as wire:
        wire.post(f"{BASE}/v2/alarms", json=body, status_code=403)
        with pytest.raises(Refused, match="Alarm quota exceeded"):
            Rest(Adapter(), "Aodh").call("POST", "/v2/alarms", json={})
        wire.post(f"{BASE}/v2/alarms", json=body, status_code=400)
        with pytest.raises(BadInput, match=r"Aodh answers 400 .* quota"):
            Rest(Adapter(), "Aodh").call("POST", "/v2/alarms", json={})


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "why: x",
        "alarm: {name: n}",
        "alarm: {name: n, description: untagged}",
    ],
)
def test_no_alarm_definition(text: str) -> None:
    with pytest.raises(BadInput, match=r"x\.yaml"):
        catalogue.alarm(text, "x.yaml")


def test_definitions_are_tagged_bodies() -> None:
    for thing in catalogue.alarms():
        body = json.loads(thing.body)
        assert body["description"].startswith(TAG)
        assert body["enabled"] is True
        assert canonical(body) == thing.body
