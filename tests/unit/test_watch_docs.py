"""docs/watch.md says what the schemas and the code say."""

from __future__ import annotations

import re
from pathlib import Path

from ha_alarms import watch_events, watch_metrics
from ha_installer.policy_docs import main, renew

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "watch.md"
TEXT = PAGE.read_text()


def test_the_settings_are_up_to_date() -> None:
    assert renew(TEXT, "watch.md") == TEXT
    assert main([str(PAGE), "--check"]) == 0


def test_every_metric_and_event_is_there() -> None:
    names = [*watch_metrics.GAUGES, watch_metrics.FAILURES[0]]
    names += watch_metrics.COUNTERS
    names += [watch_events.GUEST_DOWN, watch_events.HOST_UP]
    assert [name for name in names if name not in TEXT] == []


def test_every_code_that_a_person_is_told_has_a_row() -> None:
    rows = set(
        re.findall(
            r"`(\w+)`",
            "".join(
                line.split("|")[1]
                for line in TEXT.splitlines()
                if line.startswith("| `")
            ),
        )
    )
    folder = ROOT / "alarms" / "ha_alarms"
    source = "".join(p.read_text() for p in folder.glob("watch*.py"))
    told = set(re.findall(r'\btell\(\s*"(\w+)"', source))
    told |= set(
        re.findall(r'\(\s*"(unprotected|disarmed|\w+_handled)"', source)
    )
    assert {"held", "sick", "blind", "not_handled"} <= told
    assert told <= rows


def test_the_units_run_what_is_installed() -> None:
    setup = (ROOT / "setup.py").read_text()
    for unit in (ROOT / "alarms" / "systemd").glob("*.service"):
        [command] = re.findall(
            r"ExecStart=/usr/bin/env (\S+)", unit.read_text()
        )
        assert f'"{command} = ' in setup
