"""How an incident ends, and what each guest's row says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from ha_actions.deciders.report import make_report, refused
from ha_actions.model import (
    Choice,
    Finding,
    Incident,
    LeftAlone,
    Outcome,
    Planned,
    Protection,
    Refusal,
    Report,
    Result,
    State,
)
from unit.fakes import NOW, guest, incident, planned

EVACUATE, MEMBERS = "ha.evacuate_servers", "ha.update_members"
REFUSAL = Refusal(code="too_many_down", reason="2 of 3 hosts are down.")


def outcome(
    name: str = "db",
    step: str = EVACUATE,
    result: Result = Result.DONE,
    **more: Any,
) -> Outcome:
    values: dict[str, Any] = {"reason": "now on c2", "at": NOW + 30}
    return Outcome(
        guest=f"id-{name}",
        name=name,
        step=step,
        result=result,
        **(values | more),
    )


def left(
    name: str, code: str = "left_ignored", wanted: bool = True
) -> LeftAlone:
    return LeftAlone(
        guest=f"id-{name}",
        name=name,
        protection=Protection.IGNORE,
        code=code,
        reason="because",
        wanted=wanted,
    )


def finding(name: str = "db", ok: bool = True, check: str = "host") -> Finding:
    return Finding(
        guest=f"id-{name}", name=name, check=check, ok=ok, detail="on c2"
    )


def report(
    guests: Sequence[str] = ("db",),
    outcomes: Sequence[Outcome] = (),
    *,
    steps: Sequence[str] = (EVACUATE,),
    findings: Sequence[Finding] = (),
    left_alone: Sequence[LeftAlone] = (),
    refusal: Refusal | None = None,
    checked: bool = True,
    of: Incident | None = None,
    waits_s: float = 0,
    choice: Choice | None = None,
) -> Report:
    found: dict[str, Planned] = {
        f"id-{name}": planned(guest(name)) for name in guests
    }
    if choice is not None:
        found = {id: replace(p, choice=choice) for id, p in found.items()}
    return make_report(
        of or incident(),
        now=NOW + 99,
        verdict=None,
        proof=None,
        refusal=refusal,
        planned=found,
        left_alone=left_alone,
        outcomes=outcomes,
        steps={id: list(steps) for id in found},
        findings=findings,
        checked=checked,
        deferred_s=waits_s,
    )


# -- the ending -----------------------------------------------------------
FAILED = outcome(result=Result.FAILED, code="conflict", reason="no host")
DEFERRED = outcome(
    result=Result.DEFERRED, code="no_valid_host", reason="no host"
)
ENDINGS: dict[str, tuple[dict[str, Any], State, str]] = {
    "everybody is back": ({"outcomes": [outcome()]}, State.CLOSED, ""),
    "it was back already": (
        {"outcomes": [outcome(result=Result.ALREADY)]},
        State.CLOSED,
        "",
    ),
    "nobody was there": ({"guests": ()}, State.CLOSED, ""),
    "one failed": (
        {"outcomes": [FAILED]},
        State.HELD,
        "not_all_recovered",
    ),
    "one was refused": (
        {"outcomes": [outcome(result=Result.REFUSED, code="no_proof")]},
        State.HELD,
        "not_all_recovered",
    ),
    "a step was never reached": ({}, State.HELD, "not_all_recovered"),
    "the check found something": (
        {"outcomes": [outcome()], "findings": [finding(ok=False)]},
        State.HELD,
        "not_all_recovered",
    ),
    "the check found another's fault": (
        {"outcomes": [outcome()], "findings": [finding("other", ok=False)]},
        State.CLOSED,
        "",
    ),
    "the check never ran": (
        {"outcomes": [outcome()], "checked": False},
        State.HELD,
        "unfinished",
    ),
    "a rule said no": (
        {"refusal": REFUSAL, "guests": ()},
        State.HELD,
        "too_many_down",
    ),
    "a rule said no, but all is well": (
        {"refusal": REFUSAL, "outcomes": [outcome()]},
        State.HELD,
        "too_many_down",
    ),
    "left alone by choice": (
        {"guests": (), "left_alone": [left("x")]},
        State.CLOSED,
        "",
    ),
    "left alone against a choice": (
        {"guests": (), "left_alone": [left("x", "waits", wanted=False)]},
        State.HELD,
        "not_all_recovered",
    ),
    "dry run": ({"of": incident(dry_run=True)}, State.CLOSED, "dry_run"),
    "dry run that was refused": (
        {"of": incident(dry_run=True), "refusal": REFUSAL},
        State.CLOSED,
        "dry_run",
    ),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_ending(name: str) -> None:
    inputs, state, code = ENDINGS[name]
    made = report(**inputs)
    assert (made.state, made.code) == (state, code)
    assert made.reason
    assert made.closed_at == NOW + 99
    if made.state is State.CLOSED and code != "dry_run":
        assert all(row.as_chosen for row in made.guests)


def test_the_reason_counts_and_names() -> None:
    made = report(
        ("a", "b"), [outcome("a"), outcome("b", result=Result.FAILED)]
    )
    assert "1 of 2 guests" in made.reason
    assert "not as chosen: b" in made.reason


def test_many_names_are_cut_short() -> None:
    made = report([f"g{i}" for i in range(9)])
    assert "g0, g1, g2, g3, g4 and 4 more" in made.reason


def test_a_refusal_keeps_its_words_and_tells_what_was_done() -> None:
    made = report(refusal=REFUSAL, outcomes=[outcome()])
    assert made.refusal == REFUSAL
    assert made.reason.startswith("2 of 3 hosts are down")
    assert "1 of 1 guests" in made.reason


@pytest.mark.parametrize(
    ("more", "waits_s", "code"),
    [
        ({}, 600, "deferred"),
        ({}, 99, "not_all_recovered"),
        ({"outcomes": [DEFERRED, outcome("g2", result=Result.FAILED)]}, 600,
         "not_all_recovered"),
        ({"refusal": REFUSAL}, 600, "too_many_down"),
        ({"checked": False}, 600, "unfinished"),
    ],
)  # fmt: skip
def test_who_waits_for_room(
    more: dict[str, Any], waits_s: float, code: str
) -> None:
    inputs: dict[str, Any] = {"outcomes": [DEFERRED], **more}
    made = report(("db", "g2")[: len(inputs["outcomes"])], waits_s=waits_s,
                  **inputs)  # fmt: skip
    assert (made.state, made.code) == (State.HELD, code)
    assert made.guests[0].outcome == "deferred"


def test_warnings_about_tags_reach_the_report() -> None:
    choice = Choice(protection=Protection.PET, warnings=("a typo",))
    made = report(choice=choice, outcomes=[outcome()])
    assert made.guests[0].warnings == ("a typo",)


@pytest.mark.parametrize(
    ("probe", "word"), [("tcp:1", "recovered, unprobed"), ("", "recovered")]
)
def test_a_probe_that_could_not_be_asked(probe: str, word: str) -> None:
    asked = outcome(result=Result.ALREADY, code="unprobed")
    choice = Choice(protection=Protection.PET, probe=probe)
    made = report(choice=choice, outcomes=[outcome(), asked])
    assert made.guests[0].outcome == word
    assert made.state is State.CLOSED


# -- rows -----------------------------------------------------------------
@pytest.mark.parametrize(
    ("inputs", "word", "as_chosen"),
    [
        ({"outcomes": [outcome()]}, "recovered", True),
        ({"outcomes": [FAILED]}, "failed", False),
        (
            {"outcomes": [outcome(result=Result.REFUSED)]},
            "refused",
            False,
        ),
        (
            {"outcomes": [outcome(result=Result.FAILED, code="not_ready")]},
            "not_ready",
            False,
        ),
        ({}, "unfinished", False),
        (
            {"outcomes": [outcome()], "steps": (EVACUATE, MEMBERS)},
            "unfinished",
            False,
        ),
        (
            {"outcomes": [outcome()], "findings": [finding(ok=False)]},
            "incomplete",
            False,
        ),
        ({"of": incident(dry_run=True)}, "planned", True),
        (
            {"outcomes": [outcome(result=Result.ALREADY, code="deleted")]},
            "deleted",
            True,
        ),
    ],
)
def test_a_row_says_how_it_ended(
    inputs: dict[str, Any], word: str, as_chosen: bool
) -> None:
    (row,) = report(**inputs).guests
    assert (row.outcome, row.as_chosen) == (word, as_chosen)
    if not as_chosen:
        assert row.reason


def test_the_last_outcome_of_a_step_counts() -> None:
    (row,) = report(outcomes=[FAILED, outcome(host="c3", at=NOW + 80)]).guests
    assert row.as_chosen
    assert row.host == "c3"
    assert row.seconds == 80
    assert len(row.steps) == 1


def test_a_row_says_which_step_was_not_reached() -> None:
    (row,) = report(outcomes=[outcome()], steps=(EVACUATE, MEMBERS)).guests
    assert "not reached: ha.update_members" in row.reason


def test_a_row_gathers_every_reason() -> None:
    (row,) = report(
        outcomes=[FAILED], findings=[finding(ok=False, check="volumes")]
    ).guests
    assert "no host" in row.reason
    assert "volumes: on c2" in row.reason


def test_a_dry_run_tells_what_it_would_do() -> None:
    made = report(of=incident(dry_run=True), steps=(EVACUATE, MEMBERS))
    assert made.guests[0].did == "would evacuate servers, update members"
    assert made.guests[0].seconds == 0.0


def test_rows_are_sorted_and_a_planned_guest_is_not_left_alone_too() -> None:
    made = report(
        ("b", "c"),
        [outcome("b"), outcome("c")],
        left_alone=[left("a"), left("b")],
    )
    assert [row.name for row in made.guests] == ["a", "b", "c"]
    assert made.guests[0].did == "left alone"
    assert made.guests[0].outcome == "left_ignored"


def test_refusals_that_the_policy_foresees_are_named_though_closed() -> None:
    made = report(
        guests=(),
        left_alone=[left("x", "refused_local_disk"), left("y")],
    )
    assert made.state is State.CLOSED
    assert [row.name for row in refused(made.guests)] == ["x"]
    assert "x" in made.reason
