"""A drill that acts: the policy lists the host, and its name is typed."""

from __future__ import annotations

import argparse
import io

import pytest
from ha_actions.deciders.policy import load
from ha_actions.errors import BadInput, HaError, Refused
from ha_installer import drill_cloud

LISTED = "version: 1\ndrill: {hosts: [c1]}\n"


@pytest.mark.parametrize(
    ("policy", "yes_cut", "kind", "says"),
    [
        ("version: 1\n", "c1", BadInput, "does not list host c1"),
        (LISTED, "c2", Refused, "'c2' is not the name of host c1"),
        (LISTED, "", Refused, "'' is not the name of host c1"),
        (LISTED, None, Refused, "give --yes-cut c1"),
        (LISTED, "c1", None, ""),
    ],
)
def test_leave_to_cut(
    policy: str,
    yes_cut: str | None,
    kind: type[HaError] | None,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("c1\n"))  # no terminal
    options = argparse.Namespace(host="c1", yes_cut=yes_cut, rescue=False)
    if kind is None:
        drill_cloud._permitted(options, load(policy))
        return
    with pytest.raises(kind, match=says):
        drill_cloud._permitted(options, load(policy))


def test_a_rescue_needs_the_name_but_no_list() -> None:
    options = argparse.Namespace(host="c1", yes_cut="c1", rescue=True)
    drill_cloud._permitted(options, load("version: 1\n"))
    options.yes_cut = "c2"
    with pytest.raises(Refused):
        drill_cloud._permitted(options, load("version: 1\n"))
