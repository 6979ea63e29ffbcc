"""Before and after: what is compared, put back, or only told."""

from __future__ import annotations

from typing import Any

import pytest
from ha_actions.deciders.snapshot import compare, fixes, take
from ha_actions.model import (
    Attachment,
    Fix,
    FloatingIp,
    Group,
    Guest,
    Snapshot,
    Volume,
)
from unit.fakes import guest, port

FIP = FloatingIp(
    id="f1", address="203.0.113.5", port="port-1", fixed="10.0.0.5"
)
OTHER = FloatingIp(id="f9", address="203.0.113.9", port="port-9")
GUARDED = port(id="port-1", security_groups=("db", "web"))
HAS: dict[str, Any] = {
    "volumes": ("v1",),
    "ports": (GUARDED,),
    "tags": ("gold",),
    "locked": True,
    "locked_reason": "mine",
    "group": Group(id="g1"),
    "metadata": {"a": "1"},
}


def volume(**changes: Any) -> Volume:
    values = {"guest": "id-db", "device": "/dev/vda", "host": "c2", **changes}
    return Volume(id="v1", attachments=(Attachment(volume="v1", **values),))


def snap(
    floating: list[FloatingIp] | None = None,
    volumes: dict[str, Volume] | None = None,
    **changes: Any,
) -> Snapshot:
    at = [FIP, OTHER] if floating is None else floating
    on = {"v1": volume()} if volumes is None else volumes
    return take(guest(**(HAS | changes)), (), at, on)


def test_a_snapshot_is_of_this_guest_and_keeps_no_words_of_the_tenant() -> (
    None
):
    taken = snap()
    assert taken.floating == (FIP,)
    assert taken.attachments == volume().attachments
    assert taken.group == "g1" and taken.tags == ("gold",)
    assert "'1'" not in repr(taken.metadata)
    silent = take(
        Guest(id="g", name="n", project="p", host="h"), (), None, None
    )
    assert (silent.floating, silent.attachments) == (None, None)


def test_the_same_is_well() -> None:
    found = compare(snap(), snap(), "c1")
    assert [f for f in found if not f.ok] == []
    assert {f.check for f in found} == {
        "server tags",
        "lock reason",
        "security groups",
        "floating ip",
    }
    assert fixes(snap(), snap(), []) == []


def test_nothing_is_found_for_nothing() -> None:
    bare = take(guest(ports=()), (), [], {})
    assert compare(bare, bare, "c1") == []


@pytest.mark.parametrize(
    ("after", "check"),
    [
        ({"tags": ("x",)}, "server tags"),
        ({"tags": ()}, "server tags"),
        ({"metadata": {"a": "2"}}, "metadata"),
        ({"locked_reason": "yours"}, "lock reason"),
        ({"group": None}, "server group"),
        ({"ports": (port(id="port-1"),)}, "security groups"),
        ({"ports": ()}, "security groups"),
        ({"floating": [OTHER]}, "floating ip"),
        ({"volumes": {"v1": volume(device="/dev/vdb")}}, "devices"),
        ({"volumes": {"v1": volume(guest="other")}}, "devices"),
        ({"volumes": {"v1": volume(host="c1")}}, "attachments"),
    ],
)
def test_each_difference_is_found(after: dict[str, Any], check: str) -> None:
    found = compare(snap(), snap(**after), "c1")
    assert check in {f.check for f in found if not f.ok}
    assert all(f.detail and f.guest == "id-db" for f in found)


def test_silence_is_not_well() -> None:
    silent = take(guest(**HAS), (), None, None)
    found = compare(snap(), silent, "c1")
    assert {f.check for f in found if not f.ok} == {"floating ip", "devices"}
    assert compare(silent, silent, "c1")  # nobody knew before either
    assert all(f.ok for f in compare(silent, silent, "c1"))


@pytest.mark.parametrize(
    ("after", "loose", "fix"),
    [
        ({"locked": False}, [], Fix("lock", "id-db", ("mine",))),
        ({"tags": ()}, [], Fix("server tags", "id-db", ("gold",))),
        (
            {"ports": (port(id="port-1"),)},
            [],
            Fix("security groups", "port-1", ("db", "web")),
        ),
        (
            {},
            [FloatingIp(id="f1", address="203.0.113.5")],
            Fix("floating ip", "f1", ("port-1", "10.0.0.5")),
        ),
    ],
)
def test_what_was_lost_is_put_back(
    after: dict[str, Any], loose: list[FloatingIp], fix: Fix
) -> None:
    assert fixes(snap(), snap(**after), loose) == [fix]


@pytest.mark.parametrize(
    "after",
    [
        {"tags": ("other",)},
        {"ports": (port(id="port-1", security_groups=("web",)),)},
        {"ports": ()},
        {"floating": [OTHER]},
        {"locked_reason": "yours"},
    ],
)
def test_what_somebody_changed_is_left(after: dict[str, Any]) -> None:
    assert fixes(snap(), snap(**after), [OTHER]) == []
