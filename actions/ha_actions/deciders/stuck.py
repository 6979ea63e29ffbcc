"""Which executions stand still for ever. Pure.

Mistral takes one step after another by messages. An engine that is killed
while it has such a message in hand takes it along: the task stays IDLE (or
RUNNING with nothing started for it) and its execution RUNNING, past every
time-out and heartbeat, since both are armed only once a task has begun.

Unknown is not stuck: only what is seen whole, with nothing in it that can
ever act again, and the same in every look of ours for so long, counts. Its
times are Mistral's own and are compared for being equal, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from ha_actions.model.work import FlowWork, TaskWork

ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "SKIPPED"})
"""Mistral's words for what is over."""
TRIES = 3
"""How often one execution is asked to end; then a person is told."""
GAP_S = 150.0
"""Two looks that are further apart say nothing of the time between: all
engines may have been away, with the message still in the queue. Reconcile
runs each minute, and one run may be missed."""


@dataclass(frozen=True)
class Still:
    """An execution that stands, as the looks have seen it."""

    mark: str
    """What it stands at; whatever moves changes it."""
    since: float
    """When we first saw it so, by our clock."""
    seen_at: float
    tries: int = 0
    """How often it was asked to end."""


@dataclass(frozen=True)
class Anew:
    """A start that never began: it is cancelled, and to be started anew."""

    by: str
    """The execution whose look found it, and which is to start it."""
    workflow: str
    inputs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Memory:
    """What one look leaves for the next: execution -> how it stands."""

    still: dict[str, Still] = field(default_factory=dict)
    anew: dict[str, Anew] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What follows from a look."""

    cancel: tuple[str, ...] = ()
    """Executions to end now."""
    give_up: tuple[str, ...] = ()
    """Executions that do not end though they were asked to, told once."""
    memory: Memory


def standing(flow: FlowWork) -> str:
    """What an execution stands at; empty: something of it may still act.

    An action that has not ended, a task that waits for its time (DELAYED,
    WAITING), what a person has paused, and any word that we do not know,
    may act.
    """
    marks: list[str] = []
    for mark in _marks(flow):
        if not mark:
            return ""
        marks.append(mark)
    return "; ".join(sorted(marks))


def _marks(flow: FlowWork) -> Iterator[str]:
    """One for each place at which it stands; an empty one: it may act."""
    if flow.state not in ("RUNNING", "IDLE"):
        yield ""
        return
    live = [task for task in flow.tasks if task.state not in ENDED]
    if not live:
        yield (
            f"{flow.workflow} is {flow.state} with no task to do "
            f"({flow.ended} ended, {flow.id} {flow.moved})"
        )
    for task in live:
        yield from _task_marks(flow, task)


def _task_marks(flow: FlowWork, task: TaskWork) -> Iterator[str]:
    acts = any(state not in ENDED for state in task.actions)
    if acts or task.state not in ("RUNNING", "IDLE"):
        yield ""
        return
    flows = [sub for sub in task.flows if sub.state not in ENDED]
    for sub in flows:
        yield from _marks(sub)
    if not flows:
        began = len(task.actions) + len(task.flows)
        yield (
            f"{task.name} of {flow.workflow} is {task.state} "
            f"({began} began, {task.id} {task.moved})"
        )


def short(mark: str) -> str:
    """The same for people: the first place, without ids and times."""
    return mark.partition(" (")[0]


def look(
    seen: Mapping[str, str],
    unseen: Set[str],
    busy: Set[str],
    memory: Memory,
    still_s: float,
    now: float,
) -> Found:
    """Which executions to end.

    :param seen: execution -> what it stands at, of all that were seen whole;
        empty: it may act.
    :param unseen: executions of which Mistral's answer was not complete.
    :param busy: executions for whose incident somebody holds a claim.
    :param still_s: seconds for which it must not have moved.
    """
    still = {
        id: old for id, old in memory.still.items() if id in unseen
    }  # nothing is concluded from it
    cancel, give_up = [], []
    for id, mark in seen.items():
        if not mark:
            continue
        one = _again(memory.still.get(id), mark, now)
        if now - one.since >= still_s and id not in busy:
            if one.tries < TRIES:
                cancel.append(id)
            elif one.tries == TRIES:
                give_up.append(id)
            one = Still(one.mark, one.since, now, one.tries + 1)
        still[id] = one
    return Found(
        cancel=tuple(cancel), give_up=tuple(give_up), memory=Memory(still)
    )


def _again(old: Still | None, mark: str, now: float) -> Still:
    if old is None or old.mark != mark or abs(now - old.seen_at) > GAP_S:
        return Still(mark, now, now)
    return Still(mark, old.since, now, old.tries)


def never_began(flow: FlowWork) -> bool:
    """Whether its opening has not ended: nobody works on what started it.

    Not so for one that stands before or after its opening, unseen: what is
    open then is found by its entry.
    """
    return any(
        task.name in ("open_incident", "open_failure") for task in flow.tasks
    )
