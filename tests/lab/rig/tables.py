"""The tables of all databases, empty: made once by each project's own
migrations, which take half a minute of two processors, and copied by every
other lab of the same versions.

Guarantee: a copy is used only when all that the migrations depend on is the
same, and only a whole one is ever found.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from rig import graph, process, services, settings
from rig.progress import say
from rig.services import mariadb

SETUPS = [one for one in services.SETUPS if one.tables]


def make() -> None:
    """MariaDB's folder with every table; what is there is left alone."""
    if mariadb.DATA.exists():
        return
    kept = _kept()
    if kept.exists():
        _copy(kept, mariadb.DATA)
        say("tables copied")
        return
    server = services.named("mariadb")
    server.up()
    graph.run([graph.Step(one.name, one.run, one.after) for one in SETUPS])
    # stopped in order: its files are whole
    process.stop(server.name, server.grace)
    _copy(mariadb.DATA, kept)
    for other in kept.parent.glob(f"{_NAME}-*"):
        if other != kept:
            shutil.rmtree(other, ignore_errors=True)


_NAME = f"tables-{settings.SIZE.replace(', ', '-').replace(' ', '-')}"


def _kept() -> Path:
    """The copy of these very versions."""
    version = subprocess.run(
        ["mariadbd", "--no-defaults", "--version"],
        env=process.environment("mariadb-version"),
        capture_output=True,
        check=True,
    ).stdout
    words = [argv for one in SETUPS for argv in one.commands]
    text = repr((settings.versions(), settings.DATABASES, version, words))
    # their own places are no difference between labs
    for place in (settings.STATE, settings.FIRST):
        text = text.replace(str(place), "")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return settings.FIRST / f"{_NAME}-{digest[:16]}"


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all."""
    half = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(source, half)
    half.rename(target)
