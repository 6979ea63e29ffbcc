"""The BMCs' other door: IPMI. The same power, the same lies."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from many import PET

pytestmark = pytest.mark.lab_full


def door(host: str) -> Any:
    """The pack's own IPMI fence of a lab host."""
    from ha_actions.adapters.clock import SystemClock
    from ha_actions.fences.ipmi import IpmiFence
    from rig.services import mistral

    entry = mistral._ipmi(host)
    del entry["kind"]
    return IpmiFence(host, entry, SystemClock())


def test_both_doors_tell_of_one_power(full: ModuleType) -> None:
    from ha_actions.model import Power

    ipmi = door("host1")
    assert ipmi.power().power is Power.ON
    full.power_off("host1")
    assert ipmi.power().power is Power.OFF
    assert door("host2").power().power is Power.ON
    full.power_on("host1")
    assert ipmi.power().power is Power.ON
    full.bmc_mood("host3", "dead")
    assert door("host3").power().power is Power.UNKNOWN
    full.bmc_mood("host4", "lies")
    full.power_off("host4")
    assert (full.power("host4"), full.bmc_power("host4")) == ("On", "Off")
    assert door("host4").power().power is Power.OFF, "one lie for both doors"


def test_an_isolated_host_is_cut_over_ipmi(full: ModuleType) -> None:
    import control
    from rig.services import mistral

    lab = full
    mistral.write_fences("ipmi")
    id = lab.boot("db", "host1", metadata=PET)
    asked = lab.bmc_mark()
    lab.isolate("host1")
    lab.wait_host("host1", "down", 30)
    report = control.wait(control.by_alarm("host1"))
    assert report["execution_state"] == "SUCCESS", report
    orders = [a["what"] for a in lab.bmc_actions(asked)]
    assert "order ipmi off" in orders
    assert "order ForceOff" not in orders
    assert lab.power("host1") == "Off"
    moved = lab.server(id)
    assert moved["host"] != "host1" and moved["status"] == "ACTIVE"
    assert lab.copies_running(id) == [moved["host"]]
