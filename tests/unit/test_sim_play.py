"""Playing: crashes, zombies, repeats, strangers, and the checks' teeth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ha_actions.deciders.policy import load as load_policy
from ha_actions.errors import HaError
from ha_actions.model import Claim
from ha_actions.outside import current
from ha_actions.records.incidents import Record
from ha_actions.sim.build import build
from ha_actions.sim.checks import Evidence, check_all
from ha_actions.sim.clock import TurnClock
from ha_actions.sim.cloud import SimCloud
from ha_actions.sim.interpreter import ActionContext, ActionResult
from ha_actions.sim.ledger import MemoryLedger
from ha_actions.sim.play import Injection, play
from ha_actions.sim.scenario import Scenario, load
from ha_actions.sim.things import uid

BOOK = """
version: '2.0'
name: ha.v1
workflows:
  handle_host_failure:
    input: [alarm: null, host: null, reason: '']
    tasks:
      act:
        action: toy.fence_host
        timeout: 9000
        retry: {count: 2, delay: 10}
  reconcile:
    tasks:
      look: {action: toy.look}
"""
TEXT = """
why: x
world: {hosts: {c1: {}, c2: {}}, guests: {db: {on: c1}}}
script: [{at: 10, do: start c1}]
"""
POLICY = "version: 1\n"


def scenario(**changes: Any) -> Scenario:
    text = TEXT
    for old, new in changes.items():
        text = text.replace("start c1", new) if old == "do" else text
    return load(text, POLICY)


def toy(
    name: str, inputs: dict[str, Any], context: ActionContext
) -> ActionResult:
    """Cut c1, once, under a claim of a minute."""
    out = current()
    if (
        context.project not in (*out.operator_projects, None)
        or name == "toy.look"
    ):
        return ActionResult(error="refused")
    fence = out.fences("c1")[0]
    claim = Claim(
        incident="i",
        subject="fence",
        holder=context.action_execution_id,
        number=1,
        until=out.clock.now() + 60,
    )
    out.clock.sleep(5)
    try:
        fence.cut(claim)
    except HaError as error:
        out.journal.note("step", "c1", error.code)
        return ActionResult(error=error.code)
    out.clock.sleep(5)
    return ActionResult({"power": str(fence.power().power)})


def cuts(played: Any) -> list[float]:
    return [
        round(c.at - played.world.clock.start) for c in played.world.changes
    ]


RUNS = [
    # injection, when the cuts were sent
    (None, [15]),
    (Injection("crash", "before", 1), [60]),  # 15 + 30 heartbeat + 10 + 5
    (Injection("crash", "after", 1), [15, 60]),
    (Injection("zombie", "before", 1), [60]),  # the zombie's claim is over
    (Injection("zombie", "after", 1), [15, 60]),
    (Injection("crash", "before", 2), [15]),  # there is no second call
]


@pytest.mark.parametrize(("injection", "sent"), RUNS)
def test_the_world_after_an_interruption(
    injection: Injection | None, sent: list[int]
) -> None:
    played = play(scenario(), BOOK, toy, injection)
    assert cuts(played) == sent
    assert played.world is not None
    assert not played.world.host("c1").power
    said = [e["text"] for e in played.trace if e["kind"] == "step"]
    zombie = injection is not None and injection.kind == "zombie"
    late = zombie and injection is not None and injection.when == "before"
    assert said == (["superseded"] if late else [])


def test_scripted_crashes() -> None:
    text = TEXT.replace(
        "[{at: 10", "[{at: 5, do: crash-after fence_host}, {at: 10"
    )
    book = BOOK.replace("toy.fence_host", "ha.fence_host")
    played = play(load(text, POLICY), book, toy)
    assert cuts(played) == [15, 65]  # 20 + 30 + 10 + 5


def test_the_same_run_twice_is_the_same() -> None:
    injection = Injection("zombie", "after", 1)
    first, again = (
        play(scenario(), BOOK, toy, injection).as_json() for _ in range(2)
    )
    assert first == again
    assert list(first) == ["trace", "incidents", "guests", "pools", "checks"]


def test_a_stranger_is_seen_if_he_changes_something() -> None:
    def open_door(
        name: str, inputs: dict[str, Any], context: ActionContext
    ) -> ActionResult:
        return toy(name, inputs, replace(context, project="operator"))

    strangers = scenario(do="start c1 stranger")
    rows = {}
    for act in (toy, open_door):
        played = play(strangers, BOOK, act)
        rows[act.__name__] = {c["name"]: c["ok"] for c in played.checks}
    assert rows["toy"]["strangers change nothing"]
    assert not rows["open_door"]["strangers change nothing"]


def test_a_doubled_alarm_is_posted_three_times_and_runs_twice() -> None:
    alarm = scenario(do="alarm host_down c1")
    played = play(alarm, BOOK, toy, Injection("double"))
    assert len(cuts(played)) == 2  # the toy has no ledger to stop it


def test_checks_have_teeth() -> None:
    spec = load(TEXT, POLICY)
    world = build(spec.world, TurnClock())
    cloud, db = SimCloud(world), uid("guest", "db")
    claim = Claim(incident="i", subject="s", holder="h", number=1, until=2e9)
    world.set(world.host("c1"), network=False)
    world.clock.sleep(100)
    cloud.evacuate(db, keep_off=False, claim=claim)
    cloud.evacuate(db, keep_off=False, claim=claim)
    world.clock.sleep(60)
    for host in ("c1", "c2"):
        world.record(0, "cut", host, host, f"i-{host}")
    rows = check_all(
        Evidence(
            world,
            Record(MemoryLedger(), world.clock),
            [],
            load_policy("version: 1\nlimits: {fences: 1}\n"),
            [],
        )
    )
    failed = {row["name"] for row in rows if not row["ok"]}
    assert failed == {
        "no evacuation without proof",
        "never two running copies",
        "fences within the limits",
        "no cut against a veto",
        "nothing posted twice",
    }
