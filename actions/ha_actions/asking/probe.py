"""Does a guest answer? Asks only where the policy allows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ha_actions.model import Guest
from ha_actions.ports import Network, Reach

TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Answer:
    """``unprobed``: nobody asked, so nobody knows; that blocks nobody."""

    ready: bool
    reason: str
    unprobed: bool = False


def probe(
    guest: Guest,
    wanted: str,
    networks: Collection[str],
    network: Network,
) -> Answer:
    """Ask once: ``tcp:PORT`` or ``http:PORT/PATH``, no redirects."""
    if not wanted:
        return Answer(False, "recovered, unprobed: no ha:probe", True)
    ports = [p for p in guest.ports if p.network in networks]
    if not ports:
        return Answer(
            False,
            "recovered, unprobed: none of its networks is in probe_networks",
            True,
        )
    kind, _, rest = wanted.partition(":")
    number, _, path = rest.partition("/")
    address = ports[0].address
    if kind == "http":
        status = network.http_status(
            address, int(number), f"/{path}", TIMEOUT_S
        )
        good = 200 <= status < 400
        said = f"answered {status}" if status else "did not answer"
        return Answer(good, f"{wanted} {said}")
    reach = network.connect(address, int(number), TIMEOUT_S)
    said = "did not answer" if reach is Reach.NOTHING else f"is {reach}"
    return Answer(reach is Reach.OPEN, f"{wanted} {said}")
