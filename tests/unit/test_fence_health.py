"""Could every host be fenced tonight?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from ha_actions.errors import BadInput, Transient
from ha_actions.fencing.fence_health import look_over, unfenceable
from ha_actions.fencing.level import AllOf
from ha_actions.model import Evidence, Power
from ha_actions.ports import Fence
from ha_installer import cli
from unit.fake_openstack import KEYSTONE, MISTRAL, NOVA, keystone
from unit.fakes import NOW, Clock, Device
from unit.programs import Program

ON, OFF, UNKNOWN = Power.ON, Power.OFF, Power.UNKNOWN


class Certified(Device):
    """A device whose certificate ends some days from now."""

    days = 30.0

    def certificate_until(self) -> float:
        return NOW + self.days * 86400


@pytest.mark.parametrize(
    ("more", "ok", "why"),
    [
        ({}, True, ""),
        ({"before": OFF}, False, "reads Off"),
        ({"before": UNKNOWN}, False, "no power reading"),
        ({"strangers": [BadInput("wrong_machine", "It is x.")]}, False, "It"),
        ({"strangers": [Transient("bmc", "No answer.")]}, False, "No answer"),
        ({"before": UNKNOWN, "evidence": Evidence.STORAGE}, True, ""),
        ({"before": OFF, "evidence": Evidence.STORAGE}, False, "reads Off"),
    ],
)
def test_one_device(more: dict[str, Any], ok: bool, why: str) -> None:
    clock = Clock()
    device = Device(clock, latency_s=2, **more)
    [health] = look_over({"c1": [device]}, clock)
    assert health.ok is ok
    assert why in health.detail
    assert "cut" not in device.calls
    assert (health.host, health.device) == ("c1", "bmc")


@pytest.mark.parametrize(
    ("days", "ok", "why"),
    [(30, True, ""), (3, True, "within 14 days"), (-1, False, "14 days")],
)
def test_the_certificate(days: float, ok: bool, why: str) -> None:
    clock = Clock()
    device = Certified(clock)
    device.days = days
    [health] = look_over({"c1": [device]}, clock)
    assert (health.ok, why in health.detail) == (ok, True)
    assert health.certificate_until == NOW + days * 86400


def test_who_could_not_be_fenced() -> None:
    clock = Clock()

    def device(name: str, before: Power = ON, **more: Any) -> Device:
        return Device(clock, name=name, before=before, **more)

    hosts: dict[str, Sequence[Fence]] = {
        "none": [],
        "good": [device("a"), device("b", OFF)],
        "bad": [device("c", UNKNOWN)],
        "both": [AllOf([device("d"), device("e")], clock)],
        "half": [AllOf([device("f"), device("g", UNKNOWN)], clock)],
        "net": [device("h", UNKNOWN, evidence=Evidence.NETWORK)],
    }
    found = look_over(hosts, clock)
    assert len(found) == 8
    bad = unfenceable(hosts, found, ["power"])
    assert set(bad) == {"none", "bad", "half", "net"}
    assert bad["none"] == "no fence"
    assert "evidence of power" in bad["net"]
    assert "net" not in unfenceable(hosts, found, ["power", "network"])
    assert set(unfenceable(hosts, found, ["power"], 2)) == set(hosts)


# -- the command ------------------------------------------------------------
@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An executor's file, and an ipmitool whose BMC is well."""
    place = tmp_path / "bin"
    place.mkdir()
    Program(
        "ipmitool",
        place,
        monkeypatch,
        {
            "10.0.0.2 ": [(1, "", "Unable to establish session")],
            "mc guid": [(0, "System GUID  : " + "a" * 32, "")],
            "power status": [(0, "Chassis Power is on\n", "")],
        },
    )
    entry = {"kind": "ipmi", "username": "u", "password": "hush"}
    fences = tmp_path / "fences.yaml"
    fences.write_text(
        yaml.safe_dump(
            {
                "c1": [{**entry, "address": "10.0.0.1"}],
                "c2": [{**entry, "address": "10.0.0.2"}],
                "d*": [{**entry, "address": "{host}"}],
            }
        )
    )
    fences.chmod(0o600)
    path = tmp_path / "executor.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "operator_projects": ["p"],
                "cloud": "x",
                "fences": str(fences),
            }
        )
    )
    return str(path)


def check(executor: str, *more: str) -> int:
    return cli.main(["check", "fences", "--executor-file", executor, *more])


def test_check_fences(
    executor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(executor) == 1
    out = capsys.readouterr().out
    assert "c2 could not be fenced tonight: 0 of 1 needed devices" in out
    assert "hush" not in out
    assert check(executor, "--host", "c1", "--host", "d9") == 0
    assert "ipmi d9" in capsys.readouterr().out
    assert check(executor, "--host", "e1", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["devices"] == []
    assert told["unfenceable"] == {"e1": "no fence"}


def test_a_wrong_entry_hides_no_other_host(
    tmp_path: Path, executor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fences.yaml"
    told = yaml.safe_load(path.read_text())
    told = {"c0": [{"kind": "ipmi", "adress": "10.0.0.9"}], **told}
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    assert check(executor) == 1
    out = capsys.readouterr().out
    [row] = [line for line in out.splitlines() if line.startswith("c0  ")]
    assert "BAD" in row
    assert "adress" in out  # in a cell that may be wrapped
    assert "c0 could not be fenced tonight: see its entry" in out
    assert "c2 could not be fenced tonight: 0 of 1 needed devices" in out
    assert check(executor, "--host", "c0", "--json") == 1
    [device] = json.loads(capsys.readouterr().out)["devices"]
    assert (device["host"], device["ok"]) == ("c0", False)


def test_check_fences_bad_input(
    tmp_path: Path, executor: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(str(tmp_path / "none.yaml")) == 2
    (tmp_path / "fences.yaml").write_text("'d*': []")
    assert check(executor) == 2
    assert "patterns alone" in capsys.readouterr().err
    (tmp_path / "fences.yaml").chmod(0o644)
    assert check(executor) == 2
    assert "chmod 600" in capsys.readouterr().err


def test_check_fences_against_the_cloud(
    executor: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    requests_mock: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Hosts without a fence are named, and entries without a host."""
    keystone(requests_mock)
    clouds = tmp_path / "clouds.yaml"
    auth = {
        "auth_url": KEYSTONE,
        "username": "ha",
        "password": "hush",
        "project_name": "ops",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    one = {"region_name": "R1", "auth": auth}
    clouds.write_text(yaml.safe_dump({"clouds": {"ops": one}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    text = json.dumps({"text": "version: 1\n"})
    requests_mock.get(
        f"{MISTRAL}/environments/ha.policy",
        json={"variables": {"json": text}, "scope": "private"},
    )
    service = {
        "binary": "nova-compute",
        "status": "enabled",
        "state": "up",
        "updated_at": "2026-11-22T12:00:00.000000",
        "zone": "nova",
        "forced_down": False,
        "disabled_reason": None,
    }
    services = [{**service, "id": name, "host": name} for name in ("c1", "e1")]
    requests_mock.get(f"{NOVA}/os-services", json={"services": services})
    requests_mock.get(f"{NOVA}/os-aggregates", json={"aggregates": []})
    assert check(executor, "--cloud", "ops") == 1
    out = capsys.readouterr().out
    assert "e1 could not be fenced tonight: no fence" in out
    assert "c2 is in the fence file, and no host of the cloud" in out
    assert "c1 could" not in out
