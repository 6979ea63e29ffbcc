"""The figures of one round of the watch, in a simulated cloud.

``python -m ha_installer.bench_watch HOSTS`` prints them as JSON: a process of
its own, so that its memory is this run's alone.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

from ha_actions.records.incidents import Record
from ha_actions.sim.build import build
from ha_actions.sim.clock import TurnClock
from ha_actions.sim.journal import TraceJournal
from ha_actions.sim.ledger import MemoryLedger
from ha_actions.sim.outside import outside
from ha_actions.sim.scenario import load
from ha_actions.sim.watches import SimAside
from ha_alarms import watch as command
from ha_alarms.start import Start
from ha_alarms.watch_ports import NoBeats, NoPager
from ha_alarms.watch_round import Watch
from ha_alarms.watch_settings import Timing
from ha_alarms.watch_voice import Voice

from ha_installer import files

ROUNDS = 20


class NoStarter:
    """Nobody is asked: only the watch is measured."""

    def start(self, start: Start) -> None:
        """Ask nobody."""


def measure(hosts: int) -> dict[str, Any]:
    """What a round costs, of so many hosts of which one is suspected.

    :returns: ``{calls, cpu_s, peak_mb}``; calls of ``os-services``, and CPU
        seconds of the slowest round.
    """
    listed = "\n".join(f"    c{n}: {{}}" for n in range(hosts))
    text = f"why: to measure\nworld:\n  hosts:\n{listed}\nscript: []\n"
    scenario = load(text, files.policy_text(), "bench")
    clock = TurnClock()
    world = build(scenario.world, clock)
    ledger = MemoryLedger()
    ports = outside(world, TraceJournal(clock), ledger)
    Record(ledger, clock).arm("bench")
    ledger.create("ha.policy", {"text": scenario.policy_text})
    timing = Timing(quiet_s=0)
    voice = Voice("bench", ports, NoStarter(), NoPager(), timing)
    watch = Watch(
        voice, ports.cloud("bench"), NoBeats(), SimAside(clock, "bench")
    )
    watch.round()
    world.power(world.host("c1"), False)
    clock.sleep(timing.suspect_s + 5)
    before, slowest = world.calls["hosts"], 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        watch.round()
        slowest = max(slowest, time.process_time() - began)
        watch.rest()
    return {
        "calls": (world.calls["hosts"] - before) / ROUNDS,
        "suspects": voice.figures.suspects,
        "cpu_s": round(slowest, 3),
        # with all that the command loads, openstacksdk above all
        "loaded": command.__name__,
        "peak_mb": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        ),
    }


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
