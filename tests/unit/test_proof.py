"""The fencing loop against every fault of a device, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from ha_actions import model
from ha_actions.errors import (
    BadInput,
    Failed,
    HaError,
    NoAnswer,
    Refused,
    Transient,
)
from ha_actions.fencing.level import AllOf
from ha_actions.fencing.proof import look_again, prove_dead
from ha_actions.model import (
    Claim,
    Evidence,
    Power,
    Proof,
    Reading,
    Refusal,
    Says,
)
from ha_actions.settings import Fencing
from hypothesis import given
from hypothesis import strategies as st
from unit.fakes import Clock, Device, Journal, claim, says

ON, OFF, UNKNOWN = Power.ON, Power.OFF, Power.UNKNOWN
RULES = Fencing(stable_s=10, poll_s=2, deadline_s=120)


@dataclass
class Case:
    """One fencing: devices on one clock, and what witnesses say after it."""

    clock: Clock = field(default_factory=Clock)
    journal: Journal = field(default_factory=Journal)
    permits: int = 0
    heard: list[tuple[str, Says, float]] = field(default_factory=list)
    """Witness, answer, seconds before (negative) or after OFF began."""

    def device(self, **more: Any) -> Device:
        return Device(self.clock, **more)

    def permit(self) -> Claim:
        self.permits += 1
        return claim(until=self.clock.at + 60)

    def hear(self) -> list[model.Testimony]:
        return [
            says(who, what, self.clock.at + shift)
            for who, what, shift in self.heard
        ]

    def fence(
        self, devices: Sequence[Device], rules: Fencing = RULES
    ) -> Proof | Refusal:
        return prove_dead(
            "c1",
            "c1-aaaa",
            devices,
            rules,
            clock=self.clock,
            permit=self.permit,
            hear=self.hear,
            journal=self.journal,
        )


def unreachable() -> Transient:
    return Transient("fence_unreachable", "bmc does not answer.")


def refused() -> Failed:
    return Failed("fence_refused", "bmc answered 403 to the cut.")


# -- the fault matrix: one device -----------------------------------------
# after: power by seconds since the cut; strangers: raised by identify;
# refuses: raised by the cut
PROVEN: dict[str, dict[str, Any]] = {
    "normal: off at once": {},
    "normal: off after 0.3 s": {"after": [(0, ON), (0.3, OFF)]},
    "slow: off after 15 s": {"after": [(0, ON), (15, OFF)]},
    "slow: each answer takes 15 s": {"latency_s": 15},
    "says PoweringOff, which is unknown, then Off": {
        "after": [(0, UNKNOWN), (4, OFF)],
    },
    "was off already": {"before": OFF},
    "revives once after 3 s, and is off again later": {
        "after": [(0, OFF), (3, ON), (30, OFF)],
    },
    "answers no to the cut, since it is off already": {
        "before": OFF,
        "refuses": [refused()],
    },
    "the cut gets no answer, but works": {
        "before": OFF,
        "refuses": [NoAnswer("no_answer", "sent, no answer.")],
    },
    "the cut fails for a moment": {"refuses": [unreachable(), unreachable()]},
}
NOT_PROVEN: dict[str, tuple[dict[str, Any], str]] = {
    "ignores: answers 204 and stays on": ({"after": [(0, ON)]}, "last: ON"),
    "refuses": ({"refuses": [refused()]}, "answered 403"),
    "revives after 0.5 s": (
        {"after": [(0, OFF), (0.5, ON)]},
        "did not read Off for 10 s",
    ),
    "revives after 3 s": (
        {"after": [(0, OFF), (3, ON)]},
        "did not read Off for 10 s",
    ),
    "revives right before the time is full": (
        {"after": [(0, OFF), (9.9, ON)]},
        "last: ON",
    ),
    "flaps for ever": (
        {"after": [(s, OFF if s // 8 % 2 else ON) for s in range(0, 200, 8)]},
        "did not read Off",
    ),
    "reads Unknown for ever": (
        {"before": UNKNOWN, "after": [(0, UNKNOWN)]},
        "last: UNKNOWN",
    ),
    "one Unknown in each ten seconds": (
        {
            "after": [
                (s, UNKNOWN if s % 8 == 0 else OFF) for s in range(0, 200, 2)
            ]
        },
        "did not read Off",
    ),
    "unreachable": (
        {"before": UNKNOWN, "strangers": [unreachable()]},
        "does not answer",
    ),
    "identity cannot be read, though it reads Off": (
        {"before": OFF, "strangers": [unreachable()]},
        "does not answer",
    ),
    "identity is answered with an error, though it reads Off": (
        {"before": OFF, "strangers": [Failed("http_500", "answered 500.")]},
        "answered 500",
    ),
    "controls another machine, which is off": (
        {"before": OFF, "strangers": [BadInput("wrong_machine", "It is c9.")]},
        "It is c9",
    ),
    "off too late for the deadline": (
        {"after": [(0, ON), (112, OFF)]},
        "did not read Off",
    ),
    "slower than the deadline": ({"latency_s": 130}, "last: OFF"),
}


@pytest.mark.parametrize("name", PROVEN)
def test_proven(name: str) -> None:
    case = Case()
    device = case.device(**PROVEN[name])
    device.refuses = list(device.refuses)  # a cut uses them up
    proof = case.fence([device])
    assert isinstance(proof, Proof), proof
    assert "cut" in device.calls
    assert device.calls[0] == "identify"
    assert proof.evidence is Evidence.POWER
    assert proof.host == "c1"
    assert proof.incident == "c1-aaaa"
    assert proof.at - proof.since >= RULES.stable_s
    tail = [r for r in proof.readings if r.at >= proof.since]
    assert len(tail) > 1
    assert all(r.power is OFF for r in tail)
    assert proof.at <= case.clock.at


@pytest.mark.parametrize("name", NOT_PROVEN)
def test_not_proven(name: str) -> None:
    faults, why = NOT_PROVEN[name]
    case = Case()
    device = case.device(**faults)
    device.refuses = list(device.refuses)
    answer = case.fence([device])
    assert isinstance(answer, Refusal), answer
    assert answer.code == "not_proven"
    assert "c1" in answer.reason
    assert why in answer.reason
    slack = RULES.poll_s + device.latency_s
    started = case.clock.at - RULES.deadline_s
    assert started <= Clock().at + slack


def test_a_stranger_is_never_cut_nor_read() -> None:
    case = Case()
    device = case.device(strangers=[BadInput("wrong_machine", "It is c9.")])
    assert isinstance(case.fence([device]), Refusal)
    assert device.calls == ["identify"]
    assert case.permits == 0


def test_a_wrong_password_is_tried_once_and_the_next_device_asked() -> None:
    case = Case()
    locked = Refused("forbidden", "bmc refuses the credentials.")
    first = case.device(name="bmc", strangers=[locked], before=UNKNOWN)
    second = case.device(name="pdu")
    proof = case.fence([first, second])
    assert isinstance(proof, Proof)
    assert first.calls.count("identify") == 1
    assert "pdu" in proof.rule


def test_unreachable_device_is_told_once_not_each_round() -> None:
    case = Case()
    device = case.device(before=UNKNOWN, strangers=[unreachable()])
    answer = case.fence([device])
    assert isinstance(answer, Refusal)
    assert len(case.journal.notes) == 1
    assert answer.reason.count("does not answer") == 1


def test_a_device_that_is_back_within_the_time_is_still_asked() -> None:
    case = Case()
    device = case.device(refuses=[unreachable()] * 5)
    proof = case.fence([device])
    assert isinstance(proof, Proof)
    assert device.calls.count("cut") == 6
    assert device.cut_at is not None
    assert proof.since >= device.cut_at


def test_off_before_the_cut_was_asked_does_not_count() -> None:
    case = Case()
    device = case.device(before=OFF, refuses=[unreachable()] * 8)
    proof = case.fence([device])
    assert isinstance(proof, Proof)
    assert device.cut_at is not None
    assert proof.since >= device.cut_at


# -- no fence -------------------------------------------------------------
@pytest.mark.parametrize(
    ("evidence", "accept"),
    [
        ([], ["power"]),
        ([Evidence.NETWORK], ["power"]),
        ([Evidence.STORAGE, Evidence.OPERATOR], ["power", "network"]),
        ([Evidence.POWER], []),
    ],
)
def test_no_fence_whose_evidence_is_accepted(
    evidence: list[Evidence], accept: list[str]
) -> None:
    case = Case()
    devices = [case.device(name=e.value, evidence=e) for e in evidence]
    answer = case.fence(devices, Fencing(accept=accept))
    assert isinstance(answer, Refusal)
    assert answer.code == "no_fence"
    assert all(d.calls == [] for d in devices)


# -- two devices ----------------------------------------------------------
def test_the_second_has_its_share_of_the_time() -> None:
    """A BMC that died with its host must not use up the PDU's time."""
    case = Case()
    first = case.device(name="bmc", before=UNKNOWN, strangers=[unreachable()])
    second = case.device(name="pdu")
    proof = case.fence([first, second])
    assert isinstance(proof, Proof)
    assert proof.rule.startswith("pdu read Off")
    assert case.clock.at < Clock().at + RULES.deadline_s


def test_the_first_is_enough() -> None:
    case = Case()
    first, second = (
        case.device(name="bmc"),
        case.device(name="pdu", before=OFF),
    )
    assert isinstance(case.fence([first, second]), Proof)
    assert "cut" not in second.calls


@pytest.mark.parametrize("evidence", [Evidence.POWER, Evidence.NETWORK])
def test_two_devices_that_contradict(evidence: Evidence) -> None:
    """Whichever class: On is a sign of life."""
    case = Case()
    liar = case.device(name="bmc")
    other = case.device(name="pdu", evidence=evidence, after=[(0, ON)])
    answer = case.fence([liar, other])
    assert isinstance(answer, Refusal)
    assert answer.code == "not_proven"
    assert "bmc read Off, another device On" in answer.reason


def test_the_other_device_settles_it_by_its_own_cut() -> None:
    case = Case()
    liar, honest = case.device(name="bmc"), case.device(name="pdu")
    proof = case.fence([liar, honest])
    assert isinstance(proof, Proof)
    assert proof.rule.startswith("pdu")
    assert "cut" in honest.calls


def test_an_unknown_second_device_does_not_stop_the_first() -> None:
    case = Case()
    second = case.device(name="pdu", before=UNKNOWN)
    assert isinstance(case.fence([case.device(), second]), Proof)


# -- witnesses after OFF --------------------------------------------------
@pytest.mark.parametrize(
    ("heard", "code"),
    [
        ([], ""),
        ([("tcp_reach", Says.SILENT, 0)], ""),
        ([("tcp_reach", Says.DEAD, 0)], ""),
        ([("tcp_reach", Says.ALIVE, 0)], "contradicted"),
        ([("tcp_reach", Says.ALIVE, -10)], "contradicted"),
        ([("tcp_reach", Says.ALIVE, -10.5)], ""),
        (
            [("bmc_power", Says.DEAD, 0), ("tcp_reach", Says.ALIVE, -1)],
            "contradicted",
        ),
    ],
)
def test_a_witness_newer_than_off_refutes_the_device(
    heard: list[tuple[str, Says, float]], code: str
) -> None:
    """OFF began ten seconds before the witnesses are heard."""
    case = Case(heard=heard)
    answer = case.fence([case.device()])
    if not code:
        assert isinstance(answer, Proof)
        assert len(answer.testimonies) == len(heard)
        return
    assert isinstance(answer, Refusal)
    assert answer.code == code
    assert answer.facts["alive"] == ["tcp_reach"]


# -- leave to cut ---------------------------------------------------------
@pytest.mark.parametrize("code", ["superseded", "disarmed", "aborted"])
def test_no_leave_no_cut(code: str) -> None:
    case = Case()
    device = case.device()

    def permit() -> Claim:
        raise Refused(code, "Not now.")

    with pytest.raises(Refused) as caught:
        prove_dead(
            "c1",
            "i",
            [device],
            RULES,
            clock=case.clock,
            permit=permit,
            hear=case.hear,
            journal=case.journal,
        )
    assert caught.value.code == code
    assert device.calls == ["identify"]


def test_superseded_at_the_device_ends_it() -> None:
    case = Case()
    device = case.device(refuses=[Refused("superseded", "Too late.")])
    with pytest.raises(Refused):
        case.fence([device])
    assert device.cut_at is None


# -- stability time -------------------------------------------------------
def test_zero_stability_still_needs_two_readings() -> None:
    case = Case()
    device = case.device()
    proof = case.fence([device], Fencing(stable_s=0))
    assert isinstance(proof, Proof)
    assert device.calls.count("power") == 2


def test_stability_longer_than_the_deadline_is_never_proven() -> None:
    case = Case()
    answer = case.fence([case.device()], Fencing(stable_s=60, deadline_s=30))
    assert isinstance(answer, Refusal)


WORDS = st.sampled_from([ON, OFF, UNKNOWN])
ERRORS: st.SearchStrategy[list[HaError]] = st.lists(
    st.sampled_from([unreachable(), refused()]), max_size=3
)


@given(
    after=st.lists(st.tuples(st.integers(0, 60), WORDS), max_size=8),
    before=WORDS,
    refuses=ERRORS,
    lost=st.booleans(),
    stable=st.integers(0, 20),
    poll=st.sampled_from([0.5, 1.0, 2.0, 7.0]),
    latency=st.sampled_from([0.0, 0.3, 4.0]),
)
def test_a_proof_only_if_off_held(
    after: list[tuple[int, Power]],
    before: Power,
    refuses: list[HaError],
    lost: bool,
    stable: int,
    poll: float,
    latency: float,
) -> None:
    case = Case()
    device = case.device(
        after=sorted(after, key=lambda step: step[0]),
        before=before,
        refuses=list(refuses),
        strangers=[unreachable()] if lost else [],
        latency_s=latency,
    )
    rules = Fencing(stable_s=stable, poll_s=poll, deadline_s=60)
    answer = case.fence([device], rules)
    if isinstance(answer, Refusal):
        assert answer.code == "not_proven"
        return
    assert not lost
    assert "cut" in device.calls
    since = [r for r in answer.readings if r.at >= answer.since]
    assert [r.power for r in since] == [OFF] * len(since)
    assert len(since) >= 2
    assert since[-1].at - answer.since >= stable or len(since) == 20


# -- looking again, without a cut -----------------------------------------
@pytest.mark.parametrize(
    ("powers", "off"),
    [
        ([], False),
        ([OFF], True),
        ([ON], False),
        ([UNKNOWN], False),
        ([OFF, OFF], True),
        ([OFF, UNKNOWN], True),
        ([UNKNOWN, OFF], True),
        ([OFF, ON], False),
        ([ON, OFF], False),
        ([UNKNOWN, UNKNOWN], False),
    ],
)
def test_look_again(powers: list[Power], off: bool) -> None:
    clock = Clock()
    devices = [
        Device(clock, name=f"d{i}", before=p) for i, p in enumerate(powers)
    ]
    answer, readings = look_again(devices, ["power"])
    assert answer is off
    assert [r.power for r in readings] == powers
    assert all(d.calls == ["power"] for d in devices)


def test_a_slow_device_makes_no_other_reading_old() -> None:
    clock = Clock()
    first = Device(clock, name="first", before=OFF)
    slow = Device(clock, name="slow", before=UNKNOWN, latency_s=30)
    answer, readings = look_again([first, slow], ["power"], fresh_s=5)
    assert answer is True
    assert first.calls == ["power", "power"]
    assert readings[0].at == clock.at

    class Revived(Device):
        def power(self) -> Reading:
            found = super().power()
            first.before = ON
            return found

    first.before = OFF
    late = Revived(clock, name="late", before=UNKNOWN, latency_s=30)
    assert look_again([first, late], ["power"], fresh_s=5)[0] is False


def test_look_again_wants_accepted_evidence() -> None:
    device = Device(Clock(), before=OFF, evidence=Evidence.NETWORK)
    assert look_again([device], ["power"])[0] is False
    assert look_again([device], ["power", "network"])[0] is True


def test_a_power_proof_does_not_live_on_a_blocklist() -> None:
    """Behind which the host may have come back, and run guests again."""
    clock = Clock()
    bmc = Device(clock, name="bmc", before=UNKNOWN)
    ceph = Device(clock, before=OFF, evidence=Evidence.STORAGE)
    accept = ["power", "storage"]
    for proven, holds in (
        (Evidence.POWER, False),
        (Evidence.NETWORK, False),
        (Evidence.STORAGE, True),
    ):
        found, _ = look_again([bmc, ceph], accept, proven=proven)
        assert found is holds, proven
    bmc.before = OFF
    for proven in Evidence:
        assert look_again([bmc, ceph], accept, proven=proven)[0], proven


# -- a device that looks only when asked -----------------------------------
class Believer(Device):
    """Its plain reading is what it last saw: Off, for ever."""

    def power(self) -> Reading:
        self.calls.append("power")
        return Reading(device=self.name, power=OFF, at=self.clock.at)

    def look(self, claim: Claim) -> Reading:
        self.calls.append("look")
        assert claim.until > self.clock.at
        return super().power()


def test_what_it_believes_is_no_proof() -> None:
    case = Case()
    device = Believer(case.clock, after=[(0, OFF), (5, ON)])
    refusal = case.fence([device])
    assert isinstance(refusal, Refusal)
    assert "look" in device.calls


def test_what_it_looked_at_is() -> None:
    case = Case()
    device = Believer(case.clock)
    proof = case.fence([device])
    assert isinstance(proof, Proof)
    assert device.calls.count("look") == len(proof.readings)
    assert case.permits == 1 + len(proof.readings)


def test_in_a_level_too() -> None:
    case = Case()
    devices = [Believer(case.clock, name="a"), case.device(name="b")]
    devices[0].after = [(0, OFF), (5, ON)]
    both = AllOf(devices, case.clock)
    assert isinstance(case.fence([both]), Refusal)  # type: ignore[list-item]
    devices[0].after = [(0, OFF)]
    assert isinstance(case.fence([both]), Proof)  # type: ignore[list-item]


def test_look_again_looks_under_a_claim() -> None:
    clock = Clock()
    device = Believer(clock, before=ON)
    assert look_again([device], ["power"])[0] is True
    assert look_again([device], ["power"], claim=claim())[0] is False


# -- two devices demanded -------------------------------------------------
TWO = Fencing(stable_s=10, poll_s=2, deadline_s=120, devices=2)


def test_two_devices_are_both_cut_and_named() -> None:
    case = Case()
    bmc, pdu = case.device(name="bmc"), case.device(name="pdu")
    proof = case.fence([bmc, pdu], TWO)
    assert isinstance(proof, Proof)
    assert "cut" in bmc.calls
    assert "cut" in pdu.calls
    assert proof.rule.startswith("pdu read Off")
    assert "bmc 6 times before it" in proof.rule


@pytest.mark.parametrize("power_first", [True, False])
def test_power_beside_storage_is_power(power_first: bool) -> None:
    case = Case()
    bmc = case.device(name="bmc")
    ceph = case.device(name="ceph", before=UNKNOWN, evidence=Evidence.STORAGE)
    both = [bmc, ceph] if power_first else [ceph, bmc]
    rules = replace(TWO, accept=["power", "storage"])
    proof = case.fence(both, rules)
    assert isinstance(proof, Proof)
    assert proof.evidence is Evidence.POWER


def test_a_proof_shows_every_device_however_long_it_took() -> None:
    case = Case()
    bmc = case.device(name="bmc")
    pdu = case.device(name="pdu", after=[(0, ON), (60, OFF)])
    proof = case.fence([bmc, pdu], TWO)
    assert isinstance(proof, Proof)
    shown = [r.device for r in proof.readings if r.power is OFF]
    assert shown.count("bmc") >= 6
    assert shown.count("pdu") >= 6
    assert [r.at for r in proof.readings] == sorted(
        r.at for r in proof.readings
    )
    assert len(proof.readings) < 50


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ({}, {"after": [(0, ON)]}, "pdu did not read Off"),
        ({}, {"before": UNKNOWN, "strangers": [unreachable()]}, "demands 2"),
        ({"after": [(0, OFF), (12, ON)]}, {}, "another device On"),
        ({"after": [(0, OFF), (12, UNKNOWN)]}, {}, "only pdu still reads Off"),
    ],
)
def test_two_devices_or_nothing(
    first: dict[str, Any], second: dict[str, Any], why: str
) -> None:
    case = Case()
    devices = [
        case.device(name="bmc", **first),
        case.device(name="pdu", **second),
    ]
    answer = case.fence(devices, TWO)
    assert isinstance(answer, Refusal)
    assert answer.code == "not_proven"
    assert why in answer.reason


def test_one_device_where_two_are_demanded_is_not_even_cut() -> None:
    case = Case()
    device = case.device()
    answer = case.fence([device], TWO)
    assert isinstance(answer, Refusal)
    assert answer.code == "no_fence"
    assert device.calls == []


def test_the_third_settles_it_where_two_are_demanded() -> None:
    case = Case()
    devices = [
        case.device(name="bmc"),
        case.device(name="dead", before=UNKNOWN, strangers=[unreachable()]),
        case.device(name="pdu"),
    ]
    proof = case.fence(devices, TWO)
    assert isinstance(proof, Proof)
    assert "bmc" in proof.rule
    assert "pdu" in proof.rule


def test_an_unreachable_device_uses_no_more_than_its_share() -> None:
    case = Case()
    lost = [
        case.device(name=f"d{i}", before=UNKNOWN, strangers=[unreachable()])
        for i in range(3)
    ]
    last = case.device(name="pdu")
    proof = case.fence([*lost, last])
    assert isinstance(proof, Proof)
    share = RULES.deadline_s / 4
    assert last.cut_at is not None
    assert last.cut_at - Clock().at <= 3 * (share + RULES.poll_s)


@pytest.mark.parametrize(
    ("powers", "devices", "off"),
    [
        ([OFF, OFF], 2, True),
        ([OFF, UNKNOWN], 2, False),
        ([OFF, ON], 2, False),
        ([OFF], 2, False),
        ([OFF, OFF, UNKNOWN], 2, True),
    ],
)
def test_look_again_at_two(
    powers: list[Power], devices: int, off: bool
) -> None:
    clock = Clock()
    made = [
        Device(clock, name=f"d{i}", before=p) for i, p in enumerate(powers)
    ]
    assert look_again(made, ["power"], devices)[0] is off


# -- random faults, and what is true ----------------------------------------
@dataclass
class Plant:
    """One host that really runs or not, behind devices that misbehave."""

    clock: Clock
    back_after: float | None = None
    """Seconds after the cut at which it runs again."""
    cut_at: float | None = None

    def runs(self) -> bool:
        if self.cut_at is None:
            return True
        since = self.clock.at - self.cut_at
        return self.back_after is not None and since >= self.back_after


@dataclass
class Flaky:
    """An honest device of a plant; each call has its own fault."""

    plant: Plant
    name: str
    faults: list[str]
    evidence: Evidence = Evidence.POWER

    def _fault(self) -> str:
        fault = self.faults.pop(0) if self.faults else "ok"
        self.plant.clock.sleep({"slow": 5.0, "lost": 3.0}.get(fault, 0.1))
        return fault

    def identify(self) -> str:
        fault = self._fault()
        if fault in ("lost", "garbled", "busy"):
            raise unreachable()
        if fault == "stranger":
            raise BadInput("wrong_machine", "It is c9.")
        return "c1"

    def power(self) -> model.Reading:
        fault = self._fault()
        word = ON if self.plant.runs() else OFF
        if fault in ("lost", "garbled", "busy", "stranger"):
            word = UNKNOWN
        return model.Reading(
            device=self.name, power=word, at=self.plant.clock.at
        )

    def cut(self, asked: Claim) -> None:
        fault = self._fault()
        if fault == "lost":
            raise NoAnswer("no_answer", "sent, no answer.")
        if fault == "busy":
            raise refused()
        if fault == "garbled":
            raise unreachable()
        if fault != "ignored" and self.plant.cut_at is None:
            self.plant.cut_at = self.plant.clock.at

    def restore(self, asked: Claim) -> None:
        raise AssertionError("nobody powers on")


FAULT = st.sampled_from(
    ["ok", "ok", "slow", "lost", "garbled", "busy", "stranger", "ignored"]
)


@given(
    faults=st.lists(st.lists(FAULT, max_size=12), min_size=1, max_size=3),
    back_after=st.one_of(st.none(), st.floats(0.1, 9.9)),
    devices=st.integers(1, 2),
)
def test_no_proof_of_a_host_that_runs(
    faults: list[list[str]], back_after: float | None, devices: int
) -> None:
    """Whatever honest devices do wrong, in whatever order."""
    case = Case()
    plant = Plant(case.clock, back_after)
    made = [Flaky(plant, f"d{i}", list(f)) for i, f in enumerate(faults)]
    rules = Fencing(stable_s=10, poll_s=2, deadline_s=60, devices=devices)
    answer = prove_dead(
        "c1",
        "i",
        made,
        rules,
        clock=case.clock,
        permit=case.permit,
        hear=lambda: [],
        journal=case.journal,
    )
    if isinstance(answer, Proof):
        assert not plant.runs()
        assert back_after is None
    longest = rules.deadline_s + len(made) * (2 * 5 + 5 + rules.poll_s) + 15
    assert case.clock.at - Clock().at <= longest
