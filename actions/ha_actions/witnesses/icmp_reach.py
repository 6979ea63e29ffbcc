"""Does the host answer a ping, on any network we know?

For networks on which hosts open no port to us. Where this machine lets us
send none it is silent, and says what to set.
"""

from __future__ import annotations

from ha_actions.asking.reach import TIMEOUT_S, ReachWitness
from ha_actions.ports import Reach


class IcmpReach(ReachWitness):
    """``alive``: something answered; ``dead``: see ``reach``; else silent."""

    name = "icmp_reach"

    def reach(self, address: str, port: int) -> Reach:
        """One echo."""
        return self.network.ping(address, TIMEOUT_S)
