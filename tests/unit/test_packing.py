"""Would they fit: Placement's rooms, filled as Nova's scheduler does."""

from __future__ import annotations

from fakes import guest, host
from ha_actions.deciders.packing import Packer, Seat
from ha_actions.model import Group
from ha_actions.model.capacity import Need, Room

SMALL = Need((("MEMORY_MB", 1024), ("VCPU", 1)))
BIG = Need((("MEMORY_MB", 4096), ("VCPU", 1)))


def room(name: str, memory: int, vcpus: int = 8) -> Room:
    return Room(host=name, free={"MEMORY_MB": memory, "VCPU": vcpus})


def packer(
    rooms: dict[Need, list[Room]],
    places: dict[str, dict[str, str]] | None = None,
    dying: tuple[str, ...] = ("c1",),
    **zones: str,
) -> Packer:
    hosts = [
        host(n, zone=zones.get(n, "nova")) for n in ("c1", "c2", "c3", "c4")
    ]
    return Packer(hosts, rooms, places or {}, dying)


def test_the_host_with_the_most_free_memory_is_first() -> None:
    p = packer({SMALL: [room("c2", 2048), room("c3", 3072)]})
    taken = [p.seat(guest(str(i)), SMALL).host for i in range(6)]
    assert taken[0] == "c3"
    assert sorted(taken[:5]) == ["c2", "c2", "c3", "c3", "c3"]
    assert taken[5] == ""


def test_room_that_is_taken_is_gone_and_the_reason_says_so() -> None:
    p = packer({BIG: [room("c2", 4096)]})
    assert p.seat(guest("a"), BIG).host == "c2"
    no = p.seat(guest("b"), BIG)
    assert no.host == "" and "no room is left for 4096 MEMORY_MB" in no.why
    assert p.seat(guest("c"), BIG) == no


def test_a_dying_or_disabled_host_takes_nobody() -> None:
    hosts = [host("c1"), host("c2", enabled=False), host("c3", up=False)]
    rooms = {SMALL: [room("c1", 9999), room("c2", 9999), room("c3", 9999)]}
    no = Packer(hosts, rooms, {}, ["c1"]).seat(guest(), SMALL)
    assert no.why.startswith("no other live host could take")


def test_traits_are_placements_word_and_named() -> None:
    need = Need(SMALL.resources, ("CUSTOM_GPU",), ("CUSTOM_SLOW",))
    no = packer({need: []}).seat(guest(), need)
    assert "with CUSTOM_GPU, not CUSTOM_SLOW" in no.why


def test_a_zone_is_kept() -> None:
    rooms = {SMALL: [room("c2", 4096), room("c3", 2048)]}
    p = packer(rooms, c3="west")
    assert p.seat(guest(zone="west"), SMALL).host == "c3"
    no = p.seat(guest(zone="east"), SMALL)
    assert "no other live host of zone east" in no.why


def test_anti_affinity_counts_those_who_stay_and_those_just_placed() -> None:
    group = Group(id="g")
    rooms = {SMALL: [room(n, 9999) for n in ("c2", "c3", "c4")]}
    places = {"g": {"id-a": "c1", "id-b": "c2", "id-z": "c1"}}
    p = packer(rooms, places)
    got = [p.seat(guest(n, group=group), SMALL).host for n in ("a", "z")]
    assert sorted(got) == ["c3", "c4"]
    no = p.seat(guest("y", group=group), SMALL)
    assert no.why == "its server group's anti-affinity leaves no other host"
    assert p.seat(guest("free"), SMALL).host  # others are not kept out


def test_affinity_follows_its_members_and_soft_binds_nobody() -> None:
    rooms = {SMALL: [room("c2", 1024), room("c3", 9999)]}
    places = {"g": {"id-b": "c2"}}
    p = packer(rooms, places)
    hard = Group(id="g", policy="affinity")
    assert p.seat(guest("a", group=hard), SMALL).host == "c2"
    soft = Group(id="g", policy="soft-affinity")
    assert p.seat(guest("d", group=soft), SMALL).host == "c3"


def test_without_an_allocation_nobody_knows() -> None:
    no = packer({}).seat(guest(), Need())
    assert "Placement has no allocation" in no.why and "heal" in no.cure
    assert isinstance(no, Seat)
