"""What becomes of the volumes of cattle."""

from __future__ import annotations

from typing import Any

import pytest
from ha_actions.deciders.likeness import (
    ANEW,
    CLONE,
    may_move,
    moving,
    new_disks,
    to_clone,
)
from ha_actions.deciders.prospects import prospects, with_fallback
from ha_actions.errors import Refused
from ha_actions.model import Protection, Requires
from ha_actions.model.likeness import Disk, NewDisk
from unit.fakes import guest, planned


def disk(volume: str = "v", **more: Any) -> Disk:
    return Disk(**{"volume": volume, "device": f"/dev/{volume}", **more})


ROOT = disk("root", root=True, stays=True, image="img")
DATA = disk("data", stays=True)
SCRATCH = disk("scratch")


def test_a_data_volume_that_outlives_its_server_moves() -> None:
    far = disk("vdaa", stays=True)
    near = disk("vdz", stays=True)
    assert moving([far, ROOT, SCRATCH, near]) == [near, far]


def test_what_does_not_move_is_made_anew() -> None:
    made = new_disks(guest(), [ROOT, DATA, SCRATCH], {})
    assert made == (NewDisk(ROOT, "image", "img"), NewDisk(SCRATCH, "blank"))


def test_or_cloned() -> None:
    disks = [ROOT, DATA, SCRATCH]
    assert to_clone(disks, ANEW) == []
    assert to_clone(disks, CLONE) == [ROOT, SCRATCH]
    made = new_disks(guest(), disks, {"root": "c1", "scratch": "c2"})
    assert [(n.made_of, n.id) for n in made] == [
        ("volume", "c1"),
        ("volume", "c2"),
    ]


def test_what_it_was_made_of_counts_and_not_what_that_was_made_of() -> None:
    # Cinder hands an image's name down to what is made of its volumes
    of_snapshot = disk(root=True, image="img", snapshot="s1")
    assert new_disks(guest(), [of_snapshot], {})[0].id == "s1"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (disk(root=True, image="img", source="v0"), "is a clone of volume v0"),
        (disk(root=True), "was made of no image"),
        (disk(source="v0"), "is a clone of volume v0"),
    ],
)
def test_what_cannot_be_made_anew(wrong: Disk, says: str) -> None:
    with pytest.raises(Refused, match=f"{says}.*ha:volumes=clone") as met:
        new_disks(guest(), [wrong], {})
    assert met.value.code == "cannot_copy"


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({}, False),
        ({"volumes": ("a",)}, False),
        ({"volumes": ("a",), "lasting": ("a",)}, True),
        ({"boot": "volume", "volumes": ("a",), "lasting": ("a",)}, False),
        ({"boot": "volume", "volumes": ("a", "b"), "lasting": ("a",)}, True),
        ({"boot": "volume", "volumes": ("a", "b")}, False),
    ],
)
def test_who_may_have_a_volume_that_moves(
    changes: dict[str, Any], may: bool
) -> None:
    assert may_move(guest(**changes)) is may


@pytest.mark.parametrize(
    ("changes", "choice", "requires"),
    [
        ({"boot": "volume", "volumes": ("a",)}, {}, Requires.VERDICT),
        (
            {"boot": "volume", "volumes": ("a",)},
            {"volumes": "clone"},
            Requires.PROOF,
        ),
        ({"volumes": ("a",), "lasting": ("a",)}, {}, Requires.PROOF),
        ({}, {"volumes": "clone"}, Requires.VERDICT),
        ({}, {"keep_ports": True}, Requires.PROOF),
    ],
)
def test_what_is_taken_from_the_old_server_waits_for_the_proof(
    changes: dict[str, Any], choice: dict[str, Any], requires: Requires
) -> None:
    p = planned(guest(**changes), Protection.CATTLE, **choice)
    told = prospects(p.guest, p.choice)
    assert (told.code, told.requires) == ("recreated", requires)


def test_a_pet_that_falls_back_keeps_its_volumes_unless_told() -> None:
    sealed = guest(
        boot="volume", volumes=("a",), flavor_specs={"hw:tpm_version": "2.0"}
    )
    pet = planned(sealed, fallback=True).choice
    assert with_fallback(sealed, pet) is pet
    told = planned(
        sealed, fallback=True, volumes="clone", why={"volumes": "its owner"}
    ).choice
    assert with_fallback(sealed, told).protection is Protection.CATTLE
