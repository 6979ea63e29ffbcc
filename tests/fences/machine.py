"""The power of one pretended host: the truth, and what its BMC says of it.

Shared by the peers, each a process of its own. Everything is a function of
the time since the first cut, so that no thread has to switch anything.
"""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Mapping
from typing import Any


class Machine:
    """Faults, all optional: ``delay`` until a cut works, ``ignore`` it,
    ``refuse`` it with an error, ``lies`` (says off once cut, and runs on),
    ``revive`` so long after it was off, ``latency`` of each answer,
    ``report`` this word whatever is true, ``starts`` off, ``broken`` answers.
    """

    def __init__(self, **faults: Any) -> None:
        self.faults: Mapping[str, Any] = faults
        self.cut_at: float | None = None

    def get(self, fault: str, default: Any = None) -> Any:
        return self.faults.get(fault, default)

    def runs(self) -> bool:
        """The truth."""
        if self.get("starts") == "off":
            return False
        if self.cut_at is None or self.get("ignore") or self.get("lies"):
            return True
        since = time.monotonic() - self.cut_at - self.get("delay", 0.3)
        revive = self.get("revive")
        return since < 0 or (revive is not None and since >= revive)

    def says(self) -> str:
        """``on``, ``off`` or whatever it is made to report."""
        time.sleep(self.get("latency", 0))
        if self.get("report"):
            return str(self.get("report"))
        if self.get("lies") and self.cut_at is not None:
            return "off"
        return "on" if self.runs() else "off"

    def cut(self) -> None:
        self.cut_at = self.cut_at or time.monotonic()


def serve_truth(machines: Mapping[str, Machine], port: int) -> None:
    """Answer ``GET /NAME`` with ``on`` or ``off``, in a thread."""

    class Truth(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            machine = machines.get(self.path.lstrip("/"))
            text = "none"
            if machine is not None:
                text = "on" if machine.runs() else "off"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Truth)
    threading.Thread(target=server.serve_forever, daemon=True).start()
