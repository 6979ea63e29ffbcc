"""Every kind of entry in the ledger has an end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ha_actions.action import classes
from ha_actions.errors import Failed, HaError
from ha_actions.model.server import ServerFailure, ServerReport
from ha_actions.records import house
from ha_actions.records.in_force import Brake
from ha_actions.records.incidents import Opened, Record
from ha_actions.records.server_record import ServerOpened, ServerRecord
from ha_actions.records.sweep import EVERY_S, KINDS, SWEPT, sweep
from ha_actions.sim.ledger import MemoryLedger
from unit.fakes import NOW, Clock, incident

ROOT = Path(__file__).parents[2]
OLD = NOW - house.KEEP_S - 1
YOUNG = NOW - house.KEEP_S + 60
NO_ENTRIES = {"v1", "v", "pack", "probe", "own"}
"""Workflows, the folder's mark, an event, notes in tenants' own projects: no
entries of the ledger."""


def kinds_in_the_source() -> set[str]:
    """Kinds of all names that begin like an entry of the ledger."""
    actions = {name.removeprefix("ha.") for name in classes()}
    found = set()
    for folder in ("actions/ha_actions", "alarms/ha_alarms", "installer"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            found |= set(re.findall(r"""["']ha\.([a-z_0-9]+)""", text))
    return found - actions - NO_ENTRIES


def test_every_kind_has_an_end_and_no_end_is_of_another_kind() -> None:
    assert kinds_in_the_source() == set(KINDS)


@pytest.fixture
def record() -> Record:
    return Record(MemoryLedger(), Clock())


def failure(id: str) -> ServerFailure:
    return ServerFailure(
        id=id,
        server=id.split(".")[0],
        name="db",
        project="p",
        host="c1",
        opened_at=OLD - 60,
        opened_by="alarm",
        request_id="r",
        policy="pin",
        reason="it crashed",
    )


def remember(record: Record, id: str, ended: float) -> None:
    alone, one = ServerRecord(record), failure(id)
    alone.keep(id, "opening", one)
    report = ServerReport(
        failure=one, recovered=True, code="", reason="ok", closed_at=ended
    )
    alone.keep(id, "report", report)
    record.claim(id, "ladder", "me")


class Store:
    def __init__(self, refuses: bool = False) -> None:
        self.kept: dict[str, Mapping[str, Any]] = {}
        self.refuses = refuses

    def keep(self, incident: str, parts: Mapping[str, Any]) -> None:
        if self.refuses:
            raise Failed("reports", "the disk is full")
        self.kept[incident] = parts


def names(record: Record) -> set[str]:
    return set(record.ledger.names("ha.")) - {SWEPT}


def test_failures_of_servers_go_with_their_claims(record: Record) -> None:
    remember(record, "a.1", OLD)
    remember(record, "b.2", YOUNG)
    store = Store()
    assert sweep(record, store) == 3
    assert set(store.kept) == {"server-a.1"}
    assert set(store.kept["server-a.1"]) == {"opening", "report"}
    assert {n.split(".")[2] for n in names(record)} == {"b"}


def test_one_at_work_stays_whatever_its_age(record: Record) -> None:
    remember(record, "a.1", OLD)
    ServerRecord(record).take(ServerOpened(failure("a.1"), "e1"))
    before = names(record)
    assert sweep(record, None) == 0
    assert names(record) == before


def test_what_the_store_does_not_take_stays(record: Record) -> None:
    remember(record, "a.1", OLD)
    before = names(record)
    with pytest.raises(HaError):
        sweep(record, Store(refuses=True))
    assert names(record) == before


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ha.beat.e1", "at"),
        ("ha.incident.drill-c1.struck.e1", "at"),
        ("ha.claim.drill-c1.strike.1", "until"),
        ("ha.incident.c1-half.attempt.2", "at"),
        ("ha.claim.c1-half.fence.1", "until"),
    ],
)
def test_leftovers_go_when_they_are_old(
    record: Record, name: str, key: str
) -> None:
    record.ledger.write("ha.incident.c1-half.host", {"name": "c1"})
    record.ledger.write(name, {key: YOUNG})
    sweep(record, None)
    assert name in names(record)
    record.ledger.delete(SWEPT)
    record.ledger.write(name, {key: OLD})
    sweep(record, None)
    assert names(record) - {"ha.incident.c1-half.host"} == set()


def test_brakes_that_are_long_over_go(record: Record) -> None:
    for scope, until in (("all", OLD), ("host:c1", YOUNG)):
        record.set_brake(Brake(scope, "so", "me", OLD - 60, until))
    sweep(record, None)
    assert names(record) == {"ha.brake.host:c1"}


def test_an_open_incident_without_an_opening_stays(record: Record) -> None:
    one = replace(incident(), id="c1-half")
    record.take(Opened(one, "e1"))
    record.ledger.write("ha.incident.c1-half.host", {"name": "c1"})
    before = names(record)
    assert sweep(record, None) == 0
    assert names(record) == before


def test_once_an_hour(record: Record) -> None:
    sweep(record, None)
    remember(record, "a.1", OLD)
    assert sweep(record, None) == 0
    record.clock.sleep(EVERY_S)
    assert sweep(record, None) == 3


def test_a_policy_that_a_servers_failure_is_pinned_to_stays(
    record: Record,
) -> None:
    record.ledger.write("ha.policy", {"text": "version: 1"})
    record.pin_policy("version: 1\n", "pin")
    ServerRecord(record).take(ServerOpened(failure("a.1"), "e1"))
    house.prune(record, None)
    assert "ha.policy.pin" in names(record)
    ServerRecord(record).shut(failure("a.1"))
    house.prune(record, None)
    assert "ha.policy.pin" not in names(record)
