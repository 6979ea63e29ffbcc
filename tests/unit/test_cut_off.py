"""What cuts a host off: remembered, renewed, and lifted by one at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from ha_actions.model import Evidence, Host, Power
from ha_actions.outside import Outside
from ha_actions.records import cut_off
from ha_actions.records.house import KEEP_S, prune
from ha_actions.records.incidents import Opened
from ha_actions.records.operator_acts import abort
from ha_actions.sim.ledger import MemoryLedger
from ha_actions.step_parts.run import Run
from ha_actions.steps.readmit_host import ReadmitHost
from ha_actions.steps.renew_fences import RenewFences
from unit.fakes import Clock, Device, host, incident, small_outside

CUT = incident(id="c1-1")


@dataclass
class Blocklist(Device):
    """Half of its time is over as long as it holds."""

    evidence: Evidence = Evidence.STORAGE
    before: Power = Power.OFF

    def renewal_due(self) -> bool:
        self.calls.append("due")
        return self._now() is Power.OFF

    def restore(self, claim: Any) -> None:
        super().restore(claim)
        self.before = Power.UNKNOWN
        self.after = ()


class Nova:
    """One host, up and never forced down."""

    def hosts(self) -> list[Host]:
        return [host()]


def outside_of(device: Device, clock: Clock) -> Outside:
    made = small_outside(clock=clock, ledger=MemoryLedger(), fences=[device])
    return replace(made, cloud=cast(Any, lambda request: Nova()))


def run_of(outside: Outside, holder: str = "me") -> Run:
    return Run(outside, execution="e1", holder=holder)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def device(clock: Clock) -> Blocklist:
    return Blocklist(clock)


@pytest.fixture
def run(device: Blocklist, clock: Clock) -> Run:
    """An incident has cut c1 off, and was aborted before it told Nova."""
    run = run_of(outside_of(device, clock))
    run.record.keep(CUT.id, "opening", CUT)
    run.record.shut(CUT, handled=True)
    cut_off.remember(run.record, CUT)
    return run


def test_an_aborted_one_is_renewed(run: Run, device: Blocklist) -> None:
    assert RenewFences().perform(run) == {"renewed": 1}
    assert device.calls.count("cut") == 1


def test_nothing_is_asked_where_nothing_was_cut(
    device: Blocklist, clock: Clock
) -> None:
    run = Run(
        small_outside(clock=clock, fences=[device]), execution="", holder="me"
    )
    assert RenewFences().perform(run) == {"renewed": 0}
    assert device.calls == []


def test_whoever_lets_it_in_is_waited_for(
    run: Run, device: Blocklist, clock: Clock
) -> None:
    """A renewal that began before, and comes to cut after: it must not."""
    other = run_of(run.outside, "a person's run")
    claim = other.record.claim(CUT.id, cut_off.CLAIM, other.holder)

    class Meanwhile(Clock):
        """While the renewal waits, the other one ends."""

        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            device.restore(claim)
            other.record.release(claim)

    waiting = Meanwhile(clock.at)
    late = Run(replace(run.outside, clock=waiting), "e2", "reconcile")
    assert RenewFences().perform(late) == {"renewed": 0}
    assert waiting.slept
    assert device.calls.count("restore") == 1
    assert "cut" not in device.calls


def test_a_return_waits_for_a_renewal(
    run: Run, device: Blocklist, clock: Clock
) -> None:
    other = run_of(run.outside, "reconcile")
    other.record.claim(CUT.id, cut_off.CLAIM, other.holder)
    ReadmitHost(host="c1", incident=CUT.id, asked=False).perform(run)
    assert sum(clock.slept) >= 60
    assert device.calls[-1] == "restore"


def test_it_is_let_in_and_forgotten(run: Run, device: Blocklist) -> None:
    answer = ReadmitHost(
        host="c1", incident=CUT.id, asked=True, enable=True
    ).perform(run)
    assert answer["state"] == "returned"
    assert "restore" in device.calls
    assert cut_off.hosts(run.record) == []
    assert RenewFences().perform(run) == {"renewed": 0}


def test_what_a_later_incident_cut_off_stays_known(run: Run) -> None:
    cut_off.remember(run.record, replace(CUT, id="c1-2"))
    cut_off.forget(run.record, "c1", CUT.id)
    assert cut_off.hosts(run.record) == ["c1"]


def test_the_abort_says_so(run: Run) -> None:
    run.record.take(Opened(CUT, "e1", 1))
    left = abort(run.record, CUT.id, "me", "enough")
    assert "renewed until `ha-pack return` lets it in" in left[0]


def test_its_incident_is_not_pruned(run: Run, clock: Clock) -> None:
    run.record.ledger.write("ha.policy", {"text": "x"})
    run.record.keep(CUT.id, "host", host())
    clock.at += 2 * KEEP_S
    assert prune(run.record, None) == []
    cut_off.forget(run.record, "c1", CUT.id)
    assert prune(run.record, None) == [CUT.id]
