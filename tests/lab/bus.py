"""Aodh's side of the full lab, for tests: events on the bus, alarms on them,
and a receiver for what alarms post.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import world
from ground import until
from rig import settings
from route import Publisher, exists, operators_id


@dataclass
class Receiver:
    """Whatever an alarm posts to it, in order: (seconds, path, body)."""

    url: str
    got: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """The bodies posted to one path."""
        return [body for _, where, body in self.got if where == path]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A web server of our own on loopback, for the time of a test."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = json.loads(self.rfile.read(length))
            made.got.append((time.time(), self.path, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing: the test says what it saw."""

    server = ThreadingHTTPServer((settings.LISTEN, 0), Handler)
    made = Receiver(f"http://{settings.LISTEN}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def alarm(name: str, event_type: str, action: str, **more: Any) -> str:
    """Make an event alarm and wait until the listener must know of it; its
    id. `cloud` is whose it is; `project_id=""` hears events of no project.
    """
    cloud = more.pop("cloud", "lab")
    query = [
        {"field": f"traits.{k}", "op": "eq", "type": "string", "value": v}
        for k, v in more.pop("traits", {}).items()
    ]
    body = {
        "name": name,
        "type": "event",
        "repeat_actions": True,
        "event_rule": {"event_type": event_type, "query": query},
        "alarm_actions": [action],
    } | more
    answer = api("POST", "/v2/alarms", cloud, json=body)
    assert answer.status_code == 201, answer.text
    time.sleep(CACHE_S + 0.5)
    return str(answer.json()["alarm_id"])


CACHE_S = 1
"""The listener keeps a project's alarms so long (event_alarm_cache_ttl)."""


def api(method: str, path: str, cloud: str = "lab", **more: Any) -> Any:
    """One call of Aodh's API as that cloud's user; the answer itself."""
    client = world.cloud(cloud).session
    url = settings.api_url("aodh") + path
    return client.request(url, method, raise_exc=False, **more)


def fired(alarm_id: str) -> list[dict[str, Any]]:
    """The state changes that Aodh remembers of an alarm, oldest first."""
    path = f"/v2/alarms/{alarm_id}/history"
    rows: list[dict[str, Any]] = api("GET", path).json()
    moved = [row for row in rows if row["type"] == "state transition"]
    return sorted(moved, key=lambda row: str(row["timestamp"]))


def percentile(figures: list[float], share: float) -> float:
    """The figure below which that share of them lies."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


__all__ = [
    "CACHE_S",
    "Publisher",
    "Receiver",
    "alarm",
    "api",
    "exists",
    "fired",
    "operators_id",
    "percentile",
    "receiver",
    "until",
]
