"""Plays a scenario on the real Mistral, in a simulated world.

Workflows, timeouts, retries and the ledger are Mistral's own; actions are
found through their entry points; hosts, guests and time are simulated. Time
moves whenever an action sleeps, so the order of things is Mistral's own.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ha_actions.adapters.clock import SystemClock
from ha_actions.deciders.stuck import standing
from ha_actions.errors import BadInput, Failed
from ha_actions.outside import use
from ha_actions.records.incidents import Record
from ha_actions.sim.build import build
from ha_actions.sim.clock import FreeClock
from ha_actions.sim.journal import TraceJournal
from ha_actions.sim.outside import OPERATOR, outside
from ha_actions.sim.play import (
    RECONCILE_S,
    RECONCILES,
    SETTLE_S,
    finish,
    prepare,
)
from ha_actions.sim.played import Played
from ha_actions.sim.scenario import Scenario
from ha_actions.sim.verbs import Stage, perform

from ha_installer import files
from ha_installer.engine import ENDED, EmbeddedEngine
from ha_installer.play_crashes import crashes

POLL_S = 0.05
LOOK_S = 0.2
"""Real seconds between two looks at what stands still: they take the engine's
own time."""
STANDS_S = 0.4
"""Real seconds after which what stands still is taken for left over."""
PACE = 0.02
"""Real seconds for a virtual one while two incidents run: the engine needs
about 0.1 s for a task, in which little virtual time should pass."""
TIMEOUT_S = 120.0
"""Real seconds after which a run is taken for one that never ends."""
RETRY_DELAY_S = 1
"""Of the workbook's tasks: real time, so it is scaled down."""

Live = Callable[[dict[str, Any]], None]


@dataclass
class Show:
    """Who is told while it is played; none of it changes the run."""

    live: Live | None = None
    """Each entry of the trace, from the thread in which it happened."""
    tick: Callable[[list[str]], None] | None = None
    """Called some times a second with the ids of all executions."""


@dataclass
class _Run:
    engine: EmbeddedEngine
    salt: uuid.UUID
    dies: bool
    """Whether the script kills the engine, so that some never end."""
    ids: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    stood: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Execution -> what it stands at, and since when, in real time."""
    look_at: float = 0.0

    def start(
        self, workflow: str, inputs: dict[str, Any], id: str, project: str
    ) -> str:
        """POST an execution; the id is this run's own."""
        mine = str(uuid.uuid5(self.salt, id))
        given = {**inputs, "retry_delay_s": RETRY_DELAY_S}
        self.engine.start(f"ha.v1.{workflow}", given, mine, project)
        if mine not in self.ids:
            self.ids.append(mine)
        return mine

    def running(self) -> int:
        """How many executions have not ended."""
        return sum(self.engine.state(id) not in ENDED for id in self.ids)

    def all_stand(self) -> bool:
        """Whether every one that has not ended is left over for good.

        Between two tasks each of them stands for a moment.
        """
        executions, now = self.engine.executions(), time.monotonic()
        if now < self.look_at:
            return False
        self.look_at = now + LOOK_S
        marks = {
            flow.id: standing(executions.whole(flow))
            for flow in executions.at_work()
            if flow.id in self.ids
        }
        before = self.stood
        self.stood = {
            id: before[id]
            if mark and before.get(id, ("",))[0] == mark
            else (mark, now)
            for id, mark in marks.items()
        }
        return all(
            mark and now - since >= STANDS_S
            for mark, since in self.stood.values()
        )


def play_alone(scenario: Scenario, live: Live | None = None) -> Played:
    """Open an engine for this one scenario, and play it.

    :raises BadInput: Mistral is not installed here.
    """
    with EmbeddedEngine() as engine:
        engine.load(files.workbook_text())
        return play_on(engine, scenario, Show(live))


def play_on(
    engine: EmbeddedEngine, scenario: Scenario, show: Show | None = None
) -> Played:
    """Play it on an engine that is open and has the workbook.

    What an earlier scenario left in the engine's ledger is removed first.

    :raises Failed: ``stuck``, its executions do not end.
    :raises BadInput: ``in_memory_only``.
    """
    if scenario.in_memory_only:
        raise BadInput(
            "in_memory_only",
            f"{scenario.name} cannot be played on the engine: "
            f"{scenario.in_memory_only}; leave out --engine.",
        )
    show = show or Show()
    clock = FreeClock()
    world = build(scenario.world, clock)
    journal = TraceJournal(clock, show.live)
    ledger = engine.ledger()
    executions = engine.executions()
    for left in executions.at_work():  # by an earlier scenario
        executions.cancel_execution(left.id)
    for name in ledger.names("ha."):
        ledger.delete(name)
    script = (*scenario.script, *scenario.moments)
    dies = any(act.verb == "engine-dies" for act in script)
    run = _Run(engine, uuid.uuid4(), dies)
    stage = Stage(world, journal, ledger, run.start)
    prepare(stage, scenario)
    use(outside(world, journal, ledger, executions))
    try:
        for act in scenario.script:
            clock.at(clock.start + act.at, partial(perform, stage, act))
        with crashes(stage):
            _run_out(run, clock, show, clock.start + scenario.lasts)
            if scenario.crashes:
                _reconcile(run, stage, clock, show)
        clock.sleep(SETTLE_S)
        return finish(scenario, stage, [])
    finally:
        use(None)


def _reconcile(run: _Run, stage: Stage, clock: FreeClock, show: Show) -> None:
    """What the cron trigger does after an executor died."""
    record = Record(stage.ledger, clock)
    for _ in range(RECONCILES):
        if all(entry.held for entry in record.all_opened()):
            return
        clock.sleep(RECONCILE_S)
        stage.start("reconcile", {}, stage.fresh_id(), OPERATOR)
        _run_out(run, clock, show, 0.0)


def _run_out(run: _Run, clock: FreeClock, show: Show, lasts: float) -> None:
    """Let time pass until the script is over and everything has ended."""
    real = SystemClock()
    until = time.monotonic() + TIMEOUT_S
    while True:
        if show.tick is not None:
            show.tick(run.ids)
        due = clock.pending()
        running = run.running()
        clock.pace = PACE if running > 1 else 0.0
        if running and not (run.dies and run.all_stand()):
            if time.monotonic() > until:
                raise Failed(
                    "stuck",
                    f"The executions did not end within {TIMEOUT_S:.0f} s.",
                )
            real.sleep(POLL_S)
        elif due is not None:
            clock.advance_to(due)
        elif clock.now() < lasts:
            clock.advance_to(lasts)
        else:
            return
