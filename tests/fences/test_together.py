"""Real peers together: a ladder, two demanded devices, a hundred hosts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from fences import matrix, peers
from ha_actions.adapters.clock import SystemClock
from ha_actions.errors import BadInput
from ha_actions.fences.fence_agent import FenceAgent
from ha_actions.fences.ipmi import IpmiFence
from ha_actions.fences.redfish import RedfishFence
from ha_actions.fencing import fence_file
from ha_actions.fencing.fence_health import look_over, unfenceable
from ha_actions.fencing.proof import prove_dead
from ha_actions.model import Claim, Proof, Refusal
from ha_actions.ports import Fence
from ha_actions.settings import Fencing
from unit.fakes import Journal

pytestmark = pytest.mark.fences
HOSTS = 100
LATENCY_S = 0.1


@pytest.fixture(autouse=True)
def installed() -> None:
    pytest.importorskip("sushy_tools")
    if without := peers.missing("ipmitool", "fence_redfish", "fence_dummy"):
        pytest.skip(f"not installed: {', '.join(without)}")


def prove(
    fences: Sequence[Fence], rules: Fencing = matrix.RULES
) -> tuple[Proof | Refusal, float]:
    clock = SystemClock()
    began = time.monotonic()

    def permit() -> Claim:
        return Claim(
            incident="i",
            subject="fence",
            holder="test",
            number=1,
            until=clock.now() + 60,
        )

    answer = prove_dead(
        "c1",
        "i",
        fences,
        rules,
        clock=clock,
        permit=permit,
        hear=lambda: [],
        journal=Journal(),
    )
    return answer, time.monotonic() - began


def test_a_ladder_of_a_dead_bmc_and_two_outlets(tmp_path: Path) -> None:
    outlets = [tmp_path / "outlet-a", tmp_path / "outlet-b"]
    for one in outlets:
        one.write_text("on")
    entry = {
        "c1": [
            {
                "kind": "redfish",
                "address": f"https://127.0.0.1:{peers.free_port()}",
                "system": "1",
                "username": "u",
                "password": "p",
            },
            {
                "all": [
                    {
                        "kind": "fence_agent",
                        "agent": "fence_dummy",
                        "target": {"status_file": str(one)},
                        "options": {"type": "file", "power_timeout": 1},
                    }
                    for one in outlets
                ]
            },
        ]
    }
    path = tmp_path / "fences.yaml"
    path.write_text(yaml.safe_dump(entry))
    path.chmod(0o600)
    fences = fence_file.fences_of(str(path), SystemClock(), "c1")
    rules = replace(matrix.RULES, deadline_s=12)
    answer, seconds = prove(fences, rules)
    assert isinstance(answer, Proof), answer
    assert "outlet-a + fence_dummy" in answer.rule
    assert [one.read_text() for one in outlets] == ["off", "off"]
    assert seconds < rules.deadline_s


def test_two_demanded_devices_catch_a_liar(tmp_path: Path) -> None:
    """The one wrong row of the table, closed."""
    for place in ("bmc", "other"):
        (tmp_path / place).mkdir()
    clock = SystemClock()
    with (
        peers.redfish(tmp_path / "bmc", {"c1": {"lies": True}}) as peer,
        peers.ipmi(tmp_path / "other", {"c1": {"ignore": True}}) as second,
    ):
        liar = RedfishFence("c1", peer.entry("c1"), clock)
        honest = IpmiFence("c1", second.entry("c1"), clock)
        alone, _ = prove([liar])
        assert isinstance(alone, Proof)
        assert peers.truth(peer.truth_port, "c1")
        rules = replace(matrix.RULES, deadline_s=16, devices=2)
        both, _ = prove([liar, honest], rules)
    assert isinstance(both, Refusal)
    assert "the policy demands 2" in both.reason


def test_a_hundred_hosts_are_looked_over_in_time(tmp_path: Path) -> None:
    names = [f"cmp{n}" for n in range(HOSTS)]
    machines = {name: {"latency": LATENCY_S} for name in names}
    clock = SystemClock()
    with peers.redfish(tmp_path, machines) as peer:
        hosts: dict[str, Sequence[Fence]] = {
            name: [RedfishFence(name, peer.entry(name), clock)]
            for name in names
        }
        began = time.monotonic()
        found = look_over(hosts, clock)
        seconds = time.monotonic() - began
        assert all(peers.truth(peer.truth_port, name) for name in names)
    assert unfenceable(hosts, found, ["power"]) == {}
    assert {h.power for h in found} == {"ON"}
    month = 30 * 86400
    assert all(
        abs((h.certificate_until or 0) - clock.now() - month) < 600
        for h in found
    )
    assert seconds < 20, seconds


def test_the_agents_own_metadata() -> None:
    entry = {"agent": "fence_redfish", "target": {"plug": "1"}}
    with pytest.raises(BadInput, match="target must have systems_uri"):
        FenceAgent("c1", entry, SystemClock()).identify()
    entry = {"agent": "fence_apc_snmp", "target": {"ip": "127.0.0.1"}}
    with pytest.raises(BadInput, match="target must have plug"):
        FenceAgent("c1", entry, SystemClock()).identify()
    entry = {"agent": "fence_ipmilan", "target": {"ipadr": "127.0.0.1"}}
    with pytest.raises(BadInput, match="no option 'ipadr'"):
        FenceAgent("c1", entry, SystemClock()).identify()
