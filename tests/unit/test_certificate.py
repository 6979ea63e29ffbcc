"""The death certificate names every reading, its time and its device."""

from __future__ import annotations

from pathlib import Path

import yaml
from ha_actions.deciders.certificate import certificate
from ha_actions.deciders.policy import digest
from ha_actions.model import Evidence, Power, Proof, Reading, Says
from ha_actions.records.incidents import Opened
from ha_actions.sim.ledger import MemoryLedger
from ha_actions.step_parts.run import Run
from ha_actions.steps.close_incident import CloseIncident
from unit.fakes import incident, says, small_outside

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "policy.example.yaml"
BOOK = ROOT / "workbooks" / "ha.v1.yaml"


PROOF = Proof(
    host="c1",
    incident="c1-1",
    evidence=Evidence.POWER,
    rule="bmc read Off 2 times over 10 s",
    since=1_000_000_000.0,
    at=1_000_000_012.0,
    readings=(
        Reading(
            device="bmc",
            power=Power.UNKNOWN,
            at=999_999_998.25,
            detail="PoweringOff",
        ),
        Reading(device="bmc", power=Power.OFF, at=1_000_000_000.0),
    ),
    testimonies=(says("tcp_reach", Says.DEAD, 1_000_000_011.0),),
)


def test_who_said_what_and_when() -> None:
    assert certificate(PROOF) == [
        "c1 is dead by evidence of power since 2001-09-09 01:46:40.0Z: bmc "
        "read Off 2 times over 10 s",
        "2001-09-09 01:46:38.2Z bmc UNKNOWN PoweringOff",
        "2001-09-09 01:46:40.0Z bmc OFF",
        "2001-09-09 01:46:51.0Z tcp_reach dead",
    ]


def test_without_a_proof_there_is_none() -> None:
    assert certificate(None) == []


def test_the_execution_ends_with_it() -> None:
    outside = small_outside(ledger=MemoryLedger())
    run = Run(outside, execution="e1", holder="me")
    text = POLICY.read_text(encoding="utf-8")
    one = incident(policy=digest(text))
    run.record.pin_policy(text, one.policy)
    run.record.keep(one.id, "opening", one)
    run.record.take(Opened(one, "e1", 1))
    run.record.add_proof(one.id, PROOF)
    answer = CloseIncident(incident=one.id).perform(run)
    assert answer["certificate"] == certificate(PROOF)


def test_the_workflow_gives_it_out() -> None:
    book = yaml.safe_load(BOOK.read_text(encoding="utf-8"))
    flow = book["workflows"]["handle_host_failure"]
    published = flow["tasks"]["close_incident"]["publish"]
    assert published["certificate"] == "<% task().result.certificate %>"
    assert flow["output"]["certificate"] == "<% $.get(certificate, []) %>"
