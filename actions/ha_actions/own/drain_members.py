"""ha.own.drain_members: a custom server's members get weight 0."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from ha_actions.action import OwnAction
from ha_actions.deciders.membership import to_drain
from ha_actions.outside import Own
from ha_actions.own.replacement import Replacement

DEADLINE_S = 150


@dataclass
class DrainMembers(OwnAction):
    """Take a server whose host is down out of its pools' service.

    Never the last member that serves, and none that its health monitor calls
    ONLINE. With the execution's own token.

    :param server: its id; tagged ``ha:protection=custom``.
    :param event: ``<% env().event %>``: host_down or host_fenced of it.
    :returns: ``{outcome, drained, spared}``: ``done`` or ``already``, how
        many members, and why others keep their weight, by member id.
    """

    server: str
    event: Any

    def perform(self, own: Own) -> dict[str, Any]:
        """One change for each load balancer."""
        swap = Replacement(own, self.server, self.event)
        with swap.claimed() as claim:
            if swap.old is None:
                return {"outcome": "already", "drained": 0, "spared": {}}
            members = swap.members()
            swap.remember(swap.old, members)
            found = to_drain([swap.old], members)
            zero: dict[str, dict[str, int]] = defaultdict(dict)
            for member in found.chosen:
                zero[member.lb][member.id] = 0
            for lb, weights in sorted(zero.items()):
                swap.cloud.set_weights(lb, weights, claim)
        return {
            "outcome": "done" if found.chosen else "already",
            "drained": len(found.chosen),
            "spared": dict(found.spared),
        }
