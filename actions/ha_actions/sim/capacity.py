"""``ports.Capacity`` over the simulated world: a slot is one VCPU."""

from __future__ import annotations

from collections.abc import Iterable

from ha_actions.model import Guest
from ha_actions.model.capacity import Need, Room
from ha_actions.sim.world import World

SLOT = Need((("MEMORY_MB", 2048), ("VCPU", 1)))
"""What every simulated guest takes; a host has ``slots`` times as much."""


class SimCapacity:
    """Placement as it would see the world at this moment."""

    def __init__(self, world: World) -> None:
        self.world = world

    def needs(self, host: str) -> dict[str, Need]:
        """Guest id -> what it has allocated on the host."""
        self.world.calls["needs"] += 2
        return dict.fromkeys(self.world.host(host).domains, SLOT)

    def rooms(self, need: Need) -> list[Room]:
        """Hosts with at least one free slot; none has any trait."""
        self.world.calls["rooms"] += 1
        if need.required or self.world.no_host:
            return []
        left = {
            h.name: h.slots - len(h.domains) - h.reserved
            for h in self.world.hosts.values()
            if h.enabled and not h.forced_down
        }
        return [
            Room(
                host=name,
                free={kind: n * slots for kind, n in SLOT.resources},
            )
            for name, slots in left.items()
            if slots > 0
        ]

    def group_places(self, groups: Iterable[str]) -> dict[str, dict[str, str]]:
        """Server group id -> its members' ids and the hosts they are on."""
        wanted = set(groups)
        found: dict[str, dict[str, str]] = {group: {} for group in wanted}
        for g in self.world.guests.values():
            if g.group is not None and g.group.id in wanted and g.host:
                found[g.group.id][g.id] = g.host
        self.world.calls["group_places"] += len(wanted)
        return found

    def guests_of(self, project: str) -> list[Guest]:
        """Every server of a project."""
        self.world.calls["guests_of"] += 3
        return [
            g.value()
            for g in self.world.guests.values()
            if g.project == project
        ]
