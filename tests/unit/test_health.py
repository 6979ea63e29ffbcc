"""What `ha-pack check` makes of what it has seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import requests
import requests_mock
from ha_actions.errors import Refused
from ha_actions.model import Aggregate, Host, Mode
from ha_actions.settings import Limits, Policy, Witnesses
from ha_installer import executors, health, interface, peers
from ha_installer.executors import Met
from ha_installer.health import State
from ha_installer.rest import Rest
from unit.fakes import NOW, Clock

ACTIONS = {"ha.go": {"need": ["host"], "may": ["why"]}}
GOOD = {
    "DEFAULT.scheduler_type": "default",
    "action_heartbeat.check_interval": 10,
    "action_heartbeat.max_missed_heartbeats": 3,
    "action_heartbeat.first_heartbeat_timeout": 120,
    "scheduler.captured_job_timeout": 30,
    "engine.execution_field_size_limit_kb": 1024,
}


def facts(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "now": NOW,
        "pack": "1",
        "actions": ACTIONS,
        "settings": dict(GOOD),
        **more,
    }


def met(**more: Any) -> Met:
    both = {n: facts(n) for n in ("x1", "x2")}
    values: dict[str, Any] = {
        "executors": dict(both),
        "engines": {n: facts(n) for n in ("e1", "e2")},
        "skews": dict.fromkeys(("x1", "x2", "e1", "e2"), 0.1),
        "unsure": dict.fromkeys(("x1", "x2", "e1", "e2"), 0.2),
        "asked": 20,
    }
    return Met(**(values | more))


def states(lines: Any) -> dict[str, State]:
    return {line.check: line.state for line in lines}


WANTED = {"ha.go": {"host"}}


def test_all_is_well() -> None:
    lines = [
        *health.of_processes(met(), ["x1", "x2"], WANTED),
        *health.of_settings(met()),
        *health.of_clocks(met()),
    ]
    assert {line.state for line in lines} == {State.OK}
    assert all(line.cure == "" for line in lines)


def test_who_does_not_answer_is_named() -> None:
    found = list(health.of_processes(met(), ["x1", "x9"], WANTED))
    assert found[0].state is State.WRONG
    assert "No answer from x9 in 20 questions" in found[0].means


def test_who_lacks_an_action_or_an_input_is_named() -> None:
    some = met()
    some.executors["x2"] = facts("x2", actions={})
    lines = {
        line.check: line
        for line in health.of_processes(some, [], {"ha.go": {"host", "new"}})
    }
    said = lines["actions"].means
    assert "executor x2 lacks the action ha.go" in said
    assert "engine e1: ha.go has no input 'new'" in said
    assert lines["actions"].state is State.WRONG


def test_different_versions_and_single_processes() -> None:
    some = met(engines={"e1": facts("e1", pack="2")})
    found = states(health.of_processes(some, [], WANTED))
    assert found["versions"] is State.WRONG
    assert found["redundancy"] is State.WRONG


@pytest.mark.parametrize(
    ("key", "value", "check"),
    [
        ("DEFAULT.scheduler_type", "legacy", "scheduler"),
        ("action_heartbeat.check_interval", 20, "heartbeat"),
        ("action_heartbeat.max_missed_heartbeats", 0, "heartbeat"),
        (
            "action_heartbeat.first_heartbeat_timeout",
            3600,
            "first heartbeat",
        ),
        ("scheduler.captured_job_timeout", 300, "lost jobs"),
        ("engine.execution_field_size_limit_kb", 100, "result size"),
    ],
)
def test_a_bad_setting_of_one_engine(key: str, value: Any, check: str) -> None:
    some = met()
    some.engines["e2"]["settings"][key] = value
    if check == "heartbeat" and value == 20:
        some.engines["e2"]["settings"][
            "action_heartbeat.max_missed_heartbeats"
        ] = 15
    found = states(health.of_settings(some))
    assert found.pop(check) is State.WRONG
    assert set(found.values()) == {State.OK}
    del some.engines["e2"]["settings"][key]
    assert states(health.of_settings(some))[check] is State.UNKNOWN


@pytest.mark.parametrize(
    ("skew", "unsure", "state"),
    [
        (0.5, 0.1, State.OK),
        (2.0, 0.1, State.WRONG),
        (600.0, 1.0, State.WRONG),
        (2.0, 0.8, State.OK),  # as far as can be seen
        (2.0, 20.0, State.UNKNOWN),
    ],
)
def test_clocks(skew: float, unsure: float, state: State) -> None:
    some = met(skews={"x1": 0.0, "x2": skew}, unsure={"x1": unsure})
    [line] = health.of_clocks(some)
    assert line.state is state


def test_a_policy_that_lets_nothing_happen() -> None:
    none = Policy(limits=Limits(fences=0))
    assert states(health.of_policy(none, True, 10))["limits"] is State.WRONG
    assert "limits" not in states(health.of_policy(Policy(), True, 10))
    acts = replace(Policy(), mode=Mode.ACT)
    [line] = health.of_policy(acts, False, 10)
    assert "not armed" in line.means


def test_hosts_without_a_fence_are_named() -> None:
    some = met(unfenced={"x1": [], "x2": ["c7"]})
    [line] = health.of_fences(some, ["c1", "c7"], Policy())
    assert (line.state, "c7" in line.means) == (State.WRONG, True)
    [line] = health.of_fences(met(unfenced={"x1": []}), ["c1"], Policy())
    assert line.state is State.OK


def test_witnesses_that_can_never_agree() -> None:
    network = {"mgmt": {"port": 22, "control": "192.0.2.1", "hosts": {}}}
    good = Policy(witnesses=Witnesses(networks=network))
    assert [x.state for x in health.of_witnesses(good, False)] == [State.OK]
    [mute] = health.of_witnesses(Policy(), False)
    assert mute.state is State.WRONG
    assert "tcp_reach (the policy names no network)" in mute.means
    [none] = health.of_witnesses(Policy(), True)
    assert "nothing is ever DOWN" in none.means


@pytest.mark.parametrize(
    ("there", "last", "state"),
    [
        (False, None, State.WRONG),
        (True, None, State.UNKNOWN),
        (True, NOW - 3600, State.WRONG),
        (True, NOW - 60, State.OK),
    ],
)
def test_reconcile(there: bool, last: float | None, state: State) -> None:
    assert health.of_cron(there, last, NOW).state is state


# -- other services ----------------------------------------------------------
def host(name: str, reason: str = "") -> Host:
    return Host(name=name, service_id="s", up=True, disabled_reason=reason)


def test_other_recovery_services_are_wrong_on_our_hosts() -> None:
    marks = peers.by_marks(
        [host("c1"), host("c2", "instanceha evacuation: 2026-01-01")],
        [Aggregate(name="a", metadata={"evacuable": "true"})],
    )
    assert len(marks) == 2
    [line] = health.of_peers(marks, [])
    assert line.state is State.WRONG
    [blind] = health.of_peers([], ["Masakari (403)"])
    assert blind.state is State.UNKNOWN
    [none] = health.of_peers([], [])
    assert none.state is State.OK


def test_heat_s_alarms_are_seen_and_ours_are_not() -> None:
    heals = {
        "name": "autoheal",
        "event_rule": {"event_type": "compute.instance.*"},
        "alarm_actions": ["trust+http://heat/v1/stacks/x/resources/y/signal"],
    }
    ours = heals | {"description": "ha-pack-managed: x"}
    cpu = heals | {"event_rule": {"event_type": "image.delete"}}
    assert peers.by_alarms([heals, ours, cpu]) == [
        "Heat (alarm autoheal on compute.instance.*)"
    ]


class Adapter:
    """The shape of a keystoneauth adapter, over requests."""

    def __getattr__(self, verb: str) -> Any:
        def call(path: str, **kwargs: Any) -> requests.Response:
            url = f"http://api.test{path}"
            kwargs.pop("timeout", None)
            return requests.request(verb.upper(), url, timeout=5, **kwargs)

        return call


def test_masakari_on_our_hosts() -> None:
    segments = [{"uuid": "s1", "name": "all"}]
    hosts = [
        {"name": "c1"},
        {"name": "c2", "on_maintenance": True},
        {"name": "elsewhere"},
    ]
    with requests_mock.Mocker() as wire:
        wire.get("http://api.test/segments", json={"segments": segments})
        wire.get("http://api.test/segments/s1/hosts", json={"hosts": hosts})
        found = peers.by_masakari(Rest(Adapter(), "Masakari"), ["c1", "c2"])
        assert found == ["Masakari (segment all: c1)"]
        assert peers.by_masakari(Rest(Adapter()), ["c9"]) == []
    assert peers.by_masakari(None, ["c1"]) == []


# -- hosts that start guests by themselves ------------------------------------
def test_hosts_that_start_guests_by_themselves() -> None:
    some = met(resuming={"c1": True, "c2": False})
    [on, dark] = health.of_boots(some, ["c1", "c2", "c3"])
    assert (on.state, dark.state) == (State.WRONG, State.UNKNOWN)
    assert on.means.startswith("c1: nova.conf has resume_guests_state")
    assert "restart nova-compute" in on.cure
    assert dark.means.startswith("c3: nobody tells")
    [good] = health.of_boots(met(resuming={"c1": False}), ["c1"])
    assert good.state is State.OK
    assert list(health.of_boots(met(), [])) == []


# -- who answers --------------------------------------------------------------
def answers(*words: dict[str, Any]) -> Met:
    """Ask a Mistral that gives these answers in turn."""
    with requests_mock.Mocker() as wire:
        wire.post(
            "http://api.test/action_executions",
            [{"json": w, "status_code": 201} for w in words] * 60,
        )
        return executors.meet(Rest(Adapter()), Clock(), look=True)


def answer(executor: str, engine: str) -> dict[str, Any]:
    result = {
        "executor": facts(executor),
        "engine": facts(engine),
        "looks": {"nova": "ok"},
        "unfenced": ["c7"],
        "resuming": {f"c-{executor}": True},
    }
    return {"state": "SUCCESS", "output": {"result": result}}


def test_it_asks_until_nobody_new_answers() -> None:
    found = answers(answer("x1", "e1"), answer("x1", "e2"), answer("x2", "e1"))
    assert (set(found.executors), set(found.engines)) == (
        {"x1", "x2"},
        {"e1", "e2"},
    )
    assert found.asked >= 12
    assert found.unfenced == {"x1": ["c7"], "x2": ["c7"]}
    assert found.resuming == {"c-x1": True, "c-x2": True}


def test_an_executor_that_breaks_is_a_failure_with_its_words() -> None:
    broken = {"state": "ERROR", "output": {"result": "No module ha_actions"}}
    found = answers(answer("x1", "e1"), broken)
    assert found.failures == ["No module ha_actions"]
    with pytest.raises(Refused, match="No module ha_actions"):
        executors.must_have(found, WANTED)


def test_an_executor_of_another_project_refuses() -> None:
    result = {"kind": "refused", "code": "not_operator", "message": "no"}
    with pytest.raises(Refused, match="operator_projects"):
        answers({"state": "ERROR", "output": {"result": result}})


# -- inputs only grow ---------------------------------------------------------
@pytest.mark.parametrize(
    ("new", "says"),
    [
        (ACTIONS, []),
        ({"ha.go": {"need": ["host"], "may": ["why", "x"]}}, []),
        ({}, ["the action ha.go is gone"]),
        (
            {"ha.go": {"need": ["host"], "may": []}},
            ["ha.go has no input 'why' any more"],
        ),
        (
            {"ha.go": {"need": ["host", "x"], "may": ["why"]}},
            ["ha.go now needs 'x'"],
        ),
    ],
)
def test_inputs_only_grow(new: Any, says: list[str]) -> None:
    assert interface.shrunk(ACTIONS, new) == says
