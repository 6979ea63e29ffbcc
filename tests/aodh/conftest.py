"""Real Aodh and Ceilometer libraries; `make test-aodh` installs them."""

from __future__ import annotations

import importlib.util

import pytest

HERE = all(importlib.util.find_spec(name) for name in ("aodh", "ceilometer"))
collect_ignore_glob = [] if HERE else ["test_*.py"]


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker, so that strict markers accept it."""
    config.addinivalue_line(
        "markers", "aodh: needs Aodh's and Ceilometer's libraries"
    )
