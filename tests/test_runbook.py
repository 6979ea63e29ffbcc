"""docs/runbook.md has a row for every code that a person can be shown.

Codes are read from the source: of refusals, dismissals, and of outcomes that
failed or were refused.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parent.parent
RUNBOOK = ROOT / "docs" / "runbook.md"
WORD = re.compile(r"[a-z][a-z0-9_]+")
SAYS_NO = {"Refused", "_refuse", "refuse_host"}
"""Calls whose first argument is a code."""
ENDINGS = {"Result.FAILED", "Result.REFUSED", "State.HELD"}
"""A word right after one of these is a code."""
PROSPECTS = {"evacuated", "evacuated_reset"}
"""Words for what went well."""


def sources() -> Iterator[Path]:
    for folder in ("actions/ha_actions", "installer/ha_installer"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "sim" not in path.parts:
                yield path


def constants() -> dict[str, str]:
    """Module-level names -> their words; the same name, the same word."""
    found = {}
    for path in sources():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                value = node.value
                if isinstance(value, ast.Constant) and _is_word(value.value):
                    found[ast.unparse(node.targets[0])] = str(value.value)
    return found


def _is_word(value: object) -> bool:
    return isinstance(value, str) and WORD.fullmatch(value) is not None


NAMED = constants()


def word(node: ast.expr | None) -> set[str]:
    """The code that an expression is, if it is one."""
    if isinstance(node, ast.Constant) and _is_word(node.value):
        return {str(node.value)}
    if isinstance(node, ast.Name) and node.id in NAMED:
        return {NAMED[node.id]}
    if isinstance(node, ast.IfExp):
        return word(node.body) | word(node.orelse)
    return set()


def codes() -> dict[str, set[str]]:
    """Code -> files that say it."""
    found: dict[str, set[str]] = {}
    for path in sources():
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            for code in _codes_of(node):
                found.setdefault(code, set()).add(path.name)
    return found


def _codes_of(node: ast.AST) -> set[str]:
    found: set[str] = set()
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func).split(".")[-1]
        if called in SAYS_NO and node.args:
            found |= word(node.args[0])
        if called in ("Refusal", "Dismissal"):
            for keyword in node.keywords:
                if keyword.arg == "code":
                    found |= word(keyword.value)
        found |= _after_an_ending(node.args)
        if any(ast.unparse(a) in ENDINGS for a in node.args):
            for keyword in node.keywords:
                if keyword.arg == "code":
                    found |= word(keyword.value)
    if isinstance(node, ast.Assign):
        if [ast.unparse(t) for t in node.targets] == ["code"]:
            found |= word(node.value) - PROSPECTS
    if isinstance(node, ast.Tuple):
        found |= _after_an_ending(node.elts)
    if isinstance(node, ast.FunctionDef) and node.name == "_doubt":
        for inner in ast.walk(node):
            if isinstance(inner, ast.Return):
                found |= word(inner.value)
    return found


def _after_an_ending(nodes: list[ast.expr]) -> set[str]:
    found: set[str] = set()
    for one, then in pairwise(nodes):
        if ast.unparse(one) in ENDINGS:
            found |= word(then)
    return found


def rows() -> dict[str, list[str]]:
    """Code -> the cells of its row; a row may have several codes."""
    found = {}
    for line in RUNBOOK.read_text().splitlines():
        if not line.startswith("| `"):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for code in re.findall(r"`([a-z0-9_]+)`", cells[0]):
            assert code not in found, f"{code} has two rows"
            found[code] = cells
    return found


def test_the_source_is_read() -> None:
    """Else the test below would hold for a reader that finds nothing."""
    found = codes()
    assert len(found) > 60
    for code in ("disarmed", "stale", "too_many_down", "alive", "unfinished"):
        assert code in found


def test_every_code_has_a_row() -> None:
    missing = {c: sorted(f) for c, f in codes().items() if c not in rows()}
    assert missing == {}


def test_no_row_is_of_a_code_that_nobody_says() -> None:
    assert sorted(set(rows()) - set(codes())) == []


def test_every_row_says_what_it_means_what_is_safe_and_what_to_do() -> None:
    for code, cells in rows().items():
        assert len(cells) == 4, f"{code}: {cells}"
        assert all(len(cell) > 3 for cell in cells[1:]), code


def test_its_commands_are_commands() -> None:
    from ha_installer.cli import VERBS

    used = set(re.findall(r"`ha-pack ([a-z-]+)", RUNBOOK.read_text()))
    assert used
    assert used <= set(VERBS)
