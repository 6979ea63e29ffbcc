"""Watches on the stage: the real ``ha-watch`` over simulated ports.

Each has a clock and a reach of its own: a script may cut it off, set its
clock wrong, or restart it. Aodh is an alarm on ``compute.service.down``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ha_alarms.start import (
    HOST_EVENT,
    HOST_WORKFLOW,
    NoStart,
    Start,
    start_of,
)
from ha_alarms.target import Target
from ha_alarms.watch_ports import NoBeats, NoPager
from ha_alarms.watch_round import Watch
from ha_alarms.watch_settings import Timing
from ha_alarms.watch_voice import Voice

from ha_actions.codec import from_json
from ha_actions.errors import Transient
from ha_actions.model import Event
from ha_actions.outside import NoBus, Outside
from ha_actions.ports import Ledger, Reach
from ha_actions.sim import alarms
from ha_actions.sim.beats import SimBeats
from ha_actions.sim.clock import Handle, TurnClock
from ha_actions.sim.cloud import SimCloud
from ha_actions.sim.devices import SimNetwork
from ha_actions.sim.outside import NAMESPACE, OPERATOR, witnesses_in
from ha_actions.sim.scenario import WatchSpec
from ha_actions.sim.stage import Stage
from ha_actions.sim.world import World

T = TypeVar("T")
AODH_S = 0.3
"""From an event to an execution. Source: measured, median of 20."""
QUIET_S = 60.0
"""A scenario's watches are quiet so long after their start, unless told."""


class SimWatch:
    """One process of ``ha-watch``: what a script can do to it."""

    def __init__(
        self,
        name: str,
        stage: Stage,
        spec: WatchSpec,
        clock: TurnClock,
        whole: Outside,
    ) -> None:
        self.name = name
        self._whole = whole
        self.reach = "joined"
        """``joined``, ``cut`` (nothing answers it), or ``deaf`` (the APIs
        do, the hosts' networks do not)."""
        self.skew = 0.0
        """Seconds by which its clock is wrong."""
        self._stage = stage
        self._spec = spec
        self._clock = clock
        self.handle: Handle | None = None
        self._life = 0
        self.aside = SimAside(clock, name)

    def begin(self) -> None:
        """Start the process."""
        self._life += 1
        life = self._life
        watch = self._made()

        def live() -> None:
            while self._life == life:
                watch.round()
                watch.rest()

        self.handle = self._clock.spawn(live, f"{self.name}.{life}")

    def restart(self) -> None:
        """It dies, and begins anew without a memory."""
        self.begin()

    def _made(self) -> Watch:
        world, stage = self._stage.world, self._stage
        cloud = CutCloud(world, self)
        timing = from_json(
            Timing, {"quiet_s": QUIET_S, **self._spec.timing}, "watch: timing"
        )
        voice = Voice(
            self.name,
            outside_of(self._whole, self, stage, cloud, self._spec),
            SimStarter(self, stage),
            NoPager(),
            timing,
        )
        beats = SimBeats(world) if world.beats else NoBeats()
        return Watch(voice, cloud, beats, self.aside)

    def check(self) -> None:
        """:raises Transient: its network is cut."""
        if self.reach == "cut":
            raise Transient("unreachable", "Nothing answers this watch.")


def outside_of(
    whole: Outside,
    watch: SimWatch,
    stage: Stage,
    cloud: SimCloud,
    spec: WatchSpec,
) -> Outside:
    """The executors' ports, through this watch's own reach."""
    world = stage.world
    network, clock = CutNetwork(world, watch), OwnClock(stage, watch)
    return replace(
        whole,
        clock=clock,
        ledger=CutLedger(stage.ledger, watch),
        network=network,
        cloud=lambda request_id: cloud,
        witnesses=functools.partial(
            witnesses_in, world, network, whole.fences, clock
        ),
        bus=CutBus(whole, watch) if spec.bus else NoBus(),
    )


class OwnClock:
    """The world's time, as one watch's wrong clock shows it."""

    def __init__(self, stage: Stage, watch: SimWatch) -> None:
        self._clock = stage.world.clock
        self._watch = watch

    def now(self) -> float:
        """Its own time."""
        return self._clock.now() + self._watch.skew

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.sleep(seconds)

    def together(
        self, jobs: Sequence[Callable[[], T]], at_most: int
    ) -> list[T]:
        """As the world's clock does."""
        return self._clock.together(jobs, at_most)

    def within(self, job: Callable[[], T], seconds: float) -> T:
        """As the world's clock does."""
        return self._clock.within(job, seconds)


class SimAside:
    """:class:`~ha_alarms.watch_ports.Aside` in virtual threads."""

    def __init__(self, clock: TurnClock, name: str) -> None:
        self._clock = clock
        self._name = name
        self.jobs: list[Handle] = []

    def begin(self, job: Callable[[], None]) -> Callable[[], bool]:
        """Start one; it first runs when the watch waits."""
        handle = self._clock.spawn(job, f"{self._name}.asks")
        self.jobs.append(handle)
        return lambda: handle.ended


class CutCloud(SimCloud):
    """Nova, as far as the watch reaches it."""

    def __init__(self, world: World, watch: SimWatch) -> None:
        super().__init__(world, watch.name)
        self._watch = watch

    def _call(self, service: str, verb: str, calls: int) -> None:
        self._watch.check()
        super()._call(service, verb, calls)


class CutNetwork(SimNetwork):
    """The hosts' networks, as far as the watch reaches them."""

    def __init__(self, world: World, watch: SimWatch) -> None:
        super().__init__(world)
        self._watch = watch

    def connect(self, address: str, port: int, timeout_s: float) -> Reach:
        """Nothing, when it is deaf or cut."""
        if self._watch.reach == "joined":
            return super().connect(address, port, timeout_s)
        self.world.clock.sleep(timeout_s)
        return Reach.NOTHING


class CutBus:
    """The bus, as far as the watch reaches it."""

    def __init__(self, whole: Outside, watch: SimWatch) -> None:
        self._bus = whole.bus
        self._watch = watch

    def publish(self, events: Sequence[Event]) -> None:
        """Tell it."""
        self._watch.check()
        self._bus.publish(events)


class CutLedger:
    """Mistral's environments, as far as the watch reaches them."""

    def __init__(self, ledger: Ledger, watch: SimWatch) -> None:
        self._ledger = ledger
        self._watch = watch

    def create(self, name: str, value: Mapping[str, Any]) -> bool:
        """As the ledger does."""
        self._watch.check()
        return self._ledger.create(name, value)

    def read(self, name: str) -> dict[str, Any] | None:
        """As the ledger does."""
        self._watch.check()
        return self._ledger.read(name)

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """As the ledger does."""
        self._watch.check()
        self._ledger.write(name, value)

    def delete(self, name: str) -> None:
        """As the ledger does."""
        self._watch.check()
        self._ledger.delete(name)

    def names(self, prefix: str) -> list[str]:
        """As the ledger does."""
        self._watch.check()
        return self._ledger.names(prefix)

    def execution_state(self, execution: str) -> str:
        """As the ledger does."""
        self._watch.check()
        return self._ledger.execution_state(execution)

    def execution_project(self, execution: str) -> str:
        """As the ledger does."""
        self._watch.check()
        return self._ledger.execution_project(execution)


class SimStarter:
    """Mistral's executions, as far as the watch reaches them."""

    def __init__(self, watch: SimWatch, stage: Stage) -> None:
        self._watch = watch
        self._stage = stage

    def start(self, start: Start) -> None:
        """POST it; one with that id is taken for it."""
        self._watch.check()
        post(self._stage, start)


def post(stage: Stage, start: Start) -> None:
    """What ``POST /v2/executions`` does."""
    name = start.workflow.removeprefix("ha.v1.")
    stage.start(name, dict(start.input), start.execution_id, OPERATOR)


def begin(
    stage: Stage, spec: WatchSpec, clock: TurnClock, whole: Outside
) -> None:
    """Put the scenario's watches, and Aodh, on the stage.

    :param whole: the executors' ports.
    """
    if not spec.watches:
        return
    if not spec.aodh:
        stage.world.api["aodh"] = "down"
    stage.world.listener = functools.partial(_aodh, stage, clock)
    for n in range(spec.watches):
        watch = SimWatch(f"w{n + 1}", stage, spec, clock, whole)
        stage.watches[watch.name] = watch
        watch.begin()


def is_watch(stage: Stage, handle: Handle) -> bool:
    """Whether a virtual thread is a watch: those never end."""
    return handle.name.partition(".")[0] in stage.watches


def raise_errors(stage: Stage) -> None:
    """A watch that broke is a defect."""
    for watch in stage.watches.values():
        for handle in (watch.handle, *watch.aside.jobs):
            if handle is not None and handle.error is not None:
                raise handle.error


def _aodh(stage: Stage, clock: TurnClock, event: Event) -> None:
    """The operator's alarm fires for each such event, however often."""
    if event.type != HOST_EVENT or event.project:
        return
    if stage.world.api.get("aodh") == "down":
        return
    start = start_of(
        alarms.fired(event),
        Target(HOST_WORKFLOW),
        secret=NAMESPACE,
        project=OPERATOR,
        operator_projects={OPERATOR},
    )
    if not isinstance(start, NoStart):
        clock.at(clock.now() + AODH_S, functools.partial(post, stage, start))
