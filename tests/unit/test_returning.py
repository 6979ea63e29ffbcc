"""May a host come back: the decision, refusal by refusal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import NOW
from ha_actions.deciders.returning import (
    MARK,
    Known,
    may_return,
    moved,
    put_out_by,
    still_well,
)
from ha_actions.model import (
    Choice,
    Guest,
    Host,
    Migration,
    Planned,
    Port,
    Protection,
    Says,
    Testimony,
)
from ha_actions.settings import Returning

RULES = Returning(failures=2, window_s=3600)
HOST = Host(
    name="c1",
    service_id="1",
    up=False,
    enabled=False,
    forced_down=True,
    disabled_reason=f"{MARK}c1-1",
)
READY = Known(
    host=HOST,
    incident="c1-1",
    beats=True,
    failures=(NOW - 600,),
    evacuations=(
        Migration(id="1", guest="g", source="c1", status="completed"),
        Migration(id="2", guest="h", source="c1", status="failed"),
    ),
)


def record(status: str) -> tuple[Migration, ...]:
    return (Migration(id="3", guest="g", source="c1", status=status),)


def code(known: Known, because: str = "") -> str:
    no = may_return(known, RULES, NOW, because=because)
    return no.code if no else ""


def test_a_clean_host_that_is_heard_may_return() -> None:
    assert code(READY) == ""


DEAD = Testimony(
    witness="bmc_power",
    host="c1",
    says=Says.DEAD,
    observed_at=NOW,
    detail="reads OFF",
)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"open": "c1-2"}, "open"),
        ({"incident": ""}, "not_ours"),
        ({"beats": False}, "not_back"),
        ({"testimonies": (DEAD,)}, "not_back"),
        ({"evacuations": record("accepted")}, "evacuating"),
        ({"evacuations": record("pre-migrating")}, "evacuating"),
        ({"evacuations": record("a word of tomorrow")}, "evacuating"),
        ({"evacuations": record("done")}, "not_cleaned"),
        ({"failures": (NOW - 3000, NOW - 600)}, "flapping"),
        ({"failures": (NOW - 3700, NOW - 600)}, ""),
        ({"cut_off": ("ceph",)}, "not_rebooted"),
        ({"cut_off": ("ceph",), "seen_off": True}, ""),
    ],
)
def test_each_refusal(changed: dict[str, object], expected: str) -> None:
    known = replace(READY, **changed)  # type: ignore[arg-type]
    assert code(known) == expected
    no = may_return(known, RULES, NOW, because="")
    assert no is None or "c1" in no.reason


@pytest.mark.parametrize(
    "changed",
    [
        {"open": "c1-2"},
        {"beats": False},
        {"evacuations": record("accepted")},
        {"evacuations": record("done")},
        {"cut_off": ("ceph",)},
    ],
)
def test_a_reason_overrules_the_flap_budget_alone(
    changed: dict[str, object],
) -> None:
    often = replace(READY, failures=(NOW - 1, NOW - 2, NOW - 3))
    assert code(often) == "flapping"
    assert code(often, "new board") == ""
    assert code(replace(often, **changed), "new board")  # type: ignore[arg-type]


def test_only_a_heartbeat_counts_as_one() -> None:
    later = replace(HOST, updated_at=HOST.updated_at + 10)
    assert moved(HOST, later)
    assert not moved(HOST, HOST)
    assert not moved(HOST, replace(later, forced_down=False)), "a PUT"
    assert not moved(HOST, replace(later, disabled_reason="x")), "a PUT"


def test_whose_reason_it_is() -> None:
    assert put_out_by(HOST) == "c1-1"
    assert put_out_by(replace(HOST, disabled_reason="new DIMM")) == ""


GUEST = Guest(id="g", name="db", project="p", host="c1")
PLANNED = Planned(guest=GUEST, choice=Choice(protection=Protection.PET))


def faults(now: Guest | None) -> list[str]:
    found = still_well(PLANNED, now, returned="c1", hosts_up={"c1", "c2"})
    return [f.check for f in found if not f.ok]


def test_who_was_broken_by_a_return() -> None:
    away = replace(GUEST, host="c2")
    assert faults(away) == []
    assert faults(replace(away, vm_state="error")) == ["state"]
    assert faults(replace(away, task_state="rebuild_spawning")) == ["state"]
    assert faults(replace(away, host="c9")) == ["host"]
    port = Port(id="p", network="n", host="c1")
    assert faults(replace(away, ports=(port,))) == ["ports"]


def test_what_owners_do_is_no_fault() -> None:
    away = replace(GUEST, host="c2")
    assert faults(None) == [], "deleted"
    assert faults(replace(away, vm_state="stopped", power="shutdown")) == []
    assert faults(replace(away, task_state="rebooting")) == []
    assert faults(GUEST) == [], "it never left, or was brought back"
