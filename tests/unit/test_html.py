"""The HTML report: whole, self-contained, escaped; and its picture."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from ha_actions.model import (
    Evidence,
    Finding,
    GuestReport,
    Incident,
    Outcome,
    Power,
    Proof,
    Protection,
    Reading,
    Report,
    Result,
    Ruling,
    Says,
    State,
    Verdict,
)
from ha_actions.model import Testimony as Heard
from ha_installer import html, timeline
from ha_installer.story import Bar, Lane, Stage, Story

VOID = {"meta", "rect", "line", "circle", "br"}


class Tags(HTMLParser):
    """Whether every tag is closed where it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.attributes += attrs
        if tag not in VOID or not self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            if tag != "meta":
                self.open.append(tag)

    def handle_startendtag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def story(
    *,
    name: str = "db",
    host: str = "c1",
    ruling: Ruling = Ruling.DOWN,
    dry_run: bool = False,
    proven: bool = True,
) -> Story:
    """A small one."""
    incident = Incident(
        id="c1-1",
        host=host,
        opened_at=100.0,
        opened_by="alarm",
        request_id="req-1",
        policy="abc",
        dry_run=dry_run,
    )
    heard = Heard(
        witness="tcp_reach", host=host, says=Says.DEAD, observed_at=110.0
    )
    step = Outcome(
        guest="g1",
        name=name,
        step="ha.evacuate_servers",
        result=Result.DONE,
        reason="now on c2",
        host="c2",
        at=140.0,
    )
    back = GuestReport(
        guest="g1",
        name=name,
        protection=Protection.PET,
        did="evacuate servers",
        outcome="recovered",
        as_chosen=True,
        host="c2",
        seconds=40.0,
        reason="now on c2",
        steps=(step,),
        findings=(
            Finding(guest="g1", name=name, check="host", ok=True, detail="c2"),
        ),
    )
    left = GuestReport(
        guest="g2",
        name="scratch",
        protection=Protection.PET,
        did="left alone",
        outcome="refused_local_disk",
        as_chosen=True,
        reason="refused: its disk would be lost",
    )
    proof = Proof(
        host=host,
        incident="c1-1",
        evidence=Evidence.POWER,
        rule="redfish read Off 6 times over 10 s",
        since=115.0,
        at=125.0,
        readings=(Reading(device="redfish", power=Power.OFF, at=115.0),),
        testimonies=(heard,),
    )
    report = Report(
        incident=incident,
        state=State.CLOSED,
        reason="2 of 2 guests got what was chosen",
        closed_at=150.0,
        verdict=Verdict(
            host=host,
            ruling=ruling,
            reason="1 of 1 dead",
            at=112.0,
            testimonies=(heard,),
        ),
        proof=proof if proven else None,
        guests=(back, left),
    )
    bar = Bar("evacuate_servers", 125.0, 140.0, "done", "now on c2")
    return Story(
        report=report,
        lanes=(Lane(back, "c2", (bar,)), Lane(left, host)),
        stages=(Stage("unnoticed", 40.0, 100.0), Stage("judge", 100, 112)),
        began=40.0,
        checks=({"name": "one copy", "ok": True, "detail": ""},),
        trace=({"at": 0, "kind": "world", "subject": "c1", "text": "off"},),
        facts={"mistral": "23.0.0"},
    )


def test_the_page_is_whole_and_asks_for_nothing() -> None:
    page = html.render(story())
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    asked = [v for k, v in tags.attributes if k in ("src", "href", "action")]
    assert asked == []
    assert "@import" not in page and "url(" not in page
    assert "<script" not in page
    text = re.sub(r"<[^>]+>", " ", page)
    for said in (
        "Host c1 died; 1 guest is back",
        "Death certificate",
        "redfish read Off 6 times over 10 s",
        "tcp_reach",
        "its disk would be lost",
        "holds : one copy",
    ):
        assert said in re.sub(r"\s+", " ", text)


def test_names_of_tenants_are_escaped() -> None:
    page = html.render(story(name="<script>alert('x')</script>"))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("given", "heading"),
    [
        ({"dry_run": True}, "Dry run on host c1: nothing was touched"),
        (
            {"ruling": Ruling.ALIVE, "proven": False},
            "Host c1 was suspected; it was not touched",
        ),
        ({"proven": False}, "Host c1 died; 1 guest is back"),
    ],
)
def test_headings(given: dict[str, object], heading: str) -> None:
    assert heading in html.render(story(**given))  # type: ignore[arg-type]


def test_the_picture_is_in_scale() -> None:
    picture = timeline.draw(story())
    assert [band.label for band in picture.bands] == ["unnoticed", "judge"]
    db, scratch = picture.rows
    down, up, bar = db.boxes
    assert (down.kind, up.kind, bar.kind) == ("down", "up", "evacuate_servers")
    assert down.x == timeline.LEFT
    assert bar.x == pytest.approx(down.x + down.width, abs=0.2)
    assert bar.x + bar.width <= timeline.WIDTH - timeline.RIGHT
    assert up.x == pytest.approx(bar.x + bar.width, abs=0.2)
    assert scratch.boxes == ()
    assert scratch.note == "refused local disk"
    assert picture.ticks[0] == (timeline.LEFT, "0 s")


@pytest.mark.parametrize("span", [0.0, 1.0, 59.0, 3600.0, 90000.0])
def test_any_span_has_a_few_ticks(span: float) -> None:
    assert 1 <= len(timeline._ticks(span)) <= 14
