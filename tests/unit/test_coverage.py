"""Which guests each class of evidence counts for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ha_actions.deciders.coverage import covers
from ha_actions.model import Evidence
from unit.fakes import guest, planned

LOCAL: dict[str, Any] = {"boot": "image"}
VOLUME: dict[str, Any] = {"boot": "volume", "volumes": ("v1",)}
DATA: dict[str, Any] = {"boot": "image", "volumes": ("v1",)}
EPHEMERAL: dict[str, Any] = {**VOLUME, "ephemeral_gb": 5}


@pytest.mark.parametrize(
    ("evidence", "disks", "shared", "behind", "counts"),
    [
        ("power", LOCAL, False, False, True),
        ("power", EPHEMERAL, False, False, True),
        ("operator", EPHEMERAL, False, False, True),
        ("storage", VOLUME, False, False, True),
        ("storage", LOCAL, True, False, True),
        ("storage", LOCAL, False, True, False),
        ("storage", DATA, False, True, False),
        ("storage", EPHEMERAL, False, True, False),
        ("network", LOCAL, False, False, True),
        ("network", LOCAL, True, False, False),
        ("network", VOLUME, False, False, False),
        ("network", DATA, False, False, False),
        ("network", EPHEMERAL, False, False, False),
        ("network", VOLUME, False, True, True),
        ("network", DATA, False, True, True),
        ("network", LOCAL, True, True, True),
    ],
)
def test_what_it_covers(
    evidence: str,
    disks: dict[str, Any],
    shared: bool,
    behind: bool,
    counts: bool,
) -> None:
    one = planned(guest(**disks))
    one = replace(one, choice=replace(one.choice, shared_disk=shared))
    found = covers(Evidence(evidence), one, storage_behind_ports=behind)
    assert found is counts
