"""Plays the scenario files in memory; shared by the tests that do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ha_actions.sim.play import Injection, play
from ha_actions.sim.played import Played
from ha_actions.sim.scenario import Scenario, load
from ha_installer.simulate import run_action

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "scenarios"
FILES = sorted(FOLDER.glob("*.yaml"))
WORKBOOK = (ROOT / "workbooks" / "ha.v1.yaml").read_text()
POLICY = (ROOT / "policy.example.yaml").read_text()


def scenario(file: Path) -> Scenario:
    """Load one scenario file over the example policy."""
    return load(file.read_text(), POLICY, file.name)


def played(told: Scenario, injection: Injection | None = None) -> Played:
    """Play it in memory."""
    return play(told, WORKBOOK, run_action, injection)


def line(entry: dict[str, Any]) -> str:
    """One entry of a trace, as the .log files show it."""
    return (
        f"{entry['at']:5.0f} {entry['kind']:<9} "
        f"{entry['subject']}: {entry['text']}"
    )


def broken(run: Played) -> list[str]:
    """The invariants that do not hold."""
    return [f"{c['name']}: {c['detail']}" for c in run.checks if not c["ok"]]
