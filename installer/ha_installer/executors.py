"""Who does Mistral's work: its engines and executors, asked one by one.

Mistral has no list of them. But all executors take from one queue in turn,
and so do all engines; so a no-op that is asked often enough meets each. Who
has a list names it, and is told who did not answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ha_actions.errors import BadInput, HaError, Refused
from ha_actions.ports import Clock

from ha_installer.rest import Rest

ACTION = "ha.answer"
WAIT_S = 90
"""Seconds for one answer; Mistral's own RPC timeout is 60."""
AT_MOST = 120
"""Questions at the most, whoever is still missing."""
QUIET = 6
"""Answers in a row, and three times as many as processes are known, that
bring nobody new: then all that take turns have been met."""


@dataclass
class Met:
    """Who has answered, by Mistral's name for it, and what it said."""

    engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    executors: dict[str, dict[str, Any]] = field(default_factory=dict)
    skews: dict[str, float] = field(default_factory=dict)
    """Executor or engine -> its clock minus ours, in seconds; of its
    fastest answer."""
    unsure: dict[str, float] = field(default_factory=dict)
    """How wrong that may be: half of the time that the answer took."""
    unfenced: dict[str, list[str]] = field(default_factory=dict)
    """Executor -> hosts for which it has no fence."""
    resuming: dict[str, bool] = field(default_factory=dict)
    """Host -> whether it starts guests by itself, as it told an executor."""
    buses: dict[str, bool] = field(default_factory=dict)
    """Executor -> whether its file names a bus."""
    looks: dict[str, dict[str, str]] = field(default_factory=dict)
    """Executor -> what it could read, see ``ha.answer``."""
    queues: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """Executor -> queue of its bus -> messages and readers."""
    failures: list[str] = field(default_factory=list)
    """What did not answer as it should, one sentence each."""
    asked: int = 0

    @property
    def known(self) -> int:
        """How many different processes have answered."""
        return len(self.engines) + len(self.executors)


def meet(
    rest: Rest,
    clock: Clock,
    *,
    expect: Sequence[str] = (),
    hosts: Iterable[str] = (),
    look: bool = False,
) -> Met:
    """Ask until everybody has answered who takes turns, or is expected.

    :param expect: executors' names, where somebody has a list.
    :param look: each executor also reads what a recovery reads, once.
    :param hosts: with ``look``: each names those it has no fence for.
    :raises Refused: the executors do not know this project as operator.
    :raises BadInput: no engine knows the action; or Mistral is silent.
    """
    met = Met()
    quiet = 0
    while met.asked < AT_MOST:
        missing = set(expect) - set(met.executors)
        enough = max(QUIET, 3 * met.known)
        if not missing and quiet >= enough and _all_looked(met, look):
            break
        if quiet >= 3 * enough:
            break
        before = met.known + len(met.failures)
        full = not _all_looked(met, look) or (look and not met.known)
        more = {"hosts": list(hosts), "look": True} if full else {}
        _ask(rest, clock, met, more)
        quiet = quiet + 1 if met.known + len(met.failures) == before else 0
        if len(met.failures) >= QUIET:
            break
    return met


def _all_looked(met: Met, look: bool) -> bool:
    return not look or set(met.executors) == set(met.looks)


def _ask(rest: Rest, clock: Clock, met: Met, inputs: dict[str, Any]) -> None:
    sent = clock.now()
    met.asked += 1
    try:
        found = rest.call(
            "POST",
            "/action_executions",
            json={
                "name": ACTION,
                "input": json.dumps(inputs),
                "params": json.dumps({"run_sync": True, "save_result": False}),
            },
            timeout=WAIT_S,
        )
    except HaError as error:
        if error.code in ("forbidden", "unreachable"):
            raise
        _failed(met, error.message)
        return
    came = clock.now()
    result = result_of(found)
    if found.get("state") != "SUCCESS" or "executor" not in result:
        if result.get("code") == "not_operator":
            raise Refused("not_operator", _NOT_OPERATOR)
        _failed(met, str(result.get("message") or result or found))
        return
    _note(met, result, (sent + came) / 2, (came - sent) / 2)


_NOT_OPERATOR = (
    "The executors do not know your project as an operator's: list its id "
    "under `operator_projects` in each executor's file, and restart them."
)


def _note(
    met: Met, result: dict[str, Any], middle: float, unsure: float
) -> None:
    mine = result["executor"]
    name = str(mine["name"])
    met.executors[name] = mine
    if result.get("looks"):
        met.unfenced[name] = list(result.get("unfenced") or [])
        met.looks[name] = dict(result["looks"])
        met.queues[name] = dict(result.get("queues") or {})
        met.resuming.update(result.get("resuming") or {})
    met.buses[name] = bool(result.get("bus"))
    _clock(met, f"executor {name}", mine, middle, unsure)
    engine = result.get("engine") or {}
    if engine:
        met.engines[str(engine["name"])] = engine
        _clock(met, f"engine {engine['name']}", engine, middle, unsure)


def _clock(
    met: Met, who: str, facts: dict[str, Any], middle: float, unsure: float
) -> None:
    if unsure < met.unsure.get(who, float("inf")):
        met.unsure[who] = unsure
        met.skews[who] = float(facts["now"]) - middle


def _failed(met: Met, why: str) -> None:
    text = why.strip()[:400]
    if text not in met.failures:
        met.failures.append(text)


def result_of(found: dict[str, Any]) -> dict[str, Any]:
    """What an action execution gave; else `{message}`."""
    output = found.get("output") or {}
    try:
        if isinstance(output, str):
            output = json.loads(output)
    except ValueError:
        return {"message": output}
    result = output.get("result") if isinstance(output, dict) else None
    return result if isinstance(result, dict) else {"message": str(result)}


def lacking(met: Met, wanted: dict[str, set[str]]) -> list[str]:
    """Who lacks an action, or one of the inputs, that a book gives.

    :param wanted: action -> the inputs that the book passes to it.
    """
    lines = []
    people = [("executor", met.executors), ("engine", met.engines)]
    for role, found in people:
        for name, facts in sorted(found.items()):
            has = facts.get("actions", {})
            for action, inputs in sorted(wanted.items()):
                if action not in has:
                    lines.append(f"{role} {name} lacks the action {action}")
                    continue
                takes = {*has[action]["need"], *has[action]["may"]}
                lines += [
                    f"{role} {name}: {action} has no input {one!r}"
                    for one in sorted(inputs - takes)
                ]
    return lines


def must_have(met: Met, wanted: dict[str, set[str]]) -> None:
    """:raises Refused: ``actions_missing``, with who lacks what."""
    lines = [*met.failures, *lacking(met, wanted)]
    if not met.executors and not lines:
        raise BadInput(
            "no_executor", "No executor of Mistral has answered; are any up?"
        )
    if lines:
        raise Refused(
            "actions_missing",
            "Not every engine and executor can run the workbook: "
            f"{'; '.join(lines[:8])}"
            f"{f'; and {len(lines) - 8} more' if len(lines) > 8 else ''}. "
            "Install mistral-ha-pack on each API, engine and executor node "
            "and restart Mistral there.",
            missing=lines,
        )
