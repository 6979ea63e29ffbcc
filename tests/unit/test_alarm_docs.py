"""What the pages on alarms and for tenants say can be typed, and is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from ha_actions.settings import Recovery
from ha_alarms.delivery import Patience
from ha_alarms.target import Target, read_target
from ha_installer import cli
from ha_installer.tenant import EVENTS

ROOT = Path(__file__).parents[2]
ALARMS = (ROOT / "docs" / "alarms.md").read_text()
TENANTS = (ROOT / "docs" / "tenants.md").read_text()
EXAMPLE = "".join(
    p.read_text() for p in (ROOT / "alarms" / "examples").glob("*.yaml")
)
TYPED = sorted(
    set(re.findall(r"^(?:#\s+)?(ha-pack tenant .*)$", TENANTS + EXAMPLE, re.M))
)


@pytest.mark.parametrize("line", TYPED)
def test_a_command_is_one(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    options = cli._parser(words).parse_args(words)
    assert callable(options.run)


def test_the_pages_type_commands() -> None:
    assert {shlex.split(line)[2] for line in TYPED} == {"alarm", "protect"}


def test_every_event_has_its_row() -> None:
    for event in EVENTS:
        assert f"| `{event}` |" in TENANTS


def test_every_parameter_is_told() -> None:
    told = "alarm=whole&trait.a=b&input.c=d&json.e=1&namespace=n"
    assert read_target("w", told) == Target(
        "w",
        namespace="n",
        inputs={"c": "d", "e": 1},
        traits={"a": "b"},
        alarm_input="whole",
    )
    for word in ("alarm=INPUT", "trait.INPUT=", "input.INPUT=TEXT"):
        assert f"`{word}" in ALARMS
    assert "`json.INPUT=JSON`" in ALARMS
    assert "`namespace=NAME`" in ALARMS


def test_the_numbers_are_the_defaults() -> None:
    bounds = Patience()
    assert f"{bounds.tries} tries, {bounds.deadline_s:.0f} s" in ALARMS
    assert f"At most {bounds.waiting} alarms" in ALARMS
    minutes = Recovery().custom_s // 60
    assert TENANTS.count(f"{minutes} minutes") == 2


def test_every_answer_of_the_table_is_said_somewhere() -> None:
    """The first column quotes what the programs say."""
    source = "".join(
        p.read_text() for p in (ROOT / "installer").rglob("tenant*.py")
    )
    joined = re.sub(r'"\s*\n\s*(?:cure \+= |f)?"', "", source)
    rows = TENANTS.split("## When it says no")[1].splitlines()
    said = [r.split("|")[1].strip() for r in rows if r.startswith("| ")][2:]
    assert said
    for text in said:
        plain = text.replace("150 s", "").strip()
        assert plain in joined, text


def test_every_settings_file_is_named() -> None:
    for path in (ROOT / "alarms" / "settings").iterdir():
        assert f"`{path.name}`" in ALARMS
