"""Twenty servers of one host, of every kind, and a person who starts their
recovery with the usual client: each gets what its owner chose, and it takes
hardly longer than a script that posts everything at once.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from many import PET, boot_all
from test_ten_servers import Watch, takes_servers, unheard

pytestmark = pytest.mark.lab_full

CATTLE = {"ha:protection": "cattle"}
IGNORE = {"ha:protection": "ignore"}
HOST, THEN = "host1", "host4"
"""Where they are, and after the recovery."""
PETS = {
    "off-0": "SHUTOFF",
    "off-1": "SHUTOFF",
    "paused": "PAUSED",
    **{f"pet-{n}": "ACTIVE" for n in range(8)},
}
HERD = [f"herd-{n}" for n in range(6)]
ALONE = ["alone-0", "alone-1"]
# The goal is 1.25; it is printed. A busy machine stretches it: this is the
# bar.
RATIO = 2.0


def boot_twenty(lab: ModuleType, ctl: ModuleType) -> dict[str, str]:
    """11 pets and one more on a volume, 6 of cattle, 2 to be left alone."""
    kinds = dict.fromkeys(PETS, PET) | dict.fromkeys(HERD, CATTLE)
    kinds |= dict.fromkeys(ALONE, IGNORE)
    posts = {
        name: partial(lab.post_server, name, HOST, metadata=tags)
        for name, tags in kinds.items()
    }
    posts["volume"] = partial(ctl.boot_from_volume, "volume", HOST)
    ids = boot_all(lab, posts)
    owner = lab.cloud("lab-tenant").compute
    owner.stop_server(ids["off-0"])
    owner.stop_server(ids["off-1"])
    owner.pause_server(ids["paused"])
    for name in ("off-0", "off-1", "paused"):
        lab.wait_server(ids[name], 60, status=PETS[name])
    return ids


def copies_of(lab: ModuleType, name: str, old: str) -> list[Any]:
    """The servers of that name beside the old one."""
    found = lab.cloud("lab").compute.servers(all_projects=True, name=name)
    return [s for s in found if s.id != old]


def plainly(lab: ModuleType, ids: dict[str, str]) -> float:
    """Seconds for the same, where the servers are now, by twenty threads
    with no care at all. The pack does not hear of this death, and has no part
    in it.
    """
    unheard()
    lab.pull_plug(THEN)
    lab.force_down(THEN)
    pets = {n: ids[n] for n in (*PETS, "volume")}
    compute = lab.cloud("lab").compute
    compute.post(  # a PAUSED one is refused otherwise
        f"/servers/{ids['paused']}/action",
        json={"os-resetState": {"state": "error"}},
        microversion=lab.MICROVERSION,
    )

    def again(name: str) -> None:
        new = lab.post_server(name, None, metadata=CATTLE)
        lab.wait_server(new, 120, status="ACTIVE")
        compute.delete_server(ids[name], ignore_missing=True)

    with Watch(lab, THEN, pets) as watch, ThreadPoolExecutor(20) as pool:
        began = time.time()
        jobs = [pool.submit(lab.evacuate, id) for id in pets.values()]
        jobs += [pool.submit(again, name) for name in HERD]
        for job in jobs:
            job.result()
        lab.until(lambda: len(watch.placed) == len(pets), 180, "all in place")
        return time.time() - began


def test_twenty_mixed_started_by_hand(full: ModuleType, figure: Any) -> None:
    import control as ctl

    lab = full
    ids = boot_twenty(lab, ctl)
    for host in ("host2", "host3"):
        takes_servers(lab, host, False)
    addresses = {n: ctl.addresses(ids[n]) for n in PETS}
    disks = ctl.volumes(ids["volume"])
    lab.pull_plug(HOST)
    lab.wait_host(HOST, "down", 30)
    mark = lab.call_mark()

    execution = ctl.openstack(
        "workflow", "execution", "create", ctl.FLOW, f'{{"host": "{HOST}"}}'
    )["ID"]
    output = ctl.wait(execution, 400)

    assert output["state"] == "closed", output
    for name in (*PETS, "volume"):
        now = lab.server(ids[name])
        state = PETS.get(name, "ACTIVE")
        assert (now["status"], now["task_state"]) == (state, None), now
        assert now["host"] == THEN
        running = [] if state == "SHUTOFF" else [now["host"]]
        assert lab.copies_running(ids[name]) == running
        assert len(ctl.evacuations(ids[name])) == 1
    assert {n: ctl.addresses(ids[n]) for n in PETS} == addresses
    assert ctl.volumes(ids["volume"]) == disks
    copied = {}
    for name in HERD:
        assert lab.server(ids[name]) is None
        (new,) = copies_of(lab, name, ids[name])
        copied[name] = new
        assert new.status == "ACTIVE"
        assert lab.copies_running(new.id) == [new.compute_host]
    for name in ALONE:
        assert lab.server(ids[name])["host"] == HOST
        assert copies_of(lab, name, ids[name]) == []
    calls = lab.calls_since(mark)
    posts = [c.at for c in calls if c.method == "POST"]
    last = [
        c.at for c in calls if c.method == "DELETE" and "/servers/" in c.path
    ]
    ours = max(last) - min(posts)

    for host in ("host2", "host3"):  # to one, all at once: minutes
        takes_servers(lab, host, True)
    floor = plainly(lab, ids | {n: s.id for n, s in copied.items()})

    figure(
        f"{len(calls)} Nova calls for 20 servers; first POST to the last "
        f"old server deleted {ours:.1f} s, plainly {floor:.1f} s, "
        f"ratio {ours / floor:.2f}"
    )
    assert ours / floor <= RATIO
