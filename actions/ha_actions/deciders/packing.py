"""Would they fit? Guests put onto hosts as Nova's scheduler does. Pure.

Placement says who could take *one* guest of a kind; here many are placed one
after another, each on the host with the most free memory (Nova's default
weigher), and room that is taken is gone. Hard server groups and availability
zones hold. Not seen: NUMA cells, PCI devices that Placement does not count,
the operator's own filters and weighers.

Source: nova, weights/ram.py; ServerGroup(Anti)AffinityFilter.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ha_actions.model import Guest, Host
from ha_actions.model.capacity import Need, Room

MEMORY = "MEMORY_MB"


@dataclass(frozen=True)
class Seat:
    """Where one guest would go, or why nowhere."""

    host: str = ""
    why: str = ""
    cure: str = ""


class Packer:
    """Hosts that fill up as guests are seated.

    :param rooms: need -> hosts that could take one such guest now.
    :param places: server group -> member -> its host, as it is now.
    :param dying: hosts that are out, and their guests' seats with them.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        rooms: Mapping[Need, Sequence[Room]],
        places: Mapping[str, Mapping[str, str]],
        dying: Collection[str],
    ) -> None:
        self._zones = {
            h.name: h.zone
            for h in hosts
            if h.up and h.enabled and not h.forced_down and h.name not in dying
        }
        self._free: dict[str, dict[str, int]] = {}
        for found in rooms.values():
            for room in found:
                if room.host in self._zones:
                    self._free.setdefault(room.host, dict(room.free))
        self._able = {
            need: {r.host for r in found} & set(self._zones)
            for need, found in rooms.items()
        }
        self._full: set[tuple[Need, str]] = set()
        self._heap = [(-f.get(MEMORY, 0), h) for h, f in self._free.items()]
        heapq.heapify(self._heap)
        self._groups = {
            group: [h for h in members.values() if h not in dying]
            for group, members in places.items()
        }

    def seat(self, guest: Guest, need: Need) -> Seat:
        """Put a guest where Nova would, and take its room."""
        if not need.resources:
            return Seat(
                why="Placement has no allocation of it, so nobody knows "
                "whether it would fit",
                cure="the operator heals its allocations: nova-manage "
                "placement heal_allocations",
            )
        if (need, guest.zone) in self._full:
            return self._nowhere(guest, need)
        host = self._choose(guest, need)
        if not host:
            if guest.group is None:  # for a group others may be allowed
                self._full.add((need, guest.zone))
            return self._nowhere(guest, need)
        free = self._free[host]
        for kind, amount in need.resources:
            free[kind] = free.get(kind, 0) - amount
        heapq.heappush(self._heap, (-free.get(MEMORY, 0), host))
        if guest.group is not None:
            self._groups.setdefault(guest.group.id, []).append(host)
        return Seat(host=host)

    def _choose(self, guest: Guest, need: Need) -> str:
        """The fitting host with the most free memory, off the heap."""
        aside: list[tuple[int, str]] = []
        chosen = ""
        while self._heap:
            weight, host = heapq.heappop(self._heap)
            if -weight != self._free[host].get(MEMORY, 0):
                continue  # an older entry of the same host
            if self._fits(guest, need, host):
                chosen = host
                break
            aside.append((weight, host))
        for entry in aside:
            heapq.heappush(self._heap, entry)
        return chosen

    def _fits(self, guest: Guest, need: Need, host: str) -> bool:
        free = self._free[host]
        return (
            host in self._able.get(need, ())
            and (not guest.zone or self._zones[host] == guest.zone)
            and all(free.get(k, 0) >= n for k, n in need.resources)
            and self._group_lets(guest, host)
        )

    def _group_lets(self, guest: Guest, host: str) -> bool:
        if guest.group is None:
            return True
        taken = self._groups.get(guest.group.id, [])
        if guest.group.policy == "anti-affinity":
            return host not in taken
        if guest.group.policy == "affinity":
            return not taken or host in taken
        return True

    def _nowhere(self, guest: Guest, need: Need) -> Seat:
        """Why: nobody is able, the group forbids, or it is full."""
        size = ", ".join(f"{n} {k}" for k, n in need.resources)
        able = [
            h
            for h in sorted(self._able.get(need, ()))
            if not guest.zone or self._zones[h] == guest.zone
        ]
        where = f" of zone {guest.zone}" if guest.zone else ""
        if not able:
            traits = [*need.required, *(f"not {t}" for t in need.forbidden)]
            asks = f" with {', '.join(traits)}" if traits else ""
            return Seat(
                why=f"no other live host{where} could take {size}{asks}",
                cure="the operator adds such a host, or keeps room on one",
            )
        roomy = [
            h
            for h in able
            if all(self._free[h].get(k, 0) >= n for k, n in need.resources)
        ]
        if roomy and guest.group is not None:
            return Seat(
                why=f"its server group's {guest.group.policy} leaves no "
                "other host",
                cure="one more host, or a soft policy for the group",
            )
        return Seat(
            why=f"no room is left for {size} when those before it are placed",
            cure="more room on other hosts, or a higher ha:priority for it",
        )
