"""ha.drain_members: no new connections to guests of a host that is down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.errors import HaError
from ha_actions.step_parts.draining import drain
from ha_actions.step_parts.run import Run

DEADLINE_S = 280


@dataclass
class DrainMembers(HaAction):
    """Weight 0 for their members; the old weights go to the ledger first.

    Never the last serving member of a pool, and never one that its health
    monitor calls ONLINE. A load balancer that refuses is noted and does not
    stop the recovery.
    :returns: ``{drained: number}``.
    """

    incident: str

    def perform(self, run: Run) -> dict[str, Any]:
        """Of every pool; what was drained on suspicion stays so."""
        incident = run.incident(self.incident)
        if incident.dry_run:
            return {"drained": 0}
        try:
            found = run.patiently(run.cloud(incident).members, for_s=10)
        except HaError as error:
            run.journal.note(
                "drain", incident.host, f"not drained: {error.message}"
            )
            return {"drained": 0}
        return {"drained": drain(run, incident, found)}
