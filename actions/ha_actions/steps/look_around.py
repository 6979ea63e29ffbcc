"""ha.look_around: what no alarm has told, and what is old. One at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.codec import from_json, to_json
from ha_actions.deciders.around import Memory, Sight, Work, look
from ha_actions.errors import HaError
from ha_actions.model import Host, Migration
from ha_actions.records import house, sweep
from ha_actions.records.incidents import LIVE, Opened
from ha_actions.step_parts.run import Run

DEADLINE_S = 240

LAST_RUN = "ha.reconciled"
"""The ledger's entry that says when it last began: ``{at}``."""
MEMORY = "ha.around"
LOCK = "ha.reconciling"
INSTALLED = "ha.installed"
DAY_S = 86400.0
SHARED_S = 5.0
"""A listing that the looks beside this one have just made is shared."""


@dataclass
class LookAround(HaAction):
    """Dead hosts nobody told of, hosts forced down by nobody, and the like.

    What is started is judged by its witnesses as after an alarm; the rest is
    told to a person, once a day. A second run beside it does nothing.

    :param incidents: those that this reconcile goes on with.
    :returns: ``{hosts: [to look at], told, pruned, idle}``.
    """

    incidents: Any = None

    def perform(self, run: Run) -> dict[str, Any]:
        """Read, decide, tell, remember, prune."""
        with _alone(run) as free:
            if not free:
                return {"hosts": [], "told": 0, "pruned": 0, "idle": True}
            return _round(run, bool(self.incidents))


def _round(run: Run, busy: bool) -> dict[str, Any]:
    ledger, now = run.outside.ledger, run.clock.now()
    # first: that Nova is away is not that nobody starts us
    ledger.write(LAST_RUN, {"at": now})
    memory = _memory(run)
    found = look(_sight(run, memory), memory)
    for subject, text in found.tell:
        run.journal.tell(subject, text)
    for host in found.start:
        run.journal.note(
            "reconcile", host, "down for long, and no incident: looks at it"
        )
    pruned = _prune(run)
    idle = _forget(run, memory, now)
    nothing = not (busy or found.start or found.tell or pruned)
    if nothing and run.execution and run.outside.executions:
        idle = (*idle, run.execution)
    after = Memory(found.memory.quiet, found.memory.told, idle)
    if after != memory:
        ledger.write(MEMORY, to_json(after))
    return {
        "hosts": list(found.start),
        "told": len(found.tell),
        "pruned": len(pruned),
        "idle": nothing,
    }


def _forget(run: Run, memory: Memory, now: float) -> tuple[str, ...]:
    before = now - house.KEEP_S
    try:
        return house.forget_executions(
            run.outside.executions, memory.idle, before
        )
    except HaError:  # Mistral does not answer: the next minute will do
        return memory.idle


@contextmanager
def _alone(run: Run) -> Iterator[bool]:
    """Whether this run is the only one; the ledger decides.

    A lock whose holder died is over by its time. Two that find it so may
    both go on: all that is done here may be done twice.
    """
    ledger, now = run.outside.ledger, run.clock.now()
    mine = {"by": run.holder, "until": now + DEADLINE_S}
    if not ledger.create(LOCK, mine):
        other = ledger.read(LOCK) or {}
        if float(other.get("until", 0.0)) > now:
            yield False
            return
        ledger.write(LOCK, mine)
    try:
        yield True
    finally:
        ledger.delete(LOCK)


def _memory(run: Run) -> Memory:
    entry = run.outside.ledger.read(MEMORY)
    try:
        return from_json(Memory, entry, MEMORY) if entry else Memory()
    except HaError:  # another version's: it only costs one look
        return Memory()


def _sight(run: Run, memory: Memory) -> Sight:
    opened, bad = run.record.opened_and_bad()
    owned = {entry.incident.host for entry in opened}
    cloud = run.outside.cloud("")
    hosts = run.patiently(
        lambda: cloud.hosts(brief=True, max_age_s=SHARED_S), for_s=60.0
    )
    closed = _closed(run, bad)
    installed = installed_alarms(run)
    return Sight(
        now=run.clock.now(),
        hosts=hosts,
        owned=owned,
        maintenance=set(run.record.maintenance()),
        opened=_opened(run, memory),
        closed={host: id for host, (id, _) in closed.items()},
        works=[_work(run, e) for e in opened if not e.held],
        moving=_moving(run, hosts, owned, closed),
        alarms=_alarms(run, installed),
        installed=installed,
        bad=bad,
    )


def _opened(run: Run, memory: Memory) -> set[str]:
    """Hosts that were to be looked at, and are or were since."""
    found = set()
    for host, quiet in memory.quiet.items():
        try:
            if quiet.asked_at and any(
                one.opened_at >= quiet.asked_at
                for one in run.record.incidents_of(host)
            ):
                found.add(host)
        except HaError as error:
            if error.retryable:
                raise
            found.add(host)  # something was opened, whatever it says
    return found


def _closed(run: Run, bad: dict[str, str]) -> dict[str, tuple[str, float]]:
    found = {}
    for name in run.outside.ledger.names("ha.last."):
        host = name.removeprefix("ha.last.")
        try:
            found[host] = run.record.last_closed(host)
        except HaError as error:
            if error.retryable:
                raise
            bad[name] = error.message
    return found


def _work(run: Run, entry: Opened) -> Work:
    state = run.record.execution_state(entry.execution)
    since = run.record.went_on_at(entry.incident)
    live = state if state in LIVE else ""
    return Work(entry.incident.id, entry.incident.host, live, since)


def _moving(
    run: Run,
    hosts: list[Host],
    owned: set[str],
    closed: dict[str, tuple[str, float]],
) -> dict[str, list[Migration]]:
    """Of hosts whose incident ended within a day: few, so few calls."""
    cloud, now = run.outside.cloud(""), run.clock.now()
    known = {host.name for host in hosts}
    found = {}
    for host, (_, at) in closed.items():
        if host in known and host not in owned and now - at < DAY_S:
            moving = [m for m in cloud.evacuations(host) if m.in_flight]
            if moving:
                found[host] = moving
    return found


def installed_alarms(run: Run) -> set[str]:
    """Names of the alarms that the last installation made."""
    return set((run.outside.ledger.read(INSTALLED) or {}).get("alarms", []))


def _alarms(run: Run, installed: set[str]) -> set[str] | None:
    """None where there is no Aodh, or it does not answer: not a finding."""
    if run.outside.alarms is None:
        return None
    try:
        return set(run.outside.alarms(installed))
    except HaError:
        return None


def _prune(run: Run) -> list[str]:
    """What cannot be pruned stays, and is told: the rest goes on."""
    try:
        gone = house.prune_hourly(run.record, run.outside.reports)
        sweep.sweep(run.record, run.outside.reports)
    except HaError as error:
        run.journal.note("reconcile", "ledger", f"not pruned: {error.message}")
        return []
    for id in gone:
        run.journal.note("reconcile", "ledger", f"incident {id}: pruned")
    return gone
