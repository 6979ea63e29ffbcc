"""ha.own.add_members: the new server gets the old one's places in pools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import OwnAction
from ha_actions.deciders import own as rules
from ha_actions.errors import Transient
from ha_actions.model import Claim, Guest, Member
from ha_actions.outside import Own
from ha_actions.own.replacement import Replacement

DEADLINE_S = 150


@dataclass
class AddMembers(OwnAction):
    """Enter the new server wherever the old one is a member.

    Same port, weight, monitor and backup flag. The old member stays, drained,
    until ha.own.retire_server.

    :returns: ``{outcome, added}``: ``done`` or ``already``, how many.
    """

    server: str
    event: Any

    def perform(self, own: Own) -> dict[str, Any]:
        """One change for each load balancer."""
        swap = Replacement(own, self.server, self.event)
        with swap.claimed() as claim:
            if swap.old is None:
                return {"outcome": "already", "added": 0}
            copy = swap.copy
            if copy is None or not rules.runs(copy):
                if copy is not None:
                    rules.broken(copy)
                raise Transient(
                    "not_ready", "The new server does not run yet."
                )
            added = _enter(swap, swap.old, copy, claim)
        return {"outcome": "done" if added else "already", "added": added}


def _enter(swap: Replacement, old: Guest, copy: Guest, claim: Claim) -> int:
    members = swap.members()
    notes = swap.remember(old, members)
    there = {(m.pool, m.address, m.port): m for m in members}
    new: dict[str, list[Member]] = {}
    weights: dict[str, dict[str, int]] = {}
    for member in rules.wanted(old, copy, members, notes.weights):
        known = there.get((member.pool, member.address, member.port))
        if known is None:
            new.setdefault(member.lb, []).append(member)
        elif known.weight != member.weight:
            weights.setdefault(member.lb, {})[known.id] = member.weight
    for lb, mine in sorted(new.items()):
        swap.cloud.add_members(lb, mine, claim)
    for lb, changed in sorted(weights.items()):
        swap.cloud.set_weights(lb, changed, claim)
    return sum(len(mine) for mine in (*new.values(), *weights.values()))
