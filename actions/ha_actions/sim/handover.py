"""Volumes and ports that go over to a copy, in the simulated world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from ha_actions.errors import Failed
from ha_actions.model import Claim, Guest, Port
from ha_actions.model.likeness import Clone, Disk, Likeness, NewDisk
from ha_actions.sim.things import SimGuest, uid
from ha_actions.sim.world import World

CLONE_S = 5.0
"""From the request until a clone is available."""
ATTACH_S = 1.0
SIZE_GB = 1


class SimHandover:
    """The verbs of ``ports.Cloud`` for what goes over; part of
    ``SimCloud``."""

    world: World
    _call: Callable[[str, str, int], None]
    _change: Callable[..., None]

    def disks(self, guest: Guest) -> list[Disk]:
        """Its volumes, in the order of its devices."""
        self._call("nova", "disks", 2 + len(guest.volumes))
        with self.world.lock:
            here = self.world.guests.get(guest.id)
            if here is None:
                raise Failed("not_found", f"Server {guest.name} is gone.")
            return [self._disk(here, i) for i in range(len(here.volumes))]

    def _disk(self, guest: SimGuest, i: int) -> Disk:
        id = guest.volumes[i]
        root = guest.boot == "volume" and i == 0
        made_of, parent = self.world.made_of.get(id, ("", ""))
        return Disk(
            volume=id,
            root=root,
            stays=id not in guest.goes_with,
            device=f"/dev/vd{'abcdefgh'[i + (guest.boot == 'image')]}",
            size_gb=SIZE_GB,
            image=parent if made_of == "image" else "",
            snapshot=parent if made_of == "snapshot" else "",
            source=parent if made_of == "volume" else "",
        )

    def clones(
        self, volumes: Iterable[str], incident: str
    ) -> dict[str, Clone]:
        """Old volume -> its clone, once it was asked for."""
        wanted = [(incident, v) for v in volumes]
        if not wanted:
            return {}
        self._call("cinder", "clones", 1)
        with self.world.lock:
            known = self.world.clones
            return {
                key[1]: Clone(
                    id=known[key], status=self.world.volumes[known[key]]
                )
                for key in wanted
                if key in known
            }

    def clone_volume(
        self, guest: Guest, disk: Disk, incident: str, claim: Claim
    ) -> None:
        """Ask once for a clone; two of one volume are corruption."""

        def put() -> None:
            world = self.world
            if guest.project in world.volumes_full:
                raise Failed(
                    "quota",
                    "Cinder: Maximum number of volumes allowed exceeded.",
                )
            if (incident, disk.volume) in world.clones:
                world.wrecks.append(f"{guest.name}: a volume cloned twice")
            id = uid(
                "volume", f"{incident}/{disk.volume}/{len(world.volumes)}"
            )
            world.volumes[id] = "creating"
            world.made_of[id] = ("volume", disk.volume)
            world.clones[(incident, disk.volume)] = id
            if any(
                self.world.running_on(g.id) and disk.volume in g.volumes
                for g in world.everybody()
            ):
                world.corruption.append(
                    f"{guest.name} wrote a volume while it was cloned"
                )

            def ready() -> None:
                if world.volumes.get(id) == "creating":
                    world.volumes[id] = "available"

            world.clock.at(world.clock.now() + CLONE_S, ready)

        self._change(
            "cinder", "clone_volume", guest.name, guest.host, claim, put
        )

    def attach(self, copy: Guest, disk: Disk, claim: Claim) -> None:
        """Ask once to attach a volume that is free."""

        def put() -> None:
            world = self.world
            status = world.volumes.get(disk.volume, "gone")
            if status != "available":
                raise Failed(
                    "rejected",
                    f"Volume {disk.volume} is {status}, not available (400).",
                )
            world.volumes[disk.volume] = "reserved"
            world.clock.at(
                world.clock.now() + ATTACH_S,
                lambda: attached(world, copy.id, disk.volume),
            )

        self._change("nova", "attach", copy.name, copy.host, claim, put)

    def free_ports(
        self, guest: Guest, ports: Iterable[Port], claim: Claim
    ) -> None:
        """Take them from the guest."""
        mine = self._still(ports, guest.id, "")

        def put() -> None:
            give_all(self.world, mine, "")
            for port in mine:
                self.world.macs[port.id] = f"fa:16:3f{port.mac[8:]}"

        if mine:
            self._change(
                "neutron",
                "free_ports",
                guest.name,
                guest.host,
                claim,
                put,
            )

    def bind_ports(
        self, server: Guest, ports: Iterable[Port], claim: Claim
    ) -> None:
        """Give them to the server."""
        mine = self._still(ports, server.id, server.id)
        if mine:
            self._change(
                "neutron",
                "bind_ports",
                server.name,
                server.host,
                claim,
                lambda: give_all(self.world, mine, server.id),
            )

    def _still(
        self, ports: Iterable[Port], server: str, wanted: str
    ) -> list[Port]:
        """Those that are not where they shall be.

        :raises Failed: ``taken``: one is neither free nor the server's.
        """
        found = list({p.id: p for p in ports}.values())
        self._call("neutron", "ports", len(found))
        left = []
        for port in found:
            owner = owner_of(self.world, port.id)
            if owner == wanted:
                continue
            if owner not in ("", server):
                raise Failed("taken", f"Port {port.id} belongs to {owner}.")
            left.append(port)
        return left


def owner_of(world: World, port: str) -> str:
    """Id of the guest that has the port; empty: it is free."""
    for guest in world.guests.values():
        if any(p.id == port for p in guest.ports):
            return guest.id
    return ""


def give_all(world: World, ports: Iterable[Port], to: str) -> None:
    """All of them go to one guest, or to nobody."""
    for port in ports:
        give(world, port, to)


def give(world: World, port: Port, to: str) -> None:
    """The port leaves whoever has it, for a guest or for nobody."""
    for guest in world.everybody():
        guest.ports = tuple(p for p in guest.ports if p.id != port.id)
    world.by_address.pop(port.address, None)
    new = world.guests.get(to)
    if new is not None:
        if port.mac:  # named: it has that one again
            world.macs.pop(port.id, None)
        mac = port.mac or world.macs.get(port.id, "")
        new.ports = (*new.ports, replace(port, host=new.host, mac=mac))
        world.by_address[port.address] = to


def attached(world: World, guest_id: str, volume: str) -> None:
    """The volume is at the guest, which writes it if it runs."""
    guest = world.guests.get(guest_id)
    if guest is None:
        world.volumes[volume] = "available"
        return
    world.volumes[volume] = "in-use"
    guest.volumes = (*guest.volumes, volume)
    for other in world.everybody():
        if other is not guest and volume in other.volumes:
            if world.running_on(other.id) and world.running_on(guest.id):
                world.corruption.append(
                    f"{guest.name} and {other.name} write one volume"
                )


def must_be_free(world: World, given: Likeness) -> None:
    """What a new server takes over belongs to nobody.

    :raises Failed: ``conflict``.
    """
    for disk in given.disks:
        if disk.made_of == "volume" and (
            world.volumes.get(disk.id) != "available"
        ):
            raise Failed(
                "conflict", f"Volume {disk.id} is not available (400)."
            )
    for port in given.ports:
        if owner_of(world, port.id):
            raise Failed("conflict", f"Port {port.id} is in use (409).")
        if port.id not in world.macs:  # Nova says so by a server in ERROR
            raise Failed("conflict", f"Nova knows the MAC of {port.id}.")


def furnish(world: World, new: SimGuest, disks: Sequence[NewDisk]) -> None:
    """The volumes that Nova makes, or takes, for a new server."""
    ids = []
    for i, disk in enumerate(disks):
        id = disk.id
        if disk.made_of != "volume":
            id = uid("volume", f"{new.id}/{i}")
            made_of = "" if disk.made_of == "blank" else disk.made_of
            world.made_of[id] = (made_of, disk.id)
        world.volumes[id] = "in-use"
        ids.append(id)
        if not disk.like.stays:
            new.goes_with |= {id}
    new.volumes = tuple(ids)


def take_ports(world: World, new: SimGuest, ports: Sequence[Port]) -> None:
    """The old ports, which were free: Nova will not delete them with it."""
    for port in {p.id: p for p in ports}.values():
        give(world, replace(port, mac=""), new.id)
    new.keeps_port = True
    new.cached = frozenset(p.id for p in ports)


def release(world: World, guest: SimGuest) -> None:
    """What a deleted guest leaves behind, and what goes with it.

    Nova unbinds the ports that the guest was made with, whoever has them
    now. Source: nova, network/neutron.py, deallocate_for_instance.
    """
    for volume in guest.volumes:
        if volume in guest.goes_with:
            world.volumes.pop(volume, None)
        elif world.volumes.get(volume) == "in-use":
            world.volumes[volume] = "available"
    if not guest.keeps_port:
        return
    for other in list(world.guests.values()):
        for port in other.ports:
            if port.id in guest.cached:
                give(world, port, "")
