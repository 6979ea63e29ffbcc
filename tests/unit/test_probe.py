"""Does a guest answer, and is it asked only where the policy allows?"""

from __future__ import annotations

from typing import Any

import pytest
from ha_actions.asking.probe import probe
from ha_actions.ports import Reach
from unit.fakes import Wire, guest, port

HERE = "10.0.0.5"


@pytest.mark.parametrize(
    ("reach", "ready"),
    [(Reach.OPEN, True), (Reach.REFUSED, False), (Reach.NOTHING, False)],
)
def test_tcp(reach: Reach, ready: bool) -> None:
    wire = Wire(reach={(HERE, 22): reach})
    who = guest(ports=(port(),))
    answer = probe(who, "tcp:22", ["net-1"], wire)
    assert (answer.ready, answer.unprobed) == (ready, False)
    assert "tcp:22" in answer.reason
    assert wire.asked == [(HERE, 22)]


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        (200, True),
        (204, True),
        (302, True),  # it answers; nobody follows
        (399, True),
        (400, False),
        (404, False),
        (500, False),
        (100, False),
        (0, False),
    ],
)
def test_http(status: int, ready: bool) -> None:
    wire = Wire(http={(HERE, 8080, "/health"): status})
    who = guest(ports=(port(),))
    answer = probe(who, "http:8080/health", ["net-1"], wire)
    assert (answer.ready, answer.unprobed) == (ready, False)
    assert wire.asked == [(HERE, 8080, "/health")]


@pytest.mark.parametrize(
    ("wanted", "path"),
    [("http:80", "/"), ("http:80/", "/"), ("http:80/a/b?c=d", "/a/b?c=d")],
)
def test_http_path(wanted: str, path: str) -> None:
    wire = Wire()
    probe(guest(ports=(port(),)), wanted, ["net-1"], wire)
    assert wire.asked == [(HERE, 80, path)]


@pytest.mark.parametrize(
    ("wanted", "networks", "ports"),
    [
        ("", ["net-1"], (port(),)),
        ("tcp:22", [], (port(),)),
        ("tcp:22", ["net-2"], (port(),)),
        ("tcp:22", ["net-1"], ()),
        ("http:80/", ["net"], (port(),)),
    ],
)
def test_nobody_is_asked_where_the_policy_does_not_allow_it(
    wanted: str, networks: list[str], ports: tuple[Any, ...]
) -> None:
    wire = Wire()
    answer = probe(guest(ports=ports), wanted, networks, wire)
    assert answer.unprobed
    assert not answer.ready
    assert "unprobed" in answer.reason
    assert wire.asked == []


def test_the_port_on_the_allowed_network_is_asked() -> None:
    ports = (
        port("10.0.0.5", network="tenant"),
        port("192.0.2.7", network="probes"),
    )
    wire = Wire(reach={("192.0.2.7", 22): Reach.OPEN})
    assert probe(guest(ports=ports), "tcp:22", ["probes"], wire).ready
    assert wire.asked == [("192.0.2.7", 22)]
