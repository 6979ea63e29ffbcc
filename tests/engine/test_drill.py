"""The rehearsal, on the real engine: everybody gets what was foretold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ha_actions.deciders.prospects import CODES
from ha_installer import drill, files, html
from ha_installer.engine import EmbeddedEngine
from ha_installer.play_engine import play_on

pytestmark = pytest.mark.engine

KINDS = {
    "evacuated",
    "evacuated_stopped",
    "evacuated_reset",
    "recreated",
    "left_ignored",
    "left_custom",
    "left_service_vm",
    "refused_local_disk",
    "refused_unsupported",
}
"""What the rehearsal must have of everything that can happen to a guest."""


def test_the_cloud_has_one_of_every_kind() -> None:
    what = drill.scenario()
    host = drill.dying_host(what)
    assert (len(what.world.hosts), len(what.world.guests)) == (6, 40)
    told = drill.foretell(what, host)
    assert {p.code for p in told.values()} == KINDS
    assert set(CODES) >= KINDS
    here = [g for g in what.world.guests.values() if g.on == host]
    assert any(g.locked for g in here)
    assert any(g.server_group for g in here)
    assert any(g.after for g in here)
    assert {pool for g in here for pool in g.member_of} == {"shop", "api"}


def test_everybody_gets_what_was_foretold(engine: EmbeddedEngine) -> None:
    what = drill.scenario()
    promises = drill.foretell(what, drill.dying_host(what))
    engine.load(files.workbook_text())
    played = play_on(engine, what)
    told = drill.tell(what, played, promises)
    assert [check for check in told.checks if not check["ok"]] == []
    assert [lane.row.name for lane in told.lanes if not lane.kept] == []
    assert told.kept
    assert len(told.lanes) == len(promises)
    rows = {lane.row.name: lane for lane in told.lanes}
    assert rows["db-orders"].bars[-1].end <= rows["shop-app"].bars[0].end
    assert rows["scratch"].mark == "person"
    assert played.guests["ci-runner"]["state"] == "paused"
    assert played.guests["db-archive"]["state"] == "stopped"
    assert "Host c1 died; 12 guests are back" in html.render(told)


def test_the_command(tmp_path: Path) -> None:
    """Plain lines where there is no terminal; the table; the report."""
    done = subprocess.run(
        [sys.executable, "-m", "ha_installer.cli", "drill"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=100,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert "[fence]\n" in done.stdout
    assert "(12 of 12 guests back)" in done.stdout
    assert "guest                  protection" in done.stdout
    assert (tmp_path / "drill-report.html").stat().st_size > 20_000


def test_the_command_as_json(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ha_installer.cli", "drill", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=100,
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["kept"]) == (0, True)
    assert told["guests"]["sealed"]["host"] == "c1"
