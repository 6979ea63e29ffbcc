"""The deadline holds for the call under way, too; on the real clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from ha_actions.adapters.clock import SystemClock
from ha_actions.errors import Failed, Transient
from ha_actions.fencing.proof import OTHERS_S, prove_dead
from ha_actions.model import Claim, Evidence, Power, Proof, Reading, Refusal
from ha_actions.settings import Fencing
from unit.fakes import Journal

RULES = Fencing(stable_s=0.2, poll_s=0.1, deadline_s=2)


class Hanging:
    """A device of which some verbs never answer, until the test is over."""

    evidence = Evidence.POWER

    def __init__(
        self, name: str, *hang: str, host: list[float] | None = None
    ) -> None:
        self.name = name
        self._hang = hang
        self.over = threading.Event()
        self.cut_at: list[float] = [] if host is None else host
        """When the host was cut; devices of one host share it."""

    def _meet(self, verb: str) -> None:
        if verb in self._hang:
            self.over.wait(4)

    def identify(self) -> str:
        self._meet("identify")
        return self.name

    def power(self) -> Reading:
        self._meet("power")
        now = time.time()
        return Reading(
            device=self.name,
            power=Power.OFF if self.cut_at else Power.ON,
            at=now,
        )

    def cut(self, claim: Claim) -> None:
        self._meet("cut")
        if time.time() <= claim.until:
            self.cut_at.append(time.time())

    def restore(self, claim: Claim) -> None:
        raise AssertionError("nobody asked")


def prove(*devices: Hanging) -> tuple[Proof | Refusal, float]:
    clock = SystemClock()

    def permit() -> Claim:
        return Claim(
            incident="i",
            subject="fence",
            holder="h",
            number=1,
            until=clock.now() + 60,
        )

    began = time.monotonic()
    answer = prove_dead(
        "c1",
        "i",
        devices,
        RULES,
        clock=clock,
        permit=permit,
        hear=lambda: [],
        journal=Journal(),
    )
    return answer, time.monotonic() - began


@pytest.fixture(params=["identify", "cut", "power"])
def hanging(request: pytest.FixtureRequest) -> Iterator[Hanging]:
    made = Hanging("bmc", request.param)
    yield made
    made.over.set()


def test_a_refusal_in_time(hanging: Hanging) -> None:
    answer, seconds = prove(hanging)
    assert isinstance(answer, Refusal)
    assert "within" in answer.reason
    assert RULES.deadline_s - 0.5 <= seconds <= RULES.deadline_s + 1
    before = list(hanging.cut_at)
    hanging.over.set()  # what hung goes on; its leave has ended
    time.sleep(0.1)
    assert hanging.cut_at == before


def test_the_next_device_in_time(hanging: Hanging) -> None:
    pdu = Hanging("pdu", host=hanging.cut_at)
    began = time.time()
    answer, seconds = prove(hanging, pdu)
    assert isinstance(answer, Proof)
    assert hanging.cut_at[0] - began <= RULES.deadline_s / 2 + 1
    assert seconds <= RULES.deadline_s + OTHERS_S + 1


def test_what_the_job_raises_is_raised() -> None:
    def fail() -> None:
        raise Failed("x", "No.")

    def late() -> None:
        raise TimeoutError("its own")

    clock = SystemClock()
    assert clock.within(lambda: 7, 1) == 7
    with pytest.raises(Failed):
        clock.within(fail, 1)
    with pytest.raises(TimeoutError, match="its own"):
        clock.within(late, 1)
    with pytest.raises(Transient) as error:
        clock.within(lambda: threading.Event().wait(1), 0.05)
    assert error.value.code == "late"
