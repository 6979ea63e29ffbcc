"""A story for people: a table and checks, a page, or JSON."""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any

from ha_actions.codec import to_json

from ha_installer import files, html, tables
from ha_installer.story import Lane, Story

HEADINGS = ("guest", "protection", "what was done", "now on", "after", "why")
COLOUR = {"back": "32", "alone": "2", "person": "33", "bad": "1;31"}


def tell(told: Story, options: argparse.Namespace, took: float) -> int:
    """The table, the report, the ending; and the exit status."""
    files.write(options.report, html.render(told), "report")
    if options.json:
        print(json.dumps(_as_json(told), indent=2))
    else:
        print()
        print_story(told)
        print(f"The report is {options.report}; all of it took {took:.1f} s.")
    return 0 if told.kept else 1


def _as_json(told: Story) -> dict[str, Any]:
    """``{kept, report, guests: {name: {kept, host, foretold}}, checks}``."""
    return {
        "kept": told.kept,
        "report": to_json(told.report),
        "guests": {
            lane.row.name: {
                "kept": lane.kept,
                "host": lane.host,
                "foretold": lane.promise.sentence if lane.promise else None,
            }
            for lane in told.lanes
        },
        "checks": [dict(check) for check in told.checks],
    }


def print_story(told: Story) -> None:
    """The table of guests, the checks, and the ending."""
    colours = tables.coloured(sys.stdout)
    if told.lanes:
        print(
            tables.table(
                HEADINGS,
                [_row(lane, told) for lane in told.lanes],
                colours=[COLOUR[lane.mark] for lane in told.lanes]
                if colours
                else (),
            )
        )
        print()
    for check in told.checks:
        print(tables.check_line(check, colours))
    for lane in told.lanes:
        if not lane.foretold and lane.promise:
            print(
                f"{lane.row.name}: foretold {lane.promise.code}, got "
                f"{lane.row.outcome}"
            )
    if told.checks:
        print()
    what = told.report
    print(f"Incident {what.incident.id} {what.state}: {what.reason}.")


def _row(lane: Lane, told: Story) -> tuple[str, ...]:
    row = lane.row
    dead = told.report.proof and lane.host == told.report.incident.host
    return (
        row.name,
        str(row.protection),
        lane.deeds,
        f"{lane.host} (dead)" if dead else lane.host,
        tables.seconds(row.seconds) if lane.bars else "-",
        _short(lane.why),
    )


def _short(why: str) -> str:
    """The first clause; the HTML report has it all."""
    return re.sub(r" \([^)]*\)", "", why).partition(";")[0].rstrip(".")
