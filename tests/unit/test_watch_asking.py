"""Witnesses are asked beside the watch's rounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from ha_actions.adapters.clock import SystemClock
from ha_actions.errors import BadInput
from ha_actions.model import Host, Says, Testimony
from ha_actions.ports import Cloud, Witness
from ha_actions.settings import Policy, Witnesses
from ha_alarms.watch_asking import (
    ANSWER_S,
    AT_ONCE,
    HANGING,
    LIMIT_S,
    Asking,
)
from ha_alarms.watching import Seen, Suspect
from unit.fakes import Clock, small_outside

POLICY = Policy(witnesses=Witnesses(ask=["compute_service", "bmc_power"]))
AGAIN_S = 10.0


class Later:
    """Jobs that end when the test says so."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []
        self._ended: set[int] = set()

    def begin(self, job: Callable[[], None]) -> Callable[[], bool]:
        self.jobs.append(job)
        number = len(self.jobs) - 1
        return lambda: number in self._ended

    def end(self, number: int) -> None:
        self.jobs[number]()
        self._ended.add(number)


class Dead:
    """A witness that says dead of everybody."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self._clock = clock

    def testify(self, host: Host) -> Testimony:
        return Testimony(
            witness=self.name,
            host=host.name,
            says=Says.DEAD,
            observed_at=self._clock.now(),
        )


def asking(
    clock: Clock, aside: Later, error: BadInput | None = None
) -> Asking:
    def witnesses(policy: Policy, cloud: Cloud) -> Mapping[str, Witness]:
        if error:
            raise error
        return {n: Dead(n, clock) for n in policy.witnesses.ask}

    ports = replace(small_outside(clock=clock), witnesses=witnesses)
    nobody: Any = None
    return Asking(ports, nobody, aside, AGAIN_S)


def hosts(*names: str, beat_ended: bool = False) -> list[Suspect]:
    one = partial(Host, up=False, updated_at=1.0)
    return [
        Suspect(Seen(one(name=n, service_id=n), 1.0, 1.0), "late", beat_ended)
        for n in names
    ]


def test_a_slow_host_holds_up_no_other() -> None:
    clock, aside = Clock(), Later()
    one = asking(clock, aside)
    one.begin(hosts("c1", "c2"), POLICY)
    assert (one.of("c1"), one.of("c2"), one.busy) == (None, None, True)
    aside.end(1)
    assert one.answered()
    assert not one.answered(), "it was told already"
    [said] = one.of("c2") or ()
    assert (said.witness, said.says) == ("bmc_power", Says.DEAD)
    assert one.of("c1") is None


def test_nobody_is_asked_twice_at_once_nor_again_too_soon() -> None:
    clock, aside = Clock(), Later()
    one = asking(clock, aside)
    for _ in range(3):
        one.begin(hosts("c1"), POLICY)
    assert len(aside.jobs) == 1
    aside.end(0)
    clock.sleep(AGAIN_S - 1)
    one.begin(hosts("c1"), POLICY)
    assert len(aside.jobs) == 1
    clock.sleep(1)
    one.begin(hosts("c1"), POLICY)
    assert len(aside.jobs) == 2


def test_who_loses_his_beat_is_asked_after_anew_at_once() -> None:
    """The first answer was that it beats."""
    clock, aside = Clock(), Later()
    one = asking(clock, aside)
    one.begin(hosts("c1"), POLICY)
    one.begin(hosts("c1", beat_ended=True), POLICY)
    assert len(aside.jobs) == 1, "it is being asked"
    aside.end(0)
    one.begin(hosts("c1", beat_ended=True), POLICY)
    assert len(aside.jobs) == 2
    aside.end(1)
    one.begin(hosts("c1", beat_ended=True), POLICY)
    assert len(aside.jobs) == 2


def test_what_was_said_grows_old_while_it_is_asked_anew() -> None:
    clock, aside = Clock(), Later()
    one = asking(clock, aside)
    one.begin(hosts("c1"), POLICY)
    aside.end(0)
    clock.sleep(AGAIN_S)
    one.begin(hosts("c1"), POLICY)
    assert one.of("c1"), "still good"
    clock.sleep(ANSWER_S)
    assert one.of("c1") is None, "too old, and no new answer yet"


def test_so_many_at_once_and_the_first_first() -> None:
    clock, aside = Clock(), Later()
    one = asking(clock, aside)
    many = hosts(*(f"c{n}" for n in range(AT_ONCE + 1)))
    one.begin(many, POLICY)
    assert len(aside.jobs) == AT_ONCE
    aside.end(3)
    one.begin(many, POLICY)
    assert len(aside.jobs) == AT_ONCE + 1
    aside.end(AT_ONCE)
    assert one.of(f"c{AT_ONCE}")


def test_who_is_suspected_no_more_is_forgotten() -> None:
    clock, aside = Clock(), Later()
    one = asking(clock, aside)
    one.begin(hosts("c1", "c2"), POLICY)
    aside.end(0)
    aside.end(1)
    one.keep({"c2"})
    assert (one.of("c1"), bool(one.of("c2"))) == (None, True)


def test_why_they_could_not_be_asked_is_said_where_it_is_read() -> None:
    clock, aside = Clock(), Later()
    one = asking(clock, aside, BadInput("executor_file", "no fences.yaml."))
    one.begin(hosts("c1"), POLICY)
    aside.end(0)
    with pytest.raises(BadInput, match="no fences"):
        one.of("c1")


class Hangs(Dead):
    """A witness that does not answer before the test lets it."""

    def __init__(self, name: str, clock: Clock) -> None:
        super().__init__(name, clock)
        self.asked = 0
        self.may_answer = threading.Event()

    def testify(self, host: Host) -> Testimony:
        self.asked += 1
        self.may_answer.wait(20)
        return super().testify(host)


class Impatient(Clock):
    """A minute of its time is a moment of ours."""

    def within(self, job: Callable[[], Any], seconds: float) -> Any:
        assert seconds == LIMIT_S
        self.sleep(seconds)
        return SystemClock().within(job, 0.05)


def test_a_witness_that_hangs_is_silent_and_asked_again() -> None:
    clock, aside = Impatient(), Later()
    hangs, well = Hangs("bmc_power", clock), Dead("tcp_reach", clock)
    policy = Policy(witnesses=Witnesses(ask=["bmc_power", "tcp_reach"]))
    known = {"bmc_power": hangs, "tcp_reach": well}
    nobody: Any = None
    ports = small_outside(clock=clock, witnesses=known)
    one = Asking(ports, nobody, aside, AGAIN_S)

    def said() -> tuple[Says, Says, str]:
        clock.sleep(AGAIN_S)
        one.begin(hosts("c1"), policy)
        aside.end(len(aside.jobs) - 1)
        first, second = one.of("c1") or ()
        return first.says, second.says, first.detail

    for _ in range(HANGING):
        first, second, why = said()
        assert (first, second) == (Says.SILENT, Says.DEAD)
        assert "no answer within" in why
    first, second, why = said()
    assert (first, second) == (Says.SILENT, Says.DEAD)
    assert why == f"{HANGING} questions hang"
    assert hangs.asked == HANGING, "its threads are not without number"
    hangs.may_answer.set()
    until = time.monotonic() + 10
    while (now := said())[0] is Says.SILENT and time.monotonic() < until:
        time.sleep(0.01)  # its threads are about to end
    assert now[:2] == (Says.DEAD, Says.DEAD)
