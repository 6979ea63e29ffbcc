"""Volumes, floating IPs and allocations of the simulated world."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ha_actions.model import (
    Attachment,
    Claim,
    Fix,
    FloatingIp,
    Guest,
    Port,
    Volume,
)
from ha_actions.sim.things import SimGuest
from ha_actions.sim.world import World


class SimBelongings:
    """The verbs of ``ports.Cloud`` beside servers; part of ``SimCloud``."""

    world: World
    _call: Callable[[str, str, int], None]
    _change: Callable[..., None]

    def volumes(self, ids: Iterable[str]) -> dict[str, Volume]:
        """These volumes, attached as Nova's database says."""
        wanted = set(ids)
        if not wanted:
            return {}
        self._call("cinder", "volumes", 1)
        with self.world.lock:
            return {
                id: Volume(
                    id=id,
                    status=self.world.volumes[id],
                    attachments=tuple(self._attached(id)),
                )
                for id in wanted
                if id in self.world.volumes
            }

    def _attached(self, volume: str) -> Iterable[Attachment]:
        for guest in self.world.guests.values():
            if volume not in guest.volumes:
                continue
            index = guest.volumes.index(volume)
            made = Attachment(
                volume=volume,
                guest=guest.id,
                device=guest.devices.get(volume, f"/dev/vd{'abcdef'[index]}"),
                host=guest.host,
            )
            yield made
            for host in guest.left_attached:
                yield replace(made, host=host)

    def floating_ips(
        self, ports: Iterable[str], ids: Iterable[str] = ()
    ) -> list[FloatingIp]:
        """Of these ports, and those with these ids."""
        at, named = set(ports), set(ids)
        self._call("neutron", "floating_ips", 1 + bool(named))
        return [
            one
            for one in self.world.floating.values()
            if one.port in at or one.id in named
        ]

    def allocated(self, host: str) -> frozenset[str] | None:
        """What is on the host, and what was evacuated and not cleaned up."""
        self._call("placement", "allocated", 2)
        if host not in self.world.hosts:
            return None
        with self.world.lock:
            here = {g.id for g in self.world.guests.values() if g.host == host}
            moved = {
                m.guest
                for m in self.world.migrations
                if m.source == host and m.status == "done"
            }
            return frozenset(here | moved)

    def ports_of(self, guests: Iterable[str]) -> dict[str, list[Port]]:
        """Guest id -> its ports, also of one that is deleted."""
        self._call("neutron", "ports_of", 1)
        with self.world.lock:
            found: dict[str, list[Port]] = {}
            for id in guests:
                here = self.world.guests.get(id)
                gone = self.world.gone.get(id)
                if here is not None:
                    found[id] = list(here.ports)
                elif gone is not None and gone.keeps_port:
                    found[id] = list(gone.ports)
            return found

    def mend(self, guest: Guest, fix: Fix, claim: Claim) -> None:
        """Put back what the guest has lost."""
        service = "neutron"
        if fix.kind in ("lock", "server tags"):
            service = "nova"
        self._change(
            service,
            "mend",
            guest.name,
            guest.host,
            claim,
            lambda: self._mended(self.world.guests[guest.id], fix),
        )

    def _mended(self, guest: SimGuest, fix: Fix) -> None:
        if fix.kind == "lock":
            guest.locked, guest.locked_reason = True, fix.value[0]
        elif fix.kind == "server tags":
            guest.tags = fix.value
        elif fix.kind == "security groups":
            guest.ports = tuple(
                replace(p, security_groups=fix.value)
                if p.id == fix.target
                else p
                for p in guest.ports
            )
        elif fix.kind == "floating ip":
            was = self.world.floating[fix.target]
            port, fixed = fix.value
            now = replace(was, port=port, fixed=fixed)
            self.world.floating[fix.target] = now
