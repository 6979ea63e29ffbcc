"""What people are told."""

from __future__ import annotations

from dataclasses import dataclass, field

from ha_actions.model.evidence import Proof, Refusal, Verdict
from ha_actions.model.incident import Incident
from ha_actions.model.recovery import Outcome
from ha_actions.model.words import Protection, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the recovery check: before and after, compared."""

    guest: str
    name: str
    check: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestReport:
    """One guest's row in the report."""

    guest: str
    name: str
    protection: Protection
    did: str
    outcome: str
    as_chosen: bool
    """Whether it got what its policy says."""
    host: str = ""
    seconds: float = 0.0
    reason: str = ""
    steps: tuple[Outcome, ...] = ()
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    """What could not be taken of its tags, and what was taken instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was asked, decided, done and left, for people and for JSON."""

    incident: Incident
    state: State
    reason: str
    closed_at: float
    code: str = ""
    verdict: Verdict | None = None
    proof: Proof | None = None
    refusal: Refusal | None = None
    guests: tuple[GuestReport, ...] = ()
    stages: dict[str, float] = field(default_factory=dict)
    """Stage -> when it ended."""
    notes: tuple[str, ...] = ()
    """What is left over and goes by itself, or that nobody could look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, as it is told on the bus."""

    type: str
    """Such as ``compute.service.down``."""
    project: str = ""
    """Whose alarms see it; empty: the operator's alone."""
    traits: dict[str, str] = field(default_factory=dict)
    at: float
    id: str
    """The same id: the same event, published again."""
