"""One guest's future: every case has one stable code."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ha_actions.deciders.explain import explain
from ha_actions.deciders.policy import load
from ha_actions.deciders.prospects import CODES, MOVING, prospects
from ha_actions.model import Choice, Guest, Protection, Requires
from hypothesis import given, settings
from hypothesis import strategies as st

PET = Choice(protection=Protection.PET, shared_disk=True)
LOCAL = Choice(protection=Protection.PET)
CATTLE = Choice(protection=Protection.CATTLE)
NO_COPY = dataclasses.replace(CATTLE, volumes="refuse")
IGNORED = Choice(protection=Protection.IGNORE)
GUEST = Guest(id="g1", name="db", project="p1", host="c1")

TABLE: list[tuple[Choice, dict[str, Any], str]] = [
    (PET, {}, "evacuated"),
    (PET, {"locked": True}, "evacuated"),
    (PET, {"task_state": "powering-off"}, "evacuated"),
    (PET, {"task_state": "rebuilding"}, "evacuated"),
    (PET, {"vm_state": "stopped", "power": "shutdown"}, "evacuated_stopped"),
    (PET, {"vm_state": "error"}, "evacuated"),
    (PET, {"vm_state": "error", "power": "shutdown"}, "evacuated_stopped"),
    (PET, {"vm_state": "paused"}, "evacuated_reset"),
    (PET, {"vm_state": "suspended"}, "evacuated_reset"),
    (PET, {"vm_state": "rescued"}, "evacuated_reset"),
    (PET, {"vm_state": "resized"}, "refused_resized"),
    (PET, {"vm_state": "shelved"}, "refused_shelved"),
    (PET, {"vm_state": "shelved_offloaded"}, "left_shelved"),
    (PET, {"vm_state": "soft-delete"}, "left_deleted"),
    (PET, {"task_state": "deleting"}, "left_deleted"),
    (PET, {"vm_state": "building"}, "refused_never_launched"),
    (
        PET,
        {"vm_state": "error", "launched": False},
        "refused_never_launched",
    ),
    (PET, {"vm_state": "dreaming"}, "refused_unknown_state"),
    (PET, {"task_state": "migrating"}, "refused_busy"),
    (
        PET,
        {"flavor_specs": {"hw:tpm_version": "2.0"}},
        "refused_unsupported",
    ),
    (
        PET,
        {"image_properties": {"hw_tpm_version": "2.0"}},
        "refused_unsupported",
    ),
    (LOCAL, {}, "refused_local_disk"),
    (LOCAL, {"boot": "volume"}, "evacuated"),
    (LOCAL, {"boot": "volume", "ephemeral_gb": 5}, "refused_local_disk"),
    (LOCAL, {"vm_state": "stopped"}, "refused_local_disk"),
    (
        dataclasses.replace(LOCAL, discard_local_disk=True),
        {},
        "evacuated",
    ),
    (CATTLE, {"volumes": ("v1",)}, "recreated"),
    (CATTLE, {"boot": "volume"}, "recreated"),
    (NO_COPY, {}, "recreated"),
    (NO_COPY, {"volumes": ("v1",)}, "refused_cannot_copy"),
    (NO_COPY, {"boot": "volume"}, "refused_cannot_copy"),
    (CATTLE, {}, "recreated"),
    (CATTLE, {"vm_state": "resized"}, "recreated"),
    (CATTLE, {"vm_state": "dreaming"}, "recreated"),
    (CATTLE, {"flavor_specs": {"hw:tpm_version": "2.0"}}, "recreated"),
    (CATTLE, {"task_state": "migrating"}, "refused_busy"),
    (CATTLE, {"launched": False}, "refused_never_launched"),
    (CATTLE, {"vm_state": "shelved"}, "refused_shelved"),
    (CATTLE, {"vm_state": "deleted"}, "left_deleted"),
    (Choice(protection=Protection.IGNORE), {}, "left_ignored"),
    (
        Choice(protection=Protection.IGNORE),
        {"task_state": "migrating"},
        "left_ignored",
    ),
    (Choice(protection=Protection.CUSTOM), {}, "left_custom"),
    (
        dataclasses.replace(PET, service_vm="an Octavia amphora"),
        {},
        "left_service_vm",
    ),
]


@pytest.mark.parametrize(("choice", "changes", "code"), TABLE)
def test_code(choice: Choice, changes: dict[str, Any], code: str) -> None:
    told = prospects(dataclasses.replace(GUEST, **changes), choice)
    assert told.code == code
    assert told.sentence.endswith(".")


def test_the_table_has_every_code() -> None:
    others = {"failed_over", "stack_repaired", "refused_stack_unknown"}
    assert {code for _, _, code in TABLE} | others == set(CODES)


def test_cattle_of_a_stack_is_heats_to_replace() -> None:
    holding = dataclasses.replace(GUEST, volumes=("v1",))
    told = prospects(holding, CATTLE, stack="shop")
    assert (told.code, told.requires) == ("stack_repaired", Requires.PROOF)
    assert told.steps == ("ha.repair_stacks",) and "shop" in told.sentence


def test_cattle_is_left_while_heat_does_not_tell() -> None:
    told = prospects(GUEST, CATTLE, stack_unknown="Heat is away.")
    assert (told.code, told.steps) == ("refused_stack_unknown", ())
    assert not told.wanted and "(Heat is away)." in told.sentence


def test_a_pet_of_a_stack_is_a_pet() -> None:
    assert prospects(GUEST, PET, stack="shop") == prospects(GUEST, PET)


@pytest.mark.parametrize("choice", [PET, CATTLE, IGNORED])
def test_an_amphora_is_octavias_whatever_is_said_of_it(
    choice: Choice,
) -> None:
    told = prospects(GUEST, choice, balancer="lb1")
    assert (told.code, told.method) == ("failed_over", None)
    assert told.steps == ("ha.fail_over_balancers",)
    assert told.requires is Requires.PROOF and "lb1" in told.sentence


@pytest.mark.parametrize(
    ("choice", "changes", "requires"),
    [
        (PET, {}, Requires.PROOF),
        (CATTLE, {}, Requires.VERDICT),
        (
            dataclasses.replace(CATTLE, duplicates=False),
            {},
            Requires.PROOF,
        ),
    ],
)
def test_requires(
    choice: Choice, changes: dict[str, Any], requires: Requires
) -> None:
    told = prospects(dataclasses.replace(GUEST, **changes), choice)
    assert told.requires is requires


@pytest.mark.parametrize(
    ("choice", "changes", "lost", "off"),
    [
        (PET, {}, "", False),
        (PET, {"vm_state": "stopped"}, "", True),
        (PET, {"vm_state": "suspended"}, "its memory", True),
        (
            dataclasses.replace(LOCAL, discard_local_disk=True),
            {"vm_state": "paused"},
            "its disk and its memory",
            False,
        ),
        (
            dataclasses.replace(LOCAL, discard_local_disk=True),
            {"boot": "volume", "ephemeral_gb": 5},
            "its ephemeral disk of 5 GB",
            False,
        ),
        (CATTLE, {"vm_state": "stopped"}, "local data", True),
    ],
)
def test_what_is_lost_and_what_ends_off(
    choice: Choice, changes: dict[str, Any], lost: str, off: bool
) -> None:
    told = prospects(dataclasses.replace(GUEST, **changes), choice)
    assert (told.loses, told.ends_off) == (lost, off)


@settings(max_examples=100, deadline=None)
@given(
    protection=st.sampled_from(Protection),
    vm_state=st.sampled_from(
        ["active", "stopped", "error", "paused", "shelved", "odd", "deleted"]
    ),
    task_state=st.sampled_from(["", "rebooting", *sorted(MOVING)]),
    launched=st.booleans(),
    shared=st.booleans(),
    consent=st.booleans(),
    boot=st.sampled_from(["image", "volume"]),
)
def test_invariants(
    protection: Protection,
    vm_state: str,
    task_state: str,
    launched: bool,
    shared: bool,
    consent: bool,
    boot: str,
) -> None:
    choice = Choice(
        protection=protection, shared_disk=shared, discard_local_disk=consent
    )
    guest = dataclasses.replace(
        GUEST,
        vm_state=vm_state,
        task_state=task_state,
        launched=launched,
        boot=boot,
    )
    told = prospects(guest, choice)
    assert told.code in CODES
    assert told.comes_back is (told.method is not None)
    assert told.wanted is not told.code.startswith("refused_")
    if told.method is Protection.PET:
        assert told.requires is Requires.PROOF
        assert consent or shared or boot == "volume"
    if protection in (Protection.IGNORE, Protection.CUSTOM):
        assert not told.comes_back


def test_explain_names_who_decided_and_what_would_happen() -> None:
    guest = dataclasses.replace(
        GUEST,
        metadata={"ha:protection": "pet", "ha:duplicates": "no"},
        task_state="rebooting",
    )
    lines = explain(guest, load("version: 1"), []).splitlines()
    assert lines[0] == "server db (g1) on c1, active, task rebooting"
    assert "ha:protection  pet        server metadata" in lines[1]
    assert any("ha:duplicates  no " in line for line in lines)
    assert any("ha:restart     never      nobody" in line for line in lines)
    assert lines[-1].startswith("if c1 died now: refused: its disk is on its")
    assert lines[-1].endswith("[refused_local_disk]")
