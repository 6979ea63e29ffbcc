"""One VM that fails alone: frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field

from ha_actions.model import Word


class Cause(Word):
    """Why a server does not run, as far as anybody can tell."""

    CRASH = "crash"
    OWNER = "its owner"
    INSIDE = "from inside"
    BUSY = "busy"
    """Somebody works on it at this moment."""
    NONE = "runs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One entry of Nova's instance actions: a request that was made of it."""

    action: str
    """Nova's word: ``stop``, ``start``, ``reboot``, ``migrate``, ..."""
    user: str = ""
    """Who asked; empty: Nova by itself."""
    at: float = 0.0
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNews:
    """Somebody says that this server failed. Nothing is believed yet."""

    server: str
    event_at: float
    by: str
    reason: str
    power: str = ""
    """The power state that the event told, empty for none."""
    before: str = ""
    """The vm_state before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFailure:
    """One failure of one server: opened once, closed once."""

    id: str
    server: str
    name: str
    project: str
    host: str
    opened_at: float
    opened_by: str
    request_id: str
    policy: str
    reason: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One step of the ladder, as far as it has got."""

    name: str
    until: float
    asked_at: float = 0.0
    """When it was asked of Nova; 0.0: it may not have been."""
    started_at: float = 0.0
    """When a server that was moved was asked to start there."""
    ended: str = ""
    """``runs``, ``failed``; empty: at work."""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """The whole ladder of one failure."""

    rungs: tuple[Rung, ...] = ()
    stopped: str = ""
    """Code for which it was given up; empty: it was not."""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """How one failure ended."""

    failure: ServerFailure
    recovered: bool
    code: str
    reason: str
    closed_at: float
    rungs: tuple[Rung, ...] = field(default=())
