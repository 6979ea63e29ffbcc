"""The death certificate in words: what a person believes, line by line."""

from __future__ import annotations

from datetime import datetime, timezone

from ha_actions.model import Proof


def certificate(proof: Proof | None) -> list[str]:
    """What accepted the proof, each reading of a device, each witness after
    it, with their times (UTC). Empty without a proof.
    """
    if proof is None:
        return []
    head = (
        f"{proof.host} is dead by evidence of {proof.evidence} since "
        f"{_moment(proof.since)}: {proof.rule}"
    )
    readings = [
        _line(r.at, r.device, str(r.power), r.detail) for r in proof.readings
    ]
    witnesses = [
        _line(t.observed_at, t.witness, str(t.says), t.detail)
        for t in proof.testimonies
    ]
    return [head, *readings, *witnesses]


def _line(at: float, *words: str) -> str:
    return " ".join([_moment(at), *words]).strip()


def _moment(at: float) -> str:
    moment = datetime.fromtimestamp(at, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-5] + "Z"
