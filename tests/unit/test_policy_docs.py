"""docs/policy.md says what the schema and the code say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ha_actions.codec import from_json
from ha_actions.deciders.explain import explain
from ha_actions.deciders.policy import load
from ha_actions.deciders.policy_tags import TAGS
from ha_actions.deciders.prospects import CODES
from ha_actions.model import Aggregate, Guest
from ha_installer.policy_docs import main, renew

PAGE = Path(__file__).parents[2] / "docs" / "policy.md"
TEXT = PAGE.read_text()
BLOCKS = {
    name: body
    for name, body in re.findall(r"```\w+ (\w+)\n(.*?)\n```", TEXT, re.S)
}


def test_the_settings_are_up_to_date() -> None:
    assert renew(TEXT) == TEXT
    assert main([str(PAGE), "--check"]) == 0


def test_an_old_page_is_told_and_renewed(tmp_path: Path) -> None:
    page = tmp_path / "policy.md"
    page.write_text(TEXT.replace("`hosts_down`", "`hosts_dwon`"))
    assert main([str(page), "--check"]) == 1
    assert main([str(page)]) == 0
    assert page.read_text() == TEXT


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks"):
        renew("# nothing")


def test_the_worked_example_is_true() -> None:
    policy = load(BLOCKS["policy"])
    guest = from_json(Guest, yaml.safe_load(BLOCKS["guest"]), "guest")
    gold = from_json(
        Aggregate, yaml.safe_load(BLOCKS["aggregate"]), "aggregate"
    )
    assert explain(guest, policy, [gold]) == BLOCKS["explained"]


def test_every_tag_and_code_is_listed() -> None:
    for tag in TAGS.values():
        row = next(
            r for r in TEXT.splitlines() if r.startswith(f"| `{tag.key}`")
        )
        assert all(f"`{value}`" in row for value in tag.values)
    for code, meaning in CODES.items():
        assert f"| `{code}` | {meaning} |" in TEXT
