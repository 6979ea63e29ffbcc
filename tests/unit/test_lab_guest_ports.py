"""The lab's guests answer while they run, where they say, and no longer."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ha_actions.adapters.network import PlainNetwork
from ha_actions.ports import Reach

LAB = Path(__file__).resolve().parents[1] / "lab"
ADDRESS = "127.99.0.7"
GUEST: dict[str, Any] = {
    "name": "db",
    "state": 1,
    "addresses": [ADDRESS, "192.0.2.1"],
    "serves": "tcp:25432 http:28080/health",
    "boot_s": "",
}


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    path = LAB / "plugins" / "guest_ports.py"
    spec = importlib.util.spec_from_file_location("guest_ports", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def dark(plugin: ModuleType, tmp_path: Path) -> Iterator[threading.Event]:
    """A host's guests are served until it is dark."""
    event = threading.Event()
    serve = plugin.GuestPorts(str(tmp_path)).serve
    thread = threading.Thread(target=serve, args=(event,))
    thread.start()
    yield event
    event.set()
    thread.join(5)


def tell(folder: Path, **changes: Any) -> None:
    """As the virt driver writes it: at once or not at all."""
    new = folder / "new"
    new.write_text(json.dumps({"id": GUEST | changes}))
    new.replace(folder / "guests.json")


def soon(check: Callable[[], bool]) -> bool:
    until = time.monotonic() + 5
    while not (found := check()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def reach() -> Reach:
    return PlainNetwork().connect(ADDRESS, 25432, 1)


def status(path: str = "/health") -> int:
    return PlainNetwork().http_status(ADDRESS, 28080, path, 1)


def test_a_guest_answers_while_it_runs(
    dark: threading.Event, tmp_path: Path
) -> None:
    assert reach() is Reach.REFUSED
    tell(tmp_path)
    assert soon(lambda: reach() is Reach.OPEN)
    assert (status(), status("/other")) == (204, 404)
    tell(tmp_path, state=4)
    assert soon(lambda: reach() is Reach.REFUSED)
    tell(tmp_path)
    assert soon(lambda: reach() is Reach.OPEN)
    dark.set()
    assert soon(lambda: reach() is Reach.REFUSED)


def test_it_answers_some_time_after_its_start(
    dark: threading.Event, tmp_path: Path
) -> None:
    began = time.monotonic()
    tell(tmp_path, boot_s="1")
    assert soon(lambda: status() == 204)
    assert time.monotonic() - began >= 1
