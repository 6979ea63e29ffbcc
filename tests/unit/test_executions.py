"""What Mistral shows of executions, by its real API and engine."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from ha_actions.adapters.clock import SystemClock
from ha_actions.adapters.ledger import MistralLedger
from ha_actions.adapters.ledger_executions import MistralExecutions
from ha_actions.deciders.stuck import standing
from ha_actions.errors import HaError, Transient
from ha_actions.model.work import FlowWork
from unit.test_ledger import FAKE, Rest

BOOK = """
version: '2.0'
name: ha.v1
workflows:
  outer:
    input: [x: 1]
    tasks:
      first:
        action: std.noop
        on-success: [inner]
      inner:
        with-items: i in <% [1, 2] %>
        concurrency: 1
        workflow: below
  below:
    tasks:
      waits:
        action: std.async_noop
        timeout: 900
  later:
    tasks:
      sleeps:
        action: std.noop
        wait-before: 900
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mistral")


@pytest.fixture(scope="module")
def mistral(folder: Path) -> Iterator[str]:
    """Where Mistral's API is, with an engine behind it and the book."""
    pytest.importorskip("mistral")
    program = str(Path(__file__).with_name("mistral_api.py"))
    started = subprocess.Popen(
        [sys.executable, program, str(folder), "engine"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert started.stdout is not None
    try:
        base = f"http://127.0.0.1:{int(started.stdout.readline())}/v2"
        text = {"Content-Type": "text/plain"}
        made = requests.post(
            f"{base}/workbooks", data=BOOK, headers=text, timeout=60
        )
        assert made.status_code == 201, made.text
        yield base
    finally:
        started.kill()
        started.wait()


def begin(mistral: str, workflow: str, seen: MistralExecutions) -> FlowWork:
    """An execution of it, once it waits for what never comes."""
    body = {"workflow_name": f"ha.v1.{workflow}"}
    made = requests.post(f"{mistral}/executions", json=body, timeout=60)
    id = made.json()["id"]
    (mine,) = [one for one in seen.at_work() if one.id == id]
    while True:
        found = seen.whole(mine)
        below = [t for sub in found.tasks for f in sub.flows for t in f.tasks]
        if "DELAYED" in {t.state for t in found.tasks} or any(
            t.actions for t in below
        ):
            return seen.whole(mine)  # read before it came to rest
        SystemClock().sleep(0.1)


def test_an_execution_is_seen_whole_and_ended(
    mistral: str, folder: Path
) -> None:
    seen = MistralExecutions(Rest(mistral))
    found = begin(mistral, "outer", seen)
    assert (found.workflow, found.state) == ("ha.v1.outer", "RUNNING")
    assert (found.ended, found.inputs) == (1, {"x": 1})
    assert found.project
    (task,) = found.tasks
    (flow,) = task.flows
    assert (task.name, task.state, task.actions) == ("inner", "RUNNING", ())
    assert (flow.workflow, flow.state) == ("ha.v1.below", "RUNNING")
    assert [t.actions for t in flow.tasks] == [("RUNNING",)]
    assert standing(found) == ""
    # what an engine's death leaves: a task that has not begun
    with closing(sqlite3.connect(folder / "mistral.db")) as db, db:
        db.execute("delete from action_executions_v2")
        db.execute(
            "update task_executions_v2 set state = 'IDLE' where id = ?",
            (flow.tasks[0].id,),
        )
    mark = standing(seen.whole(found))
    assert mark.startswith("waits of ha.v1.below is IDLE (0 began")
    assert standing(seen.whole(found)) == mark
    seen.cancel_execution(found.id)
    ledger = MistralLedger(Rest(mistral))
    assert ledger.execution_state(found.id) == "CANCELLED"
    assert ledger.execution_state(flow.id) == "CANCELLED"
    assert found.id not in [one.id for one in seen.at_work()]


def test_one_that_waits_for_its_time_may_act(mistral: str) -> None:
    seen = MistralExecutions(Rest(mistral))
    found = begin(mistral, "later", seen)
    assert [t.state for t in found.tasks] == ["DELAYED"]
    assert standing(found) == ""
    seen.cancel_execution(found.id)


@pytest.mark.parametrize(
    "answer",
    [
        {"tasks": [], "next": f"{FAKE}/executions/e1/tasks?marker=7"},
        {"tasks": [{"id": "t1", "name": "x"}]},
        {"tasks": None},
        {},
    ],
)
def test_an_answer_that_is_not_whole_is_none(
    requests_mock: Any, answer: dict[str, Any]
) -> None:
    requests_mock.get(f"{FAKE}/executions/e1/tasks", json=answer)
    one = FlowWork(id="e1", workflow="ha.v1.x", state="RUNNING")
    with pytest.raises(Transient):
        MistralExecutions(Rest(FAKE)).whole(one)


def test_a_branch_that_cannot_be_read_hides_the_whole(
    requests_mock: Any,
) -> None:
    rows = [{"id": "t1", "name": "x", "state": "RUNNING"}]
    requests_mock.get(f"{FAKE}/executions/e1/tasks", json={"tasks": rows})
    requests_mock.get(f"{FAKE}/tasks/t1/action_executions", status_code=503)
    one = FlowWork(id="e1", workflow="ha.v1.x", state="RUNNING")
    with pytest.raises(HaError):
        MistralExecutions(Rest(FAKE)).whole(one)


def test_only_our_own_past_executions_are_listed(
    requests_mock: Any,
) -> None:
    """They are deleted: Mistral finds the text anywhere in a name."""
    requests_mock.get(
        f"{FAKE}/executions",
        json={
            "executions": [
                {"id": "mine", "workflow_name": "ha.v1.reconcile"},
                {"id": "theirs", "workflow_name": "alpha.v1.validate"},
            ]
        },
    )
    assert MistralExecutions(Rest(FAKE)).past_executions(0.0) == ["mine"]
