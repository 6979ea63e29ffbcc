"""One incident, one execution id, whoever starts it; and none to squat."""

from __future__ import annotations

import copy
import json
import uuid
from typing import Any

import pytest
from ha_actions.deciders.intake import Summons, read_alarm
from ha_alarms.start import (
    HOST_WORKFLOW,
    NoStart,
    Start,
    execution_id,
    host_start,
    namespace,
    resume_start,
    start_of,
)
from ha_alarms.target import Target
from hypothesis import given
from hypothesis import strategies as st

SECRET = "a secret of this installation"
OPERATOR, TENANT, OTHER = "operator-project", "tenant-1", "tenant-2"
AT = 1795337204.0
HOST = Target(HOST_WORKFLOW)
MINE = Target("my_repair", traits={"server": "instance_id"})


def alarm(kind: str = "compute.service.down", **traits: Any) -> dict[str, Any]:
    """Source: recorded from Aodh 23."""
    return {
        "alarm_name": "host-down",
        "alarm_id": "738f7a5c-0000-4000-8000-000000000001",
        "severity": "low",
        "previous": "insufficient data",
        "current": "alarm",
        "reason": "Event <id=8e0f> hits the query <query=[]>.",
        "reason_data": {
            "type": "event",
            "event": {
                "message_id": "8e0f7a5c-0000-4000-8000-000000000002",
                "event_type": kind,
                "generated": "2026-11-22T08:46:44.090423",
                "traits": [[k, 1, v] for k, v in traits.items()],
                "raw": {},
                "message_signature": "",
            },
        },
    }


def start(
    body: Any, target: Target = HOST, project: str = OPERATOR
) -> Start | NoStart:
    return start_of(
        body,
        target,
        secret=SECRET,
        project=project,
        operator_projects={OPERATOR},
    )


def id_of(found: Start | NoStart) -> str:
    assert isinstance(found, Start), found
    assert str(uuid.UUID(found.execution_id)) == found.execution_id
    return found.execution_id


# -- the operator's -----------------------------------------------------------
def test_alarm_and_watch_start_the_same_execution() -> None:
    by_alarm = start(alarm(host="c1", incident="c1/7/123"))
    by_watch = host_start(SECRET, host="c1", incident="c1/7/123", at=AT)
    assert id_of(by_alarm) == id_of(by_watch)
    assert isinstance(by_alarm, Start)
    assert by_alarm.workflow == by_watch.workflow == HOST_WORKFLOW
    for found in (by_alarm, by_watch):
        news = read_alarm(found.input["alarm"], now=AT, stale_s=1e9)
        assert isinstance(news, Summons)
        assert news.host == "c1"


def test_the_watchs_event_has_the_time_it_was_published() -> None:
    found = host_start(SECRET, host="c1", incident="k", at=AT)
    news = read_alarm(found.input["alarm"], now=AT + 5, stale_s=10)
    assert isinstance(news, Summons)
    assert news.event_at == AT


def test_a_repeated_event_is_the_same_incident() -> None:
    again = alarm(host="c1", incident="k")
    again["reason_data"]["event"]["message_id"] = "another"
    again["alarm_id"] = "another"
    assert id_of(start(again)) == id_of(start(alarm(host="c1", incident="k")))


def test_without_an_incident_the_message_is_the_key() -> None:
    one = alarm("service.update", host="c1", forced_down="True")
    two = copy.deepcopy(one)
    two["reason_data"]["event"]["message_id"] = "another"
    assert id_of(start(one)) == id_of(start(copy.deepcopy(one)))
    assert id_of(start(one)) != id_of(start(two))


def test_attempts_have_ids_of_their_own() -> None:
    ids = {execution_id(SECRET, HOST_WORKFLOW, "k", n) for n in (1, 2, 3)}
    assert len(ids) == 3
    found = resume_start(SECRET, incident="k", resume="c1-77", attempt=2)
    assert found.execution_id in ids
    assert found.input["resume"] == "c1-77"


def test_one_server_is_not_another() -> None:
    """Of the operator's own workflows on single servers."""
    target = Target("ha.v1.handle_instance_failure")
    one, two = (
        start(alarm("compute.instance.update", instance_id=x), target)
        for x in ("vm-1", "vm-2")
    )
    assert id_of(one) != id_of(two)
    assert isinstance(one, Start)
    assert set(one.input) == {"alarm"}


# -- tenants' -----------------------------------------------------------------
def test_a_tenants_id_needs_the_secret() -> None:
    body = alarm("compute.instance.host_down", instance_id="vm", incident="k")
    mine = id_of(start(body, MINE, TENANT))
    guess = start_of(body, MINE, secret="guess", project=TENANT)
    assert mine != id_of(guess)
    assert mine != id_of(start(body, MINE, OTHER))


@pytest.mark.parametrize(
    "changed",
    [
        alarm("compute.instance.host_down", instance_id="vm2", incident="k"),
        alarm("compute.instance.host_down", instance_id="vm", incident="k2"),
        alarm("compute.instance.host_fenced", instance_id="vm", incident="k"),
    ],
)
def test_a_tenants_workflow_runs_once_per_event_incident_and_server(
    changed: dict[str, Any],
) -> None:
    body = alarm("compute.instance.host_down", instance_id="vm", incident="k")
    assert id_of(start(body, MINE, TENANT)) != id_of(
        start(changed, MINE, TENANT)
    )


def test_no_tenant_gets_the_operators_id() -> None:
    """Even by a workflow of the same name and an event of the same traits."""
    found = start(alarm(host="c1", incident="k"), HOST, TENANT)
    assert isinstance(found, NoStart)
    assert "operator_projects" in found.reason


@pytest.mark.parametrize("trait", ["project_id", "tenant_id"])
def test_another_projects_event_starts_nothing(trait: str) -> None:
    body = alarm("x", instance_id="vm", **{trait: OTHER})
    found = start(body, MINE, TENANT)
    assert isinstance(found, NoStart)
    assert "is of project tenant-2" in found.reason
    id_of(start(body, MINE, OTHER))


def test_inputs_come_from_traits_and_the_action() -> None:
    target = Target(
        "my_repair",
        inputs={"pool": "web"},
        traits={"server": "instance_id"},
        alarm_input="body",
    )
    body = alarm("compute.instance.host_down", instance_id="vm", incident="k")
    found = start(body, target, TENANT)
    assert isinstance(found, Start)
    assert found.input == {"pool": "web", "server": "vm", "body": body}
    assert found.env["event"]["traits"]["incident"] == "k"
    request = found.request()
    assert json.loads(request["input"]) == found.input
    assert json.loads(request["params"])["env"] == found.env


def test_a_name_that_looks_like_an_expression_stays_text() -> None:
    body = alarm(
        "compute.instance.host_down",
        instance_id="vm",
        incident="k",
        display_name="<% executions() %>",
    )
    found = start(body, Target("my_repair"), TENANT)
    assert isinstance(found, Start)
    params = json.loads(found.request()["params"])
    name = params["env"]["event"]["traits"]["display_name"]
    assert name == "<% executions() %>"
    assert params["evaluate_env"] is False, "Mistral evaluates it otherwise"


# -- nothing to start ---------------------------------------------------------
BROKEN: list[tuple[Any, str]] = [
    (None, "not a mapping"),
    ([], "not a mapping"),
    ({"current": "ok"}, "'ok', not to 'alarm'"),
    ({"current": "alarm"}, "no event"),
    ({"current": "alarm", "reason_data": {"event": 3}}, "no event"),
    ({"current": "alarm", "reason_data": {"event": {}}}, "neither"),
]


@pytest.mark.parametrize(("body", "says"), BROKEN)
def test_a_broken_body_starts_nothing(body: Any, says: str) -> None:
    found = start(body)
    assert isinstance(found, NoStart)
    assert says in found.reason


def test_a_missing_trait_is_named() -> None:
    found = start(alarm("x", host="c1"), MINE, TENANT)
    assert isinstance(found, NoStart)
    assert "no trait instance_id; it has host" in found.reason


@pytest.mark.parametrize("text", [SECRET, str(uuid.UUID(int=7))])
def test_a_secret_is_any_text_or_a_uuid(text: str) -> None:
    assert namespace(text) == namespace(str(namespace(text)))


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        execution_id("", HOST_WORKFLOW, "k")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(max_size=9), inner)
    ),
    max_leaves=20,
)


@given(event=JSON)
def test_whatever_the_event_is_the_answer_is_a_start_or_a_reason(
    event: Any,
) -> None:
    body = {"current": "alarm", "reason_data": {"event": event}}
    assert isinstance(start(body), (Start, NoStart))


@given(traits=JSON)
def test_whatever_the_traits_are(traits: Any) -> None:
    body = alarm()
    body["reason_data"]["event"]["traits"] = traits
    found = start(body, MINE, TENANT)
    assert isinstance(found, (Start, NoStart))
    if isinstance(found, Start):
        json.dumps(found.request())
