"""What the owner of a server that failed alone is told. Pure.

The same kinds as after a host's death, so that one alarm of his hears both;
the trait ``cause`` is ``crash`` here. No host name is ever in them.
"""

from __future__ import annotations

import uuid

from ha_actions.deciders.tidings import (
    BROKEN,
    FAILED,
    LEFT,
    RECOVERED,
    RECOVERING,
    Owned,
    news,
)
from ha_actions.model import Event
from ha_actions.model.server import ServerFailure, ServerReport

LEFT_WORDS: dict[str, str] = {
    "disarmed": "the operator has stopped all recoveries for a while",
    "shut_down_inside": "it was shut down from inside, or killed: which, "
    "nobody can tell; start it if you want it",
    "too_often": "it was restarted too often lately; see why it crashes",
    "unknown_cause": "why it does not run is not known; nothing was done",
}
"""Code of a dismissal that its owner hears of -> what he is told. His own
stop is no news for him; what a host's incident does is told by that."""

STOPPED_WORDS: dict[str, str] = {
    "disarmed": LEFT_WORDS["disarmed"],
    "host_incident": "its host failed meanwhile; that is seen to instead",
    "host_down": "its host failed meanwhile; that is seen to instead",
    "host_silent": "its host is silent, so nothing was asked of it",
    "migrating": "it is being moved by somebody; nothing more was done",
}
"""Code for which a restart was given up -> what its owner is told."""


def restart_begins(namespace: str, failure: ServerFailure) -> Event:
    """It crashed, and is about to be restarted."""
    return _event(namespace, failure, RECOVERING, failure.opened_at)


def restart_ended(namespace: str, report: ServerReport) -> Event | None:
    """How it ended; None: its owner has deleted it."""
    failure, code = report.failure, report.code
    if code == "deleted":
        return None
    if report.recovered:
        return _event(namespace, failure, RECOVERED, report.closed_at)
    return _event(
        namespace,
        failure,
        FAILED,
        report.closed_at,
        code=code,
        reason=STOPPED_WORDS.get(code, BROKEN),
    )


def not_restarted(
    namespace: str, failure: ServerFailure, code: str
) -> Event | None:
    """It is left as it is, though its owner chose restarts; or None."""
    said = LEFT_WORDS.get(code)
    if said is None:
        return None
    return _event(
        namespace,
        failure,
        LEFT,
        failure.opened_at,
        code=code,
        reason=said,
    )


def _event(
    namespace: str,
    failure: ServerFailure,
    kind: str,
    at: float,
    **told: str,
) -> Event:
    space = uuid.UUID(namespace)
    key = str(uuid.uuid5(space, f"public {failure.id}"))
    owned = Owned(failure.project, failure.name)
    told = {"cause": "crash", **told} if kind != LEFT else told
    return news(
        space, key, failure.host, kind, failure.server, owned, at, told
    )
