"""What a script may change about a guest: what it loses, or gets instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ha_actions.sim.stage import Stage
from ha_actions.sim.things import SimGuest, uid
from ha_actions.sim.world import World

Deed = Callable[[World, SimGuest], None]


def change(stage: Stage, words: tuple[str, ...]) -> None:
    """One of ``CHANGES``, to one guest."""
    CHANGES[words[1]](stage.world, stage.world.named(words[0]))


def _lock(world: World, guest: SimGuest) -> None:
    guest.locked, guest.locked_reason = False, ""


def _tags(*tags: str) -> Deed:
    def do(world: World, guest: SimGuest) -> None:
        guest.tags = tags

    return do


def _groups(*groups: str) -> Deed:
    def do(world: World, guest: SimGuest) -> None:
        guest.ports = tuple(
            replace(p, security_groups=groups) for p in guest.ports
        )

    return do


def _floating(port: str) -> Deed:
    def do(world: World, guest: SimGuest) -> None:
        mine = {p.id for p in guest.ports}
        for id, one in world.floating.items():
            if one.port in mine:
                world.floating[id] = replace(one, port=port, fixed="")

    return do


def _device(world: World, guest: SimGuest) -> None:
    guest.devices = dict.fromkeys(guest.volumes, "/dev/vdz")


def _attachment(world: World, guest: SimGuest) -> None:
    guest.left_attached.add(next(iter(world.hosts)))


CHANGES: Mapping[str, Deed] = {
    "lock": _lock,
    "tags": _tags(),
    "other-tags": _tags("another"),
    "groups": _groups(),
    "other-groups": _groups("another"),
    "floating-ip": _floating(""),
    "other-port": _floating(uid("port", "somebody else's")),
    "other-device": _device,
    "attachment": _attachment,
}
