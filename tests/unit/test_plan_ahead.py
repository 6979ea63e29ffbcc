"""What is planned beside the fence, when the fence is faster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from ha_actions.errors import Refused
from ha_actions.model import Aggregate, Guest, Member, Ruling, Verdict
from ha_actions.records.claims import LEASE_S
from ha_actions.records.incidents import Opened
from ha_actions.step_parts.kept_plans import PLANNING
from ha_actions.step_parts.run import Run
from ha_actions.steps.plan_ahead import PlanAhead
from unit.fakes import NOW, incident, port, small_outside

ONE = incident()
COW = Guest(
    id="g1",
    name="web",
    project="p",
    host="c1",
    image="i",
    ports=(port(),),
    metadata={"ha:protection": "cattle"},
)


class Nova:
    """One guest, and what happens while it is being read."""

    def __init__(
        self,
        meanwhile: Callable[[], object],
        snapshot: Callable[[], object] = lambda: None,
    ) -> None:
        self._meanwhile = meanwhile
        self._snapshot = snapshot

    def aggregates(self) -> list[Aggregate]:
        return []

    def members(self) -> list[Member]:
        self._meanwhile()
        return []

    def guests_on(self, host: str, *, brief: bool = False) -> list[Guest]:
        return [COW]

    def floating_ips(self, ports: object, ids: object = ()) -> list[object]:
        self._snapshot()
        return []


def opened(nova: Nova) -> Run:
    """A run whose incident is open and judged DOWN."""
    outside = replace(small_outside(), cloud=cast(Any, lambda request: nova))
    run = Run(outside, "e1", "me")
    run.record.take(Opened(ONE, "e1"))
    run.record.keep(ONE.id, "opening", ONE)
    run.record.pin_policy("version: 1", ONE.policy)
    judged(run, NOW)
    return run


def judged(run: Run, at: float) -> None:
    verdict = Verdict(host="c1", ruling=Ruling.DOWN, reason="so", at=at)
    run.record.keep(ONE.id, "verdict", verdict)


def the_plan_is_made(run: Run) -> None:
    run.record.keep(ONE.id, "plan.1", {})


def it_is_held(run: Run) -> None:
    entry = run.record.opened("c1")
    assert entry is not None
    run.record.hold(entry, "not_proven")


def another_has_planned(run: Run) -> None:
    run.record.keep(ONE.id, "ahead.1", {"execution": "e0"})


def it_is_judged_again(run: Run) -> None:
    judged(run, NOW + 5)


def nothing(run: Run) -> None:
    """The incident stays where it was."""


@pytest.mark.parametrize(
    ("meanwhile", "planned"),
    [
        (nothing, True),
        (the_plan_is_made, False),
        (it_is_held, False),
        (another_has_planned, False),
        (it_is_judged_again, False),
    ],
)
def test_it_adds_to_no_plan_that_has_gone_on(
    meanwhile: Callable[[Run], None], planned: bool
) -> None:
    runs: list[Run] = []
    run = opened(Nova(lambda: meanwhile(runs[0])))
    runs.append(run)
    told = PlanAhead(incident=ONE.id).perform(run)
    assert (told["next"] == "recover") is planned
    assert bool(run.record.parts(ONE.id, "batch.")) is planned


def test_one_that_took_too_long_leaves_it_to_the_plan_that_took_over() -> None:
    """Snapshots may outlast the claim; two plans would make two copies."""
    runs: list[Run] = []

    def slow() -> None:
        runs[0].clock.sleep(LEASE_S + 40)
        runs[0].record.claim(ONE.id, PLANNING, "ha.make_plan")

    run = opened(Nova(lambda: None, slow))
    runs.append(run)
    with pytest.raises(Refused) as caught:
        PlanAhead(incident=ONE.id).perform(run)
    assert caught.value.code == "superseded"
    assert run.record.parts(ONE.id, "batch.") == []
