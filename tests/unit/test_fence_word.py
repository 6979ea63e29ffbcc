"""A person's word: kept, shown, refuted, ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ha_actions.deciders.judge import judge
from ha_actions.errors import BadInput, HaError, Refused, Transient
from ha_actions.fencing import confirm_dead
from ha_actions.fencing.confirm_dead import Look
from ha_actions.fencing.operator_word import (
    MARK,
    give,
    with_testimony,
    with_word,
)
from ha_actions.fencing.operator_word import Word as Given
from ha_actions.fencing.proof import look_again, prove_dead
from ha_actions.model import (
    Evidence,
    Incident,
    Power,
    Proof,
    Refusal,
    Ruling,
    Says,
)
from ha_actions.model import Testimony as Heard
from ha_actions.records.incidents import Opened
from ha_actions.settings import Fencing, Policy, Witnesses
from ha_actions.step_parts.run import Run
from unit.fakes import (
    NOW,
    Clock,
    Device,
    Journal,
    claim,
    host,
    incident,
    says,
    small_outside,
)

ACCEPT = ["power", "operator"]
RULES = Fencing(accept=ACCEPT)


class Teller:
    """A witness of one answer."""

    def __init__(self, name: str, answer: Says, clock: Clock) -> None:
        self.name, self.answer, self.clock = name, answer, clock

    def testify(self, host: Any) -> Heard:
        return says(self.name, self.answer, self.clock.at)


def opened(*devices: Device, clock: Clock, **answers: Says) -> Run:
    tellers = {n: Teller(n, a, clock) for n, a in answers.items()}
    out = small_outside(clock=clock, fences=devices, witnesses=tellers)
    out = replace(out, cloud=lambda request: object())  # type: ignore[arg-type,return-value]
    run = Run(out, execution="e1", holder="me")
    run.record.take(Opened(incident(), "e1"))
    return run


def word(by: str = "alice", **more: Any) -> Given:
    values: dict[str, Any] = {
        "host": "c1",
        "because": "it burnt",
        "at": NOW,
        "until": NOW + 3600,
    }
    return Given(by=by, **(values | more))


def prove(
    run: Run, rules: Fencing = RULES, one: Incident | None = None
) -> Proof | Refusal:
    policy = Policy(
        fencing=rules, witnesses=Witnesses(ask=["tcp_reach", "bmc_power"])
    )
    return prove_dead(
        "c1",
        "c1-aaaa",
        run.fences(one or incident(), policy),
        rules,
        clock=run.clock,
        permit=claim_of(run),
        hear=lambda: run.hear(policy, run.outside.cloud(""), host()),
        journal=Journal(),
    )


def claim_of(run: Run) -> Any:
    return lambda: claim(until=run.clock.now() + 60)


def lost() -> HaError:
    return Transient("bmc", "bmc does not answer.")


def dead_bmc(clock: Clock) -> Device:
    return Device(clock, before=Power.UNKNOWN, strangers=[lost()])


def test_a_word_is_a_proof_with_a_loud_mark() -> None:
    clock = Clock()
    run = opened(dead_bmc(clock), clock=clock)
    assert isinstance(prove(run), Refusal)
    give(run.record, incident(), word(at=clock.at, until=clock.at + 3600))
    proof = prove(run)
    assert isinstance(proof, Proof)
    assert proof.evidence is Evidence.OPERATOR
    assert MARK in proof.rule
    assert "alice: it burnt" in proof.rule
    assert "until 20" in proof.rule
    assert any(t.witness == "operator" for t in proof.testimonies)


@pytest.mark.parametrize(
    ("rules", "given", "proven"),
    [
        (Fencing(), [word()], False),
        (RULES, [], False),
        (RULES, [word(until=NOW + 5)], False),
        (RULES, [word(host="c2")], False),
        (RULES, [word(at=NOW + 9000)], False),
        (Fencing(accept=ACCEPT, people=2), [word()], False),
        (Fencing(accept=ACCEPT, people=2), [word(), word()], False),
        (Fencing(accept=ACCEPT, people=2), [word(), word("bob")], True),
        (Fencing(accept=ACCEPT, devices=2), [word()], True),
        (Fencing(accept=["operator"]), [word()], True),
    ],
)
def test_which_words_count(
    rules: Fencing, given: list[Given], proven: bool
) -> None:
    clock = Clock()
    run = opened(dead_bmc(clock), clock=clock)
    for one in given:
        give(run.record, incident(), one)
    assert isinstance(prove(run, rules), Proof) is proven


def test_a_word_ends_and_the_proof_with_it() -> None:
    clock = Clock()
    run = opened(dead_bmc(clock), clock=clock)
    give(run.record, incident(), word())
    fences = with_word([], run.record, incident(), RULES)
    assert look_again(fences, ACCEPT)[0]
    clock.at = NOW + 3601
    assert not look_again(fences, ACCEPT)[0]


@pytest.mark.parametrize(
    ("power", "answer", "against", "proven"),
    [
        (Power.ON, Says.SILENT, (), False),
        (Power.ON, Says.SILENT, ("bmc",), True),
        (Power.UNKNOWN, Says.ALIVE, (), False),
        (Power.UNKNOWN, Says.ALIVE, ("tcp_reach",), True),
        (Power.UNKNOWN, Says.ALIVE, ("bmc",), False),
        (Power.ON, Says.ALIVE, ("tcp_reach",), False),
    ],
)
def test_an_override_is_for_those_that_were_seen(
    power: Power, answer: Says, against: tuple[str, ...], proven: bool
) -> None:
    clock = Clock()
    stuck = Device(clock, before=power, after=[(0, power)])
    run = opened(stuck, clock=clock, tcp_reach=answer)
    give(run.record, incident(), word(against=against))
    assert isinstance(prove(run), Proof) is proven


def test_the_word_is_a_testimony_too() -> None:
    clock = Clock()
    run = opened(clock=clock)
    give(run.record, incident(), word(against=("tcp_reach",)))
    heard = [
        says("compute_service", Says.DEAD),
        says("tcp_reach", Says.ALIVE),
    ]
    weighed = with_testimony(heard, run.record, "c1", RULES)
    assert [str(t.says) for t in weighed] == ["dead", "silent", "dead"]
    assert "overruled by alice" in weighed[1].detail
    assert judge("c1", weighed, Witnesses(), NOW).ruling is Ruling.DOWN
    assert with_testimony(heard, run.record, "c1", Fencing()) == heard
    assert with_testimony(heard, run.record, "c2", RULES) == heard


# -- giving it ------------------------------------------------------------
def see(*readings: Power, **answers: Says) -> Look:
    clock = Clock()
    return Look(
        tuple(
            Device(clock, name=f"d{i}", before=p).power()
            for i, p in enumerate(readings)
        ),
        tuple(says(name, answer) for name, answer in answers.items()),
    )


def confirm(run: Run, seen: Look, **more: Any) -> list[Given]:
    values: dict[str, Any] = {
        "by": "alice",
        "because": "it burnt",
        "lasts_s": 3600,
    }
    return confirm_dead.confirm(
        run.record, incident(), seen, **(values | more)
    )


def test_confirm_keeps_what_was_shown() -> None:
    run = opened(clock=Clock())
    [kept] = confirm(run, see(Power.UNKNOWN, reach=Says.DEAD))
    assert kept.shown == ("d0: UNKNOWN", "reach: dead")
    assert kept.until - kept.at == 3600
    [again] = confirm(run, see(), because="still\n burning")
    assert again.because == "still burning"
    assert len(confirm(run, see(), by="bob")) == 2


@pytest.mark.parametrize(
    "seen", [see(Power.ON), see(reach=Says.ALIVE), see(Power.OFF, Power.ON)]
)
def test_confirm_refuses_while_anything_says_alive(seen: Look) -> None:
    run = opened(clock=Clock())
    with pytest.raises(Refused, match="says that it lives"):
        confirm(run, seen)
    with pytest.raises(BadInput, match="That is not c1"):
        confirm(run, seen, typed_again="c2")
    assert run.record.parts(incident().id, "word.") == []
    [kept] = confirm(run, seen, typed_again="c1")
    assert kept.against == seen.against


@pytest.mark.parametrize(
    ("change", "says_"),
    [
        ({"because": " "}, "--because"),
        ({"lasts_s": 30}, "60 s to 24 hours"),
        ({"lasts_s": 90000}, "60 s to 24 hours"),
    ],
)
def test_confirm_bad_input(change: dict[str, Any], says_: str) -> None:
    with pytest.raises(BadInput, match=says_):
        confirm(opened(clock=Clock()), see(), **change)


def test_look_asks_everybody() -> None:
    clock = Clock()
    stranger = Device(clock, name="pdu", before=Power.OFF, strangers=[lost()])
    run = opened(Device(clock), stranger, clock=clock, tcp_reach=Says.DEAD)
    seen = confirm_dead.look(run.outside, incident(), Policy(), host())
    assert seen.lines == (
        "bmc: ON",
        "pdu: UNKNOWN bmc does not answer.",
        "tcp_reach: dead",
    )
    assert seen.against == ("bmc",)


def test_only_where_the_policy_accepts_it() -> None:
    record = opened(clock=Clock()).record
    with pytest.raises(Refused, match="does not list `operator`"):
        confirm_dead.acceptable(record, incident(), Policy())
    confirm_dead.acceptable(record, incident(), Policy(fencing=RULES))
