"""Who may call an action, what it answers, and how Mistral rebuilds it."""

from __future__ import annotations

import dataclasses
import inspect
import json
from types import SimpleNamespace
from typing import Any

import pytest
from ha_actions.action import (
    HaAction,
    classes,
    perform_by_name,
    requirements,
)
from ha_actions.errors import BadInput, HaError, NoAnswer, Refused, Transient
from ha_actions.model import Requires
from ha_actions.step_parts.batch_step import BatchStep
from ha_actions.step_parts.run import Run
from mistral_lib import actions, serialization
from mistral_lib.utils import inspect_utils
from unit.fakes import OPERATOR, Journal, forbidden, small_outside, used

NAMES = sorted(n for n in classes() if not n.startswith("ha.own."))
ANY = {
    "alarm": None,
    "host": "c1",
    "dry_run": False,
    "reason": "a stranger's",
    "resume": None,
    "opened_by": "hand",
    "incident": "c1-aaaa",
    "batch": "p1w1b1",
    "hosts": ["c1"],
    "look": True,
    "asked": True,
    "because": "",
    "rebooted": False,
    "enable": False,
    "by": "",
    "probe": "p-1",
    "end": False,
    "server": "id-db",
    "failure": "f-1",
    "incidents": [],
}


def inputs_of(name: str) -> dict[str, Any]:
    params = inspect.signature(classes()[name]).parameters
    return {key: ANY[key] for key in params}


def call(name: str, project: str) -> tuple[Any, Any]:
    return perform_by_name(
        name,
        inputs_of(name),
        project=project,
        execution="execution-1",
        action_execution="action-1",
    )


def context(project: str = OPERATOR) -> Any:
    return SimpleNamespace(
        security=SimpleNamespace(project_id=project),
        execution=SimpleNamespace(
            workflow_execution_id="e1", action_execution_id="a1"
        ),
    )


def test_every_file_of_steps_is_an_action() -> None:
    assert len(NAMES) >= 14
    assert {cls.__module__ for cls in classes().values()} >= {
        "ha_actions.steps.fence_host",
        "ha_actions.steps.evacuate_servers",
    }


# -- another project changes, and reads, nothing ------------------------------
@pytest.mark.parametrize("project", ["somebody", "", " "])
@pytest.mark.parametrize("name", NAMES)
def test_another_project_is_refused_before_the_first_call(
    name: str, project: Any
) -> None:
    touched: list[str] = []
    world = forbidden(touched)
    with used(world):
        data, error = call(name, project)
    assert touched == []
    assert isinstance(world.journal, Journal)
    assert [kind for kind, _, _ in world.journal.notes] == ["refusal"]
    assert data is None
    assert error["code"] == "not_operator"
    assert error["kind"] == "refused"
    assert not error["retryable"]


@pytest.mark.parametrize("name", NAMES)
def test_the_operator_gets_past_the_door(name: str) -> None:
    """Else the test above would hold for actions that never work."""
    touched: list[str] = []
    with used(forbidden(touched)):
        _, error = call(name, OPERATOR)
    assert touched
    assert error["code"] == "bug"


def test_a_context_without_a_project_is_an_error_and_touches_nothing() -> None:
    touched: list[str] = []
    action = classes()["ha.fence_host"](**inputs_of("ha.fence_host"))
    with used(forbidden(touched)):
        result = action.run(SimpleNamespace())
    assert result.is_error()
    assert touched == []


def test_unknown_action_name() -> None:
    with pytest.raises(Refused, match=r"no action 'ha\.fense_host'"):
        perform_by_name(
            "ha.fense_host",
            {},
            project=OPERATOR,
            execution="e",
            action_execution="a",
        )


# -- every ending is a result -------------------------------------------------
@dataclasses.dataclass
class Raises(HaAction):
    error: Any

    def perform(self, run: Run) -> dict[str, Any]:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "code", "retryable"),
    [
        (BadInput("b", "Bad."), "bad_input", "b", False),
        (Refused("r", "No."), "refused", "r", False),
        (Transient("t", "Later."), "transient", "t", True),
        (NoAnswer("n", "Silence."), "no_answer", "n", True),
        (HaError("h", "Any."), "error", "h", False),
        (ValueError("secret"), "error", "bug", False),
        (SystemExit(0), "error", "bug", False),
        (SystemExit(3), "error", "bug", False),
    ],
)
def test_an_error_inside_is_an_error_result(
    error: BaseException, kind: str, code: str, retryable: bool
) -> None:
    with used(small_outside()):
        result = Raises(error).run(context())
    assert isinstance(result, actions.Result)
    assert result.is_error()
    assert result.error["kind"] == kind
    assert result.error["code"] == code
    assert result.error["retryable"] is retryable
    assert set(result.error) == {
        "kind",
        "code",
        "retryable",
        "message",
        "facts",
    }
    assert "secret" not in json.dumps(result.error)


def test_an_action_that_says_nothing_is_refused() -> None:
    with used(small_outside()):
        result = HaAction().run(context())
    assert result.error["code"] == "abstract"


@pytest.mark.parametrize("ask", ["step_name", "work"])
def test_a_batch_step_that_says_nothing_is_refused(ask: str) -> None:
    step: Any = BatchStep(incident="i", batch="b")
    with pytest.raises(Refused) as caught:
        step.work(None) if ask == "work" else step.step_name()
    assert caught.value.code == "abstract"


# -- the form that Mistral demands --------------------------------------------
@pytest.mark.parametrize("name", NAMES)
def test_it_survives_the_way_to_an_executor(name: str) -> None:
    """Mistral stores ``vars()`` and rebuilds without ``__init__``."""
    action = classes()[name](**inputs_of(name))
    serializer = serialization.get_polymorphic_serializer()
    again = serializer.deserialize(serializer.serialize(action))
    assert isinstance(again, classes()[name])
    assert vars(again) == vars(action)
    assert inputs_of(name).items() <= vars(action).items()
    with used(forbidden([])):
        assert again.run(context("stranger")).error["code"] == "not_operator"


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_plain_dataclass_whose_inputs_mistral_sees(name: str) -> None:
    cls = classes()[name]
    assert dataclasses.is_dataclass(cls)
    assert not cls.__dataclass_params__.frozen
    assert "__slots__" not in vars(cls)
    for field in dataclasses.fields(cls):
        assert field.default_factory is dataclasses.MISSING, field.name
        assert not field.kw_only, field.name
    seen = inspect_utils.get_arg_list_as_str(cls.__init__)
    wanted = [f.name for f in dataclasses.fields(cls)]
    assert [part.split("=")[0] for part in seen.split(", ") if part] == wanted
    # Mistral copies public class attributes: only inputs' defaults may be
    assert set(inspect_utils.get_public_fields(cls)) <= set(wanted)


@pytest.mark.parametrize("name", NAMES)
def test_it_documents_itself_for_the_action_list(name: str) -> None:
    assert (classes()[name].__doc__ or "").strip()


def test_an_error_result_survives_the_way_back() -> None:
    with used(small_outside()):
        result = Raises(Refused("r", "No.", hosts=["c1"])).run(context())
    serializer = serialization.get_polymorphic_serializer()
    assert serializer.deserialize(serializer.serialize(result)) == result


# -- what a step must hold ----------------------------------------------------
PROOF_FIRST = {
    "ha.evacuate_servers",  # the same server, elsewhere
    "ha.retire_servers",  # deletes the old one
}


def test_steps_that_move_or_delete_need_a_proof() -> None:
    needs = requirements()
    assert all(needs[name] is Requires.PROOF for name in PROOF_FIRST)
    assert needs["ha.recreate_servers"] is Requires.VERDICT
    assert needs["ha.update_members"] is Requires.VERDICT
    assert needs["ha.await_ready"] is Requires.VERDICT


@pytest.mark.parametrize(
    ("owner", "code"), [(OPERATOR, "bug"), ("stranger", "not_operator")]
)
def test_after_a_lost_executor_the_execution_tells_who_calls(
    owner: str, code: str
) -> None:
    """Mistral goes on without a project; the execution's owner counts."""
    touched: list[str] = []
    world = forbidden(touched)

    class Mistral:
        def execution_project(self, execution: str) -> str:
            return owner

        def __getattr__(self, verb: str) -> Any:
            return getattr(world.ledger, verb)

    ledger: Any = Mistral()
    with used(dataclasses.replace(world, ledger=ledger)):
        _, error = perform_by_name(
            "ha.fence_host",
            inputs_of("ha.fence_host"),
            project=None,
            execution="e",
            action_execution="a",
        )
    assert error["code"] == code
    assert bool(touched) is (owner == OPERATOR)


def test_nobody_is_not_the_operator() -> None:
    touched: list[str] = []
    with used(forbidden(touched)):
        _, error = perform_by_name(
            "ha.fence_host",
            inputs_of("ha.fence_host"),
            project=None,
            execution="",
            action_execution="a",
        )
    assert error["code"] == "not_operator"
    assert touched == []


def test_scenarios_know_every_action() -> None:
    from ha_actions.sim.verbs import STEPS

    assert {f"ha.{step}" for step in STEPS} == set(NAMES)
