"""What a round of the watch means. Pure: readings, memory and ``now`` in.

A host is *suspected* by Nova's word, by a heartbeat that has not moved
between our own readings, or by a beat that has ended; no clock but ours is
read, and none is compared with Nova's. Only suspects are asked after, and the
workflow's own ``judge`` decides. Whatever is unknown accuses nobody.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ha_actions.deciders.judge import NOVA
from ha_actions.model import Host, Ruling, Says, Testimony, Verdict
from ha_actions.records.incidents import LIVE
from ha_alarms.watch_settings import Timing

SKEW_S = 60.0
"""By how much our clock may differ from Nova's before it counts: readings are
up to a report_interval old, and cloud clocks differ a little."""
OVERSLEPT_S = 30.0
"""A pause longer than asked by this much: the machine slept, or its clock
was set."""
MISSING_S = 60.0
"""A service that Nova lists no more for so long is told of, once."""
STILL_S = 60.0
"""Source: nova.conf service_down_time, the default; six heartbeats."""
MARK = "mistral-ha-pack incident "
"""How Nova's disabled_reason begins when an incident of ours took it out."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A service, by our own readings."""

    host: Host
    beat: float
    """``updated_at`` of its last heartbeat, in Nova's own time."""
    moved_at: float
    """When we first saw that heartbeat."""
    missing_at: float = 0.0
    """Since when Nova does not list it; 0.0: it does."""


@dataclass(frozen=True)
class Memory:
    """All that a watch knows between two rounds."""

    since: float
    """When it began to look; it is quiet for a time from then on."""
    seen: Mapping[str, Seen] = field(default_factory=dict)
    doubted: Mapping[str, float] = field(default_factory=dict)
    """Host -> when the watch last doubted itself about it."""


@dataclass(frozen=True)
class Suspect:
    """A host that may be dead."""

    seen: Seen
    why: str
    beat_ended: bool = False

    @property
    def name(self) -> str:
        """Its Nova service name."""
        return self.seen.host.name


def overslept(asked_s: float, slept_s: float) -> bool:
    """Whether the watch cannot trust its memory after a pause."""
    return not -1.0 <= slept_s - asked_s <= OVERSLEPT_S


def remember(memory: Memory, hosts: Iterable[Host], now: float) -> Memory:
    """The memory after one reading of all services."""
    seen = {host.name: _see(memory.seen, host, now) for host in hosts}
    for name, old in memory.seen.items():
        if name in seen:
            continue
        since = old.missing_at or now
        if now - since <= MISSING_S:  # then told, and forgotten
            seen[name] = replace(old, missing_at=since)
    return replace(memory, seen=seen)


def _see(known: Mapping[str, Seen], host: Host, now: float) -> Seen:
    old = known.get(host.name)
    if old is None or old.host.service_id != host.service_id:
        return Seen(host, host.updated_at, now)
    if host.updated_at == old.host.updated_at:
        return old if old.host == host else replace(old, host=host)
    if _set_by_people(host) != _set_by_people(old.host):
        return replace(old, host=host, missing_at=0.0)  # a PUT moves it, too
    return Seen(host, host.updated_at, now)


def _set_by_people(host: Host) -> tuple[bool, bool, str]:
    return host.forced_down, host.enabled, host.disabled_reason


def offset(memory: Memory) -> float:
    """By how much our clock is behind Nova's; 0.0 while that may be nothing.

    The workflow dismisses an event that is too old, or from the future: a
    watch whose clock is wrong must not take an incident's id for one.
    """
    found = max(
        (s.beat - s.moved_at for s in memory.seen.values()), default=0.0
    )
    return found if abs(found) > SKEW_S else 0.0


def vanished(memory: Memory, now: float) -> list[str]:
    """Hosts that have been missing from Nova's answer for long."""
    return [
        name
        for name, seen in memory.seen.items()
        if seen.missing_at and now - seen.missing_at >= MISSING_S
    ]


def suspects(
    memory: Memory, ended: Collection[str], timing: Timing, now: float
) -> list[Suspect]:
    """Hosts after which somebody must be asked.

    :param ended: hosts whose beat has ended.
    """
    found = []
    for name, seen in memory.seen.items():
        still = now - seen.moved_at
        if seen.missing_at:
            continue  # its cell may be down: nothing is known
        if seen.host.forced_down:
            why = "forced down"
        elif not seen.host.up:
            why = f"Nova says down; no heartbeat for {still:.0f} s"
        elif still >= timing.suspect_s:
            why = f"no heartbeat for {still:.0f} s"
        elif name in ended:
            why = "its beat has ended"
        else:
            continue
        found.append(Suspect(seen, why, name in ended))
    return found


def late(
    memory: Memory, found: Sequence[Suspect], timing: Timing, now: float
) -> list[Suspect]:
    """Hosts that will be suspected soon unless their heartbeat comes.

    Their witnesses are asked in advance; nothing else follows from it.
    """
    known = {s.name for s in found}
    soon = timing.suspect_s - timing.early_s
    return [
        Suspect(seen, f"no heartbeat for {now - seen.moved_at:.0f} s")
        for name, seen in memory.seen.items()
        if name not in known
        and not seen.missing_at
        and timing.early_s
        and now - seen.moved_at >= soon
    ]


def ours(host: Host) -> bool:
    """Whether an incident of ours has taken it out of service."""
    return host.forced_down and MARK in host.disabled_reason


def doubts(
    suspected: Sequence[Suspect],
    memory: Memory,
    domains: Mapping[str, str],
    timing: Timing,
) -> dict[str, str]:
    """Suspects whose silence may be no fault of theirs, and why.

    All hosts of the cloud, or of a failure domain of two or more, that fell
    silent at once. Who was taken out before, on purpose, is not counted.
    """
    quiet = {s.name: s.seen.moved_at for s in suspected if not _out(s.seen)}
    groups: dict[str, list[str]] = {"": []}
    for name, seen in memory.seen.items():
        if not _out(seen):
            groups[""].append(name)
            groups.setdefault(domains.get(name) or "", []).append(name)
    found = {}
    for domain, listed in sorted(groups.items(), reverse=True):
        names = sorted(set(listed))
        if len(names) < 2 or not all(name in quiet for name in names):
            continue
        times = [quiet[name] for name in names]
        if max(times) - min(times) <= timing.apart_s:
            what = f"failure domain {domain!r}" if domain else "cloud"
            why = (
                f"all {len(names)} hosts of the {what} fell silent at once: "
                "Nova, the message broker or this watch may be at fault"
            )
            found.update(dict.fromkeys(names, why))
    return found


def _out(seen: Seen) -> bool:
    return seen.host.forced_down


def hush(memory: Memory, host: str, timing: Timing, now: float) -> str:
    """Why the watch says nothing of a host yet; empty once it may."""
    left = memory.since + timing.quiet_s - now
    if left > 0:
        return f"quiet for {left:.0f} s more after its start"
    if now < memory.doubted.get(host, float("-inf")) + timing.apart_s:
        return "quiet: it doubted itself a moment ago"
    return ""


def nova_says(
    seen: Seen, newest: float, watch_s: float, since: float, now: float
) -> Testimony:
    """What our own readings say, in place of the witness that asks Nova.

    :param newest: the latest ``updated_at`` of any service: Nova's own now.
    :param since: when the host was first suspected.
    """
    host, still = seen.host, now - seen.moved_at
    if seen.moved_at > since:
        says, why = Says.ALIVE, "its heartbeat moved"
    elif host.forced_down:
        behind = newest - host.updated_at
        long = behind > max(STILL_S, 5 * watch_s)
        says = Says.DEAD if long else Says.SILENT
        why = f"forced down, and no heartbeat for {behind:.0f} s"
    elif host.up:
        says, why = Says.SILENT, f"up, but no heartbeat for {still:.0f} s"
    elif still < watch_s:
        says, why = Says.SILENT, f"down, and watched for {still:.0f} s only"
    else:
        says, why = Says.DEAD, f"down, and no heartbeat for {still:.0f} s"
    return Testimony(
        witness=NOVA, host=host.name, says=says, observed_at=now, detail=why
    )


def incident_key(namespace: str, seen: Seen) -> str:
    """The trait that makes all watchers and alarms speak of one incident.

    It does not move while the host is dead, says nothing of it to whoever
    does not know the installation's secret, and needs no leader.
    """
    words = f"incident {seen.host.name} {seen.host.service_id} {seen.beat:.6f}"
    return str(uuid.uuid5(uuid.UUID(namespace), words))


# -- one suspect -----------------------------------------------------------
@dataclass(frozen=True)
class Known:
    """What the ledger says of a suspect."""

    brake: str = ""
    """Why nobody may act on it now."""
    open: bool = False
    """Whether an incident of it is open or held."""
    ended: tuple[str, ...] = ()
    """States of this key's executions: attempt 1, 2, ...; the last may live.
    """
    fenced: bool = True
    """Whether any device could prove it dead."""


@dataclass(frozen=True)
class Track:
    """How far the watch has gone with one suspect."""

    key: str
    since: float
    said_at: float = 0.0
    """When its death was first published; 0.0: not yet."""
    again_at: float = 0.0
    told: frozenset[str] = frozenset()
    """Codes that a person has been told."""


@dataclass(frozen=True)
class Orders:
    """What to do about one suspect now."""

    publish: bool = False
    start: int = 0
    """The attempt to ask Mistral for; 0: none."""
    tell: tuple[tuple[str, str], ...] = ()
    """``(code, sentence)`` for a person."""


FAILED = frozenset({"ERROR", "CANCELLED"})


def decide(
    verdict: Verdict,
    known: Known,
    track: Track,
    timing: Timing,
    now: float,
    *,
    bus: bool,
) -> tuple[Track, Orders]:
    """What to do about a suspect whose silence is no fault of ours.

    :param bus: whether there is one, so that Aodh may start the workflow.
    """
    if known.open:
        return track, Orders()
    if verdict.ruling is not Ruling.DOWN:
        return _doubted(verdict, track, timing, now)
    first = track.said_at or now
    start = _start(known, timing, now - first, bus)
    due = now >= track.again_at + timing.republish_s
    publish = (due or not track.said_at) and not _heard(known)
    track = replace(
        track, said_at=first, again_at=now if publish else track.again_at
    )
    told = _worries(known, start > 0)
    start = 0 if known.brake else start
    return _telling(track, Orders(publish, start, told))


def _heard(known: Known) -> bool:
    """Whether an execution is at work, or has come to an end of its own."""
    return bool(known.ended) and known.ended[-1] not in FAILED


def _worries(known: Known, start: bool) -> tuple[tuple[str, str], ...]:
    """What a person must know of a dead host."""
    found = []
    if not known.fenced:
        found.append(
            (
                "unprotected",
                "it is dead, and has no fence: it cannot be proven dead, so "
                "nothing that needs a proof will be recovered",
            )
        )
    if start and known.brake:
        text = f"it is dead, and nobody may act: {known.brake}"
        found.append(("disarmed", text))
    if _heard(known) and known.ended[-1] not in LIVE:
        found.append(
            (
                "not_handled",
                "it looks dead, and its execution has ended without an open "
                "incident; see `ha-pack incidents`",
            )
        )
    return tuple(found)


def _start(known: Known, timing: Timing, waited_s: float, bus: bool) -> int:
    """The attempt that the watch must ask for itself, or 0."""
    if _heard(known):
        return 0
    if len(known.ended) > timing.resumes:
        return 0
    if bus and waited_s < timing.grace_s:
        return 0
    return len(known.ended) + 1


def _doubted(
    verdict: Verdict, track: Track, timing: Timing, now: float
) -> tuple[Track, Orders]:
    """Not known to be dead. If that lasts, a person must look."""
    accused = any(t.says is Says.DEAD for t in verdict.testimonies)
    if not (verdict.told or accused) or now - track.since < 2 * STILL_S:
        return track, Orders()
    code = str(verdict.ruling).lower()
    text = f"suspected for long, and {verdict.ruling}: {verdict.reason}"
    return _telling(track, Orders(tell=((code, text),)))


def _telling(track: Track, orders: Orders) -> tuple[Track, Orders]:
    """Tell each thing once."""
    new = tuple(t for t in orders.tell if t[0] not in track.told)
    told = track.told | {code for code, _ in new}
    return replace(track, told=told), replace(orders, tell=new)


# -- one open incident -------------------------------------------------------
def next_attempt(
    states: Sequence[str], attempt: int, over_for_s: float, timing: Timing
) -> int:
    """The attempt with which an open incident must go on; 0: none.

    :param states: of its execution, and of the attempts after it that were
        asked for. ``""`` is a state too: Mistral does not know it (yet), and
        unknown is not over.
    :param attempt: the number of the first of them.
    """
    if any(state not in FAILED for state in states):
        return 0
    if over_for_s < timing.resume_s or len(states) > timing.resumes:
        return 0
    return attempt + len(states)
