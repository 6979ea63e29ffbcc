"""The interpreter by itself: time, dead executors, what it refuses.

That it ends as Mistral does is shown in ``tests/engine``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ha_actions.errors import BadInput
from ha_actions.sim.clock import TurnClock
from ha_actions.sim.execution import Execution
from ha_actions.sim.interpreter import (
    ActionContext,
    ActionResult,
    ExecutorKilled,
    Interpreter,
)
from ha_installer import catalogue

Acts = Callable[[str, dict[str, Any], ActionContext], ActionResult]


@pytest.fixture
def clock() -> Iterator[TurnClock]:
    made = TurnClock()
    yield made
    made.close()


def _book(tasks: str, more: str = "") -> str:
    return (
        f"version: '2.0'\nname: b\nworkflows:\n  main:\n    input: [x: 0]\n"
        f"    tasks:\n{tasks}{more}"
    )


def _play(clock: TurnClock, text: str, acts: Acts) -> Execution:
    played = Interpreter(text, acts, clock, heartbeat_s=30)
    execution = played.start("b.main", {}, "e1", project="p")
    assert execution.handle is not None
    clock.wait(execution.handle)
    if execution.handle.error is not None:
        raise execution.handle.error
    return execution


ONE = """
      one:
        action: a
        input: {n: 1}
        timeout: 100
        retry: {count: 2, delay: 5}
        publish: {r: <% task().result %>}
"""


def test_dead_executor_is_learnt_by_heartbeat_then_retried(
    clock: TurnClock,
) -> None:
    began: list[float] = []

    def acts(
        name: str, given: dict[str, Any], context: ActionContext
    ) -> ActionResult:
        began.append(clock.now() - clock.start)
        if len(began) == 1:
            clock.sleep(7)
            raise ExecutorKilled
        return ActionResult("done")

    ended = _play(clock, _book(ONE), acts)
    assert (ended.state, ended.output) == ("SUCCESS", {"r": "done"})
    assert began == [0, 7 + 30 + 5]


def test_dead_executors_only_end_with_the_heartbeats_words(
    clock: TurnClock,
) -> None:
    def acts(*_: Any) -> ActionResult:
        raise ExecutorKilled

    ended = _play(clock, _book(ONE.replace("100", "1000")), acts)
    assert ended.state == "ERROR"
    assert "Heartbeat wasn't received." in str(ended.state_info)
    assert clock.now() - clock.start == 3 * 30 + 2 * 5


def test_timeout_leaves_a_zombie_and_retries(clock: TurnClock) -> None:
    told: list[str] = []

    def acts(
        name: str, given: dict[str, Any], context: ActionContext
    ) -> ActionResult:
        told.append(f"{clock.now() - clock.start:.0f} begin")
        if len(told) == 1:
            clock.sleep(300)
            told.append(f"{clock.now() - clock.start:.0f} zombie ends")
            return ActionResult("late")
        clock.sleep(250)
        return ActionResult("in time")

    text = _book(ONE.replace("timeout: 100", "timeout: 260"))
    ended = _play(clock, text, acts)
    assert ended.output == {"r": "in time"}
    assert told == ["0 begin", "265 begin", "300 zombie ends"]


def test_frozen_executor_is_given_up_by_heartbeat(clock: TurnClock) -> None:
    calls: list[str] = []

    def acts(
        name: str, given: dict[str, Any], context: ActionContext
    ) -> ActionResult:
        calls.append(context.action_execution_id)
        if len(calls) == 1:
            clock.abandon()
            clock.sleep(10_000)
        return ActionResult(len(calls))

    ended = _play(clock, _book(ONE), acts)
    assert ended.output == {"r": 2}
    assert len(set(calls)) == 2
    assert clock.now() - clock.start == 35


def test_at_most_so_many_items_at_once_and_in_order(clock: TurnClock) -> None:
    running: list[int] = []
    most: list[int] = []
    order: list[int] = []

    def acts(
        name: str, given: dict[str, Any], context: ActionContext
    ) -> ActionResult:
        running.append(given["i"])
        order.append(given["i"])
        most.append(len(running))
        clock.sleep(10 - given["i"])
        running.remove(given["i"])
        return ActionResult(given["i"])

    tasks = """
      one:
        with-items: i in [0, 1, 2, 3, 4, 5, 6]
        concurrency: 3
        action: a
        input: {i: <% $.i %>}
        publish: {r: <% task().result %>}
"""
    ended = _play(clock, _book(tasks), acts)
    assert ended.output == {"r": [0, 1, 2, 3, 4, 5, 6]}
    assert max(most) == 3
    assert order == sorted(order)


def test_context_tells_where_it_runs(clock: TurnClock) -> None:
    seen: list[ActionContext] = []

    def acts(
        name: str, given: dict[str, Any], context: ActionContext
    ) -> ActionResult:
        seen.append(context)
        return ActionResult()

    _play(clock, _book(ONE), acts)
    assert (seen[0].execution_id, seen[0].workflow) == ("e1", "b.main")
    assert (seen[0].task, seen[0].project) == ("one", "p")


def test_same_id_is_the_same_execution(clock: TurnClock) -> None:
    played = Interpreter(_book(ONE), lambda *_: ActionResult(1), clock)
    first = played.start("main", {"x": 1}, "same")
    assert played.start("b.main", {"x": 2}, "same") is first
    assert first.inputs == {"x": 1}
    assert first.handle is not None
    clock.wait(first.handle)
    assert played.start("main", {}, "same") is first


def test_cancel_stops_what_it_started(clock: TurnClock) -> None:
    def acts(*_: Any) -> ActionResult:
        clock.sleep(50)
        return ActionResult(1)

    tasks = "      one: {workflow: sub, on-complete: [two]}\n"
    tasks += "      two: {action: a}\n"
    more = "  sub: {tasks: {in: {action: a, on-success: [more]},\n"
    more += "    more: {action: a}}}\n"
    played = Interpreter(_book(tasks, more), acts, clock)
    root = played.start("main", {}, "e1")
    clock.sleep(10)
    played.cancel("e1")
    assert root.handle is not None
    clock.wait(root.handle)
    states = {e.flow.name: e.state for e in played.executions.values()}
    assert states == {"main": "CANCELLED", "sub": "CANCELLED"}
    assert clock.now() - clock.start == 50


def test_a_defect_is_not_an_ending(clock: TurnClock) -> None:
    def acts(*_: Any) -> ActionResult:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _play(clock, _book(ONE), acts)


@pytest.mark.parametrize(
    ("workflow", "inputs", "says"),
    [
        ("b.nope", {}, "no workflow `b.nope`"),
        ("b.main", {"y": 1}, "no input `y`"),
        ("b.other", {}, "needs the input `must`"),
    ],
)
def test_a_wrong_start_is_refused(
    clock: TurnClock, workflow: str, inputs: dict[str, Any], says: str
) -> None:
    other = "  other: {input: [must], tasks: {t: {action: a}}}\n"
    played = Interpreter(_book(ONE, other), lambda *_: ActionResult(), clock)
    with pytest.raises(BadInput, match=says):
        played.start(workflow, inputs)


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ("{action: a, join: all}", "`join`"),
        ("{action: a, wait-before: 3}", "`wait-before`"),
        ("{action: a, publish-on-error: {x: 1}}", "`publish-on-error`"),
        ("{action: a, retry: {count: 1, break-on: x}}", "`break-on`"),
        ("{action: a, with-items: 'i in [1]', retry: {count: 1}}", "loses"),
        ("{action: a, with-items: ['i in [1]', 'j in [2]']}", "with-items"),
        ("{action: a n=1}", "use `input`"),
        ("{action: a, on-success: [nope]}", "leads to `nope`"),
        ("{action: a, on-success: [pause]}", "leads to `pause`"),
        ("{action: a, on-success: {next: [noop], publish: {}}}", "on-success"),
        ("{action: a, input: {n: '{{ _.x }}'}}", "Jinja"),
        ("{action: a, input: {n: <% tasks() %>}}", "`tasks`"),
        ("{action: a, on-success: ['fail(msg=\"x\")']}", "needs a space"),
        ("{workflow: nope}", "no workflow `nope`"),
        ("{workflow: main, input: {y: 1}}", "no input `y`"),
        ("{input: {}}", "either an action or a workflow"),
        ("{action: a, on-success: [one]}", "no task can start it"),
        (
            "{action: a, with-items: 'x in [1]', publish: {x: 1}}",
            "published too",
        ),
        (
            "{action: a, keep-result: false,"
            " on-success: [{noop: <% task().result %>}]}",
            "keep-result is false",
        ),
    ],
)
def test_unknown_constructs_are_refused_by_name_and_place(
    clock: TurnClock, task: str, says: str
) -> None:
    with pytest.raises(BadInput) as refused:
        Interpreter(
            _book(f"      one: {task}\n"), lambda *_: ActionResult(), clock
        )
    assert says in refused.value.message
    assert "b.main" in refused.value.message


def test_the_shipped_books_are_understood(clock: TurnClock) -> None:
    for book in catalogue.books():
        Interpreter(book.text, lambda *_: ActionResult(), clock)
