"""The embedded engine works, and the interpreter ends as it does."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from engine.toy_workbooks import CASES
from engine.toys import INPUTS, Toys
from ha_actions.errors import BadInput
from ha_actions.sim.clock import TurnClock
from ha_actions.sim.interpreter import (
    ActionContext,
    ActionResult,
    Interpreter,
    Unrunnable,
)
from ha_installer.engine import EmbeddedEngine

pytestmark = pytest.mark.engine
PROJECT = "the-operators"

ECHO = """
version: '2.0'
name: echo
workflows:
  main:
    input: [x, action: std.echo]
    output: {y: <% $.y %>}
    tasks:
      one:
        action: <% $.action %>
        input: {output: <% $.x %>}
        publish: {y: <% task().result %>}
"""


def _text(case: str) -> str:
    return f"version: '2.0'\nname: {case}\nworkflows:{CASES[case][0]}"


def _plain(value: Any) -> Any:
    """Without ids and without the long explanations of a failure."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, str):
        if value.startswith(("Failed to ", "Invalid input")):
            return "forced"
        return re.sub(
            r"(Failure caused by error in tasks: .*)[\s\S]*", r"\1", value
        )
    return value


class Story(dict[str, Any]):
    """How a case ended: state, output, info, tasks, calls."""


@pytest.fixture(scope="module")
def real(engine: EmbeddedEngine, toys: Toys) -> dict[str, Story]:
    """Every case on Mistral, all at once."""
    started = {}
    for case in CASES:
        engine.load(_text(case))
    for case, (_, inputs) in CASES.items():
        started[case] = engine.start(f"{case}.main", inputs, project=PROJECT)
    stories = {}
    for case, execution in started.items():
        ended = engine.wait(execution, 60)
        stories[case] = Story(
            state=ended.state,
            output=_plain(ended.output),
            info=_plain(ended.info),
            tasks=Counter(
                (t.workflow, t.name, t.state) for t in engine.tasks(execution)
            ),
            calls=toys.of(case),
        )
    return stories


def _in_memory(case: str) -> Story:
    clock = TurnClock()
    toys = Toys(clock.sleep)

    def run_action(
        name: str, given: dict[str, Any], context: ActionContext
    ) -> ActionResult:
        if name == "std.noop":
            return ActionResult()
        if name != "toy.do":
            raise Unrunnable(f"Failed to find action {name}")
        if "name" not in given or set(given) - set(INPUTS):
            raise Unrunnable(f"Invalid input of {name}")
        book = context.workflow.split(".")[0]
        data, error = toys.do(book, context.project, **given)
        return ActionResult(data, error)

    played = Interpreter(_text(case), run_action, clock)
    root = played.start("main", CASES[case][1], project=PROJECT)
    assert root.handle is not None
    clock.wait(root.handle)
    error = root.handle.error
    clock.close()
    assert error is None, repr(error)
    return Story(
        state=root.state,
        output=_plain(root.output),
        info=_plain(root.state_info or ""),
        tasks=Counter(
            (f"{case}.{e.flow.name}", r.name, r.state)
            for e in played.executions.values()
            for r in e.runs
        ),
        calls=toys.of(case),
    )


@pytest.mark.parametrize("case", CASES)
def test_interpreter_ends_as_mistral_does(
    case: str, real: dict[str, Story]
) -> None:
    assert _in_memory(case) == real[case]


def test_project_reaches_every_action(
    real: dict[str, Story], toys: Toys
) -> None:
    assert {project for _, project in toys.projects} == {PROJECT}


def test_start_wait_and_dynamic_action(engine: EmbeddedEngine) -> None:
    engine.load(ECHO)
    ended = engine.wait(engine.start("echo.main", {"x": "hello"}), 20)
    assert (ended.state, ended.output) == ("SUCCESS", {"y": "hello"})


def test_same_id_is_the_same_execution(engine: EmbeddedEngine) -> None:
    engine.load(ECHO)
    name = str(uuid.uuid4())
    first = engine.start("echo.main", {"x": 1}, name)
    second = engine.start("echo.main", {"x": 2}, name)
    assert first == second == name
    assert engine.wait(name, 20).output == {"y": 1}
    assert engine.start("echo.main", {"x": 3}, name) == name
    assert engine.wait(name, 20).output == {"y": 1}


@pytest.mark.parametrize(
    ("workflow", "inputs", "says"),
    [
        ("echo.main", {}, "missing=['x']"),
        ("echo.main", {"x": 1, "z": 1}, "unexpected=['z']"),
        ("echo.nope", {}, "Workflow not found"),
    ],
)
def test_a_wrong_start_is_one_sentence(
    engine: EmbeddedEngine, workflow: str, inputs: dict[str, Any], says: str
) -> None:
    engine.load(ECHO)
    with pytest.raises(BadInput, match=re.escape(says)):
        engine.start(workflow, inputs)


def test_a_wrong_workbook_is_refused(engine: EmbeddedEngine) -> None:
    with pytest.raises(BadInput, match="Mistral refuses the workbook"):
        engine.load("version: '2.0'\nname: w\nworkflows: {a: {taks: {}}}")


def test_only_one_engine(engine: EmbeddedEngine) -> None:
    with pytest.raises(BadInput, match="close it first"):
        EmbeddedEngine().__enter__()


def test_without_mistral_one_sentence_says_what_to_install() -> None:
    program = """
import sys
sys.modules["oslo_service"] = None
from ha_actions.errors import BadInput
from ha_installer.engine import EmbeddedEngine
try:
    EmbeddedEngine().__enter__()
except BadInput as error:
    print(error.message)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip().endswith("'mistral-ha-pack[engine]'.")


def test_process_ends_at_once_and_says_nothing() -> None:
    program = """
from ha_installer.engine import EmbeddedEngine
for _ in range(2):
    with EmbeddedEngine() as engine:
        assert engine.ledger().create("ha.x", {})
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert (ran.stdout, ran.stderr) == ("", "")


def test_state_of_no_execution_is_empty(engine: EmbeddedEngine) -> None:
    assert engine.state("nope") == ""
    assert engine.ledger().execution_state("nope") == ""


def test_ledger_create_is_atomic(engine: EmbeddedEngine) -> None:
    ledger = engine.ledger()
    with ThreadPoolExecutor(10) as pool:
        won = list(
            pool.map(lambda i: ledger.create("ha.t", {"by": i}), range(10))
        )
    assert won.count(True) == 1
    assert ledger.read("ha.t") == {"by": won.index(True)}


def test_ledger_keeps_values_as_they_are(engine: EmbeddedEngine) -> None:
    ledger = engine.ledger()
    value = {"rule": "<% $.name %>", "none": None, "deep": [{"a": 1.5}]}
    ledger.write("ha.v.1", value)
    ledger.write("ha.v.2", {})
    assert ledger.read("ha.v.1") == value
    assert ledger.names("ha.v.") == ["ha.v.1", "ha.v.2"]
    ledger.write("ha.v.1", {"new": True})
    assert ledger.read("ha.v.1") == {"new": True}
    ledger.delete("ha.v.1")
    ledger.delete("ha.v.1")
    assert ledger.read("ha.v.1") is None


def test_ledger_refuses_what_mistral_could_not_hold(
    engine: EmbeddedEngine,
) -> None:
    ledger = engine.ledger()
    with pytest.raises(BadInput, match="200 characters"):
        ledger.write("x" * 201, {})
    with pytest.raises(BadInput, match="keep less"):
        ledger.write("ha.big", {"x": "y" * 1_000_000})
