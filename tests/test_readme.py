"""What the documents say can be typed, opened and looked up."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from ha_installer import cli
from stories import FILES, ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = set(
    re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
)
SCENARIOS = {file.stem for file in FILES}


def commands() -> list[tuple[str, str]]:
    """(page, command) of every whole `ha-pack` line or code span."""
    found = []
    for page in PAGES:
        text = page.read_text()
        lines = re.findall(
            r"^(?: {4,})?(ha-pack [^#\n`]+?)(?:  +#.*)?$", text, re.M
        )
        spans = re.findall(r"`(ha-pack [^`\n]+)`", text)
        found += [(page.name, c.strip()) for c in lines + spans]
    return found


@pytest.mark.parametrize(("page", "command"), commands())
def test_a_command_can_be_typed(page: str, command: str) -> None:
    if re.search(r"[|\[…]|\.\.\.(?!\")", command):
        pytest.skip("a form with choices, not a command")
    words = shlex.split(command)[1:]
    assert words[0] in cli.VERBS, f"{page}: {command}"
    if len(words) > 1:
        cli._parser(words).parse_args(_finished(words))


def _finished(words: list[str]) -> list[str]:
    """A span may leave out what the page's context gives."""
    for more in ([], ["ID"], ["--cloud", "C"], ["ID", "--cloud", "C"]):
        try:
            cli._parser(words).parse_args([*words, *more])
        except SystemExit:
            continue
        return [*words, *more]
    return words


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_targets_exist(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link
    for target in re.findall(r"`make ([a-z][a-z-]+)`", text):
        assert target in TARGETS, target


def test_every_guarantee_names_proofs_that_exist() -> None:
    text = (ROOT / "README.md").read_text()
    rows = [
        r.split("|")
        for r in text.splitlines()
        if r.startswith("| ") and r.count("|") == 5
    ]
    word = r"`([a-z0-9-]+-[a-z0-9-]+)`"
    named = {w for row in rows for w in re.findall(word, row[3])}
    assert named, "the table of guarantees is gone"
    assert named <= SCENARIOS, named - SCENARIOS
    drills = {w for row in rows for w in re.findall(r"`(test_\w+)`", row[4])}
    written = "".join(
        p.read_text() for p in (ROOT / "tests" / "lab").glob("test_*.py")
    )
    assert drills, "no guarantee names a drill"
    missing = {d for d in drills if f"def {d}(" not in written}
    assert not missing
