"""The ledger against the real Mistral API, on SQLite."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from ha_actions.adapters.clock import SystemClock
from ha_actions.adapters.ledger import MistralLedger
from ha_actions.errors import (
    BadInput,
    Failed,
    HaError,
    NoAnswer,
    Refused,
    Transient,
)

FAKE = "http://mistral.test/v2"


class Rest:
    """The shape that the ledger wants, over one session."""

    def __init__(self, base: str) -> None:
        self._session = requests.Session()
        self._base = base

    def __getattr__(self, verb: str) -> Any:
        def call(path: str, **kwargs: Any) -> requests.Response:
            url = self._base + path
            return self._session.request(verb.upper(), url, **kwargs)

        return call


@pytest.fixture(scope="module")
def mistral(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where Mistral's API is; nothing else of Mistral runs."""
    pytest.importorskip("mistral")
    started = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).with_name("mistral_api.py")),
            str(tmp_path_factory.mktemp("mistral")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert started.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(started.stdout.readline())}/v2"
    finally:
        started.kill()
        started.wait()


@pytest.fixture
def ledger(mistral: str) -> Iterator[MistralLedger]:
    made = MistralLedger(Rest(mistral))
    yield made
    for name in made.names("ha."):
        made.delete(name)


def test_an_entry_lives_and_dies(ledger: MistralLedger) -> None:
    assert ledger.read("ha.open.c1") is None
    assert ledger.create("ha.open.c1", {"incident": "i1"})
    assert not ledger.create("ha.open.c1", {"incident": "i2"})
    assert ledger.read("ha.open.c1") == {"incident": "i1"}
    ledger.write("ha.open.c1", {"incident": "i3", "n": [1, None, {"a": 2.5}]})
    assert ledger.read("ha.open.c1") == {
        "incident": "i3",
        "n": [1, None, {"a": 2.5}],
    }
    ledger.delete("ha.open.c1")
    ledger.delete("ha.open.c1")
    assert ledger.read("ha.open.c1") is None


def test_write_makes_what_is_missing(ledger: MistralLedger) -> None:
    ledger.write("ha.incident.1", {})
    assert ledger.read("ha.incident.1") == {}


@pytest.mark.parametrize(
    "text",
    [
        "<% $.secret %>",
        "{{ _.secret }}",
        "{% for x in y %}",
        "100 % <b> \\{{ \\u0025 é",
        "'; drop table environments_v2; --",
    ],
)
def test_text_that_looks_like_an_expression_comes_back_as_it_was(
    ledger: MistralLedger, mistral: str, text: str
) -> None:
    ledger.create("ha.policy", {"rule": text, text: 1})
    assert ledger.read("ha.policy") == {"rule": text, text: 1}
    stored = requests.get(
        f"{mistral}/environments/ha.policy", timeout=30
    ).json()
    for sign in ("<%", "%>", "{{", "{%"):
        assert sign not in str(stored["variables"])


def test_names_by_prefix(ledger: MistralLedger) -> None:
    for name in ("ha.slot.2", "ha.slot.1", "ha.open.ha.slot.9", "ha.slotx"):
        ledger.create(name, {"a": 1})
    assert ledger.names("ha.slot.") == ["ha.slot.1", "ha.slot.2"]
    assert ledger.names("none") == []


def test_more_names_than_mistral_gives_at_once(ledger: MistralLedger) -> None:
    wanted = [f"ha.many.{n}.{k:02}" for n in range(2) for k in range(35)]
    for name in reversed(wanted):
        ledger.create(name, {})
        if name.endswith("1.00"):
            SystemClock().sleep(1.1)  # what it is paged by has whole seconds
    assert ledger.names("ha.many.") == wanted


def test_names_that_cannot_be_told_apart(requests_mock: Any) -> None:
    row = {"name": "ha.x", "created_at": "2026-01-01 00:00:00"}
    answer = {"environments": [row], "next": f"{FAKE}/environments?marker=7"}
    requests_mock.get(f"{FAKE}/environments", json=answer)
    with pytest.raises(Failed, match="max_limit"):
        MistralLedger(Rest(FAKE)).names("ha.")


def test_hosts_have_all_sorts_of_names(ledger: MistralLedger) -> None:
    for name in ("ha.open.c1.example.org", "ha.open.c_1%", "ha.open.ü x"):
        assert ledger.create(name, {"a": name})
        assert ledger.read(name) == {"a": name}
        ledger.delete(name)
        assert ledger.read(name) is None


def test_ten_at_once_one_wins(ledger: MistralLedger) -> None:
    won: list[bool] = []
    gate = threading.Barrier(10)

    def claim(number: int) -> None:
        gate.wait()
        won.append(ledger.create("ha.open.c9", {"n": number}))

    threads = [threading.Thread(target=claim, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 9 + [True]


def test_a_large_entry(ledger: MistralLedger) -> None:
    value = {"guests": ["x" * 900] * 1000}
    ledger.create("ha.incident.big", value)
    assert ledger.read("ha.incident.big") == value


def test_no_such_execution(ledger: MistralLedger) -> None:
    gone = "c3ecf5ae-3a0d-4b86-a6a8-8f6f5a0f6f11"
    assert ledger.execution_state(gone) == ""


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_name_that_mistral_would_cut(
    ledger: MistralLedger, name: str
) -> None:
    with pytest.raises(BadInput, match="1 to 200"):
        ledger.create(name, {})


@pytest.mark.parametrize(
    ("wire", "verb", "error", "code"),
    [
        ({"status_code": 403}, "read", Refused, "forbidden"),
        ({"status_code": 403}, "create", Refused, "forbidden"),
        ({"status_code": 503}, "read", Transient, "ledger"),
        ({"status_code": 500}, "create", NoAnswer, "ledger"),
        ({"status_code": 429}, "create", Transient, "ledger"),
        ({"status_code": 400}, "create", Failed, "ledger"),
        ({"text": "<html>"}, "read", Transient, "ledger"),
        ({"json": {"variables": {"a": 1}}}, "read", Failed, "ledger"),
        ({"json": {"variables": {"json": "[1]"}}}, "read", Failed, "ledger"),
        (
            {"json": {"variables": {"json": "{}"}, "scope": "public"}},
            "read",
            Refused,
            "public_entry",
        ),
        ({"exc": requests.ReadTimeout}, "read", Transient, "ledger"),
        ({"exc": requests.ReadTimeout}, "create", NoAnswer, "ledger"),
        ({"exc": requests.ConnectTimeout}, "create", Transient, "ledger"),
    ],
)
def test_what_goes_wrong_on_the_wire(
    requests_mock: Any,
    wire: dict[str, Any],
    verb: str,
    error: type[HaError],
    code: str,
) -> None:
    requests_mock.get(f"{FAKE}/environments/ha.x", **wire)
    requests_mock.post(f"{FAKE}/environments", **wire)
    ledger = MistralLedger(Rest(FAKE))
    with pytest.raises(error) as met:
        if verb == "read":
            ledger.read("ha.x")
        else:
            ledger.create("ha.x", {"secret": "hush"})
    assert type(met.value) is error
    assert met.value.code == code
    assert "hush" not in str(met.value.as_dict())
