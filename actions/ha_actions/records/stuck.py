"""Executions that stand still for ever are ended, so that others go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ha_actions.codec import from_json, to_json
from ha_actions.deciders.stuck import (
    Memory,
    look,
    never_began,
    short,
    standing,
)
from ha_actions.errors import HaError
from ha_actions.model.work import FlowWork
from ha_actions.ports import Executions
from ha_actions.records.incidents import Record
from ha_actions.records.server_record import ServerRecord

MEMORY = "ha.stuck"
"""What the looks have seen stand still; no entry: nothing."""
AGAIN: Mapping[str, tuple[str, ...]] = {
    "ha.v1.handle_host_failure": (
        "alarm",
        "host",
        "dry_run",
        "reason",
        "resume",
        "opened_by",
    ),
    "ha.v1.handle_instance_failure": ("alarm", "server", "dry_run", "resume"),
}
"""Workflows that are started anew when they never began: with these of their
inputs."""


@dataclass(frozen=True)
class Ended:
    """An execution that was ended, or that does not end."""

    flow: FlowWork
    host: str
    """Of its incident or server; else its workflow's name."""
    text: str
    """What a person is told."""
    again: dict[str, Any] | None = None
    """The inputs to start it anew with; None: somebody goes on with it."""


def end_stuck(
    record: Record,
    executions: Executions,
    projects: frozenset[str],
    own: str,
    still_s: float,
) -> list[Ended]:
    """Look once at all that works, and end what will never move again.

    What cannot be read is unknown, and stays.

    :param projects: whose executions are ours.
    :param own: the execution that looks.
    :raises HaError: Mistral does not say what works; nothing was done.
    """
    before = _memory(record)
    flows = {
        flow.id: flow
        for flow in executions.at_work()
        if flow.id != own and flow.project in projects
    }
    seen, unseen = {}, set()
    for id, flow in flows.items():
        try:
            flows[id] = executions.whole(flow)
        except HaError:
            unseen.add(id)
        else:
            seen[id] = standing(flows[id])
    if not any(seen.values()) and not before.still:
        return []
    owners = _owners(record)
    busy = {
        id
        for id, mark in seen.items()
        if mark and id in owners and _claimed(record, owners[id][0])
    }
    now = record.clock.now()
    found = look(seen, unseen, busy, before, still_s, now)
    if found.memory != before:  # first: a try counts, whatever comes of it
        record.ledger.write(MEMORY, to_json(found.memory))
    ended = [
        _end(executions, flows[id], seen[id], owners) for id in found.cancel
    ]
    given_up = [
        _told(flows[id], owners, "does not end though it was cancelled; look")
        for id in found.give_up
    ]
    return [*ended, *given_up]


def _end(
    executions: Executions,
    flow: FlowWork,
    mark: str,
    owners: Mapping[str, tuple[str, str]],
) -> Ended:
    try:
        executions.cancel_execution(flow.id)
    except HaError as error:  # tried again by the next look
        return _told(flow, owners, f"cannot be cancelled: {error.message}")
    names = AGAIN.get(flow.workflow)
    again = None
    if names and flow.id not in owners and never_began(flow):
        again = {name: flow.inputs.get(name) for name in names}
    then = "it is started anew" if again else "the next attempt goes on"
    if flow.id not in owners and not again:
        then = "nobody waits for it"
    what = f"stood still ({short(mark)}) and was cancelled; {then}"
    return _told(flow, owners, what, again)


def _told(
    flow: FlowWork,
    owners: Mapping[str, tuple[str, str]],
    what: str,
    again: dict[str, Any] | None = None,
) -> Ended:
    host = owners[flow.id][1] if flow.id in owners else flow.workflow
    return Ended(flow, host, f"execution {flow.id} {what}", again)


def _owners(record: Record) -> dict[str, tuple[str, str]]:
    """Execution -> the incident or failure that it works on, and of whom."""
    opened, _ = record.opened_and_bad()
    alone = ServerRecord(record).all_opened()
    return {
        **{e.execution: (e.failure.id, e.failure.name) for e in alone},
        **{e.execution: (e.incident.id, e.incident.host) for e in opened},
    }


def _claimed(record: Record, id: str) -> bool:
    """Whether somebody may still change something for it: a run that was
    given up holds its claim for a while."""
    now, ledger = record.clock.now(), record.ledger
    return any(
        float((ledger.read(name) or {}).get("until", 0.0)) > now
        for name in ledger.names(f"ha.claim.{id}.")
    )


def _memory(record: Record) -> Memory:
    entry = record.ledger.read(MEMORY)
    try:
        return from_json(Memory, entry, MEMORY) if entry else Memory()
    except HaError:  # another version's: it only costs one look
        return Memory()
