"""The simulated cloud answers as the real one was measured to answer."""

from __future__ import annotations

from functools import partial

import pytest
from ha_actions.errors import Failed, HaError, NoAnswer, Refused, Transient
from ha_actions.model import Claim, Power
from ha_actions.model.likeness import Likeness, NewDisk
from ha_actions.ports import Reach
from ha_actions.sim.build import build
from ha_actions.sim.clock import START, TurnClock
from ha_actions.sim.cloud import SimCloud
from ha_actions.sim.devices import CONTROL, SimFence, SimNetwork
from ha_actions.sim.scenario import load
from ha_actions.sim.things import uid
from ha_actions.sim.world import World

CLAIM = Claim(
    incident="i", subject="s", holder="h", number=1, until=START + 1e5
)
LATE = Claim(incident="i", subject="s", holder="h", number=1, until=START)


def made(
    guests: str, hosts: str = "{c1: {}, c2: {}, c3: {}}", more: str = ""
) -> tuple[World, SimCloud]:
    text = (
        f"why: x\nscript: []\nworld:\n  hosts: {hosts}\n"
        f"  guests: {guests}\n{more}"
    )
    world = build(load(text, "version: 1").world, TurnClock())
    return world, SimCloud(world)


def kill(world: World, cloud: SimCloud, name: str = "c1") -> None:
    """The host loses power, and Nova is told."""
    world.power(world.host(name), False)
    host = next(h for h in cloud.hosts() if h.name == name)
    cloud.mark_down(host, "test", CLAIM)


MATRIX = [
    # state, keep_off, refused with, ends as, runs
    ("ACTIVE", False, "", "active", 1),
    ("ACTIVE", True, "", "stopped", 0),
    ("SHUTOFF", False, "", "stopped", 0),
    ("SHUTOFF", True, "", "stopped", 0),
    ("ERROR", False, "", "active", 1),
    ("PAUSED", False, "conflict", "paused", 0),
    ("SUSPENDED", False, "conflict", "suspended", 0),
    ("RESCUED", False, "conflict", "rescued", 0),
]


@pytest.mark.parametrize(("state", "keep_off", "code", "ends", "runs"), MATRIX)
def test_evacuation_matrix(
    state: str, keep_off: bool, code: str, ends: str, runs: int
) -> None:
    world, cloud = made(f"{{g: {{on: c1, state: {state}}}}}")
    kill(world, cloud)
    g = uid("guest", "g")
    if code:
        with pytest.raises(Failed) as caught:
            cloud.evacuate(g, keep_off=keep_off, claim=CLAIM)
        assert caught.value.code == code
    else:
        cloud.evacuate(g, keep_off=keep_off, claim=CLAIM)
        assert cloud.evacuations("c1")[0].status == "accepted"
    world.clock.sleep(10)
    guest = cloud.guests([g])[g]
    assert guest.vm_state == ends
    assert (guest.host == "c1") is bool(code)
    assert len(world.running_on(g)) == runs
    assert guest.task_state == ""
    assert world.corruption == []


def test_a_paused_guest_moves_after_reset_state() -> None:
    world, cloud = made("{g: {on: c1, state: PAUSED}}")
    kill(world, cloud)
    g = uid("guest", "g")
    cloud.reset_state(g, "active", CLAIM)
    cloud.evacuate(g, keep_off=False, claim=CLAIM)
    world.clock.sleep(10)
    assert cloud.guests([g])[g].vm_state == "active"
    cloud.set_power(g, "pause", CLAIM)
    world.clock.sleep(2)
    assert cloud.guests([g])[g].vm_state == "paused"


def test_a_stopped_guest_below_2_95_passes_through_active() -> None:
    world, cloud = made("{g: {on: c1, state: SHUTOFF}}")
    kill(world, cloud)
    g = uid("guest", "g")
    cloud.evacuate(g, keep_off=False, claim=CLAIM)
    world.clock.sleep(3.3)
    assert cloud.guests([g])[g].vm_state == "active"
    world.clock.sleep(0.3)
    assert cloud.guests([g])[g].vm_state == "stopped"


def test_in_use_while_the_service_is_up_and_after_the_guest_left() -> None:
    world, cloud = made("{g: {on: c1}}")
    g = uid("guest", "g")
    with pytest.raises(Failed, match="still in use"):
        cloud.evacuate(g, keep_off=False, claim=CLAIM)
    kill(world, cloud)
    cloud.evacuate(g, keep_off=False, claim=CLAIM)
    world.clock.sleep(10)
    with pytest.raises(Failed) as caught:
        cloud.evacuate(g, keep_off=False, claim=CLAIM)
    assert caught.value.code == "in_use"


@pytest.mark.parametrize("apart", [0.0, 0.2, 1.0])
def test_two_evacuations_within_seconds_wreck_the_guest(apart: float) -> None:
    world, cloud = made("{g: {on: c1}}")
    kill(world, cloud)
    g = uid("guest", "g")
    cloud.evacuate(g, keep_off=False, claim=CLAIM)
    world.clock.sleep(apart)
    cloud.evacuate(g, keep_off=False, claim=CLAIM)
    world.clock.sleep(60)
    guest = cloud.guests([g])[g]
    assert (guest.vm_state, guest.task_state) == ("error", "rebuilding")
    assert guest.host == "c1"
    assert world.wrecks


FAILURES = [
    ("no_valid_host", "error", "No valid host"),
    ("spawn", "failed", "Failed to spawn"),
]


@pytest.mark.parametrize(("how", "status", "fault"), FAILURES)
def test_failed_evacuations_leave_the_host_and_may_be_repeated(
    how: str, status: str, fault: str
) -> None:
    world, cloud = made("{g: {on: c1}}")
    kill(world, cloud)
    g = uid("guest", "g")
    sim = world.named("g")
    sim.no_host, sim.spawn_fails = how == "no_valid_host", how == "spawn"
    cloud.evacuate(g, keep_off=False, claim=CLAIM)
    world.clock.sleep(10)
    guest = cloud.guests([g])[g]
    assert (guest.vm_state, guest.host) == ("error", "c1")
    assert fault in guest.fault
    assert cloud.evacuations("c1")[0].status == status
    sim.no_host = False
    cloud.evacuate(g, keep_off=False, claim=CLAIM)
    world.clock.sleep(10)
    assert cloud.guests([g])[g].vm_state == "active"


def test_vtpm_is_refused() -> None:
    world, cloud = made("{g: {on: c1, vtpm: true}}")
    kill(world, cloud)
    with pytest.raises(Failed, match="vTPM"):
        cloud.evacuate(uid("guest", "g"), keep_off=False, claim=CLAIM)


GROUPS = [("[c1, c2]", "active"), ("[c1, c2, c3]", "error")]


@pytest.mark.parametrize(("hosts", "ends"), GROUPS)
def test_anti_affinity(hosts: str, ends: str) -> None:
    names = hosts.strip("[]").split(", ")
    guests = ", ".join(
        f"g{i}: {{on: {h}, server_group: s}}" for i, h in enumerate(names)
    )
    world, cloud = made(f"{{{guests}}}", more="  groups: {s: {}}\n")
    kill(world, cloud)
    g = uid("guest", "g0")
    cloud.evacuate(g, keep_off=False, claim=CLAIM)
    world.clock.sleep(10)
    guest = cloud.guests([g])[g]
    assert guest.vm_state == ends
    assert guest.host == ("c3" if ends == "active" else "c1")


def test_a_live_host_that_is_evacuated_is_a_split_brain() -> None:
    world, cloud = made("{g: {on: c1}}")
    world.set(world.host("c1"), network=False)
    world.clock.sleep(100)
    cloud.evacuate(uid("guest", "g"), keep_off=False, claim=CLAIM)
    world.clock.sleep(10)
    assert len(world.running_on(uid("guest", "g"))) == 2
    assert "g runs on" in world.corruption[0]


def test_a_returned_compute_cleans_up_and_only_then_can_be_lifted() -> None:
    world, cloud = made("{g: {on: c1}, left: {on: c1}}")
    kill(world, cloud)
    g, left = uid("guest", "g"), uid("guest", "left")
    cloud.evacuate(g, keep_off=False, claim=CLAIM)
    world.clock.sleep(10)
    host = world.host("c1")
    with pytest.raises(Failed, match="cannot be lifted"):
        world.lift(host)
    world.power(host, True)
    world.clock.sleep(40)
    assert g not in host.domains
    assert cloud.evacuations("c1")[0].status == "completed"
    assert cloud.guests([left])[left].vm_state == "stopped"
    assert not cloud.hosts()[0].up
    world.lift(host)
    assert cloud.hosts()[0].up


def test_a_destination_that_dies_leaves_the_record_in_flight() -> None:
    world, cloud = made("{g: {on: c1, lands_on: c2}}")
    kill(world, cloud)
    g = uid("guest", "g")
    cloud.evacuate(g, keep_off=False, claim=CLAIM)
    world.clock.sleep(2)
    kill(world, cloud, "c2")
    world.clock.sleep(60)
    record = cloud.evacuations("c1")[0]
    assert (record.dest, record.in_flight) == ("c2", True)
    assert cloud.guests([g])[g].host == "c1"
    cloud.evacuate(g, keep_off=False, claim=CLAIM)
    world.clock.sleep(60)
    assert cloud.guests([g])[g].host == "c3"
    assert world.wrecks == []


def test_casts_to_a_dead_host_wait_for_its_return() -> None:
    world, cloud = made("{g: {on: c1}}")
    world.set(world.host("c1"), compute=False)
    g = uid("guest", "g")
    cloud.set_power(g, "stop", CLAIM)
    world.clock.sleep(30)
    assert cloud.guests([g])[g].task_state
    world.set(world.host("c1"), compute=True)
    world.clock.sleep(2)
    assert cloud.guests([g])[g].vm_state == "stopped"


def test_the_service_goes_down_by_heartbeat_age() -> None:
    world, cloud = made("{}")
    first = cloud.hosts()[0].updated_at
    world.clock.sleep(12)
    assert cloud.hosts()[0].updated_at == first + 10
    world.set(world.host("c1"), compute=False)
    world.clock.sleep(57)
    assert cloud.hosts()[0].up
    world.clock.sleep(3)
    assert not cloud.hosts()[0].up
    kill(world, cloud)
    assert cloud.hosts()[0].updated_at == world.clock.now()


def test_many_guests_take_their_time() -> None:
    world, cloud = made("{g: {on: c1, count: 40}}")
    kill(world, cloud)
    for id in list(world.guests):
        cloud.evacuate(id, keep_off=False, claim=CLAIM)
    world.clock.sleep(5)
    moved = sum(g.host != "c1" for g in world.guests.values())
    assert 0 < moved < 40
    world.clock.sleep(20)
    assert all(g.host != "c1" for g in world.guests.values())


def test_a_claim_that_is_over_sends_nothing() -> None:
    world, cloud = made("{g: {on: c1}}")
    world.clock.sleep(1)
    fence = SimFence(world, world.host("c1"), "redfish")
    sends = (
        partial(cloud.delete, uid("guest", "g"), LATE),
        partial(fence.cut, LATE),
    )
    for send in sends:
        with pytest.raises(Refused) as caught:
            send()
        assert caught.value.code == "superseded"
    assert world.changes == []
    assert world.attempted == 2


def test_a_lost_answer_is_no_answer() -> None:
    for how, records in (("done", 1), ("undone", 0)):
        world, cloud = made("{g: {on: c1}}")
        kill(world, cloud)
        world.lost_answers[("evacuate", "g")] = how
        g = uid("guest", "g")
        with pytest.raises(NoAnswer):
            cloud.evacuate(g, keep_off=False, claim=CLAIM)
        assert len(cloud.evacuations("c1")) == records
        assert cloud.evacuation_asked(g, START) is bool(records)


def test_api_moods() -> None:
    world, cloud = made("{}")
    world.api["nova"] = "errors 2"
    for _ in range(2):
        with pytest.raises(Transient):
            cloud.guests_on("c1")
    assert len(cloud.hosts()) == 3
    world.api["nova"] = "slow"
    cloud.hosts()
    assert world.clock.now() == START + 5
    world.api["nova"] = "down"
    with pytest.raises(Transient):
        cloud.hosts()
    assert cloud.members() == []


def test_load_balancers_lock_and_break() -> None:
    world, cloud = made(
        "{g: {on: c1, member_of: [p]}}", more="  pools: {p: {lb: one}}\n"
    )
    (member,) = cloud.members()
    assert member.status == "ONLINE"
    cloud.set_weights(member.lb, {member.id: 0}, CLAIM)
    assert world.clock.now() == START
    cloud.set_weights(member.lb, {member.id: 3}, CLAIM)  # waits for the lock
    assert world.clock.now() > START + 1
    assert cloud.members()[0].weight == 3
    world.balancers[member.lb].error = True
    with pytest.raises(Failed) as caught:
        cloud.set_weights(member.lb, {member.id: 0}, CLAIM)
    assert caught.value.code == "lb_error"


def test_recreated_servers_have_their_own_ports_and_volumes() -> None:
    world, cloud = made("{g: {on: c1, boot: volume}}")
    kill(world, cloud)
    old = cloud.guests_on("c1")[0]
    tags = {"ha:replaces": old.id, "ha:incident": "i"}
    with pytest.raises(Refused, match="boot from"):
        cloud.recreate(old, tags, CLAIM)
    (root,) = cloud.disks(old)
    like = Likeness(disks=(NewDisk(root, "image", root.image),))
    new_id = cloud.recreate(old, tags, CLAIM, like)
    world.clock.sleep(10)
    new = cloud.copies({old.id: old.project})[old.id]
    assert not cloud.copies({old.id: "somebody else"})
    assert (new.id, new.vm_state) == (new_id, "active")
    assert not set(new.volumes) & set(old.volumes)
    assert new.ports[0].address != old.ports[0].address
    world.named("g").cannot_copy = "the key pair"
    with pytest.raises(Refused, match="key pair"):
        cloud.recreate(old, tags, CLAIM)


MOODS = [
    # mood, reading before, cut raises, reading after, really off
    ("ok", Power.ON, None, Power.OFF, True),
    ("dead", Power.UNKNOWN, Transient, Power.UNKNOWN, False),
    ("lies", Power.ON, None, Power.OFF, False),
    ("refuses", Power.ON, Failed, Power.ON, False),
    ("revives", Power.ON, None, Power.ON, False),
]


@pytest.mark.parametrize(("mood", "before", "error", "after", "off"), MOODS)
def test_fences(
    mood: str,
    before: Power,
    error: type[HaError] | None,
    after: Power,
    off: bool,
) -> None:
    world, _ = made("{}")
    host = world.host("c1")
    host.moods["redfish"] = mood
    fence = SimFence(world, host, "redfish")
    assert fence.power().power is before
    if error is None:
        fence.cut(CLAIM)
    else:
        with pytest.raises(error):
            fence.cut(CLAIM)
    world.clock.sleep(20)
    assert fence.power().power is after
    assert host.power is not off


def test_what_answers() -> None:
    world, cloud = made("{g: {on: c1}}")
    network = SimNetwork(world)
    host = world.host("c1")
    guest = cloud.guests_on("c1")[0].ports[0].address
    assert network.connect(CONTROL, 22, 1) is Reach.OPEN
    for facts, reach, status in (
        ({}, Reach.OPEN, 200),
        ({"kernel": "hang"}, Reach.OPEN, 200),
        ({"storage": False}, Reach.OPEN, 0),
        ({"network": False}, Reach.NOTHING, 0),
    ):
        world.set(host, **facts)
        assert network.connect(host.address, 22, 1) is reach
        assert network.http_status(guest, 80, "/", 1) == status


def test_calls_do_not_grow_with_the_guests() -> None:
    counts = []
    for n in (3, 100):
        world, cloud = made(f"{{g: {{on: c1, count: {n}}}}}")
        cloud.guests_on("c1")
        cloud.guests(world.guests)
        cloud.evacuations("c1")
        counts.append(dict(world.calls))
    assert counts[0] == counts[1]
