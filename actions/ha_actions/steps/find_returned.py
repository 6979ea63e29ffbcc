"""ha.find_returned: hosts that were put out and are heard from again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.returning import moved
from ha_actions.model import Host, Incident, Refusal
from ha_actions.step_parts.returns import (
    LIFTED,
    MINUTE_S,
    WAITING,
    Lifted,
    out_by,
    policy_now,
)
from ha_actions.step_parts.run import Run

DEADLINE_S = 280
A_PERSON = frozenset({"flapping"})
"""Refusals that only a person ends: not looked at each minute."""


@dataclass
class FindReturned(HaAction):
    """Forced down by a closed incident of ours, and the heartbeat moves.

    :returns: ``{hosts: [name]}``.
    """

    def perform(self, run: Run) -> dict[str, Any]:
        """One listing of the hosts; the ledger for those that are out."""
        if not policy_now(run).returning.automatic:
            return {"hosts": []}
        cloud = run.outside.cloud("")
        found = []
        for host in run.patiently(
            lambda: cloud.hosts(brief=True, max_age_s=MINUTE_S)
        ):
            if not host.forced_down or run.record.opened(host.name):
                continue
            incident = out_by(run, host)
            if incident is not None and self._heard(run, host, incident):
                found.append(host.name)
        return {"hosts": found}

    def _heard(self, run: Run, host: Host, incident: Incident) -> bool:
        if run.record.part(incident.id, LIFTED, Lifted) is not None:
            return False  # somebody else has forced it down since
        waiting = run.record.part(incident.id, WAITING, Refusal)
        if waiting is not None and waiting.code in A_PERSON:
            return False
        marked = run.record.part(incident.id, "marked", Host)
        return marked is not None and moved(marked, host)
