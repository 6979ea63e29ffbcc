"""The record: who may write, how often a fence, and what is remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import TypeVar

import pytest
from ha_actions.errors import BadInput, Refused
from ha_actions.model import (
    Claim,
    Evidence,
    Incident,
    Proof,
    Refusal,
    Verdict,
)
from ha_actions.records.claims import LEASE_S, SPARE_S
from ha_actions.records.in_force import Brake
from ha_actions.records.incidents import BEAT_S, Opened, Record
from ha_actions.settings import Limits
from ha_actions.sim.ledger import MemoryLedger
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)
from unit.fakes import NOW, Clock, incident, proof

T = TypeVar("T")


def record(clock: Clock | None = None) -> Record:
    return Record(MemoryLedger(lambda _: "RUNNING"), clock or Clock())


def at_once(jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Run them in real threads that start together."""
    barrier = threading.Barrier(len(jobs))
    results: dict[int, T] = {}

    def one(i: int, job: Callable[[], T]) -> None:
        barrier.wait()
        results[i] = job()

    threads = [
        threading.Thread(target=one, args=(i, job))
        for i, job in enumerate(jobs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[i] for i in range(len(jobs))]


# -- one open incident of a host ------------------------------------------
def test_take_has_one_winner_and_everybody_learns_who() -> None:
    book = record()
    entries = [Opened(incident(f"c1-{i}"), f"e{i}") for i in range(12)]
    taken = at_once([partial(book.take, e) for e in entries])
    assert len({t.incident.id for t in taken}) == 1
    assert taken[0] in entries
    assert book.opened("c1") == taken[0]


def test_hosts_do_not_share_an_incident() -> None:
    book = record()
    first = book.take(Opened(incident("c1-a", "c1"), "e1"))
    second = book.take(Opened(incident("c2-a", "c2"), "e2"))
    assert first.incident.id != second.incident.id
    assert book.all_opened() == [first, second]


def test_a_short_name_is_another_host() -> None:
    book = record()
    book.take(Opened(incident("a", "c1.example.org"), "e1"))
    assert book.opened("c1") is None


def test_hold_keeps_it_open_and_says_why_and_when() -> None:
    book = record()
    entry = book.take(Opened(incident(), "e1"))
    book.hold(entry, "too_many_down")
    held = book.opened("c1")
    assert held == Opened(incident(), "e1", 1, "too_many_down", NOW)
    assert book.take(Opened(incident("c1-b"), "e2")) == held


def test_shut_frees_the_host_and_remembers() -> None:
    book = record()
    book.take(Opened(incident(), "e1"))
    assert book.last_closed("c1") == ("", 0.0)
    book.shut(incident(), handled=True)
    assert book.opened("c1") is None
    assert book.last_closed("c1") == ("c1-aaaa", NOW)
    again = book.take(Opened(incident("c1-b"), "e2"))
    assert again.incident.id == "c1-b"


def test_shut_does_not_free_the_entry_of_another_incident() -> None:
    book = record()
    book.take(Opened(incident("c1-new"), "e1"))
    book.shut(incident("c1-old"), handled=True)
    opened = book.opened("c1")
    assert opened is not None
    assert opened.incident.id == "c1-new"


# -- attempts -------------------------------------------------------------
def test_next_attempt_has_one_winner() -> None:
    book = record()
    entry = book.take(Opened(incident(), "e1"))
    names = [f"e{i}" for i in range(2, 12)]
    tries = at_once([partial(book.next_attempt, entry, n) for n in names])
    won = [t for t in tries if t is not None]
    assert len(won) == 1
    assert won[0].attempt == 2
    assert book.opened("c1") == won[0]


def test_next_attempt_again_by_the_same_execution_is_the_same() -> None:
    book = record()
    entry = book.take(Opened(incident(), "e1"))
    first = book.next_attempt(entry, "e2")
    assert book.next_attempt(entry, "e2") == first
    assert book.next_attempt(entry, "e3") is None


def test_a_late_start_cannot_go_back_to_an_old_attempt() -> None:
    book = record()
    old = book.take(Opened(incident(), "e1"))
    second = book.next_attempt(old, "e2")
    assert second is not None
    third = book.next_attempt(second, "e3")
    assert book.next_attempt(old, "late") is None
    assert book.opened("c1") == third


def test_an_attempt_whose_taker_died_before_its_word_is_passed_over() -> None:
    states = {"e2": "ERROR"}
    ledger = MemoryLedger(lambda e: states.get(e, "RUNNING"))
    book = Record(ledger, Clock())
    entry = book.take(Opened(incident(), "e1"))
    # e2 took the number, and the ledger took nothing more of it
    ledger.create(
        f"ha.incident.{incident().id}.attempt.2", {"execution": "e2"}
    )
    again = book.next_attempt(entry, "e3")
    assert again is not None
    assert (again.attempt, again.execution) == (3, "e3")
    assert book.opened("c1") == again
    states["e3"] = "ERROR"
    book.shut(incident(), handled=True)
    assert book.next_attempt(entry, "e4") is None
    assert book.opened("c1") is None


def test_an_engine_outside_mistral_holds_its_incident_while_it_beats() -> None:
    clock = Clock()
    known = Record(MemoryLedger(lambda _: ""), clock)
    entry = known.take(Opened(incident(), "exec-1"))
    first = known.next_attempt(entry, "embedded")
    assert first is not None
    known.beat("embedded")

    assert known.execution_state("embedded") == "RUNNING"
    assert known.next_attempt(entry, "exec-3") is None
    clock.sleep(BEAT_S + 1)
    assert known.execution_state("embedded") == ""
    again = known.next_attempt(first, "exec-3")
    assert again is not None and again.attempt == 3

    known.beat("exec-3")
    known.beat_ends("exec-3")
    assert known.execution_state("exec-3") == ""


def test_an_incident_is_known_before_its_opening_is_written() -> None:
    book = record()
    book.take(Opened(incident(), "e1"))
    assert book.incident(incident().id) == incident()


def test_a_claim_knows_when_the_one_before_it_ended() -> None:
    clock = Clock()
    book = record(clock)
    first = book.claim("i", "b", "a")
    assert book.former_end(first) == 0.0
    second = book.claim("i", "b", "z")
    assert book.former_end(second) == first.until


def test_an_attempt_is_not_held_any_more() -> None:
    book = record()
    entry = book.take(Opened(incident(), "e1"))
    book.hold(entry, "alive")
    held = book.opened("c1")
    assert held is not None
    again = book.next_attempt(held, "e2")
    assert again is not None
    assert again.held == ""


# -- claims ---------------------------------------------------------------
def test_a_claim_lasts_its_lease() -> None:
    claim = record().claim("i", "fence", "a")
    assert claim == Claim(
        incident="i",
        subject="fence",
        holder="a",
        number=1,
        until=NOW + LEASE_S,
    )


def test_another_holder_waits_for_the_lease_and_the_spare_time() -> None:
    book = record()
    first = book.claim("i", "fence", "a")
    second = book.claim("i", "fence", "b")
    assert second.number == 2
    assert second.until - LEASE_S >= first.until + SPARE_S


def test_the_same_holder_does_not_wait() -> None:
    clock = Clock()
    book = record(clock)
    book.claim("i", "fence", "a")
    assert book.claim("i", "fence", "a").number == 2
    assert clock.slept == []


def test_subjects_and_incidents_are_claimed_apart() -> None:
    clock = Clock()
    book = record(clock)
    book.claim("i", "fence", "a")
    book.claim("i", "p1w1b1", "b")
    book.claim("j", "fence", "c")
    assert clock.slept == []


def test_release_spares_others_the_wait() -> None:
    clock = Clock()
    book = record(clock)
    book.release(book.claim("i", "fence", "a"))
    assert book.claim("i", "fence", "b").number == 2
    assert clock.slept == []


def test_renew_is_longer_and_keeps_others_out() -> None:
    clock = Clock()
    book = record(clock)
    first = book.claim("i", "fence", "a")
    clock.sleep(50)
    longer = book.renew(first)
    assert longer.until == first.until + 50
    assert book.claim("i", "fence", "b").until - LEASE_S > longer.until


def test_a_sleeper_whose_claim_was_taken_is_superseded() -> None:
    book = record()
    mine = book.claim("i", "fence", "a")
    book.claim("i", "fence", "b")
    with pytest.raises(Refused, match="taken over") as caught:
        book.renew(mine)
    assert caught.value.code == "superseded"


def test_a_late_release_does_not_end_the_claim_of_the_next() -> None:
    clock = Clock()
    book = record(clock)
    mine = book.claim("i", "fence", "a")
    its = book.claim("i", "fence", "b")
    book.release(mine)
    assert book.claim("i", "fence", "c").until - LEASE_S > its.until


def test_claims_in_threads_never_overlap() -> None:
    book = record()
    names = [f"holder-{i}" for i in range(8)]
    claims = at_once([partial(book.claim, "i", "fence", n) for n in names])
    claims.sort(key=lambda c: c.number)
    assert [c.number for c in claims] == list(range(1, 9))
    for before, after in pairwise(claims):
        assert after.until - LEASE_S >= before.until


class Claims(RuleBasedStateMachine):
    """Any order of claim, renew, release and waiting, by three holders."""

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.record = Record(MemoryLedger(), self.clock)
        self.held: dict[str, list[Claim]] = {"a": [], "b": [], "c": []}

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 29.0, 59.0, 60.0, 61.5]))
    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    @rule(who=st.sampled_from("abc"))
    def claim(self, who: str) -> None:
        """It returns only once it may act."""
        self.held[who].append(self.record.claim("i", "s", who))

    @rule(who=st.sampled_from("abc"), which=st.integers(0, 5))
    def renew(self, who: str, which: int) -> None:
        """Also an old one, by a run that was frozen."""
        if not self.held[who]:
            return
        mine = self.held[who][min(which, len(self.held[who]) - 1)]
        try:
            self.held[who].append(self.record.renew(mine))
        except Refused as refused:
            assert refused.code == "superseded"

    @rule(who=st.sampled_from("abc"))
    def release(self, who: str) -> None:
        """Who releases its newest claim acts no more."""
        if self.held[who]:
            self.record.release(self.held[who][-1])
            self.held[who].clear()

    @invariant()
    def never_two_holders(self) -> None:
        now = self.clock.now()
        valid = {
            who
            for who, claims in self.held.items()
            if any(c.until > now for c in claims)
        }
        assert len(valid) <= 1, valid


Claims.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None
)
TestClaims = Claims.TestCase


# -- slots ----------------------------------------------------------------
def grants(book: Record) -> list[float]:
    """When each fence was granted, by the ledger."""
    names = book.ledger.names("ha.slot.")
    entries = [book.ledger.read(name) or {} for name in names]
    return sorted(float(entry["at"]) for entry in entries)


@given(
    limit=st.integers(0, 3),
    steps=st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from([0, 1, 299, 300, 601])),
        max_size=40,
    ),
    offset=st.integers(0, 600),
)
@settings(deadline=None)
def test_never_more_fences_than_allowed_in_any_window(
    limit: int, steps: list[tuple[int, int]], offset: int
) -> None:
    clock = Clock(NOW + offset)
    book = record(clock)
    limits = Limits(fences=limit, window_s=600)
    for who, wait in steps:
        clock.sleep(wait)
        before = grants(book)
        answer = book.take_slot(incident(f"c{who}-a", f"c{who}"), limits)
        after = grants(book)
        assert len(after) - len(before) in (0, 1)
        if answer is not None:
            assert answer.code == "no_fence_slot"
            assert after == before
            young = [t for t in after if t > clock.at - 600]
            assert len(young) >= limit, "refused without need"
    times = grants(book)
    for end in times:
        assert len([t for t in times if end - 600 < t <= end]) <= limit


def test_slots_in_threads() -> None:
    book = record()
    limits = Limits(fences=2)
    some = [incident(f"c{i}-a", f"c{i}") for i in range(10)]
    answers = at_once([partial(book.take_slot, i, limits) for i in some])
    assert answers.count(None) == 2
    assert len(grants(book)) == 2


def test_an_incident_takes_one_slot_once() -> None:
    clock = Clock(600 * 1000 + 400)
    book = record(clock)
    limits = Limits(fences=1, window_s=600)
    for _ in range(3):
        assert book.take_slot(incident(), limits) is None
        clock.sleep(150)  # over the border of a window, too
    assert len(grants(book)) == 1


def test_the_border_of_a_window_doubles_nothing() -> None:
    clock = Clock(600 * 1000 - 1)
    book = record(clock)
    limits = Limits(fences=1, window_s=600)
    assert book.take_slot(incident("a"), limits) is None
    clock.sleep(2)
    refusal = book.take_slot(incident("b"), limits)
    assert isinstance(refusal, Refusal)
    assert "within 600 s" in refusal.reason
    clock.sleep(598)
    assert book.take_slot(incident("b"), limits) is None


def test_a_smaller_limit_counts_what_a_larger_one_gave() -> None:
    clock = Clock(600 * 1000 + 10)
    book = record(clock)
    for i in range(4):
        limits = Limits(fences=4, window_s=600)
        assert book.take_slot(incident(f"i{i}"), limits) is None
        clock.sleep(140)  # the last two are young when the next is asked for
    clock.sleep(300)
    refusal = book.take_slot(incident("x"), Limits(fences=1, window_s=600))
    assert refusal is not None


def test_a_slot_past_the_limit_counts_for_those_after_it() -> None:
    clock = Clock(600 * 1000 + 10)
    book, limits = record(clock), Limits(fences=1, window_s=600)
    assert book.take_slot(incident("a", "c1"), limits) is None
    clock.sleep(400)
    refusal = book.take_slot(incident("b", "c2"), limits)
    assert refusal is not None and refusal.facts == {"fenced": ["c1"]}
    book.take_extra_slot(incident("b", "c2"), limits)
    assert book.take_slot(incident("b", "c2"), limits) is None
    clock.sleep(300)  # the first is old by now, the second is not
    refusal = book.take_slot(incident("c", "c3"), limits)
    assert refusal is not None and refusal.facts == {"fenced": ["c2"]}
    clock.sleep(301)
    assert book.take_slot(incident("c", "c3"), limits) is None


# -- parts ----------------------------------------------------------------
def test_a_part_comes_back_as_it_was() -> None:
    book = record()
    book.keep("i", "proof.1", proof())
    assert book.part("i", "proof.1", Proof) == proof()
    assert book.part("i", "verdict", Verdict) is None


def test_a_damaged_part_says_where() -> None:
    book = record()
    book.keep("i", "proof.1", {"host": "c1", "hoost": "c1"})
    with pytest.raises(BadInput, match=r"ha\.incident\.i\.proof\.1"):
        book.part("i", "proof.1", Proof)


def test_parts_are_in_the_order_of_their_numbers() -> None:
    book = record()
    for n in (10, 2, 1, 11, 9):
        book.keep("i", f"plan.{n}", {})
    book.keep("ii", "plan.3", {})
    wanted = ["plan.1", "plan.2", "plan.9", "plan.10", "plan.11"]
    assert book.parts("i", "plan.") == wanted


def test_the_newest_proof_holds_until_it_is_voided() -> None:
    book = record()
    assert book.proof("i") is None
    for n in range(1, 13):
        book.add_proof("i", proof(NOW + n))
        assert book.proof("i") == proof(NOW + n)
        book.void_proof("i", "it reads On")
        assert book.proof("i") is None
        assert book.voids("i") == n


@pytest.mark.parametrize(
    ("evidence", "died"),
    [
        (Evidence.POWER, True),
        (Evidence.OPERATOR, True),
        (Evidence.STORAGE, False),
        (Evidence.NETWORK, False),
    ],
)
def test_what_is_only_cut_off_has_not_died(
    evidence: Evidence, died: bool
) -> None:
    """Its nova-compute may go on with an evacuation to it."""
    record = Record(MemoryLedger(), Clock())
    one = incident()
    record.take(Opened(one, "e1"))
    record.add_proof(one.id, proof(evidence=evidence))
    assert record.died_since("c1", NOW - 1) is died
    assert not record.died_since("c1", NOW + 1)
    record.shut(one, handled=True)
    assert record.died_since("c1", NOW - 1) is died


def test_voiding_twice_is_one_void() -> None:
    book = record()
    book.add_proof("i", proof())
    book.void_proof("i", "it reads On")
    book.void_proof("i", "it reads On")
    assert book.voids("i") == 1


def test_incidents_are_found_by_id() -> None:
    book = record()
    with pytest.raises(BadInput) as caught:
        book.incident("c1-zzzz")
    assert caught.value.code == "unknown_incident"
    for name in ("c1.example.org-aaaa", "c2-bbbb"):
        book.keep(name, "opening", incident(name))
        book.keep(name, "plan.1", {})
    assert book.ids() == ["c1.example.org-aaaa", "c2-bbbb"]
    assert book.incident("c2-bbbb") == incident("c2-bbbb")


# -- policy, arming, brakes -----------------------------------------------
def test_an_incident_keeps_the_policy_that_it_began_with() -> None:
    book = record()
    with pytest.raises(BadInput) as caught:
        book.policy_text()
    assert caught.value.code == "no_policy"
    book.ledger.write("ha.policy", {"text": "version: 1"})
    book.pin_policy("version: 1", "d1")
    book.pin_policy("something else", "d1")
    book.ledger.write("ha.policy", {"text": "mode: act"})
    assert book.policy_text("d1") == "version: 1"
    assert book.policy_text() == "mode: act"


def test_nothing_is_armed_until_somebody_says_so() -> None:
    book = record()
    assert not book.armed()
    book.arm("me")
    assert book.armed()


def brake(scope: str, until: float = NOW + 100) -> Brake:
    return Brake(scope, "work on the rack", "me", NOW, until)


@pytest.mark.parametrize(
    ("scope", "stops"),
    [
        ("all", True),
        ("host:c1", True),
        ("host:c11", False),
        ("host:c", False),
        ("aggregate:rack-a", True),
        ("aggregate:rack-b", False),
        ("maintenance:c1", False),
    ],
)
def test_a_brake_stops_its_scope(scope: str, stops: bool) -> None:
    book = record()
    book.set_brake(brake(scope))
    assert (book.disarmed("c1", ["rack-a"]) is not None) is stops
    book.lift_brake(scope)
    assert book.disarmed("c1", ["rack-a"]) is None


def test_a_brake_ends_by_itself() -> None:
    clock = Clock()
    book = record(clock)
    book.set_brake(brake("all", NOW + 100))
    book.set_brake(brake("maintenance:c1", NOW + 100))
    clock.sleep(99.9)
    assert book.disarmed("c1", []) is not None
    assert list(book.maintenance()) == ["c1"]
    clock.sleep(0.1)
    assert book.disarmed("c1", []) is None
    assert book.maintenance() == {}
    assert book.brakes() == []


def test_an_entry_of_an_older_form_is_an_error_not_a_guess() -> None:
    book = record()
    book.ledger.write("ha.open.c1", {"incident": {"id": "c1-a"}})
    with pytest.raises(BadInput, match=r"ha\.open\.c1"):
        book.opened("c1")


def test_the_opening_may_be_read_back_field_by_field() -> None:
    book = record()
    one = incident(reason="because", dry_run=True, event_at=NOW - 3)
    book.keep(one.id, "opening", one)
    assert book.part(one.id, "opening", Incident) == one
