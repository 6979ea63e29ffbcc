"""A lost evacuation: what a person may say, and what it allows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ha_actions.deciders.lost import LOST_S, lost_records, why_not_lost
from ha_actions.errors import BadInput, Refused
from ha_actions.model import Batch, Guest, Migration, Requires
from ha_actions.records import lost
from ha_actions.records.batches import Batches
from ha_actions.records.incidents import Opened, Record
from ha_actions.sim.ledger import MemoryLedger
from unit.fakes import NOW, Clock, guest, incident, planned

HERE = guest(task_state="rebuilding")
OLD = Migration(
    id="1", guest=HERE.id, source="c1", created_at=NOW - LOST_S, dest=""
)


@pytest.mark.parametrize(
    ("now", "records", "said"),
    [
        (HERE, [OLD], ""),
        (HERE, [replace(OLD, status="error"), OLD], ""),
        (HERE, [replace(OLD, created_at=NOW - LOST_S + 1)], "be slow"),
        (HERE, [replace(OLD, dest="c2")], "a destination, c2"),
        (HERE, [OLD, replace(OLD, id="2", dest="c2")], "a destination, c2"),
        (HERE, [OLD, replace(OLD, id="2", created_at=NOW - 9)], "be slow"),
        (HERE, [replace(OLD, status="failed")], "plain resume"),
        (HERE, [], "plain resume"),
        (replace(HERE, host="c2"), [OLD], "it is on c2"),
        (None, [OLD], "deleted"),
    ],
)
def test_what_speaks_against_it(
    now: Guest | None, records: list[Migration], said: str
) -> None:
    why = why_not_lost(now, records, "c1", NOW)
    assert (said in why) if said else why == ""


def test_a_record_that_finds_a_destination_is_not_lost() -> None:
    found = replace(OLD, id="2", dest="c3")
    young = replace(OLD, id="3", created_at=NOW)
    ended = replace(OLD, id="4", status="done")
    assert lost_records([OLD, found, young, ended], NOW) == {"1"}


@pytest.fixture
def record() -> Record:
    made = Record(MemoryLedger(), Clock())
    one = incident()
    made.keep(one.id, "opening", one)
    made.hold(made.take(Opened(one, "e1")), "not_all_recovered")
    batch = Batch(
        id="p1w1b1",
        action=lost.EVACUATE,
        requires=Requires.PROOF,
        guests=(planned(HERE),),
    )
    made.keep(one.id, "batch.p1w1b1", Batches(batch))
    return made


def say(record: Record, because: str = "the queue is empty") -> lost.LostWord:
    return lost.say(
        record,
        incident(),
        HERE.id,
        now=HERE,
        records=[OLD],
        by="ann",
        because=because,
    )


def test_a_word_is_good_for_one_post(record: Record) -> None:
    word = say(record)
    assert lost.words(record, incident().id) == {HERE.id: word}
    assert lost.take_post(record, incident().id, word) == 0.0
    assert lost.take_post(record, incident().id, word) == NOW
    again = say(record)
    assert again.n == 2
    assert lost.words(record, incident().id) == {HERE.id: again}
    assert lost.take_post(record, incident().id, again) == 0.0


def test_nothing_is_kept_that_is_not_so(record: Record) -> None:
    with pytest.raises(BadInput, match="--because"):
        say(record, because=" ")
    record.beat("e1")
    with pytest.raises(Refused) as caught:
        say(record)
    assert caught.value.code == "running"
    assert lost.words(record, incident().id) == {}


def test_the_server_is_named_by_id_or_name(record: Record) -> None:
    id = incident().id
    assert lost.find(record, id, HERE.id).guest.id == HERE.id
    assert lost.find(record, id, HERE.name).guest.id == HERE.id
    with pytest.raises(BadInput, match="no server called"):
        lost.find(record, id, "other")
