"""The witnesses once more, after the devices read Off."""

from __future__ import annotations

from dataclasses import replace

from ha_actions.deciders.judge import NOVA
from ha_actions.model import Host, Incident, Says, Testimony
from ha_actions.ports import Cloud
from ha_actions.settings import Policy
from ha_actions.step_parts.run import Run


def hear_after_off(
    run: Run, incident: Incident, policy: Policy, cloud: Cloud
) -> list[Testimony]:
    """Every witness; none compares with a look that misses a heartbeat.

    A service of which nothing has moved since the verdict has not moved since
    Off: one look at Nova then says what takes two. If anything has, they are
    heard again, and compare with a look that is later than Off. Nova's alone
    compares: whoever else said ``alive`` is not made to take it back.
    """
    judged = run.record.part(incident.id, "judged", Host)
    if judged is None:
        return run.hear(policy, cloud, run.host_now(incident, cloud))
    began = run.clock.now()
    heard = run.hear(policy, cloud, judged)
    # a witness may have just asked: one listing serves both
    now = run.host_now(incident, cloud, run.clock.now() - began)
    if replace(judged, up=now.up, aggregates=()) == now:
        return heard
    stays = {
        one.witness: one
        for one in heard
        if one.says is Says.ALIVE and one.witness != NOVA
    }
    again = run.hear(policy, cloud, now)
    return [stays.get(one.witness, one) for one in again]
