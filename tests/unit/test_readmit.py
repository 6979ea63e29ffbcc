"""A return that was looked at counts for the incident it was looked at for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from ha_actions.model import Host
from ha_actions.sim.ledger import MemoryLedger
from ha_actions.step_parts.run import Run
from ha_actions.steps.readmit_host import ReadmitHost
from unit.fakes import host, incident, small_outside

OUT = replace(host(), forced_down=True, enabled=False)
FIRST, SECOND = incident(id="c1-1"), incident(id="c1-2")


class Nova:
    """One host that is out; who may lift it is what the test is about."""

    def __init__(self) -> None:
        self.lifted = 0

    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[Host]:
        return [replace(OUT, forced_down=not self.lifted)]

    def lift_down(self, host: Host, claim: Any) -> None:
        self.lifted += 1


def out_by(nova: Nova, *incidents: Any) -> Run:
    outside = small_outside(ledger=MemoryLedger())
    cloud = cast(Any, lambda request: nova)
    run = Run(replace(outside, cloud=cloud), execution="e1", holder="me")
    for one in incidents:
        run.record.keep(one.id, "opening", one)
        run.record.keep(one.id, "marked", OUT)
        run.record.shut(one, handled=True)
    return run


def test_it_lifts_what_was_looked_at() -> None:
    nova = Nova()
    run = out_by(nova, FIRST)
    answer = ReadmitHost(host="c1", incident="c1-1", asked=False).perform(run)
    assert (answer["state"], nova.lifted) == ("lifted", 1)


def test_a_host_that_died_again_meanwhile_stays_out() -> None:
    nova = Nova()
    run = out_by(nova, FIRST, SECOND)
    answer = ReadmitHost(host="c1", incident="c1-1", asked=False).perform(run)
    assert (answer["state"], answer["code"]) == ("refused", "out_again")
    assert nova.lifted == 0
