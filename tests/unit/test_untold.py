"""What owners are to be told is told, though an engine or a bus is away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from ha_actions.deciders.tidings_alone import (
    not_restarted,
    restart_begins,
    restart_ended,
)
from ha_actions.errors import Transient
from ha_actions.model import Event
from ha_actions.model.server import ServerReport
from ha_actions.records.untold import DROP_S, LATE_S, Marks
from ha_actions.sim.ledger import MemoryLedger
from ha_actions.step_parts.run import Run
from ha_actions.steps.tell_late import TellLate
from ha_actions.steps.tell_server_owner import TellServerOwner
from unit.fakes import (
    NOW,
    Clock,
    Journal,
    server_failure,
    small_outside,
)

SPACE = "00000000-0000-4000-8000-000000000007"
FAILED = server_failure("db")


class Bus:
    """Keeps what it is given, or is away."""

    def __init__(self) -> None:
        self.up = True
        self.got: list[Event] = []

    def publish(self, events: Sequence[Event]) -> None:
        if not self.up:
            raise Transient("bus", "away")
        self.got += events


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def run(bus: Bus) -> Run:
    outside = small_outside(ledger=MemoryLedger())
    made = replace(outside, bus=bus, clock=Clock(), journal=Journal())
    return Run(made, execution="e1", holder="me")


def marks(run: Run) -> Marks:
    return Marks(run.outside.ledger, run.clock)


def report(code: str = "", *, good: bool = False) -> ServerReport:
    return ServerReport(
        failure=FAILED, recovered=good, code=code, reason="c1", closed_at=NOW
    )


def test_what_the_bus_took_waits_no_more(run: Run, bus: Bus) -> None:
    marks(run).put("vm.1.begin", restart_begins(SPACE, FAILED))
    marks(run).put("vm.12.begin", restart_begins(SPACE, FAILED))
    assert TellServerOwner("vm.1").perform(run) == {"events": 1}
    assert TellServerOwner("vm.1").perform(run) == {"events": 0}
    assert len(bus.got) == 1
    assert [id for id, _ in marks(run).of()] == ["vm.12.begin"]


def test_while_the_bus_is_away_the_news_waits(run: Run, bus: Bus) -> None:
    marks(run).put("vm.1.begin", restart_begins(SPACE, FAILED))
    bus.up = False
    assert TellServerOwner("vm.1").perform(run) == {"events": 0}
    run.clock.sleep(LATE_S)
    assert TellLate().perform(run) == {"told": 0, "waiting": 1}
    bus.up = True
    assert TellLate().perform(run) == {"told": 1, "waiting": 0}
    assert [e.type for e in bus.got] == ["compute.instance.recovering"]
    assert TellLate().perform(run) == {"told": 0, "waiting": 0}


def test_what_is_young_is_left_to_its_own_workflow(run: Run, bus: Bus) -> None:
    marks(run).put("vm.1.begin", restart_begins(SPACE, FAILED))
    assert TellLate().perform(run) == {"told": 0, "waiting": 0}
    assert bus.got == []


def test_after_a_day_a_person_hears_of_it_once(run: Run, bus: Bus) -> None:
    marks(run).put("vm.1.begin", restart_begins(SPACE, FAILED))
    bus.up = False
    run.clock.sleep(DROP_S + 1)
    TellLate().perform(run)
    TellLate().perform(run)
    journal = run.journal
    assert isinstance(journal, Journal)
    [(subject, text)] = journal.told
    assert (subject, "never heard" in text) == ("db", True)


def test_an_incident_that_was_let_go_is_no_news(run: Run, bus: Bus) -> None:
    marks(run).put("c1-gone")
    run.clock.sleep(LATE_S)
    assert TellLate().perform(run) == {"told": 0, "waiting": 0}
    assert bus.got == []
    assert not list(marks(run).of())


def test_each_end_has_its_kind_and_its_words() -> None:
    good = restart_ended(SPACE, report(good=True))
    assert good is not None
    assert good.type == "compute.instance.recovered"
    bad = restart_ended(SPACE, report("host_silent"))
    assert bad is not None
    assert bad.type == "compute.instance.recovery_failed"
    assert bad.traits["code"] == "host_silent"
    assert "silent" in bad.traits["reason"]
    odd = restart_ended(SPACE, report("not_recovered"))
    assert odd is not None
    assert odd.traits["reason"]
    assert restart_ended(SPACE, report("deleted")) is None
    begins = restart_begins(SPACE, FAILED)
    for event in (begins, good, bad, odd):
        assert (event.project, event.traits["cause"]) == ("p", "crash")
        assert "c1" not in str(event.traits.values())
        assert event.traits["incident"] == begins.traits["incident"]


def test_his_own_stop_is_no_news_for_an_owner() -> None:
    assert not_restarted(SPACE, FAILED, "owner_stopped") is None
    left = not_restarted(SPACE, FAILED, "too_often")
    assert left is not None
    assert left.type == "compute.instance.left_alone"
    assert left.traits["code"] == "too_often"
    assert "cause" not in left.traits
