"""Cattle on the full lab: replaced beside a fence that proves nothing, with
what a copy needs; the old server goes once there is a proof.
"""

from __future__ import annotations

import base64
import time
from types import ModuleType
from typing import Any

import pytest
from test_pools import Pool

pytestmark = pytest.mark.lab_full

CATTLE = {"ha:protection": "cattle"}
DATA = base64.b64encode(b"#!/bin/sh\necho known to its owner alone\n").decode()
# The goal is 3 s, printed; a busy machine stretches it. This is the bar.
DRAINED_S = 8.0
"""From the verdict to weight 0, accepted by Octavia."""


def body_of(lab: ModuleType, id: str) -> dict[str, Any]:
    """The whole record, as an administrator sees it."""
    answer = lab.cloud("lab").compute.get(
        f"/servers/{id}", microversion=lab.MICROVERSION
    )
    return dict(answer.json()["server"])


def copies(lab: ModuleType, old: str) -> list[Any]:
    """Servers that were made in its place."""
    found = lab.cloud("lab").compute.servers(all_projects=True)
    return [s for s in found if (s.metadata or {}).get("ha:replaces") == old]


def test_cattle_serves_though_nothing_is_proven(
    full: ModuleType, figure: Any
) -> None:
    import control as ctl

    lab = full
    old = lab.post_server(
        "herd",
        "host1",
        metadata=CATTLE,
        user_data=DATA,
        config_drive=True,
        tags=["gold"],
        description="a web server",
        hostname="www",
    )
    other = lab.post_server("other", "host2", metadata=CATTLE)
    for id in (old, other):
        lab.wait_server(id, 120, status="ACTIVE")
    before = body_of(lab, old)
    address = {id: ctl.addresses(id)[0] for id in (old, other)}
    pool = Pool(lab)
    pool.add("herd", address[old], 3)
    pool.add("other", address[other], 3)
    pool.monitor()
    lab.until(
        lambda: {s for _, s in pool.members().values()} == {"ONLINE"},
        60,
        lambda: f"all members being ONLINE: {pool.members()}",
    )
    lab.bmc_mood("host1", "dead")
    lab.pull_plug("host1")
    # a monitor that still calls it ONLINE would keep it in service
    lab.until(
        lambda: pool.members()[address[old]][1] != "ONLINE",
        60,
        lambda: f"the dead member being noticed: {pool.members()}",
    )
    execution = ctl.by_alarm("host1")
    ctl.begun(execution, "drain_members")
    began = time.monotonic()
    lab.until(
        lambda: pool.members()[address[old]][0] == 0,
        30,
        lambda: f"the dead member being drained: {pool.members()}",
    )
    took = time.monotonic() - began
    figure(f"drained {took:.1f} s after the verdict")
    assert took < DRAINED_S

    new = lab.until(
        lambda: [s for s in copies(lab, old) if s.status == "ACTIVE"],
        120,
        "a new server in its place",
    )[0]
    moved = ctl.addresses(new.id)[0]
    lab.until(
        lambda: pool.members().get(moved) == (3, "ONLINE"),
        60,
        lambda: f"the new member being ONLINE: {pool.members()}",
    )
    # the fence has not ended: nothing is proven, and the old server is kept
    assert ctl.task_states(execution)["fence_host"] == "RUNNING"
    assert body_of(lab, old)["id"] == old
    made = body_of(lab, new.id)
    for key in (
        "OS-EXT-SRV-ATTR:user_data",
        "config_drive",
        "description",
        "key_name",
        "OS-EXT-SRV-ATTR:hostname",
    ):
        assert made[key] == before[key], key
    assert "gold" in made["tags"]
    assert made["tenant_id"] == before["tenant_id"]

    output = ctl.wait(execution, 300)
    assert output["state"] == "held", output
    told = ctl.report(output["incident"])
    assert DATA not in str(told)
    assert address[old] in pool.members()

    lab.bmc_mood("host1", "ok")
    again = ctl.start({"resume": output["incident"]})
    output = ctl.wait(again, 300)
    assert output["state"] == "closed", output
    assert lab.server(old) is None
    assert len(copies(lab, old)) == 1
    assert set(pool.members()) == {moved, address[other]}
