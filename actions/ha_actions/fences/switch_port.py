"""A switch port that is shut, by an agent such as ``fence_ifmib``.

The host still runs, and writes to what it reaches another way, so the policy
must accept ``network``.
"""

from __future__ import annotations

from ha_actions.fencing.clusterlabs import Agent
from ha_actions.model import Evidence


class SwitchPort(Agent):
    """:class:`~ha_actions.ports.Fence` of the port of one host."""

    kind = "switch_port"
    evidence = Evidence.NETWORK
