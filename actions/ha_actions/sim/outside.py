"""The simulated world as the actions see it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from ha_actions.outside import Outside
from ha_actions.ports import (
    Clock,
    Cloud,
    Executions,
    Fence,
    Journal,
    Ledger,
    Network,
    Witness,
)
from ha_actions.settings import Policy
from ha_actions.sim.beats import SimToozBeat
from ha_actions.sim.bus import SimBus
from ha_actions.sim.cloud import SimCloud
from ha_actions.sim.devices import SimNetwork, fence_of
from ha_actions.sim.own import OwnWorlds
from ha_actions.sim.stacks import SimStacks
from ha_actions.sim.world import World

OPERATOR = "operator"
"""The only project whose executions may act."""
NAMESPACE = "00000000-0000-4000-8000-000000000001"


def outside(
    world: World,
    journal: Journal,
    ledger: Ledger,
    executions: Executions | None = None,
) -> Outside:
    """Every port over one world; the witnesses are the real ones."""
    network = SimNetwork(world)
    fences: dict[str, list[Fence]] = {
        host.name: [fence_of(world, host, name) for name in host.fences]
        for host in world.hosts.values()
    }

    def devices(host: str) -> list[Fence]:
        return fences.get(host, [])

    return Outside(
        operator_projects=frozenset({OPERATOR}),
        clock=world.clock,
        ledger=ledger,
        network=network,
        journal=journal,
        cloud=lambda request_id: SimCloud(world, request_id),
        fences=devices,
        witnesses=functools.partial(
            witnesses_in, world, network, devices, world.clock
        ),
        namespace=NAMESPACE,
        bus=SimBus(world, journal),
        executions=executions,
        stacks=lambda request_id: SimStacks(world, request_id),
        own=OwnWorlds(world),
    )


def witnesses_in(
    world: World,
    network: Network,
    devices: Callable[[str], Sequence[Fence]],
    clock: Clock,
    policy: Policy,
    cloud: Cloud,
) -> Mapping[str, Witness]:
    """The real witnesses, over the world's ports; beats are simulated."""
    found: dict[str, Witness] = {
        name: cls(policy, cloud, network, devices, clock)
        for name, cls in _witness_classes().items()
        if name in policy.witnesses.ask
    }
    if SimToozBeat.name in found:
        found[SimToozBeat.name] = SimToozBeat(world, clock)
    return found


@functools.cache
def _witness_classes() -> dict[str, Any]:
    return {
        e.name: e.load() for e in entry_points(group="ha_actions.witnesses")
    }
