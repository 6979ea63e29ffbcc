"""The tenant's worked example, on the real engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from engine.openstack_actions import ACTIONS, CLOUDS, Cloud
from ha_installer.engine import EmbeddedEngine

pytestmark = pytest.mark.engine
FILE = Path(__file__).parents[2] / "alarms" / "examples" / "web_tier.yaml"
FENCED = "compute.instance.host_fenced"


@pytest.fixture(scope="module", autouse=True)
def loaded(engine: EmbeddedEngine) -> None:
    """The file's workflow, in a workbook: the embedded engine loads those."""
    from mistral.services import actions

    provider = actions.get_test_action_provider()
    for name, cls in ACTIONS.items():
        provider.register_python_action(name, cls)
    flows = yaml.safe_load(FILE.read_text())
    version = flows.pop("version")
    book = {"version": version, "name": "example", "workflows": flows}
    engine.load(yaml.safe_dump(book))


def play(
    engine: EmbeddedEngine, cloud: Cloud, event: str = FENCED
) -> tuple[str, dict[str, Any], list[str]]:
    CLOUDS.append(cloud)
    inputs = {"server": "vm-1", "stack": "shop", "poll_s": 0, "wait_tries": 5}
    env = {"event": {"type": event, "traits": {"instance_id": "vm-1"}}}
    execution = engine.start(
        "example.web_tier", inputs, project="tenant", env=env
    )
    ended = engine.wait(execution, 60)
    return ended.state, ended.output, [name for name, _ in cloud.calls]


def test_heat_replaces_the_server(engine: EmbeddedEngine) -> None:
    cloud = Cloud()
    state, output, calls = play(engine, cloud)
    assert (state, output) == ("SUCCESS", {"replaced": "web"})
    assert calls == ["mark", "update", "get", "get"]
    assert cloud.calls[0][1]["given"] == ["shop", "web", True]
    assert cloud.calls[1][1] == {"existing": True}


@pytest.mark.parametrize("protection", ["pet", "cattle", "ignore", ""])
def test_it_never_races_with_the_operators_recovery(
    engine: EmbeddedEngine, protection: str
) -> None:
    cloud = Cloud()
    cloud.metadata = {"ha:protection": protection} if protection else {}
    state, _, calls = play(engine, cloud)
    assert (state, calls) == ("ERROR", [])


@pytest.mark.parametrize("event", ["compute.instance.host_down", ""])
def test_nothing_is_done_before_the_proof(
    engine: EmbeddedEngine, event: str
) -> None:
    state, _, calls = play(engine, Cloud(), event)
    assert (state, calls) == ("ERROR", [])


def test_a_server_that_is_not_the_stacks(engine: EmbeddedEngine) -> None:
    cloud = Cloud()
    cloud.resources = cloud.resources[:1]
    assert play(engine, cloud)[::2] == ("ERROR", [])


@pytest.mark.parametrize("word", ["UPDATE_FAILED", "UPDATE_IN_PROGRESS"])
def test_a_stack_that_does_not_complete_is_an_error(
    engine: EmbeddedEngine, word: str
) -> None:
    cloud = Cloud()
    cloud.states = [word]
    state, _, calls = play(engine, cloud)
    assert state == "ERROR"
    assert calls[:2] == ["mark", "update"]
