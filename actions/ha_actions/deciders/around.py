"""What a look around the cloud finds that no alarm has told. Pure.

Staleness is measured by what the looks themselves have seen: Nova's clock
and ours are never compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from ha_actions.model import Host, Migration

SILENT_S = 180.0
"""A host that is down for so long in our own looks, and of which nobody has
told, is looked at. Longer than an alarm and its repetitions need."""
LONG_S = 3 * 3600.0
"""An attempt that works for so long is told of."""
UNHEARD_S = 600.0
"""So long after a host was to be looked at, and nothing was opened for it,
it is to be looked at again: whoever was to start that may have died."""
TRIES = 3
"""So often in one silence; a start may be dismissed each time."""
BETWEEN_S = 1800.0
"""An evacuation that is under way for so long, outside any incident."""
AGAIN_S = 86400.0
"""What stays as it is, is told again after so long."""


@dataclass(frozen=True)
class Quiet:
    """A host that Nova shows down, as the looks have seen it."""

    updated_at: float
    """Nova's time of its last heartbeat: unmoved, it is the same silence."""
    since: float
    """When we first saw it, by our clock."""
    asked: bool = False
    """Whether it was to be looked at for this silence."""
    asked_at: float = 0.0
    """When, as long as no incident of it was seen since; 0.0: one was."""
    tries: int = 0


@dataclass(frozen=True)
class Memory:
    """What one look leaves for the next."""

    quiet: dict[str, Quiet] = field(default_factory=dict)
    told: dict[str, float] = field(default_factory=dict)
    """What was told -> when."""
    idle: tuple[str, ...] = ()
    """Executions that found nothing to do and may be forgotten."""


@dataclass(frozen=True)
class Work:
    """An open incident, and what Mistral says of its execution."""

    incident: str
    host: str
    state: str
    since: float
    """When it was opened, or last went on."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Everything that one look has read."""

    now: float
    hosts: Sequence[Host] = ()
    owned: Set[str] = frozenset()
    """Hosts with an open or held incident."""
    maintenance: Set[str] = frozenset()
    opened: Set[str] = frozenset()
    """Those of which an incident was opened since they were asked for."""
    closed: Mapping[str, str] = field(default_factory=dict)
    """Host -> the id of its last closed incident."""
    works: Sequence[Work] = ()
    moving: Mapping[str, Sequence[Migration]] = field(default_factory=dict)
    """Host without an open incident -> evacuations from it under way."""
    alarms: Set[str] | None = None
    """Alarms of ours that Aodh has; None: not looked at."""
    installed: Set[str] = frozenset()
    """Alarms that the last installation made."""
    bad: Mapping[str, str] = field(default_factory=dict)
    """Entries of the ledger that cannot be read -> why."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What follows from it."""

    start: tuple[str, ...] = ()
    """Hosts that an incident should look at: its witnesses judge."""
    tell: tuple[tuple[str, str], ...] = ()
    """Subject and text for a person."""
    memory: Memory


def look(sight: Sight, memory: Memory) -> Found:
    """What to start, what to tell and what to remember."""
    quiet, start = _silent(sight, memory)
    news = {
        key: value
        for key, value in {
            **_forced(sight),
            **_long(sight),
            **_between(sight),
            **_alarms(sight),
            **_bad(sight),
        }.items()
        if sight.now - memory.told.get(key, -AGAIN_S) >= AGAIN_S
    }
    told = {
        key: at for key, at in memory.told.items() if sight.now - at < AGAIN_S
    }
    return Found(
        start=tuple(start),
        tell=tuple(news.values()),
        memory=Memory(
            quiet,
            told | dict.fromkeys(news, sight.now),
            memory.idle,
        ),
    )


def _silent(
    sight: Sight, memory: Memory
) -> tuple[dict[str, Quiet], list[str]]:
    """Hosts that are down, of which nobody has told.

    One that is forced down is not among them: somebody has seen to it.
    """
    quiet: dict[str, Quiet] = {}
    start = []
    for host in sight.hosts:
        if host.up or host.forced_down:
            continue
        before = memory.quiet.get(host.name)
        if before is None or before.updated_at != host.updated_at:
            before = Quiet(host.updated_at, sight.now)
        if host.name in sight.owned | sight.opened:
            before = Quiet(before.updated_at, before.since, True)
        elif host.name not in sight.maintenance and _due(before, sight.now):
            start.append(host.name)
            before = Quiet(
                before.updated_at,
                before.since,
                True,
                sight.now,
                before.tries + 1,
            )
        quiet[host.name] = before
    return quiet, start


def _due(quiet: Quiet, now: float) -> bool:
    if not quiet.asked:
        return now - quiet.since >= SILENT_S
    unheard = quiet.asked_at and now - quiet.asked_at >= UNHEARD_S
    return bool(unheard) and quiet.tries < TRIES


News = dict[str, tuple[str, str]]


def _forced(sight: Sight) -> News:
    return {
        f"forced {host.name}": (
            host.name,
            "forced down, and no incident of ours did it: its guests are "
            "recovered by nobody; start one by hand (`ha-pack rescue`), or "
            "let it up (`openstack compute service set --up`)",
        )
        for host in sight.hosts
        if host.forced_down
        and host.name not in sight.owned
        and host.name not in sight.maintenance
        and not _ours(host, sight.closed)
    }


def _ours(host: Host, closed: Mapping[str, str]) -> bool:
    """Whether our last incident has put it out, as its reason says."""
    last = closed.get(host.name, "")
    return bool(last) and last in host.disabled_reason


def _long(sight: Sight) -> News:
    return {
        f"long {work.incident} {work.state}": (work.host, text)
        for work in sight.works
        if (text := too_long(work, sight.now))
    }


def too_long(work: Work, now: float) -> str:
    """What a person is told of an attempt that does not end; else empty."""
    if work.state not in ("RUNNING", "PAUSED") or now - work.since < LONG_S:
        return ""
    return (
        f"incident {work.incident} is {work.state} for more than "
        f"{LONG_S / 3600:.0f} hours; look at its execution, and cancel it if "
        "it does nothing: the next attempt goes on"
    )


def _between(sight: Sight) -> News:
    return {
        f"between {host}": (
            host,
            f"{len(old)} evacuation(s) from it are under way since more than "
            f"{BETWEEN_S / 60:.0f} minutes, and no incident is open: see "
            "`openstack server migration list`",
        )
        for host, moving in sight.moving.items()
        if (
            old := [m for m in moving if sight.now - m.created_at >= BETWEEN_S]
        )
    }


def _alarms(sight: Sight) -> News:
    if sight.alarms is None:
        return {}
    return {
        f"alarm {name}": (
            f"alarm {name}",
            "is gone or disabled; `ha-pack install` puts it back",
        )
        for name in sorted(sight.installed - sight.alarms)
    }


def _bad(sight: Sight) -> News:
    return {
        f"entry {name}": (
            f"ledger entry {name}",
            f"cannot be read and was passed over: {why}",
        )
        for name, why in sight.bad.items()
    }
