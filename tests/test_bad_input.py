"""Mistakes in a policy or a scenario: one sentence with place and cure.

Nothing is played, fenced or moved on bad input: it is refused as it is read.
"""

from __future__ import annotations

import pytest
from ha_actions.deciders import policy
from ha_actions.errors import BadInput
from ha_actions.sim.scenario import load
from ha_actions.sim.verbs import VERBS
from stories import POLICY

RULE = "rules: [{when: '%s', set: {ha:protection: pet}}]"

POLICIES = [
    ("", "policy is empty; start from policy.example.yaml."),
    ("- mode", "policy must be a mapping, not a list."),
    (
        "mode: [",
        "policy is not good YAML at line 1: expected the node content, but "
        "found '<stream end>'.",
    ),
    (
        "mode: act\nmode: ask",
        "policy is not good YAML at line 2: 'mode' twice.",
    ),
    ("moed: act", "policy has no key 'moed' (did you mean 'mode'?)."),
    (
        "limits: {host_down: 1}",
        "policy: limits has no key 'host_down' (did you mean 'hosts_down'?).",
    ),
    (
        "mode: acct",
        "policy: mode cannot be 'acct' (did you mean 'act'?); it is one of "
        "shadow, ask, act.",
    ),
    ("version: 2", "policy: version is 2; the highest allowed is 1."),
    (
        "limits: {hosts_down: many}",
        "policy: limits: hosts_down must be a whole number, not 'many'.",
    ),
    (
        "limits: {hosts_down: -1}",
        "policy: limits: hosts_down is -1; the lowest allowed is 0.",
    ),
    (
        "witnesses: {veto: [tcp_reech]}",
        "policy: witnesses: veto names 'tcp_reech' (did you mean "
        "'tcp_reach'?), which `ask` does not list, so that nobody would hear "
        "it.",
    ),
    (
        "fencing: {accept: [powr]}",
        "policy: fencing: accept cannot be 'powr' (did you mean 'power'?); "
        "it is one of network, operator, power, storage.",
    ),
    (
        "fencing: {accept: []}",
        "policy: fencing: accept is empty: nothing would be proof.",
    ),
    (
        "tenant_may: [pets]",
        "policy: tenant_may cannot be 'pets' (did you mean 'pet'?); it is "
        "one of cattle, custom, ignore, pet.",
    ),
    (
        "methods: {pett: [ha.x]}",
        "policy: methods: pett has no method (did you mean 'pet'?); only pet "
        "and cattle are acted on.",
    ),
    (
        "recovery: {instance_store: {ceph: shard}}",
        "policy: recovery: instance_store: ceph cannot be 'shard' (did you "
        "mean 'shared'?); it is one of local, shared.",
    ),
    (
        RULE % "$.boott = volume",
        "policy: rules: rule 1: when reads $.boott, which a guest does not "
        "have (did you mean 'boot'?).",
    ),
    (
        RULE % "<% $.boot = volume %>",
        "policy: rules: rule 1: when holds '<%'; write the expression bare, "
        "since Mistral would evaluate it on its own.",
    ),
    (
        "rules: [{when: '$.boot = volume', set: {ha:protection: petz}}]",
        "policy: rules: rule 1: set: ha:protection is 'petz', which is not "
        "one of ignore, custom, pet, cattle (did you mean 'pet'?).",
    ),
    (
        "rules: [{wen: '$.boot = volume', set: {ha:protection: pet}}]",
        "policy: rules[0] has no key 'wen' (did you mean 'when'?).",
    ),
    (
        "service_vms: [{when: '$.locked', set: {ha:protection: pet}}]",
        "policy: service_vms: rule 1 has `set`; a service's guests are left "
        "alone.",
    ),
    (
        "drill: {hots: [c1]}",
        "policy: drill has no key 'hots' (did you mean 'hosts'?).",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), POLICIES)
def test_a_wrong_policy_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as told:
        policy.load(text)
    assert told.value.message == sentence
    assert told.value.code == "malformed"
    assert not told.value.retryable


WORLD = """\
why: Something is wrong here.
policy: {POLICY}
world:
  hosts: {c1: {}, c2: {HOST}}
  guests: {db: {on: c1, GUEST}}
  pools: {web: {}}
script: [{at: 1, do: DO}]
"""


def world(
    do: str = "power c1 off", policy: str = "", host: str = "", guest: str = ""
) -> str:
    """A scenario that is right but for what is given."""
    text = WORLD.replace("DO", do).replace("POLICY", policy)
    return text.replace("HOST", host).replace("GUEST", guest)


DID = "x.yaml: script[0]"
DB = "x.yaml: world: guests: db"
SCENARIOS = [
    ("", "x.yaml must be a mapping, not nothing."),
    ("why: x", "x.yaml lacks the key 'world'."),
    (
        "why: x\nworld: [",
        "x.yaml line 2 is not YAML: expected the node content, but found "
        "'<stream end>'.",
    ),
    (
        "plicy: {}\n" + world(),
        "x.yaml has no key 'plicy' (did you mean 'policy'?).",
    ),
    (
        world(policy="limts: {}"),
        "x.yaml: policy has no key 'limts' (did you mean 'limits'?).",
    ),
    (
        world(policy="mode: acct"),
        "x.yaml: policy: mode cannot be 'acct' (did you mean 'act'?); it is "
        "one of shadow, ask, act.",
    ),
    (
        world(host="rak: a"),
        "x.yaml: world: hosts: c2 has no key 'rak' (did you mean 'rack'?).",
    ),
    (
        world(guest="protecton: pet"),
        f"{DB} has no key 'protecton' (did you mean 'protection'?).",
    ),
    (
        world(guest="protection: petz"),
        f"{DB}: protection cannot be 'petz' (did you mean 'pet'?); it is one "
        "of pet, cattle, ignore, custom.",
    ),
    (
        world(guest="state: ACTIV"),
        f"{DB}: state names the state 'ACTIV', which this scenario does not "
        "have (did you mean 'ACTIVE'?).",
    ),
    (
        world(guest="member_of: [wb]"),
        f"{DB}: member_of names the pool 'wb', which this scenario does not "
        "have (did you mean 'web'?).",
    ),
    (
        world().replace("on: c1", "on: c11"),
        f"{DB}: on names the host 'c11', which this scenario does not have "
        "(did you mean 'c1'?).",
    ),
    (world().replace("on: c1, ", ""), f"{DB} lacks the key 'on'."),
    (
        world("powr c1 off"),
        f"{DID} has the unknown verb 'powr' (did you mean 'power'?); the "
        f"verbs are {', '.join(VERBS)}.",
    ),
    (
        world("power c3 off"),
        f"{DID} names the host 'c3', which there is not (did you mean 'c2'?).",
    ),
    (
        world("delete dbb"),
        f"{DID} names the guest 'dbb', which there is not (did you mean "
        "'db'?).",
    ),
    (
        world("lb wib error"),
        f"{DID} names the load balancer 'wib', which there is not (did you "
        "mean 'web'?).",
    ),
    (
        world("power c1 of"),
        f"{DID} cannot take 'of' (did you mean 'off'?); it is one of on, off.",
    ),
    (
        world("power c1"),
        f"{DID} lacks a word; the verb takes: HOST on|off.",
    ),
    (
        world("power c1 off now"),
        f"{DID} has too many words; the verb takes: HOST on|off.",
    ),
    (
        world("alarm host_dwn c1"),
        f"{DID} cannot take 'host_dwn' (did you mean 'host_down'?); it is "
        "one of host_down.",
    ),
    (
        world("crash-before evacuate_server"),
        f"{DID} names the step 'evacuate_server', which there is not (did "
        "you mean 'evacuate_servers'?).",
    ),
    (
        world("spawn-fails db twice"),
        f"{DID} needs a number, not 'twice'.",
    ),
    (world("''"), f"{DID} has an empty `do`."),
    (
        world().replace("at: 1", "at: -1"),
        f"{DID}: at is -1.0; the lowest allowed is 0.",
    ),
    (
        world().replace("at: 1", "att: 1"),
        f"{DID} has no key 'att' (did you mean 'at'?).",
    ),
]


@pytest.mark.parametrize(("text", "sentence"), SCENARIOS)
def test_a_wrong_scenario_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as told:
        load(text, POLICY, "x.yaml")
    assert told.value.message == sentence
    assert told.value.code == "malformed"


def test_the_scenario_around_the_mistakes_is_right() -> None:
    assert load(world(), POLICY, "x.yaml").script[0].verb == "power"


def test_no_moment_of_that_name() -> None:
    text = world().replace("at: 1", "after: prof, at: 1")
    with pytest.raises(BadInput) as told:
        load(text, POLICY, "x.yaml")
    assert told.value.message.startswith(
        f"{DID} comes after 'prof', which is no moment (did you mean 'proof'?)"
    )
