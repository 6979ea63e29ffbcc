"""What the owners of guests are told, and in which words."""

from __future__ import annotations

import dataclasses
from typing import Any

from fakes import NOW, incident, says
from ha_actions.deciders.tidings import (
    Owned,
    Teller,
    at_the_end,
    at_the_start,
    host_id,
)
from ha_actions.model import (
    Evidence,
    GuestReport,
    LeftAlone,
    Outcome,
    Proof,
    Protection,
    Report,
    Result,
    Ruling,
    Says,
    State,
    Verdict,
)

SPACE = "00000000-0000-4000-8000-000000000007"
MINE = incident()
OWNERS = {"g1": Owned("p1", "db"), "g2": Owned("p2", "batch")}


def left(guest: str = "g2", code: str = "left_ignored") -> LeftAlone:
    return LeftAlone(
        guest=guest,
        name="batch",
        protection=Protection.IGNORE,
        code=code,
        reason="left alone on c1",
    )


def row(guest: str = "g1", good: bool = True, **more: Any) -> GuestReport:
    step = Outcome(
        guest=guest,
        name="db",
        step="ha.evacuate_servers",
        result=Result.DONE if good else Result.FAILED,
        reason="now on c2",
        code="" if good else "no_valid_host",
        new_id=more.pop("new_id", ""),
    )
    return GuestReport(
        guest=guest,
        name="db",
        protection=Protection.PET,
        did="evacuated",
        outcome="recovered" if good else "failed",
        as_chosen=good,
        host="c2",
        steps=(step,),
        **more,
    )


def report(*rows: GuestReport, **more: Any) -> Report:
    verdict = Verdict(
        host="c1",
        ruling=more.pop("ruling", Ruling.DOWN),
        reason="c1 is dead",
        at=NOW,
        testimonies=(says("bmc_power", Says.DEAD),),
    )
    values: dict[str, Any] = {
        "incident": incident(),
        "state": State.CLOSED,
        "reason": "c1 is over",
        "closed_at": NOW,
        "verdict": verdict,
        "guests": rows,
        "proof": Proof(
            host="c1",
            incident="c1-aaaa",
            evidence=Evidence.POWER,
            rule="r",
            since=NOW,
            at=NOW,
        ),
    }
    return Report(**(values | more))


def test_the_start_tells_each_owner_in_his_project() -> None:
    events = at_the_start(
        Teller(SPACE, incident()), OWNERS, [left()], fenced=OWNERS, at=NOW
    )
    kinds = {(e.project, e.type.rpartition(".")[2]) for e in events}
    assert kinds == {
        ("p1", "host_fenced"),
        ("p1", "recovering"),
        ("p2", "host_fenced"),
        ("p2", "left_alone"),
    }
    alone = next(e for e in events if e.type.endswith("left_alone"))
    assert alone.traits["code"] == "left_ignored"
    assert alone.traits["reason"] == "its protection is ignore"


def test_no_event_names_a_host() -> None:
    events = at_the_start(
        Teller(SPACE, MINE), OWNERS, [left()], fenced=OWNERS, at=NOW
    )
    events += at_the_end(
        SPACE, report(row(), row("g2", good=False), incident=MINE), OWNERS, NOW
    )
    held = report(state=State.HELD, code="no_proof", incident=MINE)
    events += at_the_end(SPACE, held, OWNERS, NOW)
    for event in events:
        told = dataclasses.asdict(event) | {"id": ""}
        told["traits"] = told["traits"] | {
            "host_id": "",
            "hostId": "",
            "incident": "",
        }
        assert "c1" not in str(told)
        assert "c2" not in str(told)


def test_without_proof_nobody_hears_fenced() -> None:
    events = at_the_start(
        Teller(SPACE, incident()), OWNERS, [], fenced=(), at=NOW
    )
    assert {e.type for e in events} == {"compute.instance.recovering"}


def test_the_end_tells_recovered_and_failed() -> None:
    events = at_the_end(
        SPACE, report(row(new_id="new-1"), row("g2", good=False)), OWNERS, NOW
    )
    good, bad = events
    assert (good.type, good.project) == ("compute.instance.recovered", "p1")
    assert good.traits["new_id"] == "new-1"
    assert bad.type == "compute.instance.recovery_failed"
    assert bad.traits["code"] == "no_valid_host"
    assert bad.traits["reason"]


def test_a_hold_is_told_in_words_of_its_code() -> None:
    held = report(state=State.HELD, code="too_many_down")
    events = at_the_end(SPACE, held, OWNERS, NOW)
    assert [e.type for e in events] == ["compute.instance.recovery_held"] * 2
    assert "too much is down" in events[0].traits["reason"]
    odd = report(state=State.HELD, code="something_new")
    assert at_the_end(SPACE, odd, OWNERS, NOW)[0].traits["reason"]


def test_a_living_host_and_a_dry_run_are_no_news() -> None:
    alive = report(state=State.HELD, code="alive", ruling=Ruling.ALIVE)
    assert at_the_end(SPACE, alive, OWNERS, NOW) == []
    dry = report(row(), incident=incident(dry_run=True))
    assert at_the_end(SPACE, dry, OWNERS, NOW) == []


def test_a_repeat_is_the_same_event_and_the_watchs_key_is_kept() -> None:
    mine = incident()
    one = at_the_end(SPACE, report(row(), incident=mine), OWNERS, NOW)
    two = at_the_end(SPACE, report(row(), incident=mine), OWNERS, NOW + 60)
    assert [e.id for e in one] == [e.id for e in two]
    keyed = report(row(), incident=incident(key="outage-7"))
    assert (
        at_the_end(SPACE, keyed, OWNERS, NOW)[0].traits["incident"]
        == "outage-7"
    )
    assert mine.id not in str(one[0].traits)


def test_host_id_is_what_nova_shows_a_tenant() -> None:
    expected = "0a5e9835749049c9b3e8370f5706"
    expected += "05297b49add5fbc4af20ad056840"
    assert host_id("p", "h") == expected
