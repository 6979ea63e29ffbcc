"""Moves that a host's death cut short: who can only be on that host."""

from __future__ import annotations

from typing import Any

import pytest
from ha_actions.deciders.moving import in_the_way
from ha_actions.model import Migration
from unit.fake_openstack import NOVA, Lab, migration
from unit.fakes import guest

LIVE, COLD, RESIZE = "live-migration", "migration", "resize"
VOLUME: dict[str, Any] = {"boot": "volume", "image": "", "volumes": ("v",)}


def move(kind: str, status: str, source: str = "c1") -> Migration:
    dest = "c2" if source == "c1" else "c1"
    return Migration(
        id="1", guest="g", source=source, dest=dest, kind=kind, status=status
    )


@pytest.mark.parametrize(
    ("kind", "status", "disk", "free"),
    [
        (LIVE, "accepted", {}, True),
        (LIVE, "queued", {}, True),
        (LIVE, "preparing", {}, True),
        (LIVE, "running", VOLUME, False),
        (LIVE, "post-migrating", VOLUME, False),
        (LIVE, "a new word", VOLUME, False),
        (COLD, "accepted", {}, True),
        (RESIZE, "pre-migrating", {}, True),
        (COLD, "migrating", VOLUME, True),
        (RESIZE, "migrating", VOLUME | {"ephemeral_gb": 1}, False),
        (RESIZE, "migrating", {}, False),
        (RESIZE, "post-migrating", VOLUME, False),
        ("a new kind", "accepted", VOLUME, False),
    ],
)
def test_by_the_record(
    kind: str, status: str, disk: dict[str, Any], free: bool
) -> None:
    here = guest("g", host="c1", task_state="migrating", **disk)
    why = in_the_way(here, move(kind, status))
    assert (why == "") is free
    if not free:
        assert "c2" in why and status in why


def test_a_guest_that_came_from_elsewhere() -> None:
    here = guest("g", host="c1", task_state="resize_finish", **VOLUME)
    for status in ("accepted", "pre-migrating", "post-migrating"):
        assert "c2" in in_the_way(here, move(RESIZE, status, source="c2"))


def test_no_record_is_unknown() -> None:
    here = guest("g", host="c1", task_state="migrating", **VOLUME)
    assert "no record" in in_the_way(here, None)


def test_open_moves_in_one_call(requests_mock: Any) -> None:
    lab = Lab(requests_mock)
    records = [
        migration(3, "g", migration_type=LIVE, status="running"),
        migration(2, "g", migration_type=RESIZE, status="reverted"),
        migration(4, "h", migration_type="evacuation", status="accepted"),
        migration(1, "h", migration_type=COLD, status="confirmed"),
    ]
    requests_mock.get(f"{NOVA}/os-migrations", json={"migrations": records})
    (found,) = lab.cloud.moves("c1")
    assert (found.guest, found.kind, found.status) == ("g", LIVE, "running")
    assert len(lab.calls) == 1
    assert requests_mock.last_request.qs["host"] == ["c1"]
