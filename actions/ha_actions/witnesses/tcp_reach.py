"""Can anything of the host be reached by TCP, on any network we know?"""

from __future__ import annotations

from ha_actions.asking.reach import TIMEOUT_S, ReachWitness
from ha_actions.ports import Reach


class TcpReach(ReachWitness):
    """``alive``: something answered; ``dead``: see ``reach``; else silent."""

    name = "tcp_reach"

    def reach(self, address: str, port: int) -> Reach:
        """One connection."""
        return self.network.connect(address, port, TIMEOUT_S)
