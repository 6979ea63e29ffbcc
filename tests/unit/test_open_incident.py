"""A start that finds what a dead one has left, or nobody who answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, cast

import pytest
from ha_actions.deciders.policy import digest
from ha_actions.errors import Refused, Transient
from ha_actions.model import Aggregate, Host, Incident
from ha_actions.records.incidents import Opened
from ha_actions.sim.ledger import MemoryLedger
from ha_actions.step_parts.run import Run
from ha_actions.steps.close_incident import CloseIncident
from ha_actions.steps.open_incident import OpenIncident
from unit.fakes import Journal, host, incident, small_outside

TEXT = "version: 1\n"
HALF = incident(policy=digest(TEXT))


class Nova:
    """Lists one host, or does not answer."""

    def __init__(self, answers: bool = True) -> None:
        self.answers = answers

    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[Host]:
        if not self.answers:
            raise Transient("api", "Nova does not answer.")
        return [host()]

    def aggregates(self) -> list[Aggregate]:
        return []


def started(nova: Nova) -> Run:
    outside = small_outside(ledger=MemoryLedger())
    cloud = cast(Any, lambda request: nova)
    run = Run(replace(outside, cloud=cloud), execution="e2", holder="me")
    run.outside.ledger.write("ha.policy", {"text": TEXT})
    return run


@pytest.mark.parametrize(
    "how", [OpenIncident(resume=HALF.id), OpenIncident(host="c1")]
)
def test_an_opening_that_died_half_way_is_finished(
    how: OpenIncident,
) -> None:
    run = started(Nova())
    run.record.take(Opened(HALF, "e1"))  # and then its executor died
    answer = how.perform(run)
    assert (answer["next"], answer["incident"]) == ("assess", HALF.id)
    assert run.record.part(HALF.id, "opening", Incident) == HALF
    assert run.host(HALF) == host()
    assert run.record.policy_text(HALF.policy) == TEXT


def test_a_dry_run_never_goes_on_with_one_that_acts() -> None:
    run = started(Nova())
    before = run.record.take(Opened(HALF, "e1"))  # its execution is gone
    run.record.keep(HALF.id, "opening", HALF)
    answer = OpenIncident(host="c1", dry_run=True).perform(run)
    assert (answer["next"], answer["state"]) == ("stop", "dismissed")
    assert HALF.id in answer["summary"]
    assert run.record.opened("c1") == before


def test_a_start_that_nobody_answers_is_told() -> None:
    run = started(Nova(answers=False))
    with pytest.raises(Transient):
        OpenIncident(host="c1").perform(run)
    journal = cast(Journal, run.journal)
    assert [subject for subject, _ in journal.told] == ["c1"]


def test_a_close_that_outlived_its_execution_touches_nothing() -> None:
    run = started(Nova())
    entry = run.record.take(Opened(HALF, "e1"))
    run.record.keep(HALF.id, "opening", HALF)
    again = run.record.next_attempt(entry, "e9")
    with pytest.raises(Refused) as caught:
        CloseIncident(incident=HALF.id).perform(run)
    assert caught.value.code == "superseded"
    assert run.record.opened("c1") == again


@pytest.mark.parametrize(
    ("last_seen", "facts", "answer"),
    [
        ("50.0", {"up": True, "updated_at": 60.0}, "dismissed"),
        ("60.0", {"up": True, "updated_at": 60.0}, "open"),
        # a PUT moves it, and the service does not come up by it
        ("50.0", {"up": False, "updated_at": 60.0}, "open"),
        ("50.0", {"forced_down": True, "updated_at": 60.0}, "open"),
        ("", {"up": True, "updated_at": 60.0}, "open"),
        ("nonsense", {"up": True, "updated_at": 60.0}, "open"),
    ],
)
def test_an_event_about_a_host_that_was_heard_of_since_is_stale(
    last_seen: str, facts: dict[str, Any], answer: str
) -> None:
    class Shows(Nova):
        def hosts(
            self, *, brief: bool = False, max_age_s: float = 0.0
        ) -> list[Host]:
            return [replace(host(), **facts)]

    run = started(Shows())
    now = datetime.fromtimestamp(run.clock.now(), timezone.utc)
    event = {
        "event_type": "compute.service.down",
        "generated": now.replace(tzinfo=None).isoformat(),
        "traits": [
            ["host", 1, "c1"],
            ["incident", 1, "key-1"],
            ["last_seen", 1, last_seen],
        ],
    }
    alarm = {"current": "alarm", "reason_data": {"event": event}}
    told = OpenIncident(alarm=alarm).perform(run)
    assert told["state"] == answer
    opened = run.record.opened("c1")
    if answer == "open":
        assert opened is not None
        assert opened.incident.key == "key-1"
    else:
        assert opened is None
        assert told["summary"].startswith("stale")


def test_a_doubled_start_asks_nova_nothing() -> None:
    run = started(Nova(answers=False))
    cast(MemoryLedger, run.outside.ledger).states = lambda _: "RUNNING"
    before = run.record.take(Opened(HALF, "e1"))
    answer = OpenIncident(host="c1").perform(run)
    assert answer["summary"].startswith("running")
    assert run.record.opened("c1") == before


def test_its_own_execution_is_no_other_at_work() -> None:
    run = started(Nova())
    cast(MemoryLedger, run.outside.ledger).states = lambda _: "RUNNING"
    run.record.take(Opened(HALF, "e2"))  # the retry of a lost answer
    answer = OpenIncident(host="c1").perform(run)
    assert (answer["next"], answer["incident"]) == ("assess", HALF.id)
