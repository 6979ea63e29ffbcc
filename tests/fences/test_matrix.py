"""Real peers with every fault: what the fencing loop concludes.

``RENEW_FENCING_TABLE=1`` writes what was measured into docs/fencing.md.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fences import ironic_peer, matrix, peers
from fences.matrix import PAGE, Row

pytestmark = pytest.mark.fences
if ironic_peer.WANTED and not (ironic_peer.BIN / "ironic").exists():
    raise RuntimeError("IRONIC=1 needs `IRONIC=1 make test-fences` once")
PROGRAMS = ("ipmitool", "ipmi_sim", "fence_redfish", "fence_ipmilan")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """The whole table, measured once."""
    pytest.importorskip("sushy_tools")
    pytest.importorskip("pyghmi")
    if without := peers.missing(*PROGRAMS):
        pytest.skip(f"not installed: {', '.join(without)}")
    return matrix.play_all(tmp_path_factory.mktemp("peers"))


def test_no_proof_while_the_machine_runs(rows: list[Row]) -> None:
    """But for a device that lies consistently while nobody contradicts."""
    wrong = [r for r in rows if r.proof and r.runs]
    assert {r.fault for r in wrong} <= {matrix.LIES}, wrong


def test_what_works_is_proven(rows: list[Row]) -> None:
    good = ("none", "was off already", "off after 3 s")
    # by Redfish, Ironic cannot tell Off from PoweringOff: see its fence
    not_told = ("ironic", "was off already")
    unproven = {(r.column, r.fault) for r in rows if r.fault in good} - {
        (r.column, r.fault) for r in rows if r.proof
    }
    assert unproven <= {not_told}


def test_a_healthy_redfish_bmc_is_proven_in_time(rows: list[Row]) -> None:
    [row] = [r for r in rows if (r.column, r.fault) == ("redfish", "none")]
    # two seconds, and the load of everything else that runs meanwhile
    assert row.seconds < matrix.RULES.stable_s + 2 + 3


def test_every_refusal_comes_within_the_deadline(rows: list[Row]) -> None:
    for row in rows:
        # and the call that was under way
        assert row.seconds <= matrix.rules_of(row.column).deadline_s + 5, row


def test_no_refusal_shows_a_password(rows: list[Row]) -> None:
    assert not [r for r in rows if peers.PASSWORD in r.why]


def test_the_page_says_so(rows: list[Row]) -> None:
    page = PAGE.read_text()
    if os.environ.get("RENEW_FENCING_TABLE"):
        PAGE.write_text(matrix.renewed(page, rows))
        page = PAGE.read_text()
    measured = matrix.table(rows, page)
    assert matrix.conclusions(page) == matrix.conclusions(measured)


def test_every_column_has_a_row_without_fault(rows: list[Row]) -> None:
    good = {r.column for r in rows if r.fault == "none"}
    assert good == set(matrix.MEASURED)


def test_the_table_is_complete() -> None:
    assert Path(PAGE).exists()
    assert set(matrix.conclusions(PAGE.read_text())[0].split("|")[2:-1]) == {
        f" {c} " for c in matrix.COLUMNS
    }
