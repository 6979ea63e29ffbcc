"""The closed sets of words."""

from __future__ import annotations

from enum import Enum


class Word(str, Enum):
    """An enum whose value is the word that people and JSON see."""

    def __str__(self) -> str:
        return str(self.value)


class Says(Word):
    """A witness's answer to "is this host alive?"."""

    ALIVE = "alive"
    DEAD = "dead"
    SILENT = "silent"
    """Could not tell. Never counts as dead."""


class Ruling(Word):
    """What the testimonies add up to."""

    DOWN = "DOWN"
    ALIVE = "ALIVE"
    UNCERTAIN = "UNCERTAIN"


class Power(Word):
    """What a fence reads; anything not plainly On or Off is UNKNOWN."""

    ON = "ON"
    OFF = "OFF"
    UNKNOWN = "UNKNOWN"


class Evidence(Word):
    """The class of a proof: what makes sure that the host cannot write."""

    POWER = "power"
    STORAGE = "storage"
    NETWORK = "network"
    OPERATOR = "operator"


class Protection(Word):
    """What the owner chose for the day the host dies."""

    PET = "pet"
    CATTLE = "cattle"
    IGNORE = "ignore"
    CUSTOM = "custom"


class Priority(Word):
    """A guest's wave."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Requires(Word):
    """What must be held before a step may act."""

    VERDICT = "verdict"
    PROOF = "proof"


class Result(Word):
    """How a step ended for one guest."""

    DONE = "done"
    ALREADY = "already"
    """It was so before the step looked: a normal ending."""
    FAILED = "failed"
    DEFERRED = "deferred"
    """No host can take it now: tried again until capacity comes."""
    REFUSED = "refused"


class State(Word):
    """Where an incident is. Every incident ends CLOSED, HELD or DISMISSED."""

    OPEN = "open"
    HELD = "held"
    """Stopped by a safety rule or a failure; a person has been told."""
    CLOSED = "closed"
    DISMISSED = "dismissed"


class Mode(Word):
    """How far the pack may go by itself."""

    SHADOW = "shadow"
    ASK = "ask"
    ACT = "act"


class Start(Word):
    """Who starts an evacuated guest that ran before."""

    AUTO = "auto"
    CHECK = "check"
