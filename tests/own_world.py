"""A tenant's custom web servers in a simulated world, and calls of his."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ha_actions.action import perform_by_name
from ha_actions.outside import use
from ha_actions.sim.build import build
from ha_actions.sim.clock import FreeClock
from ha_actions.sim.cloud import SimCloud
from ha_actions.sim.journal import TraceJournal
from ha_actions.sim.ledger import MemoryLedger
from ha_actions.sim.outside import outside
from ha_actions.sim.own import OwnWorlds
from ha_actions.sim.scenario import load
from ha_actions.sim.things import SimGuest

DOWN = "compute.instance.host_down"
FENCED = "compute.instance.host_fenced"
GUESTS = """
    web-1: {on: c1, protection: custom, member_of: [web]}
    web-2: {on: c2, protection: custom, member_of: [web]}
    disk:  {on: c1, protection: custom, volumes: [data]}
    db:    {on: c1, protection: pet}
    alien: {on: c1, protection: custom, project: others, member_of: [theirs]}
"""


class OwnWorld:
    """Host c1 is dead; ``call`` is what a workflow of the tenant's does."""

    def __init__(self, guests: str = GUESTS) -> None:
        text = (
            "why: x\nscript: []\nworld:\n"
            "  hosts: {c1: {}, c2: {}, c3: {}}\n"
            f"  guests:{guests}"
            "  pools: {web: {}, theirs: {project: others}}\n"
        )
        self.clock = FreeClock()
        self.world = build(load(text, "version: 1").world, self.clock)
        journal = TraceJournal(self.clock, None)
        self.ports = outside(self.world, journal, MemoryLedger())
        self.world.power(self.world.host("c1"), False)
        self.world.host("c1").forced_down = True
        self.clock.sleep(30)  # the health monitor has noticed

    @contextmanager
    def used(self) -> Iterator[OwnWorld]:
        """Actions of this process work in it."""
        use(self.ports)
        try:
            yield self
        finally:
            use(None)

    def named(self, name: str) -> list[SimGuest]:
        """Servers of that name, oldest first."""
        found = [g for g in self.world.guests.values() if g.name == name]
        return sorted(found, key=lambda g: g.created_at)

    def id(self, name: str) -> str:
        """Of the first server of that name."""
        return self.named(name)[0].id

    def changes(self) -> list[tuple[str, str]]:
        """What the cloud was asked to change, in order."""
        return [(c.name, c.subject) for c in self.world.changes]

    def pool(self, name: str = "web") -> dict[str, tuple[int, str]]:
        """Address -> weight and status."""
        return {
            m.address: (m.weight, m.status)
            for m in SimCloud(self.world, "").members()
            if m.pool_name == name
        }

    def notes(self, project: str = "tenant") -> list[str]:
        """Names of what is noted in a project."""
        own = self.ports.own
        assert isinstance(own, OwnWorlds)
        return own.notes[project].names("ha.")

    def call(
        self,
        action: str,
        server: str,
        kind: str = DOWN,
        *,
        project: str = "tenant",
        token: str = "t",
        holder: str = "a-1",
        **more: Any,
    ) -> tuple[Any, str]:
        """The result, and the code of the error: ``""`` for none."""
        data, error = perform_by_name(
            f"ha.own.{action}",
            {"server": server, "event": event(kind, server), **more},
            project=project,
            execution="e",
            action_execution=holder,
            token=token,
        )
        return data, error["code"] if error else ""


def event(kind: str, server: str) -> dict[str, Any]:
    """``env().event`` of an execution that an alarm has started."""
    return {"type": kind, "traits": {"instance_id": server, "incident": "i"}}
