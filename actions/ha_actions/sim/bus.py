"""``ports.Bus`` of the simulated world."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ha_actions.errors import Transient
from ha_actions.model import Event
from ha_actions.ports import Journal
from ha_actions.sim.world import World


class SimBus:
    """Keeps every event in ``world.events``; one line of trace a batch."""

    def __init__(self, world: World, journal: Journal) -> None:
        self._world = world
        self._journal = journal

    def publish(self, events: Sequence[Event]) -> None:
        """Keep them, unless the broker is down."""
        if not events:
            return
        if self._world.api.get("bus") == "down":
            raise Transient("bus", "The message broker does not answer.")
        for event in events:
            self._world.events.append(event)
            self._world.listener(event)
        if all("resource_id" in event.traits for event in events):
            return  # of ha.tell_owners: a check looks at them, not the trace
        types = Counter(event.type for event in events)
        said = ", ".join(
            kind if n == 1 else f"{kind} x {n}" for kind, n in types.items()
        )
        subject = events[0].traits.get("host") or "bus"
        self._journal.note("event", subject, said)
