"""A story as one self-contained HTML file: no network, no scripts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from importlib import resources
from typing import Any

from ha_actions.errors import BadInput
from ha_actions.model import Ruling

from ha_installer import timeline
from ha_installer.story import Story
from ha_installer.tables import seconds

MARKS = {
    "back": "back",
    "alone": "left alone, as chosen",
    "person": "refused, needs a person",
    "bad": "not as chosen",
}
"""A lane's mark in words."""


def render(story: Story) -> str:
    """The whole page; every value in it is escaped.

    :raises BadInput: jinja2 is not installed.
    """
    made = environment()
    made.filters["clock"] = _clock
    made.filters["seconds"] = seconds
    source = resources.files("ha_installer") / "report.html.j2"
    template = made.from_string(source.read_text(encoding="utf-8"))
    return str(template.render(**_facts(story)))


def environment() -> Any:
    """A strict, escaping jinja2 environment.

    :raises BadInput: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise BadInput(
            "no_jinja2",
            "The HTML report needs jinja2, which is not installed here; "
            "install it with: pip install 'mistral-ha-pack[operator]'.",
        ) from error
    return jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _facts(story: Story) -> Mapping[str, Any]:
    counts = {mark: 0 for mark in MARKS}
    for lane in story.lanes:
        counts[lane.mark] += 1
    ends = [lane.bars[-1].end for lane in story.lanes if lane.bars]
    return {
        "story": story,
        "report": story.report,
        "heading": _heading(story, counts["back"]),
        "readings_tell": bool(
            story.report.proof
            and any(r.detail for r in story.report.proof.readings)
        ),
        "picture": timeline.draw(story),
        "marks": MARKS,
        "counts": counts,
        "groups": {
            mark: [lane for lane in story.lanes if lane.mark == mark]
            for mark in MARKS
        },
        "longest": max(ends) - story.began if ends else 0.0,
        "findings": [f for lane in story.lanes for f in lane.row.findings],
    }


def _heading(story: Story, back: int) -> str:
    report = story.report
    host = report.incident.host
    if report.incident.dry_run:
        return f"Dry run on host {host}: nothing was touched"
    if report.verdict is None or report.verdict.ruling is not Ruling.DOWN:
        return f"Host {host} was suspected; it was not touched"
    if back == 1:
        return f"Host {host} died; 1 guest is back"
    return f"Host {host} died; {back or 'no'} guests are back"


def _clock(at: float) -> str:
    """A moment in UTC, to the second."""
    moment = datetime.fromtimestamp(at, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
