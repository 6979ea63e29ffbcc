"""Two outlets of one host: all of them or nothing."""

from __future__ import annotations

import pytest
from ha_actions.errors import (
    BadInput,
    Failed,
    HaError,
    NoAnswer,
    Refused,
    Transient,
)
from ha_actions.fencing.level import AllOf
from ha_actions.fencing.proof import prove_dead
from ha_actions.model import Evidence, Power, Proof
from ha_actions.settings import Fencing
from unit.fakes import Clock, Device, Journal, claim

ON, OFF, UNKNOWN = Power.ON, Power.OFF, Power.UNKNOWN


@pytest.mark.parametrize(
    ("words", "power"),
    [
        ([OFF, OFF], OFF),
        ([OFF, ON], ON),
        ([UNKNOWN, ON], ON),
        ([OFF, UNKNOWN], UNKNOWN),
        ([UNKNOWN, UNKNOWN], UNKNOWN),
    ],
)
def test_power(words: list[Power], power: Power) -> None:
    clock = Clock()
    both = [Device(clock, name=f"d{i}", before=w) for i, w in enumerate(words)]
    read = AllOf(both, clock).power()
    assert read.power is power
    assert read.device == "d0 + d1"
    assert read.detail == f"d0 {words[0]}, d1 {words[1]}"


def no(kind: type[HaError]) -> HaError:
    return kind("code", f"{kind.__name__} said no.")


@pytest.mark.parametrize(
    ("first", "second", "raised"),
    [
        (Failed, NoAnswer, NoAnswer),
        (NoAnswer, Transient, Transient),
        (Failed, Refused, Refused),
        (Transient, Refused, Refused),
    ],
)
def test_every_device_is_cut_and_the_gravest_error_told(
    first: type[HaError], second: type[HaError], raised: type[HaError]
) -> None:
    clock = Clock()
    one = Device(clock, name="d0", refuses=[no(first)])
    two = Device(clock, name="d1", refuses=[no(second)])
    three = Device(clock, name="d2")
    with pytest.raises(raised) as met:
        AllOf([one, two, three], clock).cut(claim())
    assert type(met.value) is raised
    assert three.cut_at is not None


def test_identify_needs_all() -> None:
    clock = Clock()
    stranger = Device(clock, strangers=[BadInput("wrong_machine", "It is x.")])
    assert AllOf([Device(clock), Device(clock)], clock).identify()
    with pytest.raises(BadInput):
        AllOf([Device(clock), stranger], clock).identify()


def test_one_class_of_evidence() -> None:
    clock = Clock()
    mixed = [Device(clock), Device(clock, evidence=Evidence.NETWORK)]
    with pytest.raises(BadInput, match="of one class, not of network, power"):
        AllOf(mixed, clock)
    with pytest.raises(BadInput, match="none"):
        AllOf([], clock)


@pytest.mark.parametrize(("second", "proven"), [(OFF, True), (ON, False)])
def test_in_the_fencing_loop(second: Power, proven: bool) -> None:
    clock = Clock()
    level = AllOf(
        [
            Device(clock, name="a"),
            Device(clock, name="b", after=[(0, second)]),
        ],
        clock,
    )
    answer = prove_dead(
        "c1",
        "i",
        [level],
        Fencing(),
        clock=clock,
        permit=claim,
        hear=lambda: [],
        journal=Journal(),
    )
    assert isinstance(answer, Proof) is proven
    if isinstance(answer, Proof):
        assert "a + b read Off" in answer.rule
