"""Loading: what a policy may say, and the sentence for what it may not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ha_actions.deciders.policy import digest, domain_of, load, mode_for
from ha_actions.errors import BadInput
from ha_actions.model import Aggregate, Host, Mode
from ha_actions.settings import Policy

TOP = Path(__file__).parents[2]
EXAMPLE = (TOP / "policy.example.yaml").read_text()
STEPS = {
    "ha.evacuate_servers",
    "ha.recreate_servers",
    "ha.update_members",
    "ha.retire_servers",
}

BAD: list[tuple[str, str]] = [
    ("", "policy is empty; start from policy.example.yaml."),
    ("[]", "policy must be a mapping, not a list."),
    ("a: [", "policy is not good YAML at line 1: "),
    ("mode: act\nmode: ask", "policy is not good YAML at line 2: 'mode' twi"),
    ("version: 2", "policy: version is 2; the highest allowed is 1."),
    ("mod: act", "policy has no key 'mod' (did you mean 'mode'?)."),
    (
        "mode: atc",
        "policy: mode cannot be 'atc' (did you mean 'act'?); it is one of "
        "shadow, ask, act.",
    ),
    (
        "limits: {host_down: 1}",
        "policy: limits has no key 'host_down' (did you mean 'hosts_down'?).",
    ),
    ("limits:", "policy: limits must be a mapping, not nothing."),
    (
        "limits: {hosts_down_percent: 101}",
        "policy: limits: hosts_down_percent is 101; the highest allowed is "
        "100.",
    ),
    (
        "tenant_may: [pett]",
        "policy: tenant_may cannot be 'pett' (did you mean 'pet'?); it is "
        "one of cattle, custom, ignore, pet.",
    ),
    ("tenant_may: [pet, pet]", "policy: tenant_may lists 'pet' twice."),
    (
        "methods: {ignore: [ha.evacuate_servers]}",
        "policy: methods: ignore has no method; only pet and cattle are "
        "acted on.",
    ),
    ("methods: {pet: []}", "policy: methods: pet has no steps; to leave "),
    (
        "methods: {pet: [nova.evacuate]}",
        "policy: methods: pet names the step 'nova.evacuate'; a step's name "
        "starts with 'ha.' (did you mean 'ha.evacuate_servers'?).",
    ),
    (
        "methods: {pet: [ha.evacuate_server]}",
        "policy: methods: pet cannot be 'ha.evacuate_server' (did you mean "
        "'ha.evacuate_servers'?); it is one of ",
    ),
    (
        "methods: {pet: [ha.update_members, ha.update_members]}",
        "policy: methods: pet lists 'ha.update_members' twice.",
    ),
    (
        "witnesses: {need_dead: 4}",
        "policy: witnesses: need_dead is 4, but `ask` lists 3: no host would "
        "ever be DOWN.",
    ),
    (
        "witnesses: {veto: [tcp_reech]}",
        "policy: witnesses: veto names 'tcp_reech' (did you mean "
        "'tcp_reach'?), which `ask` does not list, so that nobody would "
        "hear it.",
    ),
    (
        "witnesses: {ask: [a, a]}",
        "policy: witnesses: ask lists 'a' twice.",
    ),
    (
        "witnesses: {networks: {m: {hosts: {c1: a}, port: 22}}}",
        "policy: witnesses: networks: m lacks the key 'control'.",
    ),
    (
        "witnesses: {networks: {m: {hosts: {}, port: 0, control: a}}}",
        "policy: witnesses: networks: m: port is 0, not 1-65535.",
    ),
    (
        "witnesses: {networks: {m: {hosts: {c1: a}, port: 1, control: a}}}",
        "policy: witnesses: networks: m: hosts: c1 is 'a'; it needs an "
        "address of its own, not the control's.",
    ),
    (
        "fencing: {deadline_s: 14}",
        "policy: fencing: deadline_s is 14; it must be more than stable_s "
        "and two readings together (14).",
    ),
    ("fencing: {accept: []}", "policy: fencing: accept is empty: nothing "),
    ("fencing: {accept: [pwer]}", "policy: fencing: accept cannot be 'pwer'"),
    ("fencing: {stable_s: .nan}", "policy: fencing: stable_s cannot be nan."),
    (
        "recovery: {deadline_s: 10, poll_s: 5}",
        "policy: recovery: deadline_s is 10; it must be more than four "
        "times poll_s (5.0).",
    ),
    (
        "recovery: {instance_store: {ceph: share}}",
        "policy: recovery: instance_store: ceph cannot be 'share' (did you "
        "mean 'shared'?); it is one of local, shared.",
    ),
    (
        "rules: [{when: '$.boot = volume'}]",
        "policy: rules: rule 1 sets nothing; give `set` a tag and its value.",
    ),
    (
        "rules: [{when: '$.boot = volume', set: {ha:protecton: pet}}]",
        "policy: rules: rule 1: set cannot be 'ha:protecton' (did you mean "
        "'ha:protection'?); it is one of ",
    ),
    (
        "rules: [{when: '$.boot = volume', set: {ha:protection: pat}}]",
        "policy: rules: rule 1: set: ha:protection is 'pat', which is not "
        "one of ignore, custom, pet, cattle (did you mean 'pet'?).",
    ),
    (
        "rules: [{when: '$.boot = volume', set: {ha:duplicates: no}}]",
        "policy: rules[0]: set: ha:duplicates must be text; put no, off or "
        "false in quotes.",
    ),
    (
        "rules: [{when: '$.boot = volume', set: {ha:group: a, ha:after: a}}]",
        "policy: rules: rule 1 lets group 'a' wait for itself.",
    ),
    (
        "rules: [{when: '<% $.boot %>', set: {ha:protection: pet}}]",
        "policy: rules: rule 1: when holds '<%'; write the expression bare",
    ),
    (
        "service_vms: [{when: '$.boot = volume', set: {ha:priority: low}}]",
        "policy: service_vms: rule 1 has `set`; a service's guests are left "
        "alone.",
    ),
    ("service_vms: [{because: x}]", "policy: service_vms: rule 1: when is em"),
    ("drill: {hosts: [c1, c1]}", "policy: drill: hosts lists 'c1' twice."),
]


@pytest.mark.parametrize(("text", "sentence"), BAD)
def test_refuses_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        load(text, STEPS)
    message = caught.value.message
    assert message.startswith(sentence)
    assert message.endswith(".")
    assert "\n" not in message
    assert caught.value.code == "malformed"


def test_too_long_a_file_is_refused() -> None:
    with pytest.raises(BadInput, match="fit into Mistral"):
        load("# " + "x" * 500_000)


def test_defaults_protect() -> None:
    policy = load("version: 1")
    assert policy == Policy()
    assert policy.mode is Mode.SHADOW


def test_a_method_left_out_keeps_its_default() -> None:
    policy = load("methods: {pet: [ha.evacuate_servers]}", STEPS)
    assert policy.methods["pet"] == ["ha.evacuate_servers"]
    assert policy.methods["cattle"] == Policy().methods["cattle"]


def test_the_example_is_the_defaults_and_rules() -> None:
    policy = load(EXAMPLE, STEPS)
    assert policy.rules and policy.service_vms
    plain = Policy(rules=policy.rules, service_vms=policy.service_vms)
    assert policy == plain


def test_the_example_tempts_no_template_engine() -> None:
    assert not any(mark in EXAMPLE for mark in ("<%", "{{", "{%"))


def test_what_the_example_shows_in_comments_loads_too() -> None:
    text = re.sub(r"(?m)^  # ( *)(?=- | )", r"  \1", EXAMPLE)
    text = text.replace("networks: {}", "networks:")
    text = text.replace("instance_store: {}", "instance_store:")
    text = text.replace("targets: {}", "targets:")
    policy = load(text, STEPS)
    assert len(policy.rules) == 4
    assert policy.witnesses.networks["mgmt"]["port"] == 22
    assert policy.recovery.instance_store == {"ceph-nodes": "shared"}


def test_a_digest_names_one_text() -> None:
    assert digest("a") == digest("a") != digest("a ")
    assert len(digest("a")) == 16


@pytest.mark.parametrize(
    ("aggregates", "mode"),
    [
        ((), Mode.ASK),
        (("unlisted",), Mode.ASK),
        (("acting",), Mode.ACT),
        (("acting", "unlisted"), Mode.ACT),
        (("acting", "watched"), Mode.SHADOW),
    ],
)
def test_the_most_careful_mode_wins(
    aggregates: tuple[str, ...], mode: Mode
) -> None:
    policy = load("mode: ask\nmodes: {acting: act, watched: shadow}")
    host = Host(name="c1", service_id="1", up=True, aggregates=aggregates)
    assert mode_for(host, policy) is mode


RACKS = [
    Aggregate(name="a", hosts=("c1",), metadata={"rack": "r2"}),
    Aggregate(name="b", hosts=("c1", "c2"), metadata={"rack": "r1"}),
    Aggregate(name="c", hosts=("c3",), metadata={"ssd": "yes"}),
]


@pytest.mark.parametrize(
    ("key", "host", "domain"),
    [
        ("", "c1", "zone-1"),
        ("rack", "c1", "r1"),
        ("rack", "c2", "r1"),
        ("rack", "c3", "zone-1"),
    ],
)
def test_failure_domain(key: str, host: str, domain: str) -> None:
    policy = load(f"limits: {{domain: '{key}'}}")
    found = Host(name=host, service_id="1", up=True, zone="zone-1")
    assert domain_of(found, policy, RACKS) == domain
