"""A guest's choice: nearest wins, least destructive wins, nothing breaks."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ha_actions.deciders.policy import choose, load
from ha_actions.deciders.policy_tags import TAGS
from ha_actions.model import (
    Aggregate,
    Choice,
    Guest,
    Priority,
    Protection,
)
from ha_actions.settings import Policy
from hypothesis import given, settings
from hypothesis import strategies as st

PLAIN = Guest(id="g1", name="db", project="p1", host="c1", flavor="m1")
GOLD = Aggregate(
    name="gold", hosts=("c1",), metadata={"ha:protection": "cattle"}
)
ELSEWHERE = Aggregate(
    name="far", hosts=("c9",), metadata={"ha:protection": "pet"}
)
POLICY = load(
    """
default_protection: ignore
rules:
  - when: '$.name = db'
    set: {ha:priority: high}
    because: databases first
  - when: '$.name = db'
    set: {ha:priority: low, ha:protection: pet}
"""
)


def chosen(
    policy: Policy = POLICY,
    aggregates: tuple[Aggregate, ...] = (),
    **changes: Any,
) -> Choice:
    return choose(
        dataclasses.replace(PLAIN, **changes), policy, list(aggregates)
    )


KEY = "ha:protection"
NEAREST: list[tuple[dict[str, Any], Protection, str]] = [
    (
        {
            "metadata": {KEY: "ignore"},
            "image_properties": {"ha_protection": "pet"},
        },
        Protection.IGNORE,
        "server metadata ha:protection",
    ),
    (
        {
            "image_properties": {"ha_protection": "pet"},
            "operators_image": True,
            "flavor_specs": {KEY: "cattle"},
        },
        Protection.PET,
        "image property ha_protection",
    ),
    (
        {"flavor_specs": {KEY: "custom"}, "aggregates": (GOLD,)},
        Protection.CUSTOM,
        "flavor m1 extra spec ha:protection",
    ),
    (
        {"aggregates": (GOLD, ELSEWHERE)},
        Protection.CATTLE,
        "aggregate gold metadata ha:protection",
    ),
    ({"aggregates": (ELSEWHERE,)}, Protection.PET, "rule 2: $.name = db"),
    ({"name": "web"}, Protection.IGNORE, "default_protection of the policy"),
]


@pytest.mark.parametrize(("changes", "protection", "who"), NEAREST)
def test_nearest_wins(
    changes: dict[str, Any], protection: Protection, who: str
) -> None:
    choice = chosen(**changes)
    assert (choice.protection, choice.why["protection"]) == (protection, who)
    assert not choice.warnings


def test_each_tag_is_decided_on_its_own() -> None:
    choice = chosen(
        metadata={"ha:probe": "http:80/health,a"},
        flavor_specs={"ha:duplicates": "no"},
    )
    assert choice.probe == "http:80/health,a"
    assert choice.duplicates is False
    assert choice.priority is Priority.HIGH  # the first true rule with one
    assert choice.why["priority"] == "rule 1: databases first"
    assert choice.protection is Protection.PET
    assert not choice.warnings


SAME_OBJECT: list[tuple[dict[str, str], str, Any]] = [
    ({KEY: "pet,cattle"}, "protection", Protection.PET),
    ({KEY: "cattle, ignore"}, "protection", Protection.IGNORE),
    ({KEY: "pet", "ha_protection": "custom"}, "protection", Protection.CUSTOM),
    ({KEY: " PET "}, "protection", Protection.PET),
    ({"ha:priority": "high,low"}, "priority", Priority.LOW),
    ({"ha:local-disk": "discard,keep"}, "discard_local_disk", False),
    ({"ha_local_disk": "discard"}, "discard_local_disk", True),
    ({"ha:duplicates": "yes,no"}, "duplicates", False),
    ({"ha:restart": "on-crash"}, "restart_on_crash", True),
]


@pytest.mark.parametrize(("metadata", "field", "value"), SAME_OBJECT)
def test_on_one_object_the_least_destructive_wins(
    metadata: dict[str, str], field: str, value: Any
) -> None:
    choice = chosen(metadata=metadata)
    assert getattr(choice, field) == value
    several = len(metadata) > 1 or "," in next(iter(metadata.values()))
    assert bool(choice.warnings) is several


@pytest.mark.parametrize("word", ["false", "never", "", "No!"])
def test_an_unreadable_word_on_duplicates_forbids_them(word: str) -> None:
    choice = chosen(
        metadata={"ha:duplicates": word},
        flavor_specs={"ha:duplicates": "yes"},
    )
    assert choice.duplicates is False
    assert any("the safer" in said for said in choice.warnings)


def test_aggregates_of_a_host_are_one_object() -> None:
    other = Aggregate(
        name="a", hosts=("c1",), metadata={"ha:protection": "ignore"}
    )
    choice = chosen(aggregates=(GOLD, other))
    assert choice.protection is Protection.IGNORE
    assert choice.why["protection"] == "aggregate a metadata ha:protection"
    assert "contradict" in choice.warnings[0]


WRONG: list[tuple[dict[str, str], str]] = [
    (
        {KEY: "catle"},
        "server metadata ha:protection: 'catle' is not one of ignore, "
        "custom, pet, cattle (did you mean 'cattle'?); ignored.",
    ),
    ({KEY: ""}, "server metadata ha:protection: '' is not one of "),
    (
        {"ha:protecton": "pet"},
        "server metadata ha:protecton is not a tag that is read there (did "
        "you mean 'ha:protection'?); ignored.",
    ),
    ({"ha:probe": "tcp:99999"}, "server metadata ha:probe: 'tcp:99999' is "),
    ({"ha:probe": "icmp"}, "server metadata ha:probe: 'icmp' is not tcp:PO"),
    ({"ha:group": "a b"}, "server metadata ha:group: 'a b' is not a name "),
    ({"ha:after": "a" * 99}, "server metadata ha:after: 'aaaaaa"),
    (
        {"ha:group": "g", "ha:after": "g"},
        "server metadata ha:after: 'g' is the guest's own group, it would "
        "wait for itself; ignored.",
    ),
]


@pytest.mark.parametrize(("metadata", "warning"), WRONG)
def test_a_wrong_word_is_a_warning_and_the_next_decides(
    metadata: dict[str, str], warning: str
) -> None:
    choice = chosen(metadata=metadata)
    assert choice.protection is Protection.PET  # by rule 2
    assert len(choice.warnings) == 1
    assert choice.warnings[0].startswith(warning)
    assert len(choice.warnings[0]) < 250
    assert (choice.probe, choice.after) == ("", "")


def test_an_unscoped_extra_spec_is_not_read() -> None:
    choice = chosen(flavor_specs={"ha_protection": "cattle"})
    assert choice.protection is Protection.PET
    assert "did you mean 'ha:protection'?" in choice.warnings[0]


@pytest.mark.parametrize(
    "metadata",
    [{"ha_proxy": "x"}, {"hardware": "y"}, {"ha:replaces": "z"}],
)
def test_other_keys_are_nobodys_business(metadata: dict[str, str]) -> None:
    assert not chosen(metadata=metadata).warnings


CEILING = load("{tenant_may: [ignore, pet], default_protection: custom}")


@pytest.mark.parametrize(
    ("said", "protection", "warned"),
    [
        ("pet", Protection.PET, False),
        ("cattle", Protection.CUSTOM, True),
        ("cattle,pet", Protection.PET, True),
    ],
)
def test_a_tenant_stays_below_the_ceiling(
    said: str, protection: Protection, warned: bool
) -> None:
    choice = chosen(CEILING, metadata={KEY: said})
    assert choice.protection is protection
    assert bool(choice.warnings) is warned
    if warned:
        assert "lets tenants choose (ignore, pet)" in choice.warnings[0]


def test_the_ceiling_is_not_for_the_operator() -> None:
    choice = chosen(CEILING, flavor_specs={KEY: "cattle"})
    assert choice.protection is Protection.CATTLE


@pytest.mark.parametrize(
    ("operators", "protection"),
    [(True, Protection.CATTLE), (False, Protection.CUSTOM)],
)
def test_a_tenants_image_is_below_the_ceiling_too(
    operators: bool, protection: Protection
) -> None:
    choice = chosen(
        CEILING,
        image_properties={"ha_protection": "cattle"},
        operators_image=operators,
    )
    assert choice.protection is protection
    assert bool(choice.warnings) is not operators


SHARED = load("recovery: {instance_store: {gold: shared, old: local}}")
OLD = Aggregate(name="old", hosts=("c1",))


@pytest.mark.parametrize(
    ("aggregates", "changes", "shared"),
    [
        ((), {}, False),
        ((GOLD,), {}, True),
        ((GOLD, OLD), {}, False),
        ((OLD,), {}, False),
        ((GOLD,), {"boot": "volume"}, False),
        ((GOLD,), {"boot": "volume", "ephemeral_gb": 1}, True),
    ],
)
def test_shared_disk(
    aggregates: tuple[Aggregate, ...], changes: dict[str, Any], shared: bool
) -> None:
    assert chosen(SHARED, aggregates, **changes).shared_disk is shared


SERVICES = load(
    """
service_vms:
  - {when: '$.name.startsWith("amphora-")', because: an Octavia amphora}
  - {when: '$.metadata.get(role, "") = "lb"'}
"""
)


@pytest.mark.parametrize(
    ("changes", "service"),
    [
        ({"name": "amphora-1"}, "an Octavia amphora"),
        (
            {"metadata": {"role": "lb"}},
            'service_vms rule 2: $.metadata.get(role, "") = "lb"',
        ),
        ({}, ""),
    ],
)
def test_service_vms(changes: dict[str, Any], service: str) -> None:
    choice = chosen(SERVICES, **changes)
    assert choice.service_vm == service
    assert ("service_vm" in choice.why) is bool(service)


def test_a_rule_that_fails_is_not_true_and_is_told() -> None:
    policy = load(
        """
rules:
  - when: '$.name != plain and $.metadata[x] = y'
    set: {ha:protection: cattle}
"""
    )
    choice = chosen(policy)
    assert choice.protection is Protection.IGNORE
    assert choice.warnings == (
        "rule 1 cannot be told for this guest ('x'); it counts as not true.",
    )


def test_why_names_fields_of_the_choice() -> None:
    fields = {f.name for f in dataclasses.fields(Choice)}
    assert {tag.field for tag in TAGS.values()} <= fields


tags = st.dictionaries(
    st.sampled_from([*TAGS, "ha_protection", "ha:x", "HA:PET", "other"]),
    st.one_of(
        st.text(max_size=30),
        st.lists(
            st.sampled_from(["pet", "cattle", "ignore", "no", "a", "tcp:1"]),
            max_size=3,
        ).map(",".join),
    ),
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(metadata=tags, image=tags, flavor=tags)
def test_no_tag_breaks_anything(
    metadata: dict[str, str], image: dict[str, str], flavor: dict[str, str]
) -> None:
    choice = chosen(
        metadata=metadata, image_properties=image, flavor_specs=flavor
    )
    assert choice == chosen(
        metadata=metadata, image_properties=image, flavor_specs=flavor
    )
    said = {w.strip().lower() for w in metadata.get(KEY, "").split(",")}
    if "ignore" in said:
        assert choice.protection is Protection.IGNORE
