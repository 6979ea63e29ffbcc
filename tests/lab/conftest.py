"""Fixtures of the lab's tests: the lab itself, started when it is not up, and
left running.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parent


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker, so that strict markers accept it."""
    for noisy in ("config.cloud_region", "resource", "proxy"):
        config.addinivalue_line(
            "filterwarnings", f"ignore:::openstack.{noisy}"
        )  # the SDK deprecates itself
    config.addinivalue_line(
        "markers",
        "lab: needs the real OpenStack lab (tests/lab): minutes",
    )


@pytest.fixture(scope="session")
def lab_up() -> ModuleType:
    """The module `world` of a lab that is up; starts it when needed."""
    sys.path.insert(0, str(HERE))
    import world

    if not world.is_up():
        subprocess.run([sys.executable, str(HERE / "lab"), "up"], check=True)
    return world


@pytest.fixture
def lab(lab_up: ModuleType) -> Iterator[ModuleType]:
    """The same, reset before the test; what the test leaves can be looked at
    until the next one.
    """
    lab_up.reset()
    yield lab_up
