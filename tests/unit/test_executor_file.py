"""The executor's own file: strict, and its secrets kept."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from ha_actions.adapters.bus import MessageBus
from ha_actions.errors import BadInput, Transient
from ha_actions.executor_file import from_file
from ha_actions.outside import NoBus
from ha_actions.ports import Cloud
from ha_actions.settings import Policy, Witnesses
from unit.fake_openstack import KEYSTONE, MISTRAL, keystone

REDFISH = {
    "kind": "redfish",
    "address": "https://bmc-1.test",
    "system": "1",
    "username": "fencer",
    "password": "hush",
}
CLOUDS = {
    "clouds": {
        "ops": {
            "region_name": "R1",
            "auth": {
                "auth_url": KEYSTONE,
                "username": "ha",
                "password": "hush",
                "project_name": "ops",
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
        }
    }
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(yaml.safe_dump(CLOUDS))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    monkeypatch.delenv("HA_EXECUTOR_FILE", raising=False)
    fences = tmp_path / "fences.yaml"
    fences.write_text(yaml.safe_dump({"c1": [REDFISH]}))
    fences.chmod(0o600)
    return tmp_path


def write(folder: Path, **changes: Any) -> str:
    data = {
        "operator_projects": ["p1"],
        "cloud": "ops",
        "fences": str(folder / "fences.yaml"),
        **changes,
    }
    path = folder / "executor.yaml"
    path.write_text(yaml.safe_dump(data))
    return str(path)


def test_everything_is_there_and_nothing_is_called(
    folder: Path, requests_mock: Any
) -> None:
    outside = from_file(write(folder, namespace="my cloud"))
    assert outside.operator_projects == {"p1"}
    assert [fence.name for fence in outside.fences("c1")] == [
        "redfish bmc-1.test"
    ]
    assert outside.fences("c2") == []
    cloud: Cloud = outside.cloud("req-1")
    assert outside.cloud("req-1") is cloud
    policy = Policy()
    found = outside.witnesses(policy, cloud)
    assert list(found) == policy.witnesses.ask
    assert all(found[name].name == name for name in found)
    assert uuid.UUID(outside.namespace).version == 5
    assert requests_mock.call_count == 0


def test_the_ledger_is_the_mistral_of_the_catalog(
    folder: Path, requests_mock: Any
) -> None:
    keystone(requests_mock)
    there = f"{MISTRAL}/environments/ha.x"
    entry = {"variables": {"json": '{"a": 1}'}, "scope": "private"}
    requests_mock.get(there, json=entry)
    requests_mock.post(f"{MISTRAL}/environments", status_code=409)
    ledger = from_file(write(folder)).ledger
    assert ledger.read("ha.x") == {"a": 1}
    assert not ledger.create("ha.x", {})
    requests_mock.get(there, status_code=503)
    with pytest.raises(Transient):
        ledger.read("ha.x")


def test_where_the_file_is_looked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HA_EXECUTOR_FILE", write(folder))
    assert from_file().operator_projects == {"p1"}


def test_a_namespace_may_be_a_uuid(folder: Path) -> None:
    given = "11111111-2222-3333-4444-555555555555"
    assert from_file(write(folder, namespace=given)).namespace == given


def test_no_fences_is_allowed(folder: Path) -> None:
    assert from_file(write(folder, fences="")).fences("c1") == []


def test_a_changed_password_counts_at_once(folder: Path) -> None:
    outside = from_file(write(folder))
    moved = {**REDFISH, "address": "https://bmc-9.test"}
    (folder / "fences.yaml").write_text(yaml.safe_dump({"c1": [moved]}))
    assert outside.fences("c1")[0].name == "redfish bmc-9.test"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"operator_project": ["x"]}, "did you mean 'operator_projects'"),
        ({"operator_projects": []}, "operator_projects is empty"),
        ({"operator_projects": "p1"}, "must be a list"),
        ({"cloud": "opps"}, "no usable cloud 'opps'"),
        ({"ledger_cloud": "opps"}, "no usable cloud 'opps'"),
        ({"fences": "/nowhere/fences.yaml"}, "cannot be read"),
        ({"log": {"jsn": True}}, "did you mean 'json'"),
    ],
)
def test_what_is_wrong_is_said(
    folder: Path, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        from_file(write(folder, **changes))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("c1: [{kind: redfsh, password: hush}]", "did you mean 'redfish'"),
        ("c1: [{password: hush}]", "kind: 'None' is not installed"),
        ("c1: {kind: redfish}", "c1 must be a list of devices"),
        ("c1: [hush]", "c1 must be a list of devices"),
        ("[hush]", "must be a mapping"),
        ("c1: [{password: 'hush", "is not YAML at line"),
        ("c1: [{kind: redfish, password: hush}]", "lacks the key"),
    ],
)
def test_a_wrong_fence_file(folder: Path, text: str, says: str) -> None:
    path = folder / "fences.yaml"
    path.write_text(text)
    with pytest.raises(BadInput, match=says) as met:
        from_file(write(folder))
    assert "hush" not in met.value.message.replace(str(folder), "")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_fence_file_that_others_may_read(folder: Path, mode: int) -> None:
    (folder / "fences.yaml").chmod(mode)
    with pytest.raises(BadInput, match="chmod 600"):
        from_file(write(folder))


def test_a_witness_that_is_not_installed(folder: Path) -> None:
    outside = from_file(write(folder))
    policy = Policy(witnesses=Witnesses(ask=["tcp_reech"]))
    with pytest.raises(BadInput, match="did you mean 'tcp_reach'"):
        outside.witnesses(policy, outside.cloud("r"))


def test_the_examples_are_good(folder: Path) -> None:
    top = Path(__file__).parents[2]
    fences = folder / "fences.yaml"
    fences.write_text((top / "fences.example.yaml").read_text())
    text = (top / "executor.example.yaml").read_text()
    text = text.replace("/etc/mistral-ha-pack/fences.yaml", str(fences))
    text = text.replace("cloud: ha-operator", "cloud: ops")
    path = folder / "executor.yaml"
    path.write_text(text)
    assert from_file(str(path)).fences("compute-1.example.org")


def test_no_file(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"executor\.example\.yaml"):
        from_file(str(folder / "none.yaml"))


def test_a_bus_is_made_from_a_reference(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS_URL", "fake://me:hush@broker/")
    made = from_file(write(folder, bus={"url": "env:BUS_URL"}))
    assert isinstance(made.bus, MessageBus)
    assert isinstance(from_file(write(folder)).bus, NoBus)


def test_a_password_in_the_bus_url_needs_a_private_file(folder: Path) -> None:
    path = Path(write(folder, bus={"url": "fake://me:hush@broker/"}))
    path.chmod(0o644)
    with pytest.raises(BadInput) as caught:
        from_file(str(path))
    assert "chmod 600" in caught.value.message
    path.chmod(0o600)
    assert isinstance(from_file(str(path)).bus, MessageBus)
