"""Heat at the wire."""

from __future__ import annotations

from typing import Any

import pytest
from ha_actions.adapters.cloud.stacks import HeatStacks
from ha_actions.errors import Failed, HaError, NoAnswer, Refused, Transient
from ha_actions.model import StackPlace
from ha_actions.model.stack import StackResource
from unit import fake_openstack as fake
from unit.fake_openstack import PROJECT, Lab, claim

HEAT = f"http://heat.test/v1/{PROJECT}"
SHOP, GROUP = f"{HEAT}/stacks/shop/s1", f"{HEAT}/stacks/shop-group-x/n1"
PLACE = StackPlace(
    project=PROJECT,
    stack="s1",
    stack_name="shop",
    nested="n1",
    nested_name="shop-group-x",
    resource="0",
    parent="group",
)
ILL = {"mark_unhealthy": True, "resource_status_reason": "its host died"}


def body(name: str, stack: str, **more: Any) -> dict[str, Any]:
    return {
        "resource_name": name,
        "logical_resource_id": name,
        "resource_type": "OS::Nova::Server",
        "physical_resource_id": f"id-{name}",
        "resource_status": "CREATE_COMPLETE",
        "resource_status_reason": "state changed",
        "required_by": [],
        "links": [
            {"rel": "self", "href": f"{stack}/resources/{name}"},
            {"rel": "stack", "href": stack},
        ],
        **more,
    }


def stack(id: str = "s1", name: str = "shop", **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "stack_name": name,
        "stack_status": "CREATE_COMPLETE",
        "stack_status_reason": "Stack CREATE completed successfully",
        **more,
    }


@pytest.fixture
def lab(requests_mock: Any) -> Lab:
    return Lab(requests_mock)


@pytest.fixture
def heat(lab: Lab) -> HeatStacks:
    def count(method: str, path: str) -> None:
        lab.calls.append(f"{method} {path}")

    return HeatStacks(fake.connect(), lab.clock, count)


def test_places_in_one_call_for_each_stack(lab: Lab, heat: HeatStacks) -> None:
    gone = stack("s2", "old", stack_status="DELETE_IN_PROGRESS")
    others = stack("s3", "theirs", project="another")
    mine = stack(project=PROJECT)
    lab.mock.get(f"{HEAT}/stacks", json={"stacks": [mine, gone, others]})
    found = [
        body("0", GROUP, parent_resource="group"),
        body("db", SHOP, physical_resource_id=""),
    ]
    lab.mock.get(f"{SHOP}/resources", json={"resources": found})
    assert heat.places(PROJECT) == {"id-0": PLACE}
    assert len(lab.calls) == 2
    query = lab.mock.last_request.qs
    assert query["nested_depth"] == ["5"]
    assert query["type"] == ["os::nova::server"]  # the mock's lower case


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "UPDATE_FAILED"])
def test_a_server_that_heat_is_replacing_is_still_the_stacks(
    lab: Lab, heat: HeatStacks, status: str
) -> None:
    """Its list has the new one alone; nobody may make a third."""
    mine = stack(stack_status=status)
    lab.mock.get(f"{HEAT}/stacks", json={"stacks": [mine]})
    new = body(
        "0", GROUP, physical_resource_id="id-new", parent_resource="group"
    )
    lab.mock.get(f"{SHOP}/resources", json={"resources": [new]})
    events = [
        body("0", GROUP),
        body("0", GROUP, physical_resource_id="id-new"),
        body("0", GROUP, physical_resource_id=None),
        body("shop", SHOP, physical_resource_id="s1"),
        body("group", SHOP, physical_resource_id="n1"),
        body("shop-group-x", GROUP, physical_resource_id="n1"),
    ]
    lab.mock.get(f"{SHOP}/events", json={"events": events})
    found = heat.places(PROJECT)
    assert found["id-0"] == found["id-new"] == PLACE
    assert len(lab.calls) == 3


def test_a_cloud_without_heat_has_no_stacks(requests_mock: Any) -> None:
    fake.keystone(requests_mock, "orchestration")
    stacks = HeatStacks(fake.connect(), fake.StillClock())
    assert stacks.places(PROJECT) == {}


def test_another_project_needs_a_role_there(requests_mock: Any) -> None:
    fake.keystone(requests_mock, projects=False)
    stacks = HeatStacks(fake.connect(), fake.StillClock())
    with pytest.raises(Refused, match="role admin"):
        stacks.places("another")


def test_a_tenants_stacks_are_read_with_a_token_of_his(
    lab: Lab, heat: HeatStacks
) -> None:
    lab.mock.get("http://heat.test/v1/tenant/stacks", json={"stacks": []})
    assert heat.places("tenant") == {}
    assert lab.mock.last_request.headers["X-Auth-Token"] == "token-tenant"


def test_heat_away_is_transient(lab: Lab, heat: HeatStacks) -> None:
    lab.mock.get(f"{HEAT}/stacks", status_code=503)
    with pytest.raises(Transient):
        heat.places(PROJECT)


def test_state(lab: Lab, heat: HeatStacks) -> None:
    lab.mock.get(SHOP, json={"stack": stack()})
    found = [
        body("group", SHOP, resource_type="OS::Heat::ResourceGroup"),
        body(
            "0",
            GROUP,
            parent_resource="group",
            resource_status="CHECK_FAILED",
            required_by=["member"],
        ),
    ]
    lab.mock.get(f"{SHOP}/resources", json={"resources": found})
    state = heat.state(PLACE)
    assert state is not None
    assert (state.name, state.status) == ("shop", "CREATE_COMPLETE")
    assert state.resources[1] == StackResource(
        stack="n1",
        name="0",
        parent="group",
        type="OS::Nova::Server",
        physical="id-0",
        status="CHECK_FAILED",
        reason="state changed",
        required_by=("member",),
    )


def test_a_deleted_stack_has_no_state(lab: Lab, heat: HeatStacks) -> None:
    lab.mock.get(SHOP, status_code=404)
    assert heat.state(PLACE) is None


def test_one_mark_is_patched_once(lab: Lab, heat: HeatStacks) -> None:
    lab.mock.patch(f"{GROUP}/resources/0", status_code=200)
    heat.mark(PLACE, ill=True, reason="its host died", claim=claim())
    assert [r.json() for r in lab.sent("PATCH")] == [ILL]


def test_the_stack_is_updated_with_its_own_template(
    lab: Lab, heat: HeatStacks
) -> None:
    lab.mock.patch(SHOP, status_code=202)
    heat.update(PLACE, claim())
    assert [(r.url, r.json()) for r in lab.sent("PATCH")] == [(SHOP, {})]


def changed(name: str, stack_id: str) -> dict[str, Any]:
    """As Heat's engine says it: by identities, without links."""
    return {
        "resource_name": name,
        "resource_type": "OS::Nova::Server",
        "physical_resource_id": "",
        "resource_status": "COMPLETE",
        "resource_action": "INIT",
        "stack_identity": {
            "stack_name": "shop",
            "stack_id": stack_id,
            "tenant": PROJECT,
            "path": "",
        },
        "required_by": [],
    }


def test_preview(lab: Lab, heat: HeatStacks) -> None:
    told = {
        "unchanged": [changed("dep", "s1")],
        "updated": [],
        "replaced": [changed("web", "s1"), changed("0", "")],
        "added": [],
        "deleted": [changed("old", "s1")],
    }
    lab.mock.patch(f"{SHOP}/preview", json={"resource_changes": told})
    found = heat.preview(PLACE, claim())
    assert [(r.stack, r.name) for r in found.replaced] == [
        ("s1", "web"),
        ("", "0"),
    ]
    assert [r.name for r in found.deleted] == ["old"]
    assert lab.mock.last_request.qs == {"show_nested": ["true"]}
    assert lab.sent("PATCH")[0].json() == {}


@pytest.mark.parametrize("answer", [{}, {"resource_changes": {}}, []])
def test_a_preview_that_cannot_be_read_is_no_preview(
    lab: Lab, heat: HeatStacks, answer: Any
) -> None:
    lab.mock.patch(f"{SHOP}/preview", json=answer)
    with pytest.raises(Failed) as caught:
        heat.preview(PLACE, claim())
    assert caught.value.code == "no_preview"


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (
            {
                "status_code": 409,
                "json": {"error": {"message": "ActionInProgress"}},
            },
            Failed,
            "conflict",
        ),
        ({"status_code": 404, "json": {}}, Failed, "not_found"),
        ({"status_code": 403, "json": {}}, Refused, "forbidden"),
        ({"status_code": 503}, NoAnswer, "no_answer"),
    ],
)
def test_what_a_refusal_means(
    lab: Lab,
    heat: HeatStacks,
    answer: dict[str, Any],
    error: type[HaError],
    code: str,
) -> None:
    lab.mock.patch(SHOP, **answer)
    with pytest.raises(error) as caught:
        heat.update(PLACE, claim())
    assert caught.value.code == code
    assert len(lab.sent("PATCH")) == 1


def test_a_late_run_sends_nothing(lab: Lab, heat: HeatStacks) -> None:
    lab.mock.patch(SHOP, status_code=202)
    with pytest.raises(Refused, match="claim"):
        heat.update(PLACE, claim(until=0))
    assert lab.sent("PATCH") == []
