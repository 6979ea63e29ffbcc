"""What a watch says of open incidents, and how often."""

from __future__ import annotations

from typing import Any

import pytest
from ha_actions.deciders.around import LONG_S
from ha_actions.model import Incident
from ha_actions.records.incidents import Opened
from ha_actions.sim.ledger import MemoryLedger
from ha_alarms.watch_incidents import Incidents
from ha_alarms.watch_ports import Page
from ha_alarms.watch_settings import Timing
from ha_alarms.watch_voice import Voice
from unit.fakes import NOW, Clock, small_outside

ONE = Incident(
    id="c1-1",
    host="c1",
    opened_at=NOW,
    opened_by="alarm",
    request_id="r",
    policy="",
)


class Pages:
    """Keeps what people were told."""

    def __init__(self) -> None:
        self.sent: list[Page] = []

    def page(self, page: Page) -> None:
        self.sent.append(page)


class Stage:
    """One open incident, whose execution is in a state of the test's."""

    def __init__(self) -> None:
        self.clock, self.state = Clock(), "RUNNING"
        ledger = MemoryLedger(lambda execution: self.state)
        self.outside = small_outside(clock=self.clock, ledger=ledger)
        self.pages = Pages()
        self.record = self.watch().record
        self.record.take(Opened(ONE, "e1"))
        self.incidents = Incidents(self.watch())

    def watch(self) -> Voice:
        """Another one, as if its process had just begun."""
        nobody: Any = None
        return Voice("w", self.outside, nobody, self.pages, Timing())

    def look(self, after: float) -> list[str]:
        """Codes of all pages until then."""
        self.clock.sleep(after)
        self.incidents.look()
        return [page.code for page in self.pages.sent]


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize("state", ["RUNNING", "PAUSED"])
def test_an_attempt_that_does_not_end_is_told_once(
    stage: Stage, state: str
) -> None:
    stage.state = state
    assert stage.look(LONG_S - 1) == []
    assert stage.look(1) == ["too_long"]
    assert stage.look(LONG_S) == ["too_long"]
    [page] = stage.pages.sent
    assert (page.subject, page.incident) == ("c1", "")
    assert state in page.text and "cancel it" in page.text
    stage.incidents = Incidents(stage.watch())
    assert stage.look(60) == ["too_long"], "by any watch"


def test_the_next_attempt_has_its_own_time(stage: Stage) -> None:
    stage.look(LONG_S)
    current = stage.record.opened("c1")
    assert current is not None
    assert stage.record.next_attempt(current, "e2")
    assert stage.look(LONG_S - 1) == ["too_long"]
    assert stage.look(1) == ["too_long"] * 2


def test_a_held_one_is_not_at_work(stage: Stage) -> None:
    current = stage.record.opened("c1")
    assert current is not None
    stage.record.hold(current, "not_proven")
    assert "too_long" not in stage.look(2 * LONG_S)
