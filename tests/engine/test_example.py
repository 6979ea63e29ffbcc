"""The tenants' worked examples, on the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine.openstack_actions import ACTIONS, CLOUDS, Cloud
from ha_installer.engine import EmbeddedEngine
from own_world import DOWN, FENCED, OwnWorld, event

pytestmark = pytest.mark.engine
FILE = Path(__file__).parents[2] / "alarms" / "examples" / "web_tier.yaml"


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


# -- the same without Heat --------------------------------------------------
POOL = FILE.with_name("web_pool.yaml")


@pytest.fixture
def own(engine: EmbeddedEngine) -> Iterator[OwnWorld]:
    """A dead host, and the actions of the pack in its world."""
    flows = yaml.safe_load(POOL.read_text())
    version = flows.pop("version")
    book = {"version": version, "name": "example", "workflows": flows}
    engine.load(yaml.safe_dump(book))
    with OwnWorld().used() as made:
        yield made


def begin(engine: EmbeddedEngine, server: str, kind: str, **more: Any) -> str:
    inputs = {"server": server, "tries": 20, "pause_s": 1, **more}
    env = {"event": event(kind, server)}
    return engine.start(
        "example.web_pool", inputs, project="tenant", env=env, token="t"
    )


def pass_time(made: OwnWorld, engine: EmbeddedEngine, ids: list[str]) -> None:
    """Virtual time goes on while Mistral retries in real time."""
    for _ in range(120):
        if all(engine.wait(id, 0.25).state != "RUNNING" for id in ids):
            return
        made.clock.sleep(5)
    pytest.fail("it does not end")


def test_without_heat_both_alarms_bring_one_new_server(
    engine: EmbeddedEngine, own: OwnWorld
) -> None:
    old = own.id("web-1")
    runs = [begin(engine, old, kind) for kind in (DOWN, FENCED)]
    pass_time(own, engine, runs)
    ended = [engine.wait(id, 1) for id in runs]
    [new] = own.named("web-1")
    assert new.metadata["ha:replaces"] == old
    assert [(e.state, e.output["new_server"]) for e in ended] == [
        ("SUCCESS", new.id)
    ] * 2
    assert set(own.pool().values()) == {(1, "ONLINE")}
    assert len(own.pool()) == 2
    assert [c for c in own.changes() if c[0] in ("recreate", "delete")] == [
        ("recreate", "web-1"),
        ("delete", "web-1"),
    ]
    assert own.notes() == []


def test_host_down_alone_deletes_nothing(
    engine: EmbeddedEngine, own: OwnWorld
) -> None:
    old = own.id("web-1")
    run = begin(engine, old, DOWN)
    pass_time(own, engine, [run])
    assert engine.wait(run, 1).state == "SUCCESS"
    assert old in own.world.guests
    assert len(own.named("web-1")) == 2


@pytest.mark.parametrize("server", ["db", "alien"])
def test_it_leaves_other_protections_and_others_servers_alone(
    engine: EmbeddedEngine, own: OwnWorld, server: str
) -> None:
    run = begin(engine, own.id(server), FENCED, tries=1)
    pass_time(own, engine, [run])
    assert engine.wait(run, 1).state == "ERROR"
    assert own.changes() == []
