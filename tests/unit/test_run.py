"""Leave to act, the proof held up again, and patience."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ha_actions.errors import (
    BadInput,
    Failed,
    HaError,
    NoAnswer,
    Refused,
    Transient,
)
from ha_actions.model import (
    Batch,
    Claim,
    Evidence,
    Host,
    Incident,
    Outcome,
    Power,
    Proof,
    Refusal,
    Requires,
    Result,
    Says,
)
from ha_actions.model import Testimony as Heard
from ha_actions.records.batches import Batches
from ha_actions.records.claims import LEASE_S
from ha_actions.records.in_force import Brake
from ha_actions.records.incidents import Opened
from ha_actions.settings import Policy
from ha_actions.settings import Witnesses as Rules
from ha_actions.sim.ledger import MemoryLedger
from ha_actions.step_parts.run import PATIENCE_S, Run, host_named
from unit.fakes import (
    NOW,
    Clock,
    Device,
    Forbidden,
    Journal,
    host,
    incident,
    planned,
    says,
    small_outside,
)

ON, OFF, UNKNOWN = Power.ON, Power.OFF, Power.UNKNOWN


def run(clock: Clock | None = None, **more: Any) -> Run:
    return Run(small_outside(clock=clock, **more), execution="e1", holder="me")


def opened(**more: Any) -> tuple[Run, Incident]:
    """A run whose incident is open."""
    now = run(**more)
    one = incident()
    now.record.take(Opened(one, "e1"))
    return now, one


def proven(**more: Any) -> tuple[Run, Incident]:
    now, one = opened(**more)
    now.record.add_proof(
        one.id,
        Proof(
            host="c1",
            incident=one.id,
            evidence=Evidence.POWER,
            rule="read Off",
            since=NOW - 10,
            at=NOW,
        ),
    )
    return now, one


# -- leave to act ---------------------------------------------------------
def ask(now: Run, one: Incident, claim: Claim | None = None) -> Claim:
    return now.permit(one, ("rack-a",), claim, "fence")


def code_of(now: Run, one: Incident, claim: Claim | None = None) -> str:
    with pytest.raises(Refused) as caught:
        ask(now, one, claim)
    return caught.value.code


def test_leave_is_a_claim_of_the_run() -> None:
    now, one = opened()
    claim = ask(now, one)
    assert (claim.holder, claim.subject) == ("me", "fence")
    assert claim.until == NOW + LEASE_S


def test_a_young_claim_is_kept_and_an_old_one_renewed() -> None:
    clock = Clock()
    now, one = opened(clock=clock)
    claim = ask(now, one)
    clock.sleep(LEASE_S / 2)
    assert ask(now, one, claim) is claim
    clock.sleep(1)
    again = ask(now, one, claim)
    assert again.number == 2
    assert again.until == clock.at + LEASE_S


def test_a_run_that_slept_too_long_is_superseded() -> None:
    clock = Clock()
    now, one = opened(clock=clock)
    mine = ask(now, one)
    now.record.claim(one.id, "fence", "another")
    assert code_of(now, one, mine) == "superseded"


@pytest.mark.parametrize("scope", ["all", "host:c1", "aggregate:rack-a"])
def test_no_leave_while_disarmed(scope: str) -> None:
    clock = Clock()
    now, one = opened(clock=clock)
    claim = ask(now, one)
    now.record.set_brake(Brake(scope, "a test", "me", NOW, NOW + 60))
    assert code_of(now, one, claim) == "disarmed"
    clock.sleep(61)
    assert ask(now, one, claim).holder == "me"


def test_no_leave_in_a_dry_run() -> None:
    now = run()
    dry = incident(dry_run=True)
    now.record.take(Opened(dry, "e1"))
    assert code_of(now, dry) == "dry_run"


def test_no_leave_when_the_incident_is_not_open_any_more() -> None:
    now, one = opened()
    now.record.shut(one, handled=True)
    assert code_of(now, one) == "aborted"
    now.record.take(Opened(incident("c1-other"), "e9"))
    assert code_of(now, one) == "aborted"


def test_no_leave_for_a_run_that_outlived_its_attempt() -> None:
    now, one = opened()
    entry = now.record.opened("c1")
    assert entry is not None
    now.record.hold(entry, "alive")
    assert code_of(now, one) == "superseded"
    assert now.record.next_attempt(entry, "e2") is not None
    assert ask(now, one).number == 1


def test_a_refusal_of_leave_claims_nothing() -> None:
    now, one = opened()
    now.record.set_brake(Brake("all", "a test", "me", NOW, NOW + 60))
    code_of(now, one)
    assert now.outside.ledger.names("ha.claim.") == []


class Hosts(Forbidden):
    """A cloud that can list its hosts, and nothing else."""

    def __init__(self, *found: Host) -> None:
        super().__init__("cloud", [])
        self.__dict__["found"] = list(found)

    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[Host]:
        return list(self.__dict__["found"])


NOWHERE = Hosts()
MARKED = host(
    up=False,
    forced_down=True,
    enabled=False,
    disabled_reason="incident",
    updated_at=NOW,
)


# -- the proof, held up again ---------------------------------------------
@pytest.mark.parametrize(
    ("powers", "code"),
    [
        ([OFF], ""),
        ([OFF, UNKNOWN], ""),
        ([ON], "proof_void"),
        ([UNKNOWN], "proof_void"),
        ([OFF, ON], "proof_void"),
        ([], "proof_void"),
    ],
)
def test_the_devices_are_read_again_without_a_cut(
    powers: list[Power], code: str
) -> None:
    clock = Clock()
    devices = [
        Device(clock, name=f"d{i}", before=p) for i, p in enumerate(powers)
    ]
    now, one = proven(clock=clock, fences=devices)
    if not code:
        now.check_requirement(one, Policy(), NOWHERE, Requires.PROOF)
        assert now.record.proof(one.id) is not None
    else:
        with pytest.raises(Refused) as caught:
            now.check_requirement(one, Policy(), NOWHERE, Requires.PROOF)
        assert caught.value.code == code
        assert now.record.proof(one.id) is None
        assert now.record.voids(one.id) == 1
    assert all(d.calls == ["power"] for d in devices)


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        ([], ""),  # a cell is down: nothing is known, the devices decide
        ([MARKED], ""),
        ([replace(MARKED, updated_at=NOW + 1)], "proof_void"),
        ([replace(MARKED, updated_at=NOW - 1)], ""),
        # a PUT moves the time too
        ([replace(MARKED, updated_at=NOW + 1, disabled_reason="x")], ""),
        ([replace(MARKED, updated_at=NOW + 1, enabled=True)], ""),
        ([replace(MARKED, name="c2", updated_at=NOW + 1)], ""),
    ],
)
def test_a_heartbeat_after_the_cut_is_a_sign_of_life(
    seen: list[Host], code: str
) -> None:
    clock = Clock()
    now, one = proven(clock=clock, fences=[Device(clock, before=OFF)])
    now.record.keep(one.id, "marked", MARKED)
    if not code:
        now.check_requirement(one, Policy(), Hosts(*seen), Requires.PROOF)
        return
    with pytest.raises(Refused, match="heartbeat") as caught:
        now.check_requirement(one, Policy(), Hosts(*seen), Requires.PROOF)
    assert caught.value.code == code
    assert now.record.proof(one.id) is None


def test_a_host_that_was_let_back_in_has_lived_since() -> None:
    clock = Clock()
    now, one = proven(clock=clock, fences=[Device(clock, before=OFF)])
    now.record.keep(one.id, "marked", MARKED)
    lifted = Hosts(replace(MARKED, forced_down=False, updated_at=NOW + 9))
    with pytest.raises(Refused, match="lifted its forced_down") as caught:
        now.check_requirement(one, Policy(), lifted, Requires.PROOF)
    assert caught.value.code == "proof_void"
    assert now.record.proof(one.id) is None


def test_no_proof_is_no_leave_and_no_reading() -> None:
    device = Device(Clock(), before=OFF)
    now, one = opened(fences=[device])
    with pytest.raises(Refused) as caught:
        now.check_requirement(one, Policy(), NOWHERE, Requires.PROOF)
    assert caught.value.code == "no_proof"
    assert device.calls == []


def test_a_voided_proof_is_void_for_everybody() -> None:
    clock = Clock()
    device = Device(clock, before=ON)
    now, one = proven(clock=clock, fences=[device])
    with pytest.raises(Refused):
        now.check_requirement(one, Policy(), NOWHERE, Requires.PROOF)
    device.before = OFF
    with pytest.raises(Refused) as caught:
        now.check_requirement(one, Policy(), NOWHERE, Requires.PROOF)
    assert caught.value.code == "no_proof"


def test_what_the_verdict_is_enough_for_reads_nothing() -> None:
    device = Device(Clock())
    now, one = opened(fences=[device])
    now.check_requirement(one, Policy(), NOWHERE, Requires.VERDICT)
    assert device.calls == []


# -- patience -------------------------------------------------------------
class Flaky:
    """Fails so often, then answers."""

    def __init__(self, times: int, error: HaError) -> None:
        self.left, self.error, self.calls = times, error, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "answer"


BUSY = Transient("busy", "Try again.")


@pytest.mark.parametrize("times", [0, 1, 3, 7])
def test_what_is_transient_is_tried_again(times: int) -> None:
    clock = Clock()
    call = Flaky(times, BUSY)
    assert run(clock).patiently(call) == "answer"
    assert call.calls == times + 1
    pauses = [*PATIENCE_S, *[PATIENCE_S[-1]] * 9][:times]
    assert clock.slept == pauses


def test_patience_has_an_end() -> None:
    clock = Clock()
    call = Flaky(999, BUSY)
    with pytest.raises(Transient):
        run(clock).patiently(call, for_s=30)
    assert clock.at - NOW <= 30
    assert call.calls == 6  # at 0, 1, 3, 7, 15 and 30 s


def test_no_patience_at_all_is_one_try() -> None:
    call = Flaky(999, BUSY)
    with pytest.raises(Transient):
        run().patiently(call, for_s=0)
    assert call.calls == 1


@pytest.mark.parametrize(
    "error",
    [
        NoAnswer("no_answer", "It may be done."),
        Refused("superseded", "No."),
        Failed("quota", "No."),
        BadInput("typo", "No."),
    ],
)
def test_what_may_be_done_or_cannot_succeed_is_not_tried_again(
    error: HaError,
) -> None:
    call = Flaky(1, error)
    with pytest.raises(type(error)):
        run().patiently(call)
    assert call.calls == 1


# -- witnesses ------------------------------------------------------------
class Voice:
    """A witness with one answer."""

    def __init__(self, name: str, answer: Says) -> None:
        self.name, self.answer = name, answer

    def testify(self, host: Host) -> Heard:
        return says(self.name, self.answer, host=host.name)


def test_a_witness_that_is_not_installed_is_silent_not_missing() -> None:
    now = run(witnesses={"a": Voice("a", Says.DEAD)})
    policy = Policy(witnesses=Rules(ask=["a", "b"]))
    heard = now.hear(policy, Forbidden("cloud", []), host())
    assert [(t.witness, t.says) for t in heard] == [
        ("a", Says.DEAD),
        ("b", Says.SILENT),
    ]


def test_who_is_not_asked_is_not_heard() -> None:
    voices = {n: Voice(n, Says.ALIVE) for n in "abc"}
    now = run(witnesses=voices)
    policy = Policy(witnesses=Rules(ask=["b"]))
    heard = now.hear(policy, Forbidden("cloud", []), host())
    assert [t.witness for t in heard] == ["b"]


# -- what it reads --------------------------------------------------------
def test_the_host_is_the_one_that_nova_showed_at_the_opening() -> None:
    now, one = opened()
    bare = now.host(one)
    assert (bare.name, bare.up, bare.service_id) == ("c1", False, "")
    now.record.keep(one.id, "host", host(aggregates=("rack-a",)))
    assert now.host(one).aggregates == ("rack-a",)


def test_a_batch_comes_from_the_ledger_only() -> None:
    now, one = opened()
    with pytest.raises(Refused) as caught:
        now.batch(one.id, "p1w1b1")
    assert caught.value.code == "no_batch"
    batch = Batch(
        id="p1w1b1",
        action="ha.evacuate_servers",
        requires=Requires.PROOF,
        guests=(planned(),),
    )
    now.record.keep(one.id, "batch.p1w1b1", Batches(batch))
    assert now.batch(one.id, "p1w1b1") == batch


def test_outcomes_are_kept_by_guest() -> None:
    now, one = opened()
    assert now.outcomes(one.id, "p1w1b1") == {}
    done = Outcome(
        guest="id-db",
        name="db",
        step="ha.evacuate_servers",
        result=Result.DONE,
        reason="now on c2",
    )
    now.keep_outcomes(one.id, "p1w1b1", {"id-db": done})
    assert now.outcomes(one.id, "p1w1b1") == {"id-db": done}


def test_a_refusal_is_kept_and_told() -> None:
    now, one = opened()
    refusal = Refusal(code="too_many_down", reason="2 of 3")
    now.refuse(one, refusal)
    assert now.record.part(one.id, "refusal", Refusal) == refusal
    assert isinstance(now.journal, Journal)
    assert now.journal.notes[-1][0] == "refusal"


@pytest.mark.parametrize(
    ("name", "found"),
    [("c1", True), ("c1.example.org", True), ("c", False), ("C1", False)],
)
def test_a_host_has_exactly_its_name(name: str, found: bool) -> None:
    hosts = [host("c1"), host("c1.example.org")]
    assert (host_named(name, hosts) is not None) is found


def test_the_policy_is_the_pinned_one() -> None:
    ledger = MemoryLedger()
    now = run(ledger=ledger)
    ledger.write("ha.policy", {"text": "version: 1\nmode: shadow\n"})
    now.record.pin_policy("version: 1\nmode: act\n", "digest")
    assert now.policy(incident()).mode == "act"
