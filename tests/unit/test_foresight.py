"""Who would come back, who would not, and the cure: pure."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from fakes import guest, host, port
from ha_actions.deciders.foresight import CURES, foresee
from ha_actions.deciders.outlook import (
    Foreseen,
    Outlook,
    Pace,
    Sight,
    Standing,
    need_of,
)
from ha_actions.deciders.prospects import CODES
from ha_actions.model import Guest, Mode, Requires, StackPlace
from ha_actions.model.capacity import Need, Room
from ha_actions.settings import Policy

NEED = Need((("MEMORY_MB", 1024),))
STEPS = {
    step: Requires.PROOF
    for steps in Policy().methods.values()
    for step in steps
} | {"ha.await_ready": Requires.VERDICT}


def pet(name: str = "db", **more: Any) -> Guest:
    tags = {"ha:protection": "pet", **more.pop("tags", {})}
    return guest(name, boot="volume", metadata=tags, **more)


def sight(*guests: Guest, room: int = 99999, **more: Any) -> Sight:
    values: dict[str, Any] = {
        "hosts": [host("c1"), host("c2"), host("c3")],
        "needs": {g.id: NEED for g in guests},
        "rooms": {
            need_of(g, NEED): [Room(host="c2", free={"MEMORY_MB": room})]
            for g in guests
        },
        "fences": {"c1": 1, "c2": 1, "c3": 1},
    }
    return Sight(**(values | more))


def look(
    *guests: Guest,
    policy: Policy | None = None,
    dying: tuple[str, ...] = ("c1",),
    steps: dict[str, Requires] | None = None,
    **more: Any,
) -> Outlook:
    chosen = policy or Policy(mode=Mode.ACT)
    return foresee(
        dying, guests, sight(*guests, **more), chosen, steps or STEPS
    )


def only(outlook: Outlook) -> Foreseen:
    assert len(outlook.guests) == 1
    return outlook.guests[0]


def test_a_pet_with_room_and_a_fence_is_protected() -> None:
    row = only(look(pet()))
    assert (row.standing, row.target, row.wave) == ("protected", "c2", 1)
    assert row.reasons == row.cures == ()


@pytest.mark.parametrize(
    ("change", "says", "cure"),
    [
        ({"room": 10}, "no room is left", "more room"),
        ({"rooms": {NEED: []}}, "no other live host", "adds such a host"),
        ({"fences": {}}, "has no fence", "names a fence"),
        ({"needs": {}}, "no allocation", "heal_allocations"),
    ],
)
def test_what_is_missing_around_it(
    change: dict[str, Any], says: str, cure: str
) -> None:
    row = only(look(pet(), **change))
    assert row.standing is Standing.AT_RISK
    assert says in row.reasons[0] and cure in row.cures[0]


def test_a_word_that_cannot_be_taken_is_named_with_the_server() -> None:
    row = only(look(guest(metadata={"ha:protection": "pett"})))
    assert row.standing is Standing.AT_RISK, "it may have meant pet"
    assert "'pett' is not one of" in row.reasons[0]
    probe = only(look(pet(tags={"ha:probe": "tcp:no"})))
    assert "tcp:PORT or http:PORT/PATH" in probe.reasons[0]


def test_a_circle_of_after_is_named() -> None:
    a = pet("a", tags={"ha:group": "ga", "ha:after": "gb"})
    b = pet("b", tags={"ha:group": "gb", "ha:after": "ga"})
    rows = look(a, b, pet("c")).guests
    found = {r.name: r.reasons for r in rows}
    assert "a, b wait for each other" in found["a"][0]
    assert found["b"] and not found["c"]


def test_a_method_that_names_an_unknown_action() -> None:
    policy = Policy(mode=Mode.ACT, methods={"pet": ["ha.bogus"]})
    row = only(look(pet(), policy=policy))
    assert "'ha.bogus', which no executor has" in row.reasons[0]


def test_local_disk_cannot_be_protected_and_the_cure_names_the_server() -> (
    None
):
    row = only(look(guest(metadata={"ha:protection": "pet"})))
    assert row.standing is Standing.CANNOT
    assert "ha:local-disk=discard id-db" in row.cures[0]
    assert row.wave == 0 and row.target == ""


def test_left_alone_by_default_gets_a_cure_and_by_choice_none() -> None:
    default = only(look(guest()))
    chosen = only(look(guest(metadata={"ha:protection": "ignore"})))
    assert default.standing is chosen.standing is Standing.LEFT
    assert default.cures and not chosen.cures


CATTLE = {"ha:protection": "cattle"}


def test_cattle_of_a_stack_is_repaired_by_its_stack() -> None:
    web = guest("web", metadata=CATTLE)
    place = StackPlace(
        project="p1",
        stack="s1",
        stack_name="shop",
        nested="s1",
        nested_name="shop",
        resource="web",
    )
    row = only(look(web, stacks={"id-web": place}))
    assert (row.code, row.standing) == ("stack_repaired", "protected")
    assert "in stack shop" in row.sentence


def test_heat_that_is_silent_puts_cattle_at_risk_and_no_pet() -> None:
    web, db = guest("web", metadata=CATTLE), pet()
    seen = look(web, db, stacks_silent={"p1": "Heat is away"})
    found = {r.name: r.code for r in seen.guests}
    assert found == {"web": "refused_stack_unknown", "db": "evacuated"}
    assert any("Heat is away" in note for note in seen.notes)


def test_what_a_copy_would_lack_is_known_beforehand() -> None:
    web, db = guest("web", metadata=CATTLE), pet()
    lacks = {"id-web": "its key pair k cannot be used", "id-db": "odd"}
    rows = {r.name: r for r in look(web, db, uncopied=lacks).guests}
    assert rows["web"].code == "refused_cannot_copy"
    assert rows["web"].standing is Standing.CANNOT
    assert "key pair k" in rows["web"].sentence
    assert rows["db"].standing is Standing.PROTECTED, "no pet is copied"


def test_what_was_not_looked_at_is_said() -> None:
    web = guest("web", metadata=CATTLE)
    blind = " / ".join(look(web, stacks=None, uncopied=None).notes)
    assert "Heat was not asked" in blind
    assert "keys, ports" in blind
    assert "7 more of cattle" in " / ".join(look(web, unlooked=7).notes)
    assert "files, a password" in " / ".join(look(web).notes)
    assert "cattle" not in " / ".join(look(pet()).notes)


def test_every_refusal_has_a_cure() -> None:
    assert {c for c in CODES if c.startswith("refused_")} <= set(CURES)


def test_what_would_stop_it_all() -> None:
    def stops(**more: Any) -> str:
        return " / ".join(look(pet(), **more).obstacles)

    assert stops() == ""
    assert "mode is shadow" in stops(policy=Policy())
    assert "ha-pack arm" in stops(armed=False)
    assert "a person's yes" in stops(policy=Policy(mode=Mode.ASK))
    assert "disarmed by me" in stops(stops=["disarmed by me"])
    assert "no fence for c1" in stops(fences={"c2": 1})
    two = stops(dying=("c1", "c2"))
    assert "too_many_down" in two and "no_fence_slot" not in two
    assert "no_fence_slot" in stops(dying=("c1", "c2", "c3"))


def test_a_tenant_sees_no_hosts_and_is_told_what_was_not_looked_at() -> None:
    outlook = look(pet(), hosts=None, rooms=None, fences=None)
    assert only(outlook).standing is Standing.PROTECTED
    assert outlook.obstacles == ()
    assert outlook.notes == ("room on other hosts was not looked at",)


def test_uncounted_pci_devices_are_said() -> None:
    gpu = pet("gpu", flavor_specs={"pci_passthrough:alias": "a100:1"})
    assert any("PCI devices of gpu" in n for n in look(gpu).notes)
    seen = Need((("CUSTOM_PCI_10DE_20B0", 1), ("MEMORY_MB", 1)))
    notes = look(gpu, needs={gpu.id: seen}).notes
    assert not any("PCI devices of gpu" in n for n in notes)


def test_need_takes_traits_of_flavor_and_image() -> None:
    g = guest(
        flavor_specs={"trait:HW_AVX": "required", "hw:cpu": "x"},
        image_properties={"trait:CUSTOM_OLD": "forbidden"},
    )
    need = need_of(g, NEED)
    assert (need.required, need.forbidden) == (("HW_AVX",), ("CUSTOM_OLD",))
    assert need.resources == NEED.resources


@pytest.mark.parametrize(
    ("specs", "image", "required"),
    [
        ({"hw:tpm_version": "2.0"}, {}, ("COMPUTE_SECURITY_TPM_2_0",)),
        ({}, {"hw_tpm_version": "1.2"}, ("COMPUTE_SECURITY_TPM_1_2",)),
        ({"hw:tpm_version": "3"}, {}, ()),
    ],
)
def test_need_has_the_trait_that_nova_adds_for_a_tpm(
    specs: dict[str, str], image: dict[str, str], required: tuple[str, ...]
) -> None:
    g = guest(flavor_specs=specs, image_properties=image)
    assert need_of(g, NEED).required == required


def test_order_of_the_plan_decides_who_gets_the_last_room() -> None:
    low = pet("a-low", tags={"ha:priority": "low"})
    high = pet("z-high", tags={"ha:priority": "high"})
    rows = {r.name: r for r in look(low, high, room=1024).guests}
    assert rows["z-high"].target == "c2"
    assert "no room is left" in rows["a-low"].reasons[0]


def test_the_time_says_where_it_comes_from() -> None:
    pace = Pace(first_s=4.0, each_s=1.0, source="this cloud")
    outlook = look(pet("a"), pet("b"), pace=pace)
    policy = Policy()
    wait = policy.witnesses.watch_s + policy.fencing.stable_s
    assert outlook.seconds == wait + 2 * policy.fencing.poll_s + 5.0
    assert "this cloud" in outlook.basis


def test_probes_and_ports_do_not_disturb() -> None:
    g = pet(tags={"ha:probe": "tcp:22"}, ports=(port(),))
    assert dataclasses.asdict(only(look(g)))["standing"] == "protected"
