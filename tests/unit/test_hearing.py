"""After the devices read Off: as few looks at Nova as tell the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from ha_actions.model import Host, Says, Testimony
from ha_actions.records.incidents import Opened
from ha_actions.settings import Policy
from ha_actions.step_parts.hearing import hear_after_off
from ha_actions.step_parts.run import Run
from ha_actions.witnesses.compute_service import ComputeService
from unit.fakes import NOW, Clock, incident, small_outside

DOWN = Host(name="c1", service_id="s1", up=False, updated_at=NOW - 60)
WATCH_S = 12.0


class Nova:
    """os-services, as they are at each moment; a listing may serve again."""

    def __init__(self, clock: Clock, history: Mapping[float, Host]) -> None:
        self.clock = clock
        self.history = history
        self.asked: list[float] = []
        self._kept: list[Host] = []

    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[Host]:
        now = self.clock.now()
        if not self.asked or not 0 <= now - self.asked[-1] < max_age_s:
            self.asked.append(now)
            latest = max(at for at in self.history if at <= now)
            self._kept = [self.history[latest]]
        return self._kept


class Echo:
    """A witness whose words are known."""

    name = "tcp_reach"

    def __init__(self, words: Sequence[Says]) -> None:
        self._words = iter(words)

    def testify(self, host: Host) -> Testimony:
        return Testimony(
            witness=self.name,
            host=host.name,
            says=next(self._words),
            observed_at=NOW,
        )


def heard(
    history: Mapping[float, Host],
    judged: Host | None = DOWN,
    others: Sequence[Says] = (),
) -> tuple[Says, Nova]:
    """What Nova's witness says after Off, and how often Nova was asked.

    :param others: what a second witness says, one word at each hearing.
    """
    clock = Clock()
    nova = Nova(clock, history)

    def witnesses(policy: Policy, cloud: Any) -> dict[str, ComputeService]:
        known = ComputeService(
            policy, cloud, cast(Any, None), lambda host: (), clock
        )
        return {known.name: known, "tcp_reach": Echo(others)}

    outside = replace(
        small_outside(clock=clock),
        cloud=cast(Any, lambda request: nova),
        witnesses=cast(Any, witnesses),
    )
    run = Run(outside, "e1", "me")
    one = incident()
    run.record.take(Opened(one, "e1"))
    run.record.keep(one.id, "opening", one)
    ask = "[compute_service, tcp_reach]" if others else "[compute_service]"
    rules = f"{{ask: {ask}, need_dead: 1, veto: []}}"
    text = f"version: 1\nwitnesses: {rules}"
    run.record.pin_policy(text, one.policy)
    if judged is not None:
        run.record.keep(one.id, "judged", judged)
    cloud = run.cloud(one)
    said = hear_after_off(run, one, run.policy(one), cloud)
    assert len(said) == len({s.witness for s in said}) == 1 + bool(others)
    alive = any(s.says is Says.ALIVE for s in said)
    return Says.ALIVE if alive else said[0].says, nova


def test_a_service_that_stands_still_is_looked_at_once() -> None:
    says, nova = heard({NOW: DOWN})
    assert says is Says.DEAD
    assert nova.asked == [NOW + WATCH_S]


def test_one_that_was_up_at_the_verdict_may_be_down_now() -> None:
    says, nova = heard({NOW: DOWN}, replace(DOWN, up=True))
    assert says is Says.DEAD
    assert len(nova.asked) == 1


def test_a_heartbeat_before_off_does_not_contradict_it() -> None:
    beat = replace(DOWN, updated_at=NOW - 5)
    says, nova = heard({NOW: beat})
    assert says is Says.DEAD
    assert len(nova.asked) == 2, "looked at once more, after Off"


def test_a_heartbeat_after_off_does() -> None:
    beats = {
        NOW + n: replace(DOWN, up=True, updated_at=NOW + n)
        for n in range(0, 60, 10)
    }
    says, _ = heard(beats)
    assert says is Says.ALIVE


@pytest.mark.parametrize("change", [{"forced_down": True}, {"enabled": False}])
def test_what_people_changed_meanwhile_hides_no_heartbeat(
    change: dict[str, bool],
) -> None:
    beats = {
        NOW + n: replace(DOWN, up=True, updated_at=NOW + n, **change)
        for n in range(0, 60, 10)
    }
    says, _ = heard(beats)
    assert says is Says.ALIVE


def test_without_a_verdict_kept_it_is_looked_at_twice() -> None:
    says, nova = heard({NOW: DOWN}, None)
    assert says is Says.DEAD
    assert nova.asked == [NOW, NOW + WATCH_S]


def test_whoever_said_alive_is_not_made_to_take_it_back() -> None:
    beat = replace(DOWN, updated_at=NOW - 5)
    says, nova = heard({NOW: beat}, others=(Says.ALIVE, Says.SILENT))
    assert len(nova.asked) == 2
    assert says is Says.ALIVE
