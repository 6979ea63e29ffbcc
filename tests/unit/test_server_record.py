"""A server's failure goes on, whoever died on the way to it."""

from __future__ import annotations

import pytest
from ha_actions.records.incidents import Record
from ha_actions.records.server_record import ServerOpened, ServerRecord
from ha_actions.sim.ledger import MemoryLedger
from unit.fakes import Clock, server_failure

FAILED = server_failure("vm")


@pytest.fixture
def record() -> ServerRecord:
    return ServerRecord(Record(MemoryLedger(), Clock()))


@pytest.mark.parametrize("again", ["e2", "e3"])
def test_an_attempt_whose_taker_died_at_once_blocks_nobody(
    record: ServerRecord, again: str
) -> None:
    """It had its number, and had not yet said so at the server's entry."""
    entry = record.take(ServerOpened(FAILED, "e1"))
    record.ledger.create("ha.failure.vm.1.attempt.2", {"execution": "e2"})
    found = record.go_on(entry, again)
    assert found is not None
    assert found.execution == again
    assert record.opened("vm") == found


def test_one_attempt_at_a_time(record: ServerRecord) -> None:
    entry = record.take(ServerOpened(FAILED, "e1"))
    record.ledger.create("ha.failure.vm.1.attempt.2", {"execution": "e2"})
    record.record.beat("e2")
    assert record.go_on(entry, "e3") is None
    assert record.opened("vm") == entry
