"""Which executions stand still, and each that only looks so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ha_actions.codec import from_json, to_json
from ha_actions.deciders.stuck import (
    GAP_S,
    TRIES,
    Memory,
    look,
    never_began,
    short,
    standing,
)
from ha_actions.errors import NoAnswer, Transient
from ha_actions.model.work import FlowWork, TaskWork
from ha_actions.records import stuck
from ha_actions.records.incidents import Opened, Record
from ha_actions.sim.ledger import MemoryLedger
from unit.fakes import NOW, OPERATOR, Clock, incident

STILL_S = 180.0


def task(state: str = "IDLE", **more: Any) -> TaskWork:
    values: dict[str, Any] = {"id": "t1", "name": "make_plan", "moved": "1"}
    return TaskWork(state=state, **(values | more))


def flow(*tasks: TaskWork, state: str = "RUNNING", **more: Any) -> FlowWork:
    values: dict[str, Any] = {
        "id": "e1",
        "workflow": "ha.v1.handle_host_failure",
        "project": OPERATOR,
    }
    return FlowWork(state=state, tasks=tasks, **(values | more))


def sub(*tasks: TaskWork, state: str = "RUNNING") -> FlowWork:
    return flow(*tasks, state=state, id="e2", workflow="ha.v1.recover_batch")


STANDS = {
    "a task that never began": flow(task()),
    "running, and nothing was started": flow(task("RUNNING")),
    "all that it started has ended": flow(
        task("RUNNING", actions=("ERROR", "SUCCESS"))
    ),
    "no task is left, and it has not ended": flow(ended=4),
    "it never began at all": flow(state="IDLE"),
    "deep in a sub-workflow": flow(task("RUNNING", flows=(sub(task()),))),
    "a sub-workflow with nothing to do": flow(task("RUNNING", flows=(sub(),))),
    "beside one that has ended": flow(
        task("RUNNING", flows=(sub(state="SUCCESS"), sub(task())))
    ),
    "in two places": flow(task(), task("RUNNING", id="t2")),
}
MAY_ACT = {
    "an action runs": flow(task("RUNNING", actions=("ERROR", "RUNNING"))),
    "an action is paused": flow(task("RUNNING", actions=("PAUSED",))),
    "it waits for a retry": flow(task("DELAYED", actions=("ERROR",))),
    "it waits for others": flow(task("WAITING")),
    "a person has paused a task": flow(task("PAUSED")),
    "a person has paused it": flow(task(), state="PAUSED"),
    "a word that we do not know": flow(task("NEW_WORD")),
    "one branch still acts": flow(
        task(), task("RUNNING", id="t2", actions=("RUNNING",))
    ),
    "deep below an action runs": flow(
        task("RUNNING", flows=(sub(task("RUNNING", actions=("RUNNING",))),))
    ),
    "a sub-workflow is paused": flow(
        task("RUNNING", flows=(sub(task(), state="PAUSED"),))
    ),
    "one sub-workflow stands, another waits": flow(
        task("RUNNING", flows=(sub(task()), sub(task("DELAYED"))))
    ),
}


@pytest.mark.parametrize("name", STANDS)
def test_what_stands_still(name: str) -> None:
    assert standing(STANDS[name])


@pytest.mark.parametrize("name", MAY_ACT)
def test_what_may_still_act(name: str) -> None:
    assert standing(MAY_ACT[name]) == ""


@pytest.mark.parametrize(
    "other",
    [
        flow(task(moved="2")),
        flow(task(id="t2")),
        flow(task("RUNNING")),
        flow(task("IDLE", actions=("ERROR",))),
        flow(task(), task(id="t9")),
    ],
)
def test_whatever_moves_is_another_mark(other: FlowWork) -> None:
    assert standing(other) != standing(flow(task()))


def test_people_read_where_without_ids() -> None:
    assert short(standing(flow(task()))) == (
        "make_plan of ha.v1.handle_host_failure is IDLE"
    )


def looks(*times: float, mark: str = "m", busy: bool = False) -> list[bool]:
    """Whether each look, at these seconds, ends it."""
    memory, ended = Memory(), []
    for at in times:
        found = look(
            {"e1": mark}, set(), {"e1"} if busy else set(), memory, 180, at
        )
        memory = from_json(Memory, to_json(found.memory), "m")
        ended.append(found.cancel == ("e1",))
    return ended


def test_it_is_ended_after_it_was_seen_still_for_long() -> None:
    assert looks(0, 60, 120, 179, 180) == [False] * 4 + [True]


def test_time_in_which_nobody_looked_does_not_count() -> None:
    """All engines were away: their queue may still hold the message."""
    assert looks(0, GAP_S + 1) == [False, False]
    assert looks(0, 1000, 1100, 1179, 1180) == [False] * 4 + [True]


def test_a_clock_that_was_set_back_begins_anew() -> None:
    assert looks(0, 100, -500, -400, -320) == [False] * 4 + [True]


def test_as_long_as_somebody_holds_its_claim_it_stays() -> None:
    assert not any(looks(0, 100, 200, 300, busy=True))


def test_it_is_asked_a_few_times_then_a_person_is_told_once() -> None:
    memory, asked, told = Memory(), 0, 0
    for at in range(0, 3000, 60):
        found = look({"e1": "m"}, set(), set(), memory, 180, at)
        memory = found.memory
        asked += len(found.cancel)
        told += len(found.give_up)
    assert (asked, told) == (TRIES, 1)


def test_what_was_not_seen_whole_is_unknown() -> None:
    first = look({"e1": "m"}, set(), set(), Memory(), 180, 0)
    blind = look({}, {"e1"}, set(), first.memory, 180, 100)
    assert blind.cancel == () and blind.memory == first.memory
    assert look({"e1": "m"}, set(), set(), blind.memory, 180, 140).cancel == ()
    late = look({"e1": "m"}, set(), set(), blind.memory, 180, 200)
    assert late.cancel == ()  # nobody saw it for too long
    gone = look({}, set(), set(), first.memory, 180, 100)
    assert gone.memory == Memory()


def test_what_moved_begins_anew() -> None:
    memory = look({"e1": "m"}, set(), set(), Memory(), 180, 0).memory
    memory = look({"e1": ""}, set(), set(), memory, 180, 60).memory
    assert memory == Memory()
    memory = look({"e1": "m"}, set(), set(), memory, 180, 120).memory
    assert look({"e1": "m"}, set(), set(), memory, 180, 200).cancel == ()


def test_what_never_began_is_known_by_its_opening() -> None:
    assert never_began(flow(task(name="open_incident")))
    assert not never_began(flow(task(name="make_plan")))


# -- with the ledger ----------------------------------------------------------
class Mistral:
    """Executions as a list; keeps what is cancelled."""

    def __init__(self, *flows: FlowWork) -> None:
        self.flows = {one.id: one for one in flows}
        self.blind: set[str] = set()
        self.cancelled: list[str] = []

    def past_executions(self, before: float) -> list[str]:
        return []

    def forget_execution(self, execution: str) -> bool:
        return False

    def at_work(self) -> list[FlowWork]:
        return [replace(one, tasks=()) for one in self.flows.values()]

    def whole(self, flow: FlowWork) -> FlowWork:
        if flow.id in self.blind:
            raise Transient("ledger", "not whole")
        return self.flows[flow.id]

    def cancel_execution(self, execution: str) -> None:
        self.cancelled.append(execution)
        del self.flows[execution]


def rounds(
    record: Record, mistral: Mistral, n: int = 4, own: str = "me"
) -> list[stuck.Ended]:
    """One look each minute."""
    found = []
    for _ in range(n):
        found += stuck.end_stuck(
            record, mistral, frozenset({OPERATOR}), own, STILL_S
        )
        record.clock.sleep(60)
    return found


def record() -> Record:
    return Record(MemoryLedger(), Clock())


def test_an_incident_s_execution_is_ended_for_its_next_attempt() -> None:
    kept, mistral = record(), Mistral(flow(task()))
    kept.take(Opened(incident(), "e1"))
    (one,) = rounds(kept, mistral)
    assert mistral.cancelled == ["e1"]
    assert (one.host, one.again) == ("c1", None)
    assert "the next attempt goes on" in one.text
    assert kept.ledger.read(stuck.MEMORY) is not None


def test_who_holds_a_claim_is_waited_for() -> None:
    kept, mistral = record(), Mistral(flow(task()))
    entry = kept.take(Opened(incident(), "e1"))
    kept.claim(entry.incident.id, "fence", "zombie", lease_s=400.0)
    assert rounds(kept, mistral) == []
    assert rounds(kept, mistral, 5)[0].flow.id == "e1"


def test_what_never_began_is_started_anew_with_its_own_inputs() -> None:
    inputs = {"alarm": {"reason": "x"}, "host": None, "retry_delay_s": 10}
    opening = flow(task(name="open_incident"), inputs=inputs)
    (one,) = rounds(record(), Mistral(opening))
    assert one.again == {
        "alarm": {"reason": "x"},
        "host": None,
        "dry_run": None,
        "reason": None,
        "resume": None,
        "opened_by": None,
    }


def test_one_that_opened_its_incident_is_not_started_twice() -> None:
    kept, mistral = record(), Mistral(flow(task(name="open_incident")))
    kept.take(Opened(incident(), "e1"))
    (one,) = rounds(kept, mistral)
    assert one.again is None


def test_a_start_within_reconcile_is_not_started_for_ever() -> None:
    nested = flow(
        task("RUNNING", flows=(sub(task(name="open_incident")),)),
        workflow="ha.v1.reconcile",
    )
    (one,) = rounds(record(), Mistral(nested))
    assert one.again is None


def test_strangers_ourselves_and_what_is_unknown_stay() -> None:
    theirs = flow(task(), id="e7", project="a-tenant")
    unknown, own = flow(task(), id="e8"), flow(task(), id="me")
    mistral = Mistral(theirs, unknown, own)
    mistral.blind = {"e8"}
    assert rounds(record(), mistral, 10) == []
    assert mistral.cancelled == []


def test_where_nothing_stands_nothing_is_written() -> None:
    kept = record()
    busy = flow(task("RUNNING", actions=("RUNNING",)))
    assert rounds(kept, Mistral(busy)) == []
    assert kept.ledger.read(stuck.MEMORY) is None


def test_one_that_cannot_be_cancelled_is_told_and_tried_again() -> None:
    class Deaf(Mistral):
        def cancel_execution(self, execution: str) -> None:
            raise Transient("ledger", "Mistral does not answer.")

    told = [one.text for one in rounds(record(), Deaf(flow(task())), 12)]
    assert len(told) == TRIES + 1
    assert "cannot be cancelled: Mistral does not answer." in told[0]
    assert "does not end though it was cancelled" in told[-1]


def test_another_version_s_memory_costs_one_look() -> None:
    kept, mistral = record(), Mistral(flow(task()))
    kept.ledger.write(stuck.MEMORY, {"still": 7})
    assert [e.flow.id for e in rounds(kept, mistral)] == ["e1"]
    assert kept.clock.now() == NOW + 240


OPENING = flow(task(name="open_incident"), inputs={"host": "c1"})


def test_a_start_whose_cancelling_nobody_answered_is_not_lost() -> None:
    class Slow(Mistral):
        def cancel_execution(self, execution: str) -> None:
            super().cancel_execution(execution)
            raise NoAnswer("ledger", "Mistral does not answer.")

    (one,) = rounds(record(), Slow(OPENING))
    assert one.again is not None
    assert one.again["host"] == "c1"


class Ended(MemoryLedger):
    """A ledger that knows how executions have ended."""

    def __init__(self, **states: str) -> None:
        super().__init__()
        self.states = states

    def execution_state(self, execution: str) -> str:
        return self.states.get(execution, "")


@pytest.mark.parametrize(
    ("own", "state", "again"),
    [
        ("me", "RUNNING", True),
        ("other", "RUNNING", False),
        ("other", "CANCELLED", True),
        ("other", "SUCCESS", False),
        ("other", "", False),
    ],
)
def test_a_look_that_died_before_it_said_whom_to_start(
    own: str, state: str, again: bool
) -> None:
    kept = Record(Ended(me=state), Clock())
    mistral = Mistral(OPENING)
    assert len(rounds(kept, mistral)) == 1  # and its answer was lost
    found = rounds(kept, mistral, 1, own)
    assert [e.again for e in found if e.again] == (
        [{**dict.fromkeys(stuck.AGAIN[OPENING.workflow]), "host": "c1"}]
        if again
        else []
    )
    if state != "RUNNING" and not again:
        assert rounds(kept, mistral, 1, "third") == []
