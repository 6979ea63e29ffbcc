"""The `Cloud` port says the same over the simulator and over the real
services, of what goes over to a copy: clones, volumes, ports, floating IPs.

Two servers on a live host are enough: `old` runs from a volume and has a
floating IP, `other` from an image.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Protocol

import pytest
from ha_actions.adapters.clock import SystemClock
from ha_actions.errors import HaError
from ha_actions.model import Claim, Fix, Guest
from ha_actions.model.likeness import Disk, Likeness
from ha_actions.ports import Clock, Cloud
from ha_actions.sim.build import build
from ha_actions.sim.clock import FreeClock
from ha_actions.sim.cloud import SimCloud
from ha_actions.sim.scenario import GuestSpec, HostSpec, WorldSpec
from twins import claim_for

pytestmark = pytest.mark.lab_full

HOST, SPARE = "host1", "host2"
INCIDENT = "conformance"
NOBODYS = "00000000-0000-4000-8000-000000000000"


class World(Protocol):
    """One of the two."""

    cloud: Cloud
    clock: Clock
    ids: dict[str, str]


class Simulated:
    """The simulator's."""

    def __init__(self) -> None:
        self.clock = FreeClock()
        guests = {
            "old": GuestSpec(
                on=HOST, boot="volume", floating_ip="203.0.113.9"
            ),
            "other": GuestSpec(on=HOST),
        }
        hosts = {name: HostSpec() for name in (HOST, SPARE)}
        world = build(WorldSpec(hosts=hosts, guests=guests), self.clock)
        self.cloud: Cloud = SimCloud(world)
        self.ids = {g.name: g.id for g in world.guests.values()}


class Real:
    """The full lab's."""

    def __init__(self, lab: ModuleType) -> None:
        import control
        from ha_actions.executor_file import cloud_of

        self.clock = SystemClock()
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(lab.CLOUDS_YAML)
        self.cloud: Cloud = cloud_of("lab", self.clock)("")
        find = lab.cloud("lab").network.find_network
        near = [{"uuid": find("reachable").id}]
        self.ids = {
            "old": control.boot_from_volume("old", HOST, networks=near),
            "other": lab.post_server("other", HOST, networks=near),
        }
        for id in self.ids.values():
            lab.wait_server(id, 120, status="ACTIVE")
        network = lab.cloud("lab-tenant").network
        (port,) = network.ports(device_id=self.ids["old"])
        network.create_ip(
            floating_network_id=find("outside").id, port_id=port.id
        )


@pytest.fixture(scope="module", params=["simulator", "lab"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """The tests go on from each other, in their order."""
    if request.param == "simulator":
        yield Simulated()
        return
    lab = request.getfixturevalue("full_lab_up")
    lab.reset()
    yield Real(lab)


def claim(world: World) -> Claim:
    return claim_for(world.clock.now() + 60)


def guest(world: World, name: str) -> Guest:
    id = world.ids[name]
    return world.cloud.guests([id])[id]


def until(world: World, check: Callable[[], Any], what: str) -> Any:
    for _ in range(60):
        found = check()
        if found:
            return found
        world.clock.sleep(1)
    raise AssertionError(f"not within a minute: {what}")


def status(world: World, volume: str) -> str:
    found = world.cloud.volumes([volume]).get(volume)
    return found.status if found else "gone"


def code_of(act: Callable[[], Any]) -> str:
    with pytest.raises(HaError) as met:
        act()
    return met.value.code


def clone_of(world: World) -> str:
    """Id of the clone of the old server's volume."""
    (disk,) = world.cloud.disks(guest(world, "old"))
    return world.cloud.clones([disk.volume], INCIDENT)[disk.volume].id


def test_a_volume_is_cloned(world: World) -> None:
    cloud, old = world.cloud, guest(world, "old")
    (disk,) = cloud.disks(old)
    assert (disk.root, disk.size_gb, disk.volume) == (True, 1, old.volumes[0])
    assert cloud.clones([disk.volume], INCIDENT) == {}
    late = claim_for(world.clock.now() - 1)
    no = code_of(lambda: cloud.clone_volume(old, disk, INCIDENT, late))
    assert no == "superseded"
    assert cloud.clones([disk.volume], INCIDENT) == {}
    cloud.clone_volume(old, disk, INCIDENT, claim(world))
    clone = until(
        world,
        lambda: [
            c
            for c in cloud.clones([disk.volume], INCIDENT).values()
            if c.status == "available"
        ],
        "the clone being there",
    )[0]
    assert clone.id != disk.volume
    assert cloud.clones([disk.volume], "another") == {}
    assert cloud.clones([NOBODYS], INCIDENT) == {}
    assert cloud.volumes([clone.id])[clone.id].attachments == ()


def test_a_volume_is_attached_once(world: World) -> None:
    cloud, other = world.cloud, guest(world, "other")
    free = Disk(volume=clone_of(world), stays=True, size_gb=1)
    cloud.attach(other, free, claim(world))
    until(
        world,
        lambda: status(world, free.volume) == "in-use",
        "its volume in use",
    )
    (mine,) = cloud.disks(guest(world, "other"))
    assert (mine.volume, mine.root, mine.stays) == (free.volume, False, True)
    (place,) = cloud.volumes([free.volume])[free.volume].attachments
    assert place.guest == other.id
    old = guest(world, "old")
    taken = code_of(lambda: cloud.attach(old, free, claim(world)))
    assert taken == "rejected"
    assert len(cloud.disks(old)) == 1


def test_a_floating_ip_follows(world: World) -> None:
    cloud, old = world.cloud, guest(world, "old")
    other, was = guest(world, "other"), old.ports[0]
    (ip,) = cloud.floating_ips([was.id])
    assert (ip.port, ip.fixed) == (was.id, was.address)
    to = other.ports[0]
    fix = Fix("floating ip", ip.id, (to.id, to.address))
    late = claim_for(world.clock.now() - 1)
    assert code_of(lambda: cloud.mend(other, fix, late)) == "superseded"
    for _ in range(2):  # again: no error
        cloud.mend(other, fix, claim(world))
        (now,) = cloud.floating_ips([], [ip.id])
        assert (now.port, now.fixed) == (to.id, to.address)
    assert now.address == ip.address
    assert cloud.floating_ips([was.id]) == []


def test_a_copy_takes_the_ports(world: World) -> None:
    """The old server's, once they are let go; its volume outlives it."""
    cloud, other = world.cloud, guest(world, "other")
    volume = other.volumes[0]
    (ip,) = cloud.floating_ips([other.ports[0].id])
    like = Likeness(ports=other.ports, later=other.volumes)
    meta = {"ha:replaces": other.id, "ha:incident": INCIDENT}
    cloud.free_ports(other, other.ports, claim(world))
    new = cloud.recreate(other, meta, claim(world), like)
    until(
        world,
        lambda: (g := cloud.guests([new]).get(new)) and g.vm_state == "active",
        "the copy being there",
    )
    owners = {other.id: other.project}
    assert cloud.copies(owners)[other.id].id == new
    ports = [(p.id, p.address) for p in other.ports]
    assert [(p.id, p.address) for p in cloud.ports_of([new])[new]] == ports
    assert cloud.floating_ips([ports[0][0]]) == [ip], "it stays at its port"
    cloud.delete(other.id, claim(world))
    until(
        world,
        lambda: status(world, volume) == "available",
        "its volume being free",
    )
    copy = cloud.guests([new])[new]
    assert [(p.id, p.address) for p in copy.ports] == ports
    disk = Disk(volume=volume, stays=True, size_gb=1)
    cloud.attach(copy, disk, claim(world))
    until(
        world,
        lambda: cloud.guests([new])[new].volumes == (volume,),
        "its volume gone over",
    )
