"""Plain connections, over real sockets; the clock and the journal too."""

from __future__ import annotations

import http.server
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from ha_actions.adapters.clock import SystemClock
from ha_actions.adapters.journal import LogJournal
from ha_actions.adapters.network import PlainNetwork
from ha_actions.errors import BadInput
from ha_actions.ports import Reach


class Answers(http.server.BaseHTTPRequestHandler):
    """200 for /ok, a redirect for /moved, nonsense for /bad."""

    def do_GET(self) -> None:
        if self.path == "/bad":
            self.wfile.write(b"hello\r\n\r\n")
            return
        status = {"/ok": 200, "/moved": 302}.get(self.path, 404)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/ok")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def unused() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_reach(port: int) -> None:
    network = PlainNetwork()
    assert network.connect("127.0.0.1", port, 2) is Reach.OPEN
    assert network.connect("127.0.0.1", unused(), 2) is Reach.REFUSED
    assert network.connect("no-such-name.invalid", 22, 2) is Reach.NOTHING


@pytest.mark.parametrize(
    ("path", "status"),
    [("/ok", 200), ("/moved", 302), ("/x", 404), ("/bad", 0), ("a b", 0)],
)
def test_http_status(port: int, path: str, status: int) -> None:
    assert PlainNetwork().http_status("127.0.0.1", port, path, 2) == status


def test_http_status_of_nothing() -> None:
    assert PlainNetwork().http_status("127.0.0.1", unused(), "/", 2) == 0


def test_http_ignores_proxies(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused()}")
    assert PlainNetwork().http_status("127.0.0.1", port, "/ok", 2) == 200


def test_together_keeps_the_order_and_runs_all() -> None:
    clock = SystemClock()
    done: list[int] = []

    def job(number: int) -> int:
        clock.sleep(0.02 * (3 - number))
        done.append(number)
        if number == 1:
            raise ValueError(number)
        return number

    jobs = [lambda n=n: job(n) for n in range(3)]
    with pytest.raises(ValueError, match="1"):
        clock.together(jobs, 3)
    assert sorted(done) == [0, 1, 2]
    assert clock.together([lambda: 2, lambda: 1], 1) == [2, 1]
    assert clock.together([], 4) == []


def test_now_is_now() -> None:
    assert abs(SystemClock().now() - time.time()) < 5
    SystemClock().sleep(-1)


def test_the_journal_logs(caplog: pytest.LogCaptureFixture) -> None:
    journal = LogJournal("req-7")
    with caplog.at_level(logging.INFO):
        journal.note("verdict", "c1", "DOWN", witnesses=2)
        journal.tell("c1", "held: nobody answers")
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("INFO", "ha verdict c1: DOWN witnesses=2"),
        ("ERROR", "ha tell c1: held: nobody answers"),
    ]


def test_a_ping_of_ourselves_answers_or_says_why_it_cannot() -> None:
    """Whether a user may ping is the machine's setting; both are right."""
    try:
        met = PlainNetwork().ping("127.0.0.1", 2)
    except BadInput as refused:
        assert refused.code == "no_ping"
        assert "ping_group_range" in refused.message
    else:
        assert met is Reach.OPEN
        assert PlainNetwork().ping("240.0.0.1", 0.2) is Reach.NOTHING
