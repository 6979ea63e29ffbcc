"""What needs no proof stands on the verdict, which is looked at again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from ha_actions.model import Evidence, Host, Proof, Ruling, Verdict
from ha_actions.ports import Cloud
from ha_actions.step_parts.run import Run
from unit.fakes import NOW, incident, small_outside

JUDGED = Host(name="c1", service_id="1", up=False, updated_at=NOW - 90)
MARKED = replace(
    JUDGED,
    forced_down=True,
    enabled=False,
    disabled_reason="incident",
    updated_at=NOW + 30,
)
LATER = MARKED.updated_at + 10


class Nova:
    """It lists the host as it is now, or does not know it."""

    def __init__(self, *now: Host) -> None:
        self.now = now

    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[Host]:
        return list(self.now)


def judged(
    ruling: Ruling | None = Ruling.DOWN, marked: Host | None = None
) -> Run:
    run = Run(small_outside(), "e1", "me")
    one = incident()
    if ruling is not None:
        verdict = Verdict(host="c1", ruling=ruling, reason="so", at=NOW)
        run.record.keep(one.id, "verdict", verdict)
        run.record.keep(one.id, "judged", JUDGED)
    if marked is not None:
        run.record.keep(one.id, "marked", marked)
    return run


def why(run: Run, *now: Host) -> str:
    return run.verdict_void(incident(), cast(Cloud, cast(Any, Nova(*now))))


def test_it_holds_while_nothing_has_happened() -> None:
    assert why(judged(), JUDGED) == ""
    assert why(judged()) == ""  # a cell is down: nothing is known


@pytest.mark.parametrize("ruling", [None, Ruling.ALIVE, Ruling.UNCERTAIN])
def test_only_down_is_leave(ruling: Ruling | None) -> None:
    assert "not DOWN" in why(judged(ruling), JUDGED)


def test_a_heartbeat_since_the_verdict_ends_it() -> None:
    now = replace(JUDGED, updated_at=JUDGED.updated_at + 1)
    assert "after the verdict" in why(judged(), now)


def test_that_we_marked_it_down_is_no_life() -> None:
    assert why(judged(marked=MARKED), MARKED) == ""


@pytest.mark.parametrize(
    "now",
    [
        replace(MARKED, updated_at=LATER),
        replace(MARKED, forced_down=False, updated_at=LATER),
    ],
)
def test_a_life_since_it_was_marked_down_ends_it(now: Host) -> None:
    assert "since the cut" in why(judged(marked=MARKED), now) or (
        "after the cut" in why(judged(marked=MARKED), now)
    )


def test_what_an_earlier_attempt_had_marked_is_history() -> None:
    old = replace(MARKED, updated_at=JUDGED.updated_at - 500)
    assert why(judged(marked=old), JUDGED) == ""


def test_our_own_mark_after_the_verdict_is_no_life() -> None:
    """An attempt that goes on judges a host that is marked already."""
    run = judged(marked=MARKED)
    run.record.keep(incident().id, "judged", replace(MARKED, updated_at=NOW))
    assert why(run, MARKED) == ""


def test_a_void_proof_ends_it_until_it_is_judged_again() -> None:
    run, one = judged(), incident()
    proof = Proof(
        host="c1",
        incident=one.id,
        evidence=Evidence.POWER,
        rule="read Off",
        since=NOW,
        at=NOW,
    )
    run.record.add_proof(one.id, proof)
    assert why(run, JUDGED) == ""
    run.clock.sleep(5)
    run.record.void_proof(one.id, "it reads On")
    assert "became void" in why(run, JUDGED)
    again = Verdict(
        host="c1", ruling=Ruling.DOWN, reason="so", at=run.clock.now() + 1
    )
    run.record.keep(one.id, "verdict", again)
    assert why(run, JUDGED) == ""
