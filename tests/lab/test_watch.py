"""The real ha-watch over the full lab: a host dies, nobody posts anything, and
the incident is opened once, handled once, and told.
"""

from __future__ import annotations

import time
from types import ModuleType
from typing import Any

import pytest
from many import PET
from test_chain import starts

pytestmark = pytest.mark.lab_full

LEASE_S = 3


def test_a_host_dies_and_nobody_does_anything(
    full: ModuleType, ctl: ModuleType, w: ModuleType, run: Any, figure: Any
) -> None:
    """The whole chain: the power goes; `ha-watch` as installed and two more,
    the broker, Aodh, the plug-in, Mistral, the server elsewhere. One incident.
    """
    mark = w.mark()
    ctl.start_service("ha-watch")
    for _ in range(2):
        run.start("watch", {"timing": w.TIMING})
    id = full.boot("db", "host1", metadata=PET)
    run.quiet_is_over()
    assert ctl.incidents() == []
    began = time.time()
    full.pull_plug("host1")
    took = w.stages("host1", began, run, 0)
    assert took["incident open"] < w.bar(w.NOVA_DOWN_S + 2)
    w.handled_once(id, "host1", mark)
    took["closed"] = round(time.time() - began, 1)
    figure(f"seconds after the power went, three watches: {took}")
    # our own force-down is an event too; it meets the open incident
    told = {"compute.service.down", "service.update"}
    assert set(starts(ctl, mark)) <= told


def test_without_aodh_the_watch_starts_it(
    full: ModuleType, ctl: ModuleType, w: ModuleType, run: Any, figure: Any
) -> None:
    """Isolated, not cut: the BMC still reads On, so Nova must say it first."""
    mark = w.mark()
    ctl.kill_service("aodh-listener")
    try:
        run.start("watch", {"timing": w.TIMING})
        id = full.boot("db", "host2", metadata=PET)
        run.quiet_is_over()
        began = time.time()
        full.isolate("host2")
        took = w.stages("host2", began, run, 0)
        figure(f"isolated -> incident open, no Aodh: {took}")
        # Nova's word, and the grace in which Aodh could have done it
        limit = w.NOVA_DOWN_S + w.TIMING["grace_s"] + 2
        assert took["incident open"] < w.bar(limit)
        w.handled_once(id, "host2", mark)
    finally:
        ctl.start_service("aodh-listener")


def test_a_beat_finds_a_death_sooner(
    full: ModuleType, ctl: ModuleType, w: ModuleType, run: Any, figure: Any
) -> None:
    mark = w.mark()
    url = f"memcached://{w.settings.MEMCACHED}"
    asked = ["compute_service", "bmc_power", "tooz_beat"]
    witnesses = {"beat_url": url, "ask": asked, "veto": ["compute_service"]}
    ctl.set_policy(witnesses=witnesses)
    beats = {
        host: run.start("beat", {"url": url, "host": host, "lease_s": LEASE_S})
        for host in w.settings.HOSTS
    }
    run.start("watch", {"timing": w.TIMING, "beat_url": url})
    id = full.boot("db", "host3", metadata=PET)
    run.quiet_is_over()
    began = time.time()
    full.pull_plug("host3")
    beats["host3"].kill()
    took = w.stages("host3", began, run, len(beats))
    figure(f"power off -> incident open, a beat of {LEASE_S} s: {took}")
    assert took["incident open"] < w.bar(6)
    w.handled_once(id, "host3", mark)
