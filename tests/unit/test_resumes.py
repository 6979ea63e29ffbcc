"""A row of attempts that end in the middle has an end itself."""

from __future__ import annotations

import pytest
from ha_actions.model import Report, State
from ha_actions.records import resumes
from ha_actions.records.incidents import Opened, Record
from ha_actions.sim.ledger import MemoryLedger
from unit.fakes import Clock, incident


def opened() -> tuple[Record, Opened, Clock]:
    clock = Clock()
    record = Record(MemoryLedger(), clock)
    return record, record.take(Opened(incident(), "e1")), clock


def resumed(record: Record, entry: Opened, execution: str) -> Opened:
    again = record.next_attempt(entry, execution)
    assert again is not None
    return again


def test_a_row_begins_anew_after_a_hold() -> None:
    record, entry, clock = opened()
    assert resumes.in_a_row(record, entry) == (0, 0.0)
    clock.sleep(100)
    entry = resumed(record, entry, "e2")
    entry = resumed(record, entry, "e3")
    assert resumes.in_a_row(record, entry) == (2, clock.now())
    record.hold(entry, "unfinished")
    held = record.opened("c1")
    assert held is not None
    entry = resumed(record, held, "e4")
    assert resumes.in_a_row(record, entry) == (0, 0.0)
    clock.sleep(5)
    entry = resumed(record, entry, "e5")
    assert resumes.in_a_row(record, entry) == (1, clock.now())


@pytest.mark.parametrize(
    ("n", "waited", "due"),
    [(0, 0.0, True), (1, 59.0, False), (1, 60.0, True), (5, 900.0, False)],
)
def test_each_waits_longer(n: int, waited: float, due: bool) -> None:
    assert resumes.due(n, 1000.0, 1000.0 + waited) is due


def test_the_last_is_the_last() -> None:
    n = len(resumes.PAUSES_S)
    assert not resumes.over(n - 1)
    assert resumes.over(n)
    assert not resumes.due(n, 0.0, 1e9)


def test_it_is_held_with_a_reason_even_if_its_report_cannot_be_read() -> None:
    record, entry, _ = opened()
    name = f"ha.incident.{entry.incident.id}.report"
    record.ledger.write(name, {"no": "report"})
    assert "attempts in a row" in resumes.give_up(record, entry, "r1")
    held = record.opened("c1")
    report = record.part(entry.incident.id, "report", Report)
    assert held is not None and held.held == resumes.IN_VAIN
    assert report is not None and report.state is State.HELD


def test_nothing_is_held_while_another_attempt_works() -> None:
    record, entry, _ = opened()
    resumed(record, entry, "e2")
    record.beat("e2")
    assert resumes.give_up(record, entry, "r1") == ""
    now = record.opened("c1")
    assert now is not None and not now.held
