"""Executions that stand still for ever are ended, so that others go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ha_actions.codec import from_json, to_json
from ha_actions.deciders.stuck import (
    Anew,
    Memory,
    look,
    never_began,
    short,
    standing,
)
from ha_actions.errors import HaError, NoAnswer
from ha_actions.model.work import FlowWork
from ha_actions.ports import Executions
from ha_actions.records.incidents import LIVE, Record
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
    if not any(seen.values()) and before == Memory():
        return []
    owners = _owners(record)
    busy = {
        id
        for id, mark in seen.items()
        if mark and id in owners and _claimed(record, owners[id][0])
    }
    now = record.clock.now()
    found = look(seen, unseen, busy, before, still_s, now)
    lost, anew = _handed_out(record, before, flows, own)
    for id in found.cancel:
        inputs = _anew(flows[id], owners)
        if inputs and own:
            anew[id] = Anew(own, flows[id].workflow, inputs)
    after = replace(found.memory, anew=anew)
    if after != before:  # first: a try counts, whatever comes of it, and
        record.ledger.write(MEMORY, to_json(after))  # a start is not lost
    ended = [
        _end(executions, flows[id], seen[id], owners) for id in found.cancel
    ]
    given_up = [
        _told(flows[id], owners, "does not end though it was cancelled; look")
        for id in found.give_up
    ]
    return [*lost, *ended, *given_up]


def _handed_out(
    record: Record, before: Memory, flows: Mapping[str, FlowWork], own: str
) -> tuple[list[Ended], dict[str, Anew]]:
    """Starts that were lost on their way to who was to make them: a run of
    this look before us died, or its execution was cancelled; and what is to
    be remembered."""
    lost, keep = [], {}
    for id, one in before.anew.items():
        if id in flows:
            continue  # it was not cancelled: the look at it decides
        state = record.execution_state(one.by) if one.by != own else ""
        if one.by == own or state == "CANCELLED":
            keep[id] = replace(one, by=own)
            gone = FlowWork(id=id, workflow=one.workflow, state="CANCELLED")
            lost.append(
                _told(
                    gone, {}, "was cancelled; it is started anew", one.inputs
                )
            )
        elif state in LIVE:
            keep[id] = one
    return lost, keep


def _anew(
    flow: FlowWork, owners: Mapping[str, tuple[str, str]]
) -> dict[str, Any] | None:
    """The inputs to start it anew with; None: somebody goes on with it."""
    names = AGAIN.get(flow.workflow)
    if not names or flow.id in owners or not never_began(flow):
        return None
    return {name: flow.inputs.get(name) for name in names}


def _end(
    executions: Executions,
    flow: FlowWork,
    mark: str,
    owners: Mapping[str, tuple[str, str]],
) -> Ended:
    try:
        executions.cancel_execution(flow.id)
    except NoAnswer:
        pass  # if it was not done: the next look, and starts join
    except HaError as error:  # tried again by the next look
        return _told(flow, owners, f"cannot be cancelled: {error.message}")
    again = _anew(flow, owners)
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
