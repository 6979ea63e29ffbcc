"""Who hears that what his server had is free to take."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ha_actions.deciders.policy import digest
from ha_actions.model import Batch, Event, Evidence, Host, Requires
from ha_actions.records.batches import Batches
from ha_actions.records.incidents import Record
from ha_actions.step_parts.run import Run
from ha_actions.steps.tell_owners import TellOwners, keep_owners
from unit.fakes import (
    Clock,
    guest,
    incident,
    planned,
    proof,
    small_outside,
)

FENCED = "compute.instance.host_fenced"
POLICY = "version: 1\n"


class Bus:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def publish(self, events: list[Event]) -> None:
        self.events += events


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        (None, set()),
        (Evidence.POWER, {"id-san", "id-local", "id-stranger"}),
        (Evidence.OPERATOR, {"id-san", "id-local", "id-stranger"}),
        (Evidence.STORAGE, {"id-san"}),
        (Evidence.NETWORK, {"id-local"}),
    ],
)
def test_only_those_that_the_proof_covers_hear_fenced(
    evidence: Evidence | None, told: set[str]
) -> None:
    """One whose host is only cut off from its storage may run on."""
    bus, plain = Bus(), small_outside(clock=Clock())
    run = Run(replace(plain, bus=bus), "e", "a")
    record = Record(plain.ledger, plain.clock)
    mine = incident(policy=digest(POLICY))
    record.pin_policy(POLICY, mine.policy)
    record.keep(mine.id, "opening", mine)
    record.keep(mine.id, "host", Host(name="c1", service_id="s", up=False))
    san = planned(guest("san", boot="volume"))
    local = planned(guest("local", boot="image", image="i"))
    batch = Batch(
        id="p1",
        action="ha.await_owner",
        requires=Requires.VERDICT,
        guests=(san, local),
    )
    record.keep(mine.id, "batch.p1", Batches(batch))
    keep_owners(run, mine, [san.guest, local.guest, guest("stranger")])
    if evidence is not None:
        record.add_proof(mine.id, proof(evidence=evidence))
    TellOwners(mine.id).perform(run)
    heard = {e.traits["instance_id"] for e in bus.events if e.type == FENCED}
    assert heard == told
