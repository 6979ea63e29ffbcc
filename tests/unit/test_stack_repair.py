"""What an update of a stack may do, and when it is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ha_actions.deciders.stack_repair import (
    Asked,
    Move,
    holds,
    next_move,
    objections,
    pet_in_stack,
    replaced_by,
)
from ha_actions.model import Port, StackPlace
from ha_actions.model.stack import StackPreview, StackResource, StackState
from unit.fakes import guest

NOW, WAIT_S = 1000.0, 60.0


def place(resource: str = "web", nested: str = "s1") -> StackPlace:
    return StackPlace(
        project="p1",
        stack="s1",
        stack_name="shop",
        nested=nested,
        nested_name="shop",
        resource=resource,
    )


def resource(name: str, kind: str = "Server", **more: Any) -> StackResource:
    values: dict[str, Any] = {
        "stack": "s1",
        "type": kind if "::" in kind else f"OS::Nova::{kind}",
        "status": "CREATE_COMPLETE",
        "physical": f"id-{name}",
    }
    return StackResource(name=name, **(values | more))


MEMBER, ATTACHMENT = "OS::Octavia::PoolMember", "OS::Cinder::VolumeAttachment"
WEB = resource("web", required_by=("member", "data", "other", "link"))
SHOP = StackState(
    id="s1",
    name="shop",
    status="UPDATE_COMPLETE",
    resources=(
        WEB,
        resource("other", required_by=("far",)),
        resource("member", MEMBER, required_by=("record",)),
        resource("record", "OS::Designate::RecordSet"),
        resource("link", ATTACHMENT),
        resource("data", "OS::Cinder::Volume"),
        resource("far", MEMBER),
        resource("0", stack="n1", parent="group"),
        resource("0", stack="n2", parent="second"),
    ),
)


def status(word: str) -> StackState:
    return StackState(id="s1", name="shop", status=word, reason="so.")


@pytest.mark.parametrize(
    ("state", "asked", "move"),
    [
        (None, None, Move.GONE),
        (status("DELETE_IN_PROGRESS"), None, Move.GONE),
        (status("DELETE_FAILED"), Asked(NOW), Move.GONE),
        (status("UPDATE_IN_PROGRESS"), None, Move.WAIT),
        (status("UPDATE_IN_PROGRESS"), Asked(NOW), Move.WAIT),
        (status("CREATE_COMPLETE"), None, Move.ASK),
        (status("CHECK_COMPLETE"), None, Move.ASK),
        (status("SUSPEND_COMPLETE"), None, Move.LEAVE),
        (status("UPDATE_FAILED"), None, Move.LEAVE),
        (status("CHECK_FAILED"), None, Move.LEAVE),
        (status("A_NEW_WORD"), None, Move.LEAVE),
        (status(""), None, Move.LEAVE),
        (status("UPDATE_FAILED"), Asked(NOW), Move.FAILED),
        (status("UPDATE_COMPLETE"), Asked(NOW), Move.WAIT),
        (status("UPDATE_COMPLETE"), Asked(NOW - 61), Move.ASK),
        (
            status("UPDATE_COMPLETE"),
            Asked(NOW, answered=True, seen=True),
            Move.FAILED,
        ),
        (
            status("UPDATE_COMPLETE"),
            Asked(NOW - 61, answered=True),
            Move.FAILED,
        ),
    ],
)
def test_next_move(
    state: StackState | None, asked: Asked | None, move: Move
) -> None:
    found, why = next_move(state, [place()], asked, NOW, WAIT_S)
    assert found is move
    assert (why == "") is (move is Move.ASK)


def test_nothing_is_left_to_do() -> None:
    told = next_move(SHOP, [], Asked(NOW), NOW, WAIT_S)
    assert told == (Move.DONE, "")


def preview(*names: str, deleted: tuple[str, ...] = ()) -> StackPreview:
    by_name = {r.name: r for r in SHOP.resources}
    return StackPreview(
        replaced=tuple(by_name[n] for n in names),
        deleted=tuple(by_name[n] for n in deleted),
    )


@pytest.mark.parametrize(
    ("told", "bad"),
    [
        (preview("web"), ()),
        (preview("web", "member", "record", "link"), ()),
        (
            preview("web", "data"),
            ("data (OS::Cinder::Volume) would be replaced",),
        ),
        (
            preview("web", "other"),
            ("other (OS::Nova::Server) would be replaced",),
        ),
        (  # it follows a server that did not die
            preview("web", "far"),
            (f"far ({MEMBER}) would be replaced",),
        ),
        (preview("web", deleted=("member",)), ("member would be deleted",)),
        (preview(), ("web would not be replaced",)),
        (
            preview(deleted=("web",)),
            ("web would be deleted", "web would not be replaced"),
        ),
    ],
)
def test_objections(told: StackPreview, bad: tuple[str, ...]) -> None:
    assert objections(SHOP, told, [place()]) == bad


def test_a_nested_one_is_known_by_its_parent() -> None:
    told = StackPreview(
        replaced=(StackResource(stack="", name="0", parent="group"),)
    )
    assert objections(SHOP, told, [place("0", nested="n1")]) == ()
    assert objections(SHOP, told, [place("0", nested="n2")]) == (
        "0 would be replaced",
        "0 would not be replaced",
    )


def test_which_one_is_unclear() -> None:
    twin = resource("0", stack="n3", parent="group")
    both = StackState(
        id="s1",
        name="shop",
        status="UPDATE_COMPLETE",
        resources=(*SHOP.resources, twin),
    )
    told = StackPreview(
        replaced=(StackResource(stack="", name="0", parent="group"),)
    )
    assert objections(both, told, [place("0", nested="n1")]) == (
        "0 would be replaced (which one is unclear)",
        "0 would not be replaced",
    )


@pytest.mark.parametrize(
    ("changes", "whole", "new"),
    [
        ({}, "UPDATE_COMPLETE", ""),
        ({"physical": "new"}, "UPDATE_COMPLETE", "new"),
        ({"physical": "new"}, "UPDATE_IN_PROGRESS", ""),
        (
            {"physical": "new", "status": "CREATE_FAILED"},
            "UPDATE_FAILED",
            "",
        ),
        ({"physical": ""}, "UPDATE_COMPLETE", ""),
    ],
)
def test_replaced_by(changes: dict[str, Any], whole: str, new: str) -> None:
    state = StackState(
        id="s1",
        name="shop",
        status=whole,
        resources=(resource("web", **changes),),
    )
    assert replaced_by(state, place(), "id-web") == new


def whole(*resources: StackResource) -> StackState:
    return StackState(
        id="s1", name="shop", status="UPDATE_COMPLETE", resources=resources
    )


def test_a_nested_stack_that_was_made_anew() -> None:
    """Aodh's trust+heat has the whole member of a group replaced."""
    was = replace(place("web", "n1"), parent="m1")
    new = resource("web", stack="n9", parent="m1", physical="new")
    other = resource("web", stack="n2", parent="m2", physical="another's")
    assert replaced_by(whole(new, other), was, "id-web") == "new"
    assert replaced_by(whole(new, other), place("web", "n1"), "id-web") == ""
    assert replaced_by(whole(other), was, "id-web") == ""
    twin = replace(new, stack="n8", physical="which")
    assert replaced_by(whole(new, twin), was, "id-web") == "", "unclear"
    there = resource("port", "OS::Neutron::Port", stack="n1", parent="m1")
    assert replaced_by(whole(new, there), was, "id-web") == "", "n1 is there"


@pytest.mark.parametrize(
    ("state", "server", "good", "word"),
    [
        (SHOP, "id-web", True, "CREATE_COMPLETE"),
        (SHOP, "another", False, "another server now, id-web"),
        (None, "id-web", False, "is gone"),
        (status("UPDATE_COMPLETE"), "id-web", False, "no web any more"),
        (
            StackState(
                id="s1",
                name="shop",
                status="UPDATE_COMPLETE",
                resources=(resource("web", status="CHECK_FAILED"),),
            ),
            "id-web",
            False,
            "would replace the rescued server",
        ),
    ],
)
def test_a_pet_is_still_its_stacks(
    state: StackState | None, server: str, good: bool, word: str
) -> None:
    found, detail = pet_in_stack(state, place(), server)
    assert found is good and word in detail


def holding(*resources: StackResource, **more: Any) -> str:
    state = StackState(
        id="s1", name="shop", status="CREATE_COMPLETE", resources=resources
    )
    return holds(state, place(), guest("web", **more))


def test_a_server_holds_what_its_successor_needs() -> None:
    port = resource("door", "OS::Neutron::Port", physical="p1")
    mine = {"ports": (Port(id="p1", network="n"),)}
    assert holding(port, **mine) == "port door"
    assert holding(port) == "", "another server's"
    disk = resource("disk", "OS::Cinder::Volume", physical="v1")
    assert holding(disk, boot="volume", volumes=("v1",)) == "volume disk"
    assert holding(disk, boot="volume", volumes=("v2",)) == ""
    web = resource("web", required_by=("tie",))
    tie = resource("tie", ATTACHMENT)
    assert holding(web, tie) == "volume attachment tie"
    assert holding(volumes=("v3",)) == "volumes"
    assert holding(web) == ""
