"""An alarm reaches Mistral once, within its bound, or it is said why not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import requests_mock
from ha_alarms.delivery import (
    Delivery,
    End,
    Patience,
    Told,
    executions_url,
)
from ha_alarms.start import HOST_WORKFLOW
from ha_alarms.target import Target
from keystoneauth1 import exceptions as auth_errors

MISTRAL = "http://mistral/v2/executions"
OPERATOR = "operator-project"
HOST = Target(HOST_WORKFLOW)


def alarm(host: str = "c1", incident: str = "k", id: str = "m") -> Any:
    event = {
        "message_id": id,
        "event_type": "compute.service.down",
        "generated": "2026-11-22T08:46:44",
        "traits": [["host", 1, host], ["incident", 1, incident]],
    }
    return {
        "alarm_id": "a",
        "current": "alarm",
        "reason_data": {"type": "event", "event": event},
    }


class Wire:
    """A door without Keystone: what Mistral answers is at the wire."""

    def __init__(self, project: str | Exception = OPERATOR) -> None:
        self._project = project

    def project(self) -> str:
        if isinstance(self._project, Exception):
            raise self._project
        return self._project

    def post(self, request: dict[str, Any]) -> requests.Response:
        return requests.post(MISTRAL, json=request, timeout=5)


class Pauses:
    """Sleeps nothing, remembers how long."""

    def __init__(self) -> None:
        self.all: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.all.append(seconds)


def deliverer(**more: Any) -> tuple[Delivery, Pauses]:
    pauses = Pauses()
    more = {"secret": "s" * 20, "sleep": pauses, **more}
    return Delivery(operator_projects=[OPERATOR], **more), pauses


@pytest.fixture
def mistral() -> Any:
    with requests_mock.Mocker() as wire:
        yield wire


def ids(wire: Any) -> list[str]:
    return [r.json()["id"] for r in wire.request_history]


def test_it_is_posted_with_the_incidents_id(mistral: Any) -> None:
    mistral.post(MISTRAL, status_code=201, json={"id": "x"})
    delivery, pauses = deliverer()
    told = delivery.deliver(alarm(), HOST, Wire())
    assert told.end is End.STARTED
    assert ids(mistral) == [told.execution]
    sent = mistral.request_history[0].json()
    assert sent["workflow_id"] == HOST_WORKFLOW
    assert json.loads(sent["input"]) == {"alarm": alarm()}
    assert pauses.all == []


@pytest.mark.parametrize("status", [500, 503, 429, 409])
def test_what_may_pass_is_tried_again_with_the_same_id(
    mistral: Any, status: int
) -> None:
    mistral.post(MISTRAL, [{"status_code": status}, {"status_code": 201}])
    delivery, pauses = deliverer()
    assert delivery.deliver(alarm(), HOST, Wire()).end is End.STARTED
    assert len(ids(mistral)) == 2
    assert len(set(ids(mistral))) == 1
    assert len(pauses.all) == 1


def test_no_answer_is_tried_again(mistral: Any) -> None:
    late = {"exc": requests.exceptions.ReadTimeout}
    gone = {"exc": requests.exceptions.ConnectionError}
    mistral.post(MISTRAL, [late, gone, {"status_code": 201}])
    delivery, _ = deliverer()
    assert delivery.deliver(alarm(), HOST, Wire()).end is End.STARTED
    assert len(ids(mistral)) == 3


def test_tries_and_time_are_bounded(mistral: Any) -> None:
    mistral.post(MISTRAL, status_code=503, json={"faultstring": "busy\nnow"})
    delivery, pauses = deliverer()
    told = delivery.deliver(alarm(), HOST, Wire())
    assert told == Told(End.LOST, "Mistral answers 503: busy now; given up")
    assert len(ids(mistral)) == Patience().tries
    assert sum(pauses.all) <= Patience().deadline_s


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_no_is_a_no(mistral: Any, status: int) -> None:
    mistral.post(
        MISTRAL, status_code=status, json={"faultstring": "Workflow not found"}
    )
    delivery, pauses = deliverer()
    told = delivery.deliver(alarm(), HOST, Wire())
    assert (told.end, told.status) == (End.REFUSED, status)
    assert told.text == f"Mistral answers {status}: Workflow not found"
    assert pauses.all == []


def test_a_dead_trust_says_what_to_do() -> None:
    delivery, pauses = deliverer()
    door = Wire(auth_errors.NotFound("Could not find trust"))
    told = delivery.deliver(alarm(), HOST, door)
    assert told.end is End.REFUSED
    assert "make the alarm again" in told.text
    assert pauses.all == []


@pytest.mark.parametrize(
    "error",
    [
        auth_errors.ServiceUnavailable(),
        auth_errors.ConnectFailure(),
        auth_errors.ConnectTimeout(),
    ],
)
def test_keystone_away_is_tried_again(error: Exception) -> None:
    delivery, pauses = deliverer()
    told = delivery.deliver(alarm(), HOST, Wire(error))
    assert told.end is End.LOST
    assert len(pauses.all) == Patience().tries - 1


def test_an_alarm_that_is_none_is_dropped(mistral: Any) -> None:
    delivery, _ = deliverer()
    for body in (None, {}, {"current": "ok"}):
        assert delivery.deliver(body, HOST, Wire()).end is End.DROPPED
    told = delivery.deliver(alarm(), HOST, Wire("a tenant"))
    assert told.end is End.DROPPED
    assert "operator_projects" in told.text
    assert mistral.request_history == []


@pytest.mark.parametrize("secret", ["", "change-me"])
def test_without_a_secret_nothing_is_posted(mistral: Any, secret: str) -> None:
    delivery, _ = deliverer(secret=secret)
    told = delivery.deliver(alarm(), HOST, Wire())
    assert told.end is End.DROPPED
    assert "`secret`" in told.text


def test_what_failed_may_be_delivered_later(mistral: Any) -> None:
    mistral.post(
        MISTRAL,
        [{"status_code": 400}, {"status_code": 201}],
    )
    delivery, _ = deliverer()
    assert delivery.deliver(alarm(), HOST, Wire()).end is End.REFUSED
    assert delivery.deliver(alarm(), HOST, Wire()).end is End.STARTED
    assert delivery.deliver(alarm(), HOST, Wire()).end is End.KNOWN


def test_few_threads_wait_when_mistral_is_away(mistral: Any) -> None:
    mistral.post(MISTRAL, status_code=503)
    go = threading.Event()
    paused = threading.Semaphore(0)

    def sleep(seconds: float) -> None:
        paused.release()
        go.wait(10)

    delivery, _ = deliverer(sleep=sleep, patience=Patience(waiting=2))
    work = [deliver_one(delivery, n) for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(work[n]) for n in (0, 1)]
        paused.acquire()
        paused.acquire()
        # both places are taken: the others give up at once
        for n in (2, 3):
            told = pool.submit(work[n]).result(timeout=10)
            assert told.end is End.LOST
            assert "2 alarms wait already" in told.text
        go.set()
        assert {w.result().end for w in waiting} == {End.LOST}


def deliver_one(delivery: Delivery, n: int) -> Callable[[], Told]:
    return lambda: delivery.deliver(alarm(f"c{n}", f"k{n}"), HOST, Wire())


def test_a_storm_asks_once_for_each_host(mistral: Any) -> None:
    """10,000 events for 100 hosts, in as many threads as Aodh has."""
    mistral.post(MISTRAL, status_code=201)
    delivery, _ = deliverer()

    def one(n: int) -> End:
        body = alarm(f"c{n % 100}", f"k{n % 100}", id=f"m{n}")
        return delivery.deliver(body, HOST, Wire()).end

    began = time.perf_counter()
    with ThreadPoolExecutor(64) as pool:
        ends = list(pool.map(one, range(10_000)))
    took = time.perf_counter() - began
    assert len(set(ids(mistral))) == len(ids(mistral)) == 100
    assert ends.count(End.STARTED) == 100
    assert set(ends) == {End.STARTED, End.KNOWN}
    print(f"storm: 10,000 events in {took:.1f} s")


@pytest.mark.parametrize(
    "endpoint",
    ["http://m:8989", "http://m:8989/v2", "http://m:8989/v2/"],
)
def test_the_endpoint_may_lack_its_version(endpoint: str) -> None:
    assert executions_url(endpoint) == "http://m:8989/v2/executions"


def test_no_endpoint_is_an_error() -> None:
    with pytest.raises(auth_errors.EndpointNotFound):
        executions_url("")
