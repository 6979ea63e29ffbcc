"""One POST at a time, whatever the clocks say and whoever was before us."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import pytest
from ha_actions.errors import NoAnswer
from ha_actions.model import (
    Batch,
    Claim,
    Evidence,
    Guest,
    Migration,
    Power,
    Proof,
    Reading,
    Requires,
)
from ha_actions.records.batches import Batches
from ha_actions.records.claims import LEASE_S, SPARE_S
from ha_actions.records.incidents import Opened
from ha_actions.step_parts.batch_step import Job
from ha_actions.step_parts.run import Run
from ha_actions.steps.evacuate_servers import EvacuateServers
from unit.fakes import (
    NOW,
    Clock,
    Device,
    guest,
    incident,
    planned,
    small_outside,
)

PET = guest("db")


class Nova:
    """One guest; an evacuation is answered, or not, and may take its time.

    :param ahead: how far Nova's clock is before the executor's.
    """

    def __init__(self, clock: Clock, ahead: float = 0.0) -> None:
        self.clock = clock
        self.ahead = ahead
        self.posts: list[float] = []
        self.fails_first = False
        self.silent = False
        self.late_record_at: float | None = None

    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[object]:
        return []

    def evacuations(self, source: str) -> list[Migration]:
        made = []
        for n, at in enumerate(self._seen()):
            failed = self.fails_first and n == 0
            flying = not failed and self.clock.now() < at + 30
            status = "failed" if failed else "done"
            made.append(
                Migration(
                    id=str(n + 1),
                    guest=PET.id,
                    source=source,
                    dest="c2",
                    status="accepted" if flying else status,
                    created_at=at + self.ahead,
                )
            )
        return made

    def _seen(self) -> list[float]:
        """When each evacuation that Nova shows was recorded."""
        seen = list(self.posts)
        if self.silent and len(seen) > 1:
            # the unanswered one is at work, and nothing shows it for 20 s
            seen = [seen[0], *[p for p in seen[1:] if self._old(p, 20)]]
        late = self.late_record_at
        if late is not None and self.clock.now() >= late:
            seen.insert(0, late)
        return seen

    def _old(self, at: float, seconds: float) -> bool:
        return self.clock.now() >= at + seconds

    def guests(
        self, ids: Iterable[str], *, brief: bool = False, since: float = 0.0
    ) -> dict[str, Guest]:
        over = [m for m in self.evacuations("c1") if m.status == "done"]
        return {PET.id: replace(PET, host="c2" if over else "c1")}

    def evacuation_asked(self, guest: str, since: float) -> bool:
        return any(at + self.ahead >= since - 30 for at in self._seen())

    def evacuate(
        self, guest: str, *, keep_off: bool, claim: Claim, host: str = ""
    ) -> None:
        self.posts.append(self.clock.now())
        if self.silent and len(self.posts) > 1:
            raise NoAnswer("no_answer", "Nova did not answer.")


def at_work(clock: Clock, nova: Nova) -> Run:
    """A run whose one batch may be evacuated."""
    device = Device(clock, before=Power.OFF)
    outside = small_outside(clock=clock, fences=[device])
    cloud = cast(Any, lambda request: nova)
    outside = replace(outside, cloud=cloud)
    run = Run(outside, execution="e1", holder="me")
    one = incident()
    run.record.take(Opened(one, "e1"))
    run.record.keep(one.id, "opening", one)
    run.record.pin_policy("version: 1", one.policy)
    run.record.add_proof(
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
    batch = Batch(
        id="b1",
        action="ha.evacuate_servers",
        requires=Requires.PROOF,
        guests=(planned(PET),),
    )
    run.record.keep(one.id, "batch.b1", Batches(batch))
    return run


@pytest.mark.parametrize("ahead", [0.0, 25.0, 300.0, -25.0])
def test_an_unanswered_second_post_is_not_mistaken_for_the_first(
    ahead: float,
) -> None:
    clock = Clock()
    nova = Nova(clock, ahead)
    nova.fails_first = nova.silent = True
    run = at_work(clock, nova)
    clock.sleep(60)  # an incident is that old before it evacuates
    EvacuateServers(incident="c1-aaaa", batch="b1").perform(run)
    assert len(nova.posts) == 2


@pytest.mark.parametrize("slow_s", [0.5, 20.0, 55.0])
def test_a_post_of_the_run_before_may_still_be_on_its_way(
    slow_s: float,
) -> None:
    clock = Clock()
    nova = Nova(clock)
    run = at_work(clock, nova)
    clock.sleep(60)
    run.record.claim("c1-aaaa", "b1", "the run before")
    # it sends its POST in the last moment, and Nova is slow to take it up
    nova.late_record_at = clock.now() + LEASE_S + SPARE_S + slow_s
    answer = EvacuateServers(incident="c1-aaaa", batch="b1").perform(run)
    assert nova.posts == []
    assert answer["counts"] == {"done": 1}


def test_the_run_before_is_not_waited_for_when_it_is_long_over() -> None:
    clock = Clock()
    nova = Nova(clock)
    run = at_work(clock, nova)
    run.record.claim("c1-aaaa", "b1", "the run before")
    clock.sleep(300)
    EvacuateServers(incident="c1-aaaa", batch="b1").perform(run)
    assert nova.posts == [NOW + 300]


class Slow(Device):
    """Each reading takes its time, and is as old as that when it is told."""

    def power(self) -> Reading:
        before = self.clock.at
        reading = super().power()
        return replace(reading, at=before)


@pytest.mark.parametrize("latency_s", [1.0, 20.0])
def test_no_post_on_a_reading_that_is_too_old(latency_s: float) -> None:
    clock = Clock()
    nova = Nova(clock)
    run = at_work(clock, nova)
    slow = Slow(clock, before=Power.OFF, latency_s=latency_s)
    run.outside = replace(run.outside, fences=lambda host: [slow])
    step = EvacuateServers(incident=incident().id, batch="b1")
    answer = step.perform(run)
    if latency_s > 5:  # the policy's fencing.fresh_s
        assert answer["counts"] == {"refused": 1}
        assert nova.posts == []
        (outcome,) = run.outcomes(incident().id, "b1").values()
        assert outcome.code == "stale_reading"
    else:
        assert answer["counts"] == {"done": 1}
        assert len(nova.posts) == 1


def test_turns_that_last_read_the_devices_between() -> None:
    """Four guests, one call at a time, each as slow as a reading is good."""
    clock = Clock()
    nova = Nova(clock)
    run = at_work(clock, nova)
    device = Device(clock, before=Power.OFF)
    run.outside = replace(run.outside, fences=lambda host: [device])
    job = Job(run, incident().id, "b1", "ha.evacuate_servers")
    ages = []

    def call(claim: Claim) -> None:
        ages.append(clock.at - run.read_at)
        clock.sleep(4.0)

    job.policy = replace(
        job.policy, recovery=replace(job.policy.recovery, side_by_side=1)
    )
    job.together([call] * 4)
    assert max(ages) <= job.policy.fencing.fresh_s
    assert device.calls.count("power") >= 2
