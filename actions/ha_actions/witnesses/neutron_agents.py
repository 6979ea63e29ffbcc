"""Has Neutron heard of the host's agents lately?

Neutron calls an agent alive for a while (agent_down_time, 75 s) after its
last word. So an agent that is alive proves no life: this witness may say
dead, and never alive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ha_actions.errors import HaError
from ha_actions.model import Host, Says, Testimony
from ha_actions.ports import Clock, Cloud, Fence, Network
from ha_actions.settings import Policy


class NeutronAgents:
    """``dead``: it has agents, and all of them are down; else silent."""

    name = "neutron_agents"

    def __init__(
        self,
        policy: Policy,
        cloud: Cloud,
        network: Network,
        fences: Callable[[str], Sequence[Fence]],
        clock: Clock,
    ) -> None:
        self._cloud = cloud
        self._clock = clock

    def testify(self, host: Host) -> Testimony:
        """One look; errors: silent."""
        try:
            alive = self._cloud.network_agents(host.name)
        except HaError as error:
            says, why = Says.SILENT, f"Neutron did not say: {error.message}"
        else:
            says, why = _weigh(alive)
        return Testimony(
            witness=self.name,
            host=host.name,
            says=says,
            observed_at=self._clock.now(),
            detail=why,
        )


def _weigh(alive: Sequence[bool]) -> tuple[Says, str]:
    if not alive:
        return Says.SILENT, "Neutron lists no agent of it"
    if any(alive):
        return Says.SILENT, f"{sum(alive)} of {len(alive)} agents are alive"
    return Says.DEAD, f"all {len(alive)} agents are down"
