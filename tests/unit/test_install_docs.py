"""docs/install.md names files, options and verbs that there are."""

from __future__ import annotations

import re
from pathlib import Path

from ha_installer.cli import VERBS, _parser

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "install.md").read_text()


def test_its_files_are_there() -> None:
    named = set(
        re.findall(r"`((?:alarms|deploy|docs)/[\w./-]+)`", TEXT)
    ) | set(re.findall(r"`(\w+\.example\.yaml)`", TEXT))
    assert len(named) >= 4
    missing = {n for n in named if not (ROOT / n).exists()}
    assert missing == set()
    rows = re.findall(r"^\| (`[a-z_]+\.(?:conf|yaml)`[^|]*)\|", TEXT, re.M)
    settings = {f for row in rows for f in re.findall(r"`([^`]+)`", row)}
    assert len(settings) >= 5
    for name in settings:
        assert (ROOT / "alarms" / "settings" / name).exists(), name


def test_its_commands_can_be_typed() -> None:
    block = re.findall(r"```\n(.*?)```", TEXT, re.S)
    lines = [
        line.split("#")[0].split()
        for text in block
        for line in text.splitlines()
        if line.startswith("ha-pack ")
    ]
    assert len(lines) >= 4
    for words in lines:
        assert _parser(words[1:]).parse_args(words[1:]).verb == words[1]


def test_its_verbs_are_verbs() -> None:
    used = set(re.findall(r"ha-pack ([a-z][a-z-]+)", TEXT))
    assert used - {"managed"} <= set(VERBS)
