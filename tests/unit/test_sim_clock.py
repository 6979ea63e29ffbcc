"""Virtual time: the order, the end, and what goes wrong."""

from __future__ import annotations

from functools import partial

import pytest
from ha_actions.sim.clock import START, Closed, FreeClock, Stuck, TurnClock


def test_sleepers_wake_in_order_of_time_then_of_sleep() -> None:
    def run() -> list[tuple[float, str]]:
        clock, log = TurnClock(), []

        def sleeper(name: str, seconds: float) -> None:
            for _ in range(2):
                clock.sleep(seconds)
                log.append((clock.now() - START, name))

        handles = [
            clock.spawn(partial(sleeper, name, seconds), name)
            for name, seconds in (("a", 2), ("b", 1), ("c", 2))
        ]
        for handle in handles:
            assert clock.wait(handle)
        return log

    first = run()
    assert first == [
        (1, "b"),
        (2, "a"),
        (2, "c"),
        (2, "b"),
        (4, "a"),
        (4, "c"),
    ]
    assert run() == first


def test_events_happen_while_somebody_sleeps_across_them() -> None:
    clock, seen = TurnClock(), []
    clock.at(START + 5, lambda: seen.append(clock.now() - START))
    clock.at(START + 3, lambda: seen.append(clock.now() - START))
    clock.at(START + 30, lambda: seen.append(99))
    clock.sleep(10)
    assert seen == [3, 5]
    assert clock.now() == START + 10


def test_wait_gives_up_at_its_time() -> None:
    clock = TurnClock()
    slow = clock.spawn(lambda: clock.sleep(100), "slow")
    assert not clock.wait(slow, START + 10)
    assert clock.now() == START + 10
    assert clock.wait(slow)
    assert clock.now() == START + 100


def test_an_error_stays_in_its_thread() -> None:
    clock = TurnClock()

    def broken() -> None:
        raise ValueError("x")

    handle = clock.spawn(broken, "broken")
    assert clock.wait(handle)
    assert isinstance(handle.error, ValueError)


def test_who_is_abandoned_goes_on_alone() -> None:
    clock, did = TurnClock(), []

    def frozen() -> None:
        clock.abandon()
        clock.sleep(50)
        did.append(clock.now() - START)

    handle = clock.spawn(frozen, "frozen")
    assert clock.wait(handle)
    assert (clock.now(), handle.ended) == (START, False)
    clock.sleep(60)
    assert did == [50]


def test_a_deadlock_names_those_who_wait() -> None:
    clock = TurnClock()
    pair: list[object] = []

    def wait_for(i: int) -> None:
        clock.wait(pair[i])  # type: ignore[arg-type]

    pair.append(clock.spawn(lambda: wait_for(1), "left"))
    pair.append(clock.spawn(lambda: wait_for(0), "right"))
    with pytest.raises(Stuck, match="left, right"):
        clock.wait(pair[0])  # type: ignore[arg-type]
    clock.close()
    assert clock.alive() == []


def test_time_has_a_cap() -> None:
    clock = TurnClock(cap_s=100)
    with pytest.raises(Stuck, match="cap"):
        clock.sleep(101)


def test_close_unwinds_sleepers() -> None:
    clock = TurnClock()
    handle = clock.spawn(lambda: clock.sleep(1000), "sleeper")
    clock.sleep(1)
    clock.close()
    assert isinstance(handle.error, Closed)


def test_an_error_of_an_event_reaches_the_root() -> None:
    clock = TurnClock()

    def broken() -> None:
        raise KeyError("event")

    clock.at(START + 1, broken)
    clock.spawn(lambda: clock.sleep(10), "other")
    with pytest.raises(KeyError):
        clock.sleep(5)
    clock.close()


def test_together_runs_all_and_raises_the_first_error() -> None:
    clock, ran = TurnClock(), []

    def job(i: int) -> int:
        ran.append(i)
        if i:
            raise ValueError(str(i))
        return i

    with pytest.raises(ValueError, match="1"):
        clock.together([partial(job, i) for i in (0, 1, 2)], 4)
    assert ran == [0, 1, 2]


def test_free_clock_moves_at_once_and_applies_events() -> None:
    clock, seen = FreeClock(), []
    clock.at(START + 5, lambda: seen.append(clock.now() - START))
    assert clock.pending() == START + 5
    clock.sleep(7)
    assert (seen, clock.now() - START) == ([5], 7)
    assert clock.together([lambda: 1, lambda: 2], 2) == [1, 2]
