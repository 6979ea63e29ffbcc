"""The death certificate names every reading, its time and its device."""

from __future__ import annotations

from ha_actions.deciders.certificate import certificate
from ha_actions.model import Evidence, Power, Proof, Reading, Says
from unit.fakes import says


def test_who_said_what_and_when() -> None:
    proof = Proof(
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
    assert certificate(proof) == [
        "c1 is dead by evidence of power since 2001-09-09 01:46:40.0Z: bmc "
        "read Off 2 times over 10 s",
        "2001-09-09 01:46:38.2Z bmc UNKNOWN PoweringOff",
        "2001-09-09 01:46:40.0Z bmc OFF",
        "2001-09-09 01:46:51.0Z tcp_reach dead",
    ]


def test_without_a_proof_there_is_none() -> None:
    assert certificate(None) == []
