"""The main job on real Nova: a host really dies, its VMs really come back.

The command is the one that an operator types while Mistral is down: a real
Mistral engine in the operator's own process, ``cloud.py`` against real Nova,
Neutron, Glance, Keystone and Placement, and a Redfish BMC that really kills.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from many import PET

pytestmark = pytest.mark.lab

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 240
FORETOLD = 5
"""Nova calls of the command itself, which first tells who would come back:
versions, services, aggregates, servers, groups."""


@dataclass
class Site:
    """The lab, and the files that an executor and an operator have."""

    lab: ModuleType
    executor: Path
    policy: Path

    def drill(self, host: str, *more: str) -> dict[str, Any]:
        """`ha-pack drill` as a person types it; its report as JSON."""
        return self.pack("drill", "--host", host, *more)

    def rescue(self, host: str) -> dict[str, Any]:
        """`ha-pack rescue`, for a host that is dead."""
        return self.pack("rescue", host, "--yes-cut", host)

    def pack(self, *words: str) -> dict[str, Any]:
        """Any verb that ends with a report."""
        command = [
            sys.executable, "-m", "ha_installer.cli", *words,
            "--cloud", "lab", "--embedded",
            "--executor-file", str(self.executor),
            "--policy", str(self.policy), "--json",
        ]  # fmt: skip
        env = os.environ | {"OS_CLIENT_CONFIG_FILE": str(self.lab.CLOUDS_YAML)}
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            env=env,
            cwd=self.executor.parent,
        )
        assert done.stdout.startswith("{"), done.stderr + done.stdout
        told: dict[str, Any] = json.loads(done.stdout)
        return told["report"] | {"exit": done.returncode}


@pytest.fixture
def site(lab: ModuleType, tmp_path: Path) -> Iterator[Site]:
    """The files of one installation, made for this lab."""
    fences = tmp_path / "fences.yaml"
    fences.write_text(yaml.safe_dump({h: _fence(lab, h) for h in lab.hosts()}))
    fences.chmod(0o600)
    project = lab.cloud("lab").current_project_id
    executor = tmp_path / "executor.yaml"
    executor.write_text(
        yaml.safe_dump(
            {
                "operator_projects": [project],
                "cloud": "lab",
                "fences": str(fences),
                "namespace": "lab",
            }
        )
    )
    policy = tmp_path / "policy.yaml"
    text = yaml.safe_load((ROOT / "policy.example.yaml").read_text())
    text["mode"] = "act"
    text["limits"]["hosts_down_percent"] = 40
    text["witnesses"]["watch_s"] = 3
    text["fencing"]["stable_s"] = 3
    text["fencing"]["poll_s"] = 1
    text["drill"] = {"hosts": list(lab.hosts())}
    policy.write_text(yaml.safe_dump(text))
    yield Site(lab, executor, policy)
    lab.reset()


def _fence(lab: ModuleType, host: str) -> list[dict[str, Any]]:
    bmc = lab.bmc(host)
    return [
        {
            "kind": "redfish",
            "address": bmc["url"],
            "username": bmc["username"],
            "password": bmc["password"],
            "verify": bmc["verify"],
            "system": bmc["system_id"],
        }
    ]


def _boot_five(lab: ModuleType) -> dict[str, str]:
    tags = {
        "running": PET,
        "stopped": PET,
        "paused": PET,
        "herd": {"ha:protection": "cattle"},
        "alone": {"ha:protection": "ignore"},
    }
    ids = {
        name: lab.post_server(name, "host1", metadata=metadata)
        for name, metadata in tags.items()
    }
    for id in ids.values():
        lab.wait_server(id, 90, status="ACTIVE")
    compute = lab.cloud("lab").compute
    compute.stop_server(ids["stopped"])
    compute.pause_server(ids["paused"])
    lab.wait_server(ids["stopped"], 60, status="SHUTOFF")
    lab.wait_server(ids["paused"], 60, status="PAUSED")
    return ids


def _addresses(lab: ModuleType, id: str) -> list[str]:
    ports = lab.cloud("lab").network.ports(device_id=id)
    return sorted(ip["ip_address"] for p in ports for ip in p.fixed_ips)


def test_a_host_dies_and_its_servers_come_back(site: Site) -> None:
    lab = site.lab
    ids = _boot_five(lab)
    pets = [ids[name] for name in ("running", "stopped", "paused")]
    before = {id: _addresses(lab, id) for id in pets}
    lab.pull_plug("host1")
    lab.wait_host("host1", "down", 30)
    mark, asked = lab.call_mark(), lab.bmc_mark()

    report = site.rescue("host1")

    assert report["exit"] == 0, report
    for name, status in (
        ("running", "ACTIVE"),
        ("stopped", "SHUTOFF"),
        ("paused", "PAUSED"),
    ):
        now = lab.server(ids[name])
        assert (now["status"], now["task_state"]) == (status, None), name
        assert now["host"] != "host1"
        assert _addresses(lab, ids[name]) == before[ids[name]]
        assert lab.port_hosts(ids[name]) == [now["host"]]
        wanted = [] if name == "stopped" else [now["host"]]
        assert lab.copies_running(ids[name]) == wanted, name
    _assert_cattle_replaced(lab, ids["herd"])
    alone = lab.server(ids["alone"])
    assert (alone["host"], alone["status"]) == ("host1", "ACTIVE")
    service = lab.compute_service("host1")
    assert service["forced_down"] and service["status"] == "disabled"
    incident = report["incident"]["id"]
    assert incident in service["disabled_reason"]
    orders = [a["what"] for a in lab.bmc_actions(asked)]
    assert "order ForceOff" in orders, "a host that is off still gets the cut"
    _assert_each_asked_once(lab, mark, pets)


def _assert_cattle_replaced(lab: ModuleType, old: str) -> None:
    assert lab.server(old) is None
    compute = lab.cloud("lab").compute
    found = list(compute.servers(all_projects=True, name="herd", details=True))
    assert len(found) == 1
    new = found[0]
    assert new.status == "ACTIVE" and new.metadata["ha:replaces"] == old
    assert lab.copies_running(new.id) == [new.compute_host]


def _assert_each_asked_once(
    lab: ModuleType, mark: int, pets: list[str]
) -> None:
    """Each pet: evacuated by one POST; and few calls in all."""
    calls = lab.calls_since(mark)
    for id in pets:
        records = lab.migrations(instance_uuid=id, migration_type="evacuation")
        assert len(records) == 1, records
    print(f"\n{len(calls)} Nova calls for 5 guests:")
    for call in calls:
        print(f"  {call.method} {call.path} {call.status}")


def test_a_dry_run_touches_nothing(site: Site) -> None:
    lab = site.lab
    id = lab.boot("pet", "host2", metadata=PET)
    lab.pull_plug("host2")
    lab.wait_host("host2", "down", 30)
    mark = lab.call_mark()

    report = site.drill("host2")

    assert report["exit"] == 0, report
    assert lab.server(id)["host"] == "host2"
    assert not lab.compute_service("host2")["forced_down"]
    changes = [c for c in lab.calls_since(mark) if c.method != "GET"]
    assert changes == []


def test_a_drill_strikes_a_live_host_and_rescues_it(site: Site) -> None:
    lab = site.lab
    id = lab.boot("pet", "host3", metadata=PET)
    asked = lab.bmc_mark()

    report = site.drill("host3", "--act", "--yes-cut", "host3")

    assert report["exit"] == 0, report
    assert lab.power("host3") == "Off"
    now = lab.server(id)
    assert now["status"] == "ACTIVE" and now["host"] != "host3"
    assert lab.copies_running(id) == [now["host"]]
    whats = [a["what"] for a in lab.bmc_actions(asked)]
    assert whats.count("order ForceOff") == 2, "the strike, then the fence"


def test_ten_pets_cost_few_calls(site: Site, figure: Any) -> None:
    lab = site.lab
    ids = [
        lab.post_server(f"pet-{n}", "host1", metadata=PET) for n in range(10)
    ]
    for id in ids:
        lab.wait_server(id, 120, status="ACTIVE")
    lab.pull_plug("host1")
    lab.wait_host("host1", "down", 30)
    mark = lab.call_mark()

    report = site.rescue("host1")

    assert report["exit"] == 0, report
    for id in ids:
        assert len(lab.copies_running(id)) == 1
    calls = len(lab.calls_since(mark)) - FORETOLD
    figure(f"{calls} Nova calls for 10 pets")
    assert calls <= 3 * 10 + 10
