"""docs/rescue.md names only what there is."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "rescue.md").read_text()


def _rows() -> list[list[str]]:
    lines = [x for x in TEXT.splitlines() if x.startswith("| ")]
    cells = [[c.strip() for c in x.strip("|").split("|")] for x in lines]
    return [row for row in cells if row[0] not in ("promise", "---")]


def test_every_scenario_is_there() -> None:
    named = {n for row in _rows() for n in re.findall("`(.*?)`", row[1])}
    there = {p.stem for p in (ROOT / "tests" / "scenarios").glob("*.yaml")}
    assert named and named <= there, named - there


def test_every_drill_is_there() -> None:
    named = {n for row in _rows() for n in re.findall("`(.*?)`", row[2])}
    code = "".join(p.read_text() for p in ROOT.glob("tests/lab/test_*.py"))
    there = set(re.findall(r"^def (test_\w+)", code, re.MULTILINE))
    assert named and named <= there, named - there


def test_every_promise_is_shown() -> None:
    for promise, scenarios, drill in _rows():
        assert "`" in scenarios, f"no scenario shows: {promise}"
        said = "`test_" in drill or drill.startswith("simulator: ")
        assert said, f"no drill shows, nor is it said why: {promise}"
