"""A rolling restart of 500 nova-computes fences nobody.

A hasty monitor sends an alarm for each, and reconcile runs each minute.
"""

from __future__ import annotations

from ha_actions.sim.scenario import load
from stories import POLICY, played

HOSTS, AT_ONCE, AWAY_S, EVERY_S = 500, 25, 45, 60


def scenario() -> str:
    names = [f"c{n}" for n in range(HOSTS)]
    lines = ["why: A rolling restart.", "world:", "  hosts:"]
    lines += [f"    {name}: {{}}" for name in names]
    lines += ["  guests:"]
    lines += [
        f"    g{n}: {{on: c{n}, protection: pet, boot: volume}}"
        for n in range(0, HOSTS, 25)
    ]
    steps = []
    for batch, first in enumerate(range(0, HOSTS, AT_ONCE)):
        at = 10 + batch * EVERY_S
        for name in names[first : first + AT_ONCE]:
            steps.append((at, f"nova-compute {name} stop"))
            steps.append((at + AWAY_S, f"nova-compute {name} start"))
        steps.append((at + 30, f"alarm host_down {names[first]}"))
        steps.append((at + 35, "reconcile"))
    lines += ["script:"]
    lines += [f"  - {{at: {at}, do: {do}}}" for at, do in sorted(steps)]
    return "\n".join(lines) + "\n"


def test_it_fences_nobody() -> None:
    told = played(load(scenario(), POLICY, "rolling restart"))
    said = [(line["kind"], line["text"]) for line in told.trace]
    assert sum(kind == "verdict" for kind, _ in said) == HOSTS // AT_ONCE
    assert [text for kind, text in said if kind in ("fence", "proof")] == []
    assert {g["outcome"] for g in told.guests.values()} == {"untouched"}
    assert [c for c in told.checks if not c["ok"]] == []
