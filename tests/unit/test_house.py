"""The ledger is kept small, and the reports are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ha_actions.adapters.record_store import ReportFolder
from ha_actions.codec import to_json
from ha_actions.deciders import around
from ha_actions.deciders.policy import digest
from ha_actions.errors import Failed, HaError, Transient
from ha_actions.model import Host, Incident, Migration, Report, State
from ha_actions.records import house
from ha_actions.records.incidents import RETURN_ENDED, Opened, Record
from ha_actions.sim.ledger import MemoryLedger
from ha_actions.step_parts.run import Run
from ha_actions.steps.look_around import LAST_RUN, LOCK, MEMORY, LookAround
from unit.fakes import NOW, Clock, Journal, host, small_outside

DAY = 86400.0
POLICY = "version: 1\n"


def incident(id: str, at: float) -> Incident:
    return Incident(
        id=id,
        host=id.split("-")[0],
        opened_at=at,
        opened_by="alarm",
        request_id="r",
        policy=f"pin-{id}",
    )


def remember(record: Record, id: str, days: float) -> Incident:
    """A closed incident that ended so many days ago."""
    one = incident(id, NOW - days * DAY)
    record.keep(id, "opening", one)
    record.keep(id, "verdict", {"said": "DOWN"})
    record.keep(
        id,
        "report",
        Report(
            incident=one,
            state=State.CLOSED,
            reason="done",
            closed_at=NOW - days * DAY,
        ),
    )
    record.ledger.create(f"ha.claim.{id}.fence.1", {"until": 1.0})
    record.pin_policy("old", one.policy)
    return one


@pytest.fixture
def record() -> Record:
    made = Record(MemoryLedger(), Clock())
    made.pin_policy(POLICY, digest(POLICY))
    made.ledger.write("ha.policy", {"text": POLICY})
    return made


class Store:
    """Keeps what it is given, or refuses."""

    def __init__(self, refuses: bool = False) -> None:
        self.kept: dict[str, Mapping[str, Any]] = {}
        self.refuses = refuses

    def keep(self, incident: str, parts: Mapping[str, Any]) -> None:
        if self.refuses:
            raise Failed("reports", "the disk is full")
        self.kept[incident] = parts


def test_what_is_old_goes_and_its_record_is_kept(record: Record) -> None:
    remember(record, "c1-old", 31)
    remember(record, "c2-young", 29)
    record.ledger.write("ha.slot.1.0", {"at": NOW - 31 * DAY})
    record.ledger.write("ha.slot.2.0", {"at": NOW - DAY})
    record.ledger.write("ha.last.c1", {"closed_at": NOW - 31 * DAY})
    store = Store()
    assert house.prune(record, store) == ["c1-old"]
    assert set(store.kept["c1-old"]) == {"opening", "verdict", "report"}
    left = record.ledger.names("ha.")
    assert not [n for n in left if "c1" in n]
    assert "ha.incident.c2-young.report" in left
    assert "ha.claim.c2-young.fence.1" in left
    assert "ha.slot.1.0" not in left
    assert "ha.slot.2.0" in left
    assert "ha.policy.pin-c2-young" in left
    assert f"ha.policy.{digest(POLICY)}" in left
    assert house.prune(record, store) == []


def test_an_open_or_held_incident_never_goes(record: Record) -> None:
    one = remember(record, "c1-open", 99)
    record.hold(record.take(Opened(one, "e")), "ask")
    before = record.ledger.names("ha.")
    assert house.prune(record, Store()) == []
    assert record.ledger.names("ha.") == before


def test_what_a_host_is_out_by_never_goes(record: Record) -> None:
    """Its storage fence is renewed, and lifted, by this record."""
    for id, days in (("c1-first", 50), ("c1-last", 40)):
        one = remember(record, id, days)
        record.keep(id, "marked", replace(host(), forced_down=True))
        record.shut(one, handled=True)
    last = record.ledger.read("ha.last.c1") or {}
    record.ledger.write("ha.last.c1", last | {"closed_at": NOW - 40 * DAY})
    assert house.prune(record, Store()) == ["c1-first"]
    assert record.last_closed("c1")[0] == "c1-last"
    assert record.parts("c1-last", "marked") == ["marked"]
    record.keep("c1-last", RETURN_ENDED, {"at": NOW})
    assert house.prune(record, Store()) == ["c1-last"]
    assert not record.ledger.names("ha.last.")


def test_without_a_store_opening_and_report_stay(record: Record) -> None:
    remember(record, "c1-old", 31)
    assert house.prune(record, None) == ["c1-old"]
    assert record.parts("c1-old", "") == ["opening", "report"]
    assert house.prune(record, None) == []


def test_a_store_that_refuses_loses_nothing(record: Record) -> None:
    remember(record, "c1-old", 31)
    before = record.ledger.names("ha.")
    with pytest.raises(HaError, match="full"):
        house.prune(record, Store(refuses=True))
    assert record.ledger.names("ha.") == before


def test_a_few_at_a_time(record: Record) -> None:
    for n in range(house.AT_ONCE + 2):
        remember(record, f"c{n}-x", 40)
    assert len(house.prune(record, Store())) == house.AT_ONCE
    assert len(house.prune(record, Store())) == 2


def test_once_an_hour_unless_there_is_more(record: Record) -> None:
    for n in range(house.AT_ONCE + 2):
        remember(record, f"c{n}-x", 40)
    assert len(house.prune_hourly(record, Store())) == house.AT_ONCE
    assert len(house.prune_hourly(record, Store())) == 2
    remember(record, "c9-later", 40)
    assert house.prune_hourly(record, Store()) == []
    record.clock.sleep(house.EVERY_S)
    assert house.prune_hourly(record, Store()) == ["c9-later"]


def test_a_store_that_refused_is_asked_again_at_once(record: Record) -> None:
    remember(record, "c1-old", 31)
    with pytest.raises(HaError, match="full"):
        house.prune_hourly(record, Store(refuses=True))
    assert house.prune_hourly(record, Store()) == ["c1-old"]


class Executions:
    """Mistral's memory; ``running`` cannot be deleted, ``bad`` fails."""

    def __init__(self, **states: str) -> None:
        self.states = states

    def past_executions(self, before: float) -> list[str]:
        return [id for id, state in self.states.items() if state == "old"]

    def forget_execution(self, execution: str) -> bool:
        state = self.states.get(execution)
        if state == "bad":
            raise Transient("ledger", "no answer")
        if state == "running":
            return False
        self.states.pop(execution, None)
        return True


def test_executions_that_did_nothing_go_once_they_ended() -> None:
    there = Executions(a="ended", b="running", c="bad", d="old", e="ended")
    assert house.forget_executions(there, ["a", "b", "c"], NOW) == ("b", "c")
    assert set(there.states) == {"b", "c", "e"}
    assert house.forget_executions(None, ["a"], NOW) == ()


def test_the_folder_keeps_whole_files(tmp_path: Path) -> None:
    folder = ReportFolder(str(tmp_path))
    folder.keep("c1-0001", {"report": {"state": "closed"}})
    folder.keep("../evil/c1", {"report": 1})
    kept = json.loads((tmp_path / "c1-0001.json").read_text())
    assert kept == {"incident": "c1-0001", "report": {"state": "closed"}}
    assert {p.name for p in tmp_path.iterdir()} == {
        "c1-0001.json",
        "_evil_c1.json",
    }
    with pytest.raises(Failed, match="cannot be written"):
        ReportFolder(str(tmp_path / "no")).keep("c1", {})


# -- one at a time ------------------------------------------------------------
class Hosts:
    """A cloud of these hosts."""

    def __init__(self, *here: Host) -> None:
        self.here = list(here)

    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[Host]:
        return self.here

    def evacuations(self, source: str) -> list[Migration]:
        raise AssertionError(source)


def look_around(
    record: Record, journal: Journal, *here: Host
) -> dict[str, Any]:
    assert isinstance(record.ledger, MemoryLedger)
    assert isinstance(record.clock, Clock)
    plain = small_outside(ledger=record.ledger, clock=record.clock)
    outside = replace(plain, journal=journal, cloud=lambda _: Hosts(*here))
    return LookAround().perform(Run(outside, "e1", "a1"))


def test_a_bad_entry_hides_nothing_and_is_told_once(record: Record) -> None:
    journal = Journal()
    record.ledger.write("ha.open.c9", {"not": "an entry"})
    remember(record, "c1-old", 31)
    found = look_around(record, journal)
    assert [subject for subject, _ in journal.told] == [
        "ledger entry ha.open.c9"
    ]
    assert found["told"] == 1
    assert look_around(record, journal)["told"] == 0
    assert record.ledger.read(LAST_RUN) == {"at": NOW}
    assert record.ledger.read(MEMORY) is not None


def test_whether_a_host_that_was_asked_for_was_looked_at(
    record: Record,
) -> None:
    memory = around.Memory(
        {"c1": around.Quiet(5.0, NOW - 900, True, NOW - 600, 1)}
    )
    assert record.clock.now() == NOW
    down = host("c1", up=False, updated_at=5.0)
    record.ledger.write(MEMORY, to_json(memory))
    assert look_around(record, Journal(), down)["hosts"] == ["c1"]
    record.keep("c1-new", "opening", incident("c1-new", NOW - 500))
    record.ledger.write(MEMORY, to_json(memory))
    assert look_around(record, Journal(), down)["hosts"] == []


def test_a_second_one_beside_it_does_nothing(record: Record) -> None:
    record.ledger.create(LOCK, {"by": "other", "until": NOW + 60})
    assert look_around(record, Journal())["idle"] is True
    assert record.ledger.read(LAST_RUN) is None
    assert record.ledger.read(LOCK) == {"by": "other", "until": NOW + 60}


def test_the_lock_of_a_dead_one_is_over_by_its_time(record: Record) -> None:
    record.ledger.create(LOCK, {"by": "other", "until": NOW - 1})
    look_around(record, Journal())
    assert record.ledger.read(LAST_RUN) == {"at": NOW}
    assert record.ledger.read(LOCK) is None
