"""The instance-state matrix, row by row, and what must never be posted."""

from __future__ import annotations

from typing import Any

import pytest
from ha_actions.deciders.evacuation import Move, lands_stopped, next_move
from ha_actions.model import (
    TERMINAL_MIGRATIONS,
    Guest,
    Migration,
    Result,
)
from hypothesis import example, given
from hypothesis import strategies as st
from unit.fakes import guest

NO_HOST = "No valid host was found. There are not enough hosts available."


def record(status: str = "done", dest: str = "c2", n: int = 1) -> Migration:
    return Migration(
        id=str(n), guest="id-db", source="c1", dest=dest, status=status
    )


def here(**more: Any) -> Guest:
    """As Nova shows it while it is still on the dead host."""
    return guest(**more)


def there(**more: Any) -> Guest:
    """As Nova shows it once it is on another host."""
    return guest(host="c2", **more)


# -- the first move, by the state on the dead host ----------------------------
@pytest.mark.parametrize(
    ("state", "power", "move", "stopped", "code"),
    [
        ("active", "running", Move.POST, False, ""),
        ("active", "nostate", Move.POST, False, ""),
        ("active", "shutdown", Move.POST, False, ""),
        ("stopped", "shutdown", Move.POST, True, ""),
        ("error", "running", Move.POST, False, ""),
        ("error", "nostate", Move.POST, False, ""),
        ("error", "shutdown", Move.POST, True, ""),
        ("paused", "paused", Move.RESET, False, ""),
        ("suspended", "shutdown", Move.RESET, True, ""),
        ("rescued", "running", Move.RESET, False, ""),
        ("shelved", "shutdown", Move.SETTLED, False, "state"),
        ("shelved_offloaded", "shutdown", Move.SETTLED, False, "state"),
        ("resized", "running", Move.SETTLED, False, "state"),
        ("building", "nostate", Move.SETTLED, False, "state"),
        ("soft-delete", "shutdown", Move.SETTLED, False, "state"),
        ("a word of a later Nova", "running", Move.SETTLED, False, "state"),
    ],
)
def test_first_move(
    state: str, power: str, move: Move, stopped: bool, code: str
) -> None:
    prior = here(vm_state=state, power=power)
    step = next_move(prior, prior, [], tries=2)
    assert step.move is move
    assert step.code == code
    assert (step.result is Result.FAILED) == (code != "")
    assert lands_stopped(prior) is stopped


@pytest.mark.parametrize("task", ["rebooting", "powering-off", "rebuilding"])
def test_a_task_state_on_the_dead_host_does_not_stop_it(task: str) -> None:
    """A command that was sent to the dead host never ends by itself."""
    prior = here(task_state=task)
    assert next_move(prior, prior, [], tries=2).move is Move.POST


def test_locked_is_evacuated_like_any() -> None:
    prior = here(locked=True)
    assert next_move(prior, prior, [], tries=2).move is Move.POST


def test_reset_is_followed_by_the_post() -> None:
    prior = here(vm_state="paused", power="paused")
    now = here(vm_state="active", power="paused")
    assert next_move(prior, now, [], tries=2).move is Move.POST


# -- how it ends, by what it was and what it is -------------------------------
@pytest.mark.parametrize(
    ("prior", "now", "verb"),
    [
        ({"vm_state": "active"}, {"vm_state": "active"}, ""),
        ({"vm_state": "stopped"}, {"vm_state": "stopped"}, ""),
        ({"vm_state": "stopped"}, {"vm_state": "active"}, "stop"),
        ({"vm_state": "error"}, {"vm_state": "active"}, ""),
        (
            {"vm_state": "error", "power": "shutdown"},
            {"vm_state": "active"},
            "stop",
        ),
        (
            {"vm_state": "error", "power": "shutdown"},
            {"vm_state": "stopped"},
            "",
        ),
        ({"vm_state": "paused"}, {"vm_state": "active"}, "pause"),
        ({"vm_state": "paused"}, {"vm_state": "paused"}, ""),
        ({"vm_state": "suspended"}, {"vm_state": "active"}, "stop"),
        ({"vm_state": "suspended"}, {"vm_state": "stopped"}, ""),
        ({"vm_state": "rescued"}, {"vm_state": "active"}, ""),
    ],
)
def test_its_former_state_is_asked_back_once(
    prior: dict[str, Any], now: dict[str, Any], verb: str
) -> None:
    def move(**more: Any) -> Any:
        return next_move(
            here(**prior), there(**now), [record()], tries=2, **more
        )

    first = move()
    assert first.verb == verb
    assert first.move is (Move.RESTORE if verb else Move.SETTLED)
    again = move(restored=("stop", "pause"))
    assert again.move is Move.SETTLED
    assert again.result is Result.DONE
    assert "now on c2" in again.reason


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("suspended", "memory is lost"),
        ("paused", "memory is lost"),
        ("rescued", "no longer in rescue"),
        ("active", "now on c2"),
    ],
)
def test_a_loss_is_told(state: str, told: str) -> None:
    step = next_move(
        here(vm_state=state),
        there(),
        [record()],
        tries=2,
        restored=("stop", "pause"),
    )
    assert told in step.reason


@pytest.mark.parametrize(
    ("records", "result"),
    [
        ([record("done")], Result.DONE),
        ([record("completed")], Result.DONE),
        ([record("failed"), record("done")], Result.DONE),
        ([], Result.ALREADY),
        ([record("failed")], Result.ALREADY),
    ],
)
def test_who_moved_it(records: list[Migration], result: Result) -> None:
    step = next_move(here(), there(), records, tries=2)
    assert (step.move, step.result) == (Move.SETTLED, result)


def test_deleted_by_its_owner() -> None:
    step = next_move(here(), None, [record("accepted")], tries=2)
    assert step.move is Move.SETTLED
    assert step.result is Result.ALREADY
    assert step.code == "deleted"


def test_error_on_the_new_host_is_a_failure_with_its_fault() -> None:
    now = there(vm_state="error", fault="libvirt says no")
    step = next_move(here(), now, [record()], tries=2)
    assert step.code == "error_elsewhere"
    assert "libvirt says no" in step.reason
    bare = next_move(here(), there(vm_state="error"), [record()], tries=2)
    assert "no fault recorded" in bare.reason


def test_busy_on_the_new_host_is_waited_for() -> None:
    now = there(task_state="rebuild_spawning")
    assert next_move(here(), now, [record()], tries=2).move is Move.WAIT


@pytest.mark.parametrize(
    ("before", "now", "asked", "verb"),
    [
        ("active", "stopped", (), "start"),
        ("error", "stopped", (), "start"),
        ("rescued", "stopped", (), "start"),
        ("paused", "stopped", (), "start"),
        ("paused", "active", ("start",), "pause"),
        ("active", "stopped", ("start",), ""),
        ("stopped", "stopped", (), ""),
        ("suspended", "stopped", (), ""),
        ("active", "active", (), ""),
    ],
)
def test_placed_stopped_then_started(
    before: str, now: str, asked: tuple[str, ...], verb: str
) -> None:
    step = next_move(
        here(vm_state=before),
        there(vm_state=now),
        [record()],
        tries=2,
        restored=asked,
        place_stopped=True,
    )
    assert step.verb == verb
    assert step.move is (Move.RESTORE if verb else Move.SETTLED)


def test_what_its_owner_stopped_is_not_started() -> None:
    step = next_move(here(), there(vm_state="stopped"), [record()], tries=2)
    assert step.move is Move.SETTLED


# -- failed evacuations -------------------------------------------------------
@pytest.mark.parametrize(
    ("failures", "tries", "fault", "move", "code"),
    [
        (1, 2, "spawn failed", Move.POST, ""),
        (2, 2, "spawn failed", Move.SETTLED, "evacuate_failed"),
        (1, 1, "spawn failed", Move.SETTLED, "evacuate_failed"),
        (3, 5, "", Move.POST, ""),
        (5, 5, "", Move.SETTLED, "evacuate_failed"),
        (1, 5, NO_HOST, Move.SETTLED, "no_valid_host"),
    ],
)
def test_after_failures(
    failures: int, tries: int, fault: str, move: Move, code: str
) -> None:
    records = [record("failed", n=n) for n in range(failures)]
    now = here(vm_state="error", fault=fault)
    step = next_move(here(), now, records, tries=tries)
    assert (step.move, step.code) == (move, code)
    assert step.again is (move is Move.POST)
    if move is Move.SETTLED:
        waits = code == "no_valid_host"
        assert step.result is (Result.DEFERRED if waits else Result.FAILED)


@pytest.mark.parametrize("status", ["failed", "error", "cancelled"])
def test_every_word_for_failure(status: str) -> None:
    step = next_move(here(), here(), [record(status)], tries=1)
    assert step.code == "evacuate_failed"


def test_an_old_fault_without_a_failed_record_is_not_ours() -> None:
    prior = here(vm_state="error", fault=NO_HOST)
    assert next_move(prior, prior, [], tries=2).move is Move.POST


# -- in flight ----------------------------------------------------------------
@pytest.mark.parametrize(
    "status",
    ["accepted", "pre-migrating", "running", "queued", "", "a new word"],
)
def test_a_record_in_flight_is_waited_for(status: str) -> None:
    for now in (here(), here(vm_state="error"), there()):
        step = next_move(here(), now, [record(status)], tries=9)
        assert step.move is Move.WAIT


def test_done_but_its_host_is_not_written_yet() -> None:
    step = next_move(here(), here(), [record("done")], tries=9)
    assert step.move is Move.WAIT


def test_asked_without_a_record_is_waited_for() -> None:
    step = next_move(here(), here(), [], tries=2, asked=True)
    assert step.move is Move.WAIT


def test_its_destination_died_too() -> None:
    flying = record("accepted", dest="c2")
    step = next_move(here(), here(), [flying], tries=1, dead_hosts={"c2"})
    assert step.move is Move.POST
    assert step.again
    assert "c2 died too" in step.reason


def test_its_destination_died_and_it_was_posted_again_already() -> None:
    """The second POST's record is not there yet; the old one still is."""
    flying = record("accepted", dest="c2")
    step = next_move(
        here(), here(), [flying], tries=9, dead_hosts={"c2"}, asked=True
    )
    assert step.move is Move.WAIT


def test_a_dead_destination_does_not_hide_a_live_one() -> None:
    records = [record("accepted", "c2"), record("accepted", "c3", n=2)]
    step = next_move(here(), here(), records, tries=9, dead_hosts={"c2"})
    assert step.move is Move.WAIT


# -- never --------------------------------------------------------------------
STATES = st.sampled_from(
    [
        "active",
        "stopped",
        "error",
        "paused",
        "suspended",
        "rescued",
        "shelved",
        "resized",
        "building",
        "unheard-of",
    ]
)
STATUSES = st.sampled_from(
    [*sorted(TERMINAL_MIGRATIONS), "accepted", "pre-migrating", "unheard-of"]
)
HOSTS = st.sampled_from(["c1", "c2", "c3", ""])
GUESTS = st.builds(
    lambda state, host, task, power, fault: guest(
        vm_state=state, host=host, task_state=task, power=power, fault=fault
    ),
    STATES,
    HOSTS,
    st.sampled_from(["", "rebuilding"]),
    st.sampled_from(["running", "shutdown", "paused"]),
    st.sampled_from(["", NO_HOST, "spawn failed"]),
)
RECORDS = st.lists(st.builds(record, STATUSES, HOSTS), max_size=4)


@given(
    prior=STATES,
    now=st.none() | GUESTS,
    records=RECORDS,
    tries=st.integers(1, 5),
    asked=st.booleans(),
    dead=st.sets(st.sampled_from(["c2", "c3"])),
    restored=st.sampled_from([(), ("stop", "pause")]),
)
@example("active", guest(), [record("accepted")], 2, True, {"c2"}, False)
def test_never_posted_when_it_may_be_moving_or_is_elsewhere(
    prior: str,
    now: Guest | None,
    records: list[Migration],
    tries: int,
    asked: bool,
    dead: set[str],
    restored: tuple[str, ...],
) -> None:
    step = next_move(
        here(vm_state=prior),
        now,
        records,
        tries=tries,
        asked=asked,
        dead_hosts=dead,
        restored=restored,
    )
    assert step.reason
    flying = [r for r in records if r.in_flight and r.dest not in dead]
    failed = [r for r in records if r.status in ("failed", "error")]
    if step.move in (Move.POST, Move.RESET):
        assert now is not None
        assert now.host == "c1"
        assert not flying
        assert not asked
        last = records[-1] if records else None
        assert last is None or last.status not in ("done", "completed")
        assert len(failed) < tries or (last is not None and last.dest in dead)
    if step.move is Move.RESTORE:
        assert now is not None
        assert now.host != "c1"
        assert step.verb in ("pause", "stop")
        assert not restored
    if step.result in (Result.FAILED, Result.REFUSED):
        assert step.code
