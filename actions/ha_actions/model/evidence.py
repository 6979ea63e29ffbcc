"""What is known of a host: testimony, verdict, proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ha_actions.model.words import Evidence, Power, Ruling, Says


@dataclass(frozen=True, slots=True, kw_only=True)
class Testimony:
    """What one witness said of one host, and when it looked."""

    witness: str
    host: str
    says: Says
    observed_at: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judge's ruling, with the testimonies that it stands on."""

    host: str
    ruling: Ruling
    reason: str
    at: float
    testimonies: tuple[Testimony, ...] = ()
    told: bool = False
    """Whether a person must look: nobody is sure, or the host lives and Nova
    does not see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One power reading of one device, over a connection of its own."""

    device: str
    power: Power
    at: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The death certificate: the host can no longer write, since ``since``."""

    host: str
    incident: str
    evidence: Evidence
    rule: str
    since: float
    at: float
    readings: tuple[Reading, ...] = ()
    testimonies: tuple[Testimony, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A safety rule said no: a result, with a stable code and a reason."""

    code: str
    reason: str
    facts: dict[str, Any] = field(default_factory=dict)
