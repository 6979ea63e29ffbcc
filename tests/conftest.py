"""What one process of tests shares."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# oslo.service works with threads or with eventlet, for a whole process, and
# the first import of oslo.messaging chooses eventlet. The embedded engine
# needs threads, whichever test comes first.
with contextlib.suppress(ImportError):
    from oslo_service import backend

    backend.init_backend(backend.BackendType.THREADING)

ROOT = Path(__file__).parents[1]
SOURCES = ("actions", "alarms", "installer", "workbooks")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that the checkout stays as it is."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        shutil.copytree(
            ROOT / name,
            copy / name,
            ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"),
        )
    for file in ROOT.glob("*"):
        if file.is_file():
            shutil.copy(file, copy)
    there = ("setuptools", "wheel")
    have = all(importlib.util.find_spec(name) for name in there)
    alone = ["--no-build-isolation"] if have else []
    out = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check")
    subprocess.run(
        [*pip, "wheel", "--no-deps", *alone, "-w", str(out), str(copy)],
        check=True,
    )
    (built,) = out.glob("*.whl")
    return built
