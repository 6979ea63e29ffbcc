"""Does the host's kernel dump its crash right now?

``dead`` while it says so: a crashed kernel runs no guest. Its silence means
nothing at all: most hosts never dump.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ha_actions.asking.testimony import testify
from ha_actions.model import Host, Says, Testimony
from ha_actions.ports import Clock, Cloud, Fence, Network
from ha_actions.settings import Policy

LISTEN_S = 12.0
"""Longer than the 10 s between two messages of ``fence_kdump_send``."""


class Kdump:
    """``dead``: it dumps; else ``silent``. Takes at most LISTEN_S seconds.

    It knows a host by its addresses in the policy's ``witnesses.networks``.
    """

    name = "kdump"

    def __init__(
        self,
        policy: Policy,
        cloud: Cloud,
        network: Network,
        fences: Callable[[str], Sequence[Fence]],
        clock: Clock,
    ) -> None:
        self._networks = policy.witnesses.networks
        self._network = network
        self._clock = clock

    def testify(self, host: Host) -> Testimony:
        """Listens for a while; errors: silent."""
        return testify(
            self.name, host, self._clock, lambda: self._listen(host.name)
        )

    def _listen(self, host: str) -> tuple[Says, str]:
        addresses = [
            str(entry["hosts"][host])
            for entry in self._networks.values()
            if isinstance(entry, Mapping)
            and isinstance(entry.get("hosts"), Mapping)
            and host in entry["hosts"]
        ]
        if not addresses:
            return Says.SILENT, "no network lists this host"
        wait_s = LISTEN_S / len(addresses)
        for address in addresses:
            if self._network.dumped_at(address, wait_s):
                return Says.DEAD, f"{address} dumps its crash"
        return Says.SILENT, "no dump was heard"
