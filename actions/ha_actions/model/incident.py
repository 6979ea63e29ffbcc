"""One suspected failure, and who may act on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Leave to change the world until a moment, for one holder.

    Every world-changing verb of a port takes one and checks ``until`` right
    before it sends; so a run that was frozen and wakes late sends nothing.
    """

    incident: str
    subject: str
    """The stage or batch that is claimed."""
    holder: str
    number: int
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissal:
    """Why a start is not an incident of ours."""

    code: str
    reason: str
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One suspected host failure: opened once, closed once."""

    id: str
    host: str
    opened_at: float
    opened_by: str
    """``alarm``, ``hand``, ``drill``, ``watch``."""
    request_id: str
    """Goes with every API call of the incident."""
    policy: str
    """Digest of the policy that it is pinned to."""
    reason: str = ""
    dry_run: bool = False
    event_at: float = 0.0
    key: str = ""
    """The trait ``incident`` of the event that opened it: what tenants know
    it by, for the id names the host."""
