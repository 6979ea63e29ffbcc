"""Plays a scenario in memory, straight or interrupted at a chosen call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ha_actions.deciders.policy import load as load_policy
from ha_actions.outside import use
from ha_actions.records.incidents import Record
from ha_actions.records.server_record import ServerRecord
from ha_actions.sim.build import build
from ha_actions.sim.checks import Evidence, check_all
from ha_actions.sim.clock import TurnClock
from ha_actions.sim.executions import SimExecutions
from ha_actions.sim.interpreter import (
    ActionContext,
    ActionResult,
    ExecutorKilled,
    Interpreter,
)
from ha_actions.sim.journal import TraceJournal
from ha_actions.sim.ledger import MemoryLedger
from ha_actions.sim.outside import OPERATOR, outside
from ha_actions.sim.played import Played, collect
from ha_actions.sim.scenario import Scenario
from ha_actions.sim.verbs import Stage, await_moments, perform
from ha_actions.sim.watches import begin as begin_watches
from ha_actions.sim.watches import is_watch, raise_errors
from ha_actions.sim.world import World

SETTLE_S = 60.0
"""How long the world goes on after the last execution has ended."""
RECONCILES = 3
"""How often the cron trigger's reconcile is tried after an interruption."""
RECONCILE_S = 120.0

RunAction = Callable[[str, dict[str, Any], ActionContext], ActionResult]


@dataclass(frozen=True)
class Injection:
    """What goes wrong with the executor in this run, and at which call.

    ``crash``: the executor dies before or after its ``at``-th world-changing
    call. ``zombie``: it freezes there, is given up, and goes on ``asleep_s``
    later. ``double``: every alarm is delivered again. A run with an injection
    is followed by ``ha.v1.reconcile``, as a cron trigger would do.
    """

    kind: str
    when: str = "before"
    at: int = 0
    asleep_s: float = 3600.0


def play(
    scenario: Scenario,
    workbook_text: str,
    run_action: RunAction,
    injection: Injection | None = None,
    live: Callable[[dict[str, Any]], None] | None = None,
    heartbeat_s: float = 30.0,
) -> Played:
    """Play it to its end, in virtual time, in this thread.

    :param run_action: runs one action by name with JSON inputs; it finds the
        simulated ports by ``ha_actions.outside.current()``.
    :param live: called with each entry of the trace as it happens.
    :raises Stuck: it never ends.
    """
    clock = TurnClock()
    world = build(scenario.world, clock)
    journal = TraceJournal(clock, live)
    foreign: list[str] = []
    ledger = MemoryLedger()

    def act(
        name: str, inputs: dict[str, Any], context: ActionContext
    ) -> ActionResult:
        return _act(run_action, stage, foreign, name, inputs, context)

    engine = Interpreter(workbook_text, act, clock, heartbeat_s)
    ledger.states = lambda id: (
        engine.executions[id].state if id in engine.executions else ""
    )

    ledger.projects = engine.project_of
    engine.begins = lambda task, action: not engine_dies(stage, action)

    def start(
        workflow: str, inputs: dict[str, Any], id: str, project: str
    ) -> str:
        return engine.start(workflow, inputs, id, project).id

    stage = Stage(world, journal, ledger, start, engine.cancel)
    prepare(stage, scenario)
    if injection is not None:
        _inject(stage, clock, injection)
    ports = outside(world, journal, ledger, SimExecutions(engine))
    use(ports)
    begin_watches(stage, scenario.world.watch, clock, ports)
    try:
        _script(scenario, stage, clock)
        _run_out(stage, clock, engine, injection)
        if injection is not None or scenario.crashes:
            _reconcile(stage, clock, engine, injection)
        clock.sleep(SETTLE_S)
        raise_errors(stage)
        return finish(scenario, stage, foreign)
    finally:
        clock.close()
        use(None)


def prepare(stage: Stage, scenario: Scenario) -> None:
    """Install the policy, arm if the scenario is, await its moments."""
    await_moments(stage, scenario.moments)
    stage.ledger.create("ha.policy", {"text": scenario.policy_text})
    if scenario.armed:
        Record(stage.ledger, stage.world.clock).arm("scenario")


def finish(scenario: Scenario, stage: Stage, foreign: list[str]) -> Played:
    """Collect what came of it, and check it."""
    world, journal = stage.world, stage.journal
    played = collect(world, journal, stage.ledger)
    played.checks = check_all(
        Evidence(
            world,
            Record(stage.ledger, world.clock),
            journal.trace,
            load_policy(scenario.policy_text),
            played.reports,
            foreign,
        )
    )
    return played


def _act(
    run_action: RunAction,
    stage: Stage,
    foreign: list[str],
    name: str,
    inputs: dict[str, Any],
    context: ActionContext,
) -> ActionResult:
    """One action, with the crashes that the script has placed at it."""
    _die(stage, "before", name)
    if context.project in (OPERATOR, None):
        answer = run_action(name, inputs, context)
    else:
        before = (len(stage.world.changes), stage.writes())
        answer = run_action(name, inputs, context)
        if before != (len(stage.world.changes), stage.writes()):
            foreign.append(f"{name} changed something for {context.project}")
    _die(stage, "after", name)
    return answer


def _die(stage: Stage, when: str, name: str) -> None:
    mine = [c for c in stage.crashes if (c.when, c.step) == (when, name)]
    for crash in mine:
        crash.left -= 1
    if any(crash.left == 0 for crash in mine):
        stage.journal.note("world", "executor", f"dies {when} {name}")
        raise ExecutorKilled


def engine_dies(stage: Stage, action: str) -> bool:
    """Whether the script kills an engine that begins a task of the action."""
    mine = [c for c in stage.crashes if (c.when, c.step) == ("begin", action)]
    for crash in mine:
        crash.left -= 1
    if not any(crash.left == 0 for crash in mine):
        return False
    stage.journal.note("world", "engine", f"dies as it begins {action}")
    return True


def _inject(stage: Stage, clock: TurnClock, injection: Injection) -> None:
    stage.double = injection.kind == "double"
    if stage.double:
        return

    def hook(number: int, name: str) -> None:
        if number != injection.at:
            return
        text = f"{injection.kind} {injection.when} call {number}, {name}"
        stage.journal.note("world", "executor", text)
        if injection.kind == "crash":
            raise ExecutorKilled
        clock.abandon()
        clock.sleep(injection.asleep_s)

    if injection.when == "before":
        stage.world.before = hook
    else:
        stage.world.after = hook


def _script(scenario: Scenario, stage: Stage, clock: TurnClock) -> None:
    for act in scenario.script:
        clock.sleep(clock.start + act.at - clock.now())
        perform(stage, act)
    clock.sleep(max(0.0, clock.start + scenario.lasts - clock.now()))


def _run_out(
    stage: Stage,
    clock: TurnClock,
    engine: Interpreter,
    injection: Injection | None,
) -> None:
    """Until every execution, and every zombie, has ended; watches go on."""
    while alive := [h for h in clock.alive() if not is_watch(stage, h)]:
        for handle in alive:
            clock.wait(handle)
            if not handle.ended:
                clock.sleep(injection.asleep_s if injection else 60.0)
    for execution in engine.executions.values():
        thread = execution.handle
        if thread is not None and thread.error is not None:
            raise thread.error


def _reconcile(
    stage: Stage,
    clock: TurnClock,
    engine: Interpreter,
    injection: Injection | None,
) -> None:
    record = Record(stage.ledger, clock)
    for _ in range(RECONCILES):
        alone = ServerRecord(record).all_opened()
        if all(entry.held for entry in record.all_opened()) and not alone:
            return
        clock.sleep(RECONCILE_S)
        stage.start("reconcile", {}, stage.fresh_id(), OPERATOR)
        _run_out(stage, clock, engine, injection)


def world_of(scenario: Scenario) -> World:
    """The scenario's world at its first moment, for those who look only."""
    return build(scenario.world, TurnClock())
