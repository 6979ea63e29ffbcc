"""The beats of the simulated hosts, as the group's engine shows them."""

from __future__ import annotations

from collections.abc import Collection

from ha_actions.model import Host, Says, Testimony
from ha_actions.ports import Clock
from ha_actions.sim.world import World
from ha_actions.witnesses.tooz_beat import ToozBeat, weigh

LEASE_S = 15.0
"""Of a host's beat: ha-beat's default."""


class SimBeats:
    """Every host keeps one, where the scenario says so."""

    def __init__(self, world: World) -> None:
        self._world = world

    def read(self) -> tuple[set[str], set[str]]:
        """``(hosts that keep a beat, hosts that beat now)``."""
        if not self._world.beats:
            return set(), set()
        now = self._world.clock.now()
        hosts = self._world.hosts.values()
        beating = {
            h.name
            for h in hosts
            if not h.beat_ended_at or now < h.beat_ended_at + LEASE_S
        }
        return {h.name for h in hosts}, beating

    def ended(self) -> Collection[str]:
        """Hosts whose lease is over; nobody when all are silent."""
        keepers, beating = self.read()
        return [
            host
            for host in sorted(keepers)
            if weigh(host, keepers, beating)[0] is Says.DEAD
        ]


class SimToozBeat:
    """The witness ``tooz_beat`` over them."""

    name = ToozBeat.name

    def __init__(self, world: World, clock: Clock) -> None:
        self._beats = SimBeats(world)
        self._clock = clock

    def testify(self, host: Host) -> Testimony:
        """What the group says."""
        says, why = weigh(host.name, *self._beats.read())
        return Testimony(
            witness=self.name,
            host=host.name,
            says=says,
            observed_at=self._clock.now(),
            detail=why,
        )
