"""Every scenario: its trace, its invariants, and each interruption of it.

A scenario is run straight; again with the executor killed before and after
every world-changing call; again with the first run frozen there and waking
later (a zombie); and again with every alarm delivered twice. The world that
is left must be the same.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from ha_actions.sim.play import Injection
from stories import FILES, broken, line, played, scenario

MANY = 30
"""Calls of one scenario up to which each is interrupted."""

by_name = pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)


@by_name
def test_tells_the_expected_story(file: Path) -> None:
    told = scenario(file)
    if told.engine_only:
        pytest.skip(f"played on the engine: {told.engine_only}")
    run = played(told)
    story = "".join(line(entry) + "\n" for entry in run.trace)
    assert story == file.with_suffix(".log").read_text()
    assert broken(run) == []


PARTS = {"two-hundred-guests": 6}
"""Large worlds, whose interruptions are shared among so many tests: else one
process of them is still at it when all others have ended."""

in_parts = pytest.mark.parametrize(
    ("file", "part"),
    [
        pytest.param(f, n, id=f"{f.stem}-{n + 1}" if n else f.stem)
        for f in FILES
        for n in range(PARTS.get(f.stem, 1))
    ],
)


def _points(changes: int) -> list[int]:
    """Every call, but for the large worlds: there some, evenly spread."""
    step = max(1, changes // MANY)
    return list(range(1, changes + 1, step))


@in_parts
def test_ends_the_same_however_interrupted(file: Path, part: int) -> None:
    told = scenario(file)
    if told.engine_only:
        pytest.skip(f"played on the engine: {told.engine_only}")
    straight = played(told)
    points = [
        Injection(kind, when, at)
        for kind in ("crash", "zombie")
        for when in ("before", "after")
        for at in _points(straight.changes)
    ]
    every = [Injection("double"), *points]
    for injection in every[part :: PARTS.get(file.stem, 1)]:
        run = played(told, injection)
        assert broken(run) == [], f"{injection}"
        assert run.ending() == straight.ending(), f"{injection}"


def test_there_are_enough() -> None:
    assert len(FILES) >= 30
