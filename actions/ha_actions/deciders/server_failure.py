"""One VM alone: did it crash, or did somebody want it off? Pure.

Only a crash is acted on. Nova stops a server by itself when its domain is
gone, whether a process crashed or somebody shut down inside: only the power
state at that moment tells them apart, and only where the hypervisor says
``crashed``. What cannot be told apart is left, and told.

Source: nova, compute/manager.py, _sync_instance_power_state; instance actions
carry the requester, and none when nova-compute asked by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ha_actions.deciders.intake import by_hand, event_of, timely, traits_of
from ha_actions.model import Dismissal, Guest, Migration
from ha_actions.model.server import Cause, Deed, Rung, ServerNews

EVENTS = (
    "instance.update",
    "compute.instance.update",
    "compute.instance.crashed",
)
"""The last is a host's own monitor, which saw the process die."""
WITNESSED = "compute.instance.crashed"
OFF = frozenset(
    {
        *("stop", "pause", "suspend", "shelve", "shelveOffload", "delete"),
        *("softDelete", "rescue"),
    }
)
"""Requests after which a server rightly does not run."""
GONE_OFF = frozenset({"stopped", "error"})
START, REBOOT, MIGRATE = "start", "reboot", "migrate"
"""Rebuilding is no rung: it would lose the disk of a server that its owner
may still repair."""


def read_server_alarm(
    body: Any, *, now: float, stale_s: float
) -> ServerNews | Dismissal:
    """Read an alarm body; anything odd is a dismissal with its reason."""
    event = event_of(body)
    if isinstance(event, Dismissal):
        return event
    traits = traits_of(event.get("traits"))
    kind, server = str(event.get("event_type", "")), traits.get("instance_id")
    if kind not in EVENTS:
        return Dismissal(
            code="malformed",
            reason=f"the event type {kind!r} is none of {', '.join(EVENTS)}",
        )
    if not isinstance(server, str) or not server:
        return Dismissal(
            code="malformed",
            reason=f"the event {kind} has no trait 'instance_id'",
        )
    at = timely(event, server, kind, now, stale_s)
    if isinstance(at, Dismissal):
        return at
    witnessed = kind == WITNESSED
    return ServerNews(
        server=server,
        event_at=at.event_at,
        by="alarm",
        reason=kind,
        power="crashed" if witnessed else str(traits.get("power_state") or ""),
        before="active" if witnessed else str(traits.get("old_state") or ""),
    )


def server_by_hand(server: str, by: str, now: float) -> ServerNews:
    """A server that a person names: whoever asks has seen it crash."""
    news = by_hand(server, "", by, now)
    return ServerNews(
        server=server,
        event_at=news.event_at,
        by=by,
        reason="named by hand",
        power="crashed",
        before="active",
    )


def diagnose(
    guest: Guest, news: ServerNews, deeds: Sequence[Deed]
) -> tuple[Cause, str]:
    """Why it does not run, and the words for it.

    :param deeds: its instance actions, in any order.
    """
    last = max(deeds, key=lambda d: d.at, default=None)
    if guest.task_state:
        return Cause.BUSY, f"its task is {guest.task_state}"
    if guest.vm_state == "active" and guest.power == "running":
        return Cause.NONE, "it runs"
    if last is not None and last.user:
        if last.action in OFF:
            return (
                Cause.OWNER,
                f"its last request is its owner's {last.action}",
            )
        if last.failed:
            return (
                Cause.UNKNOWN,
                f"its owner's {last.action} failed; he may be at it",
            )
    if guest.power == "crashed":
        return Cause.CRASH, "the hypervisor says that it crashed"
    if guest.vm_state not in GONE_OFF:
        return Cause.UNKNOWN, f"it is {guest.vm_state}, {guest.power}"
    if news.power == "crashed" and news.before in ("", "active"):
        return Cause.CRASH, f"it crashed, by {news.reason}"
    if guest.vm_state == "error":
        if guest.power != "running" and news.before == "active":
            return (
                Cause.CRASH,
                "it went from active to error without anybody's request",
            )
        return Cause.UNKNOWN, f"it is in error, its power {guest.power}"
    if last is not None and last.action == "stop":
        return (
            Cause.INSIDE,
            "Nova found it off and stopped it: shut down from inside, or "
            "killed; its hypervisor does not tell",
        )
    return Cause.UNKNOWN, "it is off, and no request for it is recorded"


def hindered(
    guest: Guest,
    host_incident: str,
    host_up: bool,
    migrations: Sequence[Migration],
) -> Dismissal | None:
    """What makes it another's business: its host's, or a migration's."""
    if host_incident:
        return Dismissal(
            code="host_incident",
            reason=f"its host has the open incident {host_incident}",
            host=guest.name,
        )
    if not host_up:
        return Dismissal(
            code="host_down",
            reason="its host is down: that is no failure alone",
            host=guest.name,
        )
    moving = [m for m in migrations if m.in_flight]
    if moving:
        return Dismissal(
            code="migrating",
            reason=f"its migration {moving[0].id} is open",
            host=guest.name,
        )
    return None


def next_rung(
    done: Sequence[Rung], ladder: Mapping[str, int], now: float
) -> Rung | None:
    """The rung to work on: the one under way, or the next; None at the top.

    :param ladder: rung -> its budget in seconds; its own order counts.
    """
    if done and not done[-1].ended:
        return done[-1]
    tried = {r.name for r in done}
    for name, budget in ladder.items():
        if name not in tried:
            return Rung(name=name, until=now + budget)
    return None


def verb_for(rung: Rung, guest: Guest) -> str:
    """What to ask of Nova now; empty: nothing, it cannot be asked so.

    ``start`` is for a stopped server; one in error, or that Nova believes
    active, is rebooted hard, which makes its domain anew.
    """
    if rung.name == START:
        return "start" if guest.vm_state == "stopped" else ""
    if rung.name == REBOOT:
        return (
            "reboot"
            if guest.vm_state in ("active", "error", "stopped")
            else ""
        )
    if guest.vm_state == "resized":
        return "confirm_migrate"
    return "migrate" if guest.vm_state in ("active", "stopped") else ""


def ended(rung: Rung, how: str, detail: str) -> Rung:
    """The same rung, over."""
    return replace(rung, ended=how, detail=detail)
