"""Can anything of the host be reached by TCP, or by ping, on our networks?

What the witnesses ``tcp_reach`` and ``icmp_reach`` have in common.

An open port and a refused one both mean that its kernel lives. Nothing at all
means dead only if it was asked several times, on every network that lists the
host, while each network itself was seen to work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ha_actions.asking.testimony import testify
from ha_actions.model import Host, Says, Testimony
from ha_actions.ports import Clock, Cloud, Fence, Network, Reach
from ha_actions.settings import Policy

TIMEOUT_S = 2.0
"""Longer than a lost SYN's first repeat (1 s), so one lost packet is no
silence. Source: RFC 6298, section 2 (initial RTO of 1 second)."""


SLICE_S = 0.5
"""How soon a try that waits for its time sees that another was answered."""


@dataclass(frozen=True)
class _Target:
    network: str
    address: str
    port: int
    control: str


@dataclass
class _Met:
    """What all tries of one host have met so far."""

    answered: list[str] = field(default_factory=list)
    deaf: set[str] = field(default_factory=set)
    """Networks whose control did not answer."""


class ReachWitness(ABC):
    """``alive``: something answered; ``dead``: see the module; else silent.

    Tries begin at their times, all networks side by side, also while the
    one before still waits: it takes ``policy.witnesses.reach_over_s`` and
    the time-out of the last, and at most 4 s more if no control answers.
    """

    name = ""

    def __init__(
        self,
        policy: Policy,
        cloud: Cloud,
        network: Network,
        fences: Callable[[str], Sequence[Fence]],
        clock: Clock,
    ) -> None:
        self._settings = policy.witnesses
        self.network = network
        self._clock = clock

    def testify(self, host: Host) -> Testimony:
        """Tries every network until one answers; errors: silent."""
        return testify(
            self.name, host, self._clock, lambda: self._ask(host.name)
        )

    def _ask(self, host: str) -> tuple[Says, str]:
        targets, wrong = _targets(self._settings.networks, host)
        if not targets:
            return Says.SILENT, wrong or "no network lists this host"
        tries = self._settings.reach_tries
        pause = self._settings.reach_over_s / max(1, tries - 1)
        met = _Met()
        began = self._clock.now()
        self._clock.together(
            [
                partial(self._try, target, began + number * pause, met)
                for number in range(tries)
                for target in targets
            ],
            at_most=tries * len(targets),
        )
        if met.answered:
            return Says.ALIVE, met.answered[0]
        if wrong:
            return Says.SILENT, wrong
        if met.deaf:
            names = ", ".join(sorted(met.deaf))
            return Says.SILENT, f"the control did not answer on {names}"
        names = ", ".join(t.network for t in targets)
        return Says.DEAD, f"nothing answered in {tries} tries on {names}"

    def _try(self, target: _Target, due: float, met: _Met) -> None:
        """One try at its time, unless the host has answered before."""
        while not met.answered and (rest := due - self._clock.now()) > 0:
            self._clock.sleep(min(rest, SLICE_S))
        if met.answered:
            return
        got = self.reach(target.address, target.port)
        if got is not Reach.NOTHING:
            met.answered.append(_answered(target, got))
        elif not self._controlled(target):
            met.deaf.add(target.network)

    @abstractmethod
    def reach(self, address: str, port: int) -> Reach:
        """One try; each witness its own way."""

    def _controlled(self, target: _Target) -> bool:
        if not target.control:
            return False
        met = self.reach(target.control, target.port)
        return met is not Reach.NOTHING


def _answered(target: _Target, met: Reach) -> str:
    return f"{target.address}:{target.port} on {target.network}: {met}"


def _targets(
    networks: Mapping[str, Any], host: str
) -> tuple[list[_Target], str]:
    """What to try, and a sentence if an entry of the policy is unusable."""
    found: list[_Target] = []
    wrong = ""
    for name, entry in networks.items():
        hosts = entry.get("hosts") if isinstance(entry, Mapping) else None
        port = entry.get("port") if isinstance(entry, Mapping) else None
        if not isinstance(hosts, Mapping) or not isinstance(port, int):
            wrong = (
                f"policy: witnesses: networks: {name} needs `hosts` (host "
                "-> address), `port` (a number) and `control` (an address)"
            )
        elif host in hosts:
            control = str(entry.get("control") or "")
            target = _Target(name, str(hosts[host]), port, control)
            found.append(target)
    return found, wrong
