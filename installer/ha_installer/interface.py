"""What a workbook asks of the installed actions. Pure.

Within ``v1`` inputs only grow: an execution that runs on keeps its old
workflow, and must find each input that it passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from ha_actions.sim.expressions import INLINE

Interface = Mapping[str, Mapping[str, list[str]]]
"""Action -> ``{need: [inputs], may: [inputs]}``."""


def wanted(text: str, known: Interface) -> dict[str, set[str]]:
    """Action -> the inputs that a workbook passes to it.

    Where the action is an expression, every step of a batch is meant.
    """
    found: dict[str, set[str]] = {}
    steps = [n for n, spec in known.items() if "batch" in spec["need"]]
    for flow in yaml.safe_load(text)["workflows"].values():
        for task in flow["tasks"].values():
            action = task.get("action")
            if action is None:
                continue
            names = steps if INLINE.search(str(action)) else [str(action)]
            for name in names:
                if name.startswith("ha."):
                    passed = found.setdefault(name, set())
                    passed |= set(task.get("input") or {})
    return found


def shrunk(old: Interface, new: Interface) -> list[str]:
    """What executions that still run would miss, one sentence each."""
    lines = []
    for name, before in sorted(old.items()):
        after = new.get(name)
        if after is None:
            lines.append(f"the action {name} is gone")
            continue
        takes = {*after["need"], *after["may"]}
        had = {*before["need"], *before["may"]}
        lines += [
            f"{name} has no input {one!r} any more"
            for one in sorted(had - takes)
        ]
        lines += [
            f"{name} now needs {one!r}"
            for one in sorted(set(after["need"]) - set(before["need"]))
        ]
    return lines


def of(facts: Mapping[str, Any]) -> Interface:
    """The interface that an engine's or executor's answer tells."""
    found: Interface = facts.get("actions", {})
    return found
