"""Any ClusterLabs fence agent that is installed: PDUs, BMCs, hypervisors.

Evidence is power, unless the entry says otherwise.
"""

from __future__ import annotations

from ha_actions.fencing.clusterlabs import Agent
from ha_actions.model import Evidence


class FenceAgent(Agent):
    """:class:`~ha_actions.ports.Fence` of one target of one agent."""

    kind = "fence_agent"
    evidence = Evidence.POWER
