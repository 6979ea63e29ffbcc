"""The policy says where pets go and how they start: placed stopped on the
spare host that is kept for it, looked at, and only then started.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import ModuleType

import pytest
from many import PET, boot_all
from test_pets import rows

pytestmark = pytest.mark.lab_full

SPARE = "host4"
RECOVERY_S = 240


@pytest.fixture
def spares(full: ModuleType) -> Iterator[str]:
    """The aggregate of one host, which its operator keeps as a spare."""
    compute = full.cloud("lab").compute
    found = compute.find_aggregate("spares")
    made = found or compute.create_aggregate(name="spares")
    if SPARE not in (made.hosts or []):
        compute.add_host_to_aggregate(made.id, SPARE)
    service = full.compute_service(SPARE)["id"]
    compute.disable_service(service, disabled_reason="reserved for failover")
    yield "spares"
    compute.enable_service(service)
    compute.remove_host_from_aggregate(made.id, SPARE)
    compute.delete_aggregate(made.id)


def test_placed_stopped_on_a_spare_and_then_started(
    full: ModuleType, spares: str
) -> None:
    import control as ctl
    from rig import settings

    lab = full
    rack = next(r for r, hosts in settings.RACKS.items() if "host1" in hosts)
    recovery = {"start": "check", "targets": {rack: spares}}
    ctl.set_policy(recovery=recovery)
    post = partial(lab.post_server, metadata=PET)
    ids = boot_all(
        lab,
        {
            "runs": partial(post, "runs", "host1"),
            "paused": partial(post, "paused", "host1"),
            "off": partial(ctl.boot_from_volume, "off", "host1"),
        },
    )
    owner = lab.cloud("lab-tenant").compute
    owner.pause_server(ids["paused"])
    owner.stop_server(ids["off"])
    lab.wait_server(ids["paused"], 60, status="PAUSED")
    lab.wait_server(ids["off"], 60, status="SHUTOFF")
    lab.pull_plug("host1")
    mark = lab.call_mark()
    output = ctl.wait(ctl.by_alarm("host1"), RECOVERY_S)

    told = rows(ctl.report(output["incident"]))
    print(output["summary"], {n: r["reason"] for n, r in told.items()})
    assert output["state"] == "closed", output
    for name, status in (
        ("runs", "ACTIVE"),
        ("paused", "PAUSED"),
        ("off", "SHUTOFF"),
    ):
        now = lab.server(ids[name])
        assert (now["status"], now["task_state"]) == (status, None), now
        assert now["host"] == SPARE
        running = [] if status == "SHUTOFF" else [SPARE]
        assert lab.copies_running(ids[name]) == running
        assert len(ctl.evacuations(ids[name])) == 1
    service = lab.compute_service(SPARE)
    assert service["status"] == "enabled", "the spare was needed"
    started = [
        c
        for c in lab.calls_since(mark)
        if c.method == "POST" and c.path.endswith("/action")
    ]
    # reset of the paused one, three evacuations, two starts, one pause
    assert len(started) >= 6, started
