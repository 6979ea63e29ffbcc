"""ha.end_stuck: executions that stand still for ever are ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.policy import load
from ha_actions.records import stuck
from ha_actions.step_parts.run import Run

DEADLINE_S = 80


@dataclass
class EndStuck(HaAction):
    """Cancel what an engine's death has left behind; its incident then goes
    on by its next attempt, and what never began is started anew.

    :returns: ``{ended: [execution], hosts: [inputs], servers: [inputs]}``:
        with which ``handle_host_failure`` and ``handle_instance_failure`` are
        to be started anew.
    """

    def perform(self, run: Run) -> dict[str, Any]:
        """A person hears of each: an engine must have died."""
        found: list[stuck.Ended] = []
        executions = run.outside.executions
        policy = load(run.patiently(run.record.policy_text, 20.0))
        if executions is not None:
            found = stuck.end_stuck(
                run.record,
                executions,
                run.outside.operator_projects,
                run.execution,
                policy.stuck_s,
            )
        for one in found:
            run.journal.tell(one.host, one.text, execution=one.flow.id)
        hosts = [e.again for e in found if e.again and "host" in e.again]
        servers = [e.again for e in found if e.again and "server" in e.again]
        return {
            "ended": [e.flow.id for e in found],
            "hosts": hosts,
            "servers": servers,
        }
