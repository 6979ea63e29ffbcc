"""Octavia's failover in the simulated world: new amphorae for old ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ha_actions.errors import Failed
from ha_actions.model import Amphora, Claim
from ha_actions.sim.nova import Nova
from ha_actions.sim.things import SimBalancer, SimGuest, uid
from ha_actions.sim.world import World

FAILOVER_S = 20.0
"""From the request to ACTIVE."""


class SimBalancers:
    """The failover verbs of ``ports.Cloud``; part of ``SimCloud``."""

    world: World
    nova: Nova
    _call: Callable[[str, str, int], None]
    _change: Callable[..., None]
    _balancer: Callable[[str], SimBalancer]

    def amphorae(self) -> list[Amphora]:
        """Every amphora, by what Octavia's database says."""
        self._call("octavia", "amphorae", 1)
        with self.world.lock:
            return [
                Amphora(id=uid("amphora", g.id), compute=g.id, lb=g.amphora_of)
                for g in self.world.guests.values()
                if g.amphora_of
            ]

    def balancer_states(self, ids: Iterable[str]) -> dict[str, str]:
        """Load balancer id -> provisioning_status."""
        self._call("octavia", "balancer_states", 1)
        with self.world.lock:
            return {
                id: self._state(self.world.balancers[id])
                for id in ids
                if id in self.world.balancers
            }

    def fail_over(self, lb: str, claim: Claim) -> None:
        """Ask Octavia once to give the load balancer new amphorae."""
        balancer = self._balancer(lb)

        def put() -> None:
            if self._state(balancer) == "PENDING_UPDATE":
                raise Failed(
                    "conflict", f"Load balancer {lb} is immutable (409)."
                )
            fail_over(self.world, self.nova, balancer)

        self._change("octavia", "fail_over", balancer.name, "", claim, put)

    def _state(self, balancer: SimBalancer) -> str:
        locked = self.world.clock.now() < balancer.immutable_until
        if balancer.failing_over or locked:
            return "PENDING_UPDATE"
        return "ERROR" if balancer.error else "ACTIVE"


def fail_over(world: World, nova: Nova, balancer: SimBalancer) -> None:
    """Begin one: its health manager does that by itself, too."""
    balancer.failing_over = True

    def over() -> None:
        balancer.failing_over = False
        balancer.error = balancer.fails > 0
        if balancer.fails > 0:
            balancer.fails -= 1
            return
        for old in list(world.guests.values()):
            if old.amphora_of == balancer.id:
                _replace(world, nova, old)

    world.clock.at(world.clock.now() + FAILOVER_S, over)


def _replace(world: World, nova: Nova, old: SimGuest) -> None:
    """Octavia boots a new server and deletes the old one."""
    dest = nova.choose(old)
    if dest is None:
        return
    number = len(world.guests) + len(world.gone)
    new = replace(
        old,
        id=uid("guest", f"{old.name}/{number}"),
        host=dest.name,
        ports=tuple(replace(p, host=dest.name) for p in old.ports),
        running_since=world.clock.now(),
    )
    nova.delete(old.id)
    world.guests[new.id] = new
    for port in new.ports:
        world.by_address[port.address] = new.id
    world.run(dest, new.id)
