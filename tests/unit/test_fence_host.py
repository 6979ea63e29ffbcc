"""Nobody is cut whom the last verdict does not call down."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from ha_actions.errors import Refused
from ha_actions.model import Ruling, Verdict
from ha_actions.records.incidents import Opened
from ha_actions.step_parts.run import Run
from ha_actions.steps.fence_host import FenceHost
from unit.fakes import NOW, Clock, Device, incident, small_outside


@pytest.mark.parametrize("ruling", [None, Ruling.ALIVE, Ruling.UNCERTAIN])
def test_no_cut_without_the_verdict(ruling: Ruling | None) -> None:
    clock = Clock()
    device = Device(clock)
    outside = small_outside(clock=clock, fences=[device])
    outside = replace(outside, cloud=cast(Any, lambda request: None))
    run = Run(outside, "e1", "me")
    one = incident()
    run.record.take(Opened(one, "e1"))
    run.record.keep(one.id, "opening", one)
    run.record.pin_policy("version: 1", one.policy)
    if ruling is not None:
        verdict = Verdict(host="c1", ruling=ruling, reason="so", at=NOW)
        run.record.keep(one.id, "verdict", verdict)
    with pytest.raises(Refused) as caught:
        FenceHost(incident=one.id).perform(run)
    assert caught.value.code == "no_verdict"
    assert "cut" not in device.calls
