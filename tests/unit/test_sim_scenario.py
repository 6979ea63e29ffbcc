"""The scenario file: what it may say, and how a mistake is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ha_actions.errors import BadInput
from ha_actions.sim.build import build
from ha_actions.sim.clock import TurnClock
from ha_actions.sim.scenario import load
from ha_actions.sim.things import uid
from ha_actions.sim.verbs import VERBS

PAGE = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text()
POLICY = "version: 1\nmode: shadow\nlimits: {fences: 2, hosts_down: 1}\n"
GOOD = """
why: A host loses power.
policy: {limits: {fences: 1}}
world:
  hosts: {c1: {rack: a}, c2: {fence: none}, c3: {local_store: true}}
  guests:
    db: {on: c1, protection: pet, boot: volume, priority: high}
    web: {on: c1, protection: cattle, member_of: [web], count: 3}
    off: {on: c2, state: SHUTOFF, metadata: {"ha:probe": "tcp:22"}}
  pools: {web: {protocol_port: 8080}}
script:
  - {at: 70, do: alarm host_down c1 twice}
  - {at: 10, do: power c1 off}
  - {after: proof, at: 1, do: power c1 on}
"""


def test_a_good_file() -> None:
    scenario = load(GOOD, POLICY, "good")
    assert [act.at for act in scenario.script] == [10, 70]
    assert [act.after for act in scenario.moments] == ["proof"]
    assert list(scenario.world.guests) == [
        "db",
        "web-1",
        "web-2",
        "web-3",
        "off",
    ]
    policy = yaml.safe_load(scenario.policy_text)
    assert policy["mode"] == "act"
    assert policy["limits"] == {
        "fences": 1,
        "hosts_down": 1,
        "domain": "rack",
    }
    world = build(scenario.world, TurnClock())
    assert world.host("c2").fences == ()
    assert world.aggregates["shared-store"].hosts == ("c1", "c2")
    assert world.aggregates["rack-a"].metadata == {"rack": "a"}
    db = world.named("db")
    assert db.metadata == {"ha:protection": "pet", "ha:priority": "high"}
    assert db.volumes == (uid("volume", "db-root"),)
    assert not db.image
    assert world.named("off").metadata == {"ha:probe": "tcp:22"}
    (pool,) = world.pools.values()
    assert [m.port for m in pool.members.values()] == [8080] * 3


MISTAKES = [
    ("why: A host", "wy: A host", "no key 'wy' (did you mean 'why'?)"),
    ("rack: a", "rak: a", "hosts: c1 has no key 'rak'"),
    ("on: c2", "on: c9", "guests: off: on names the host 'c9'"),
    ("state: SHUTOFF", "state: SHUTOF", "did you mean 'SHUTOFF'"),
    ("protection: pet", "protection: pets", "did you mean 'pet'"),
    ("member_of: [web]", "member_of: [wev]", "did you mean 'web'"),
    (
        "power c1 off",
        "powr c1 off",
        "unknown verb 'powr' (did you mean 'power'?)",
    ),
    ("power c1 off", "power c9 off", "script[1] names the host 'c9'"),
    ("power c1 off", "power c1 of", "cannot take 'of' (did you mean 'off'?)"),
    ("power c1 off", "power c1", "lacks a word"),
    ("power c1 off", "power c1 off now", "too many words"),
    ("power c1 off", "crash-after fence_hosts", "did you mean 'fence_host'"),
    ("power c1 off", "spawn-fails db many", "needs a number, not 'many'"),
    ("power c1 off", "no-valid-host dbb", "cannot take 'dbb'"),
    ("power c1 off", "operator resume c9", "names the host 'c9'"),
    ("power c1 off", "operator disarm host:c9 60", "names the host 'c9'"),
    ("after: proof", "after: prof", "did you mean 'proof'"),
    ("at: 10", "at: ten", "must be a number"),
    ("at: 10", "at: -1", "lowest allowed is 0"),
    ("count: 3", "count: 0", "lowest allowed is 1"),
    ("script:", "script: [", "is not YAML"),
]


@pytest.mark.parametrize(("old", "new", "told"), MISTAKES)
def test_a_mistake_is_one_sentence_with_its_place(
    old: str, new: str, told: str
) -> None:
    assert old in GOOD
    with pytest.raises(BadInput) as caught:
        load(GOOD.replace(old, new, 1), POLICY, "bad")
    message = caught.value.message
    assert message.startswith("bad")
    assert told in message
    assert "\n" not in message


def test_every_verb_is_documented() -> None:
    shown = set(re.findall(r"^\| `([a-z-]+)[ `]", PAGE, re.M))
    assert set(VERBS) <= shown


def test_every_documented_example_parses() -> None:
    rows = re.findall(
        r"^\| `[a-z-]+[^`]*` \| [^|]* \| `([^`]+)` \|$", PAGE, re.M
    )
    assert {row.split()[0] for row in rows} >= set(
        VERBS
    )  # a verb may have several
    for example in rows:
        lines = f"  - {{at: 1, do: {example}}}\n"
        world = GOOD.replace("world:", "world:\n  watch: {watches: 1}")
        more = "  watch: {watches: 1}\n  stacks: {shop: {servers: [db]}}\n"
        world = world.split("script:")[0] + more + "script:\n"
        load(world + lines, POLICY)


def test_the_example_of_the_page_loads() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    assert blocks
    load(blocks[0], POLICY)
