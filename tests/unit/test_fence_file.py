"""The ladder, patterns and references to secrets of the fence file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ha_actions.errors import BadInput
from ha_actions.fencing import fence_file
from ha_actions.fencing.level import AllOf
from ha_actions.model import Evidence
from unit.fakes import Clock


def ipmi(address: str = "10.0.0.1", **more: Any) -> dict[str, Any]:
    return {
        "kind": "ipmi",
        "address": address,
        "username": "u",
        "password": "hush",
        **more,
    }


def write(tmp_path: Path, data: Any) -> str:
    path = tmp_path / "fences.yaml"
    path.write_text(yaml.safe_dump(data))
    path.chmod(0o600)
    return str(path)


def names(path: str, host: str = "c1") -> list[str]:
    return [f.name for f in fence_file.fences_of(path, Clock(), host)]


def test_levels_in_order(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "c1": [
                ipmi("b0"),
                {"all": [ipmi("b1"), ipmi("b2")]},
                {"any": [ipmi("b3"), ipmi("b4")]},
                {"all": [ipmi("b5")]},
            ]
        },
    )
    assert names(path) == [
        "ipmi b0",
        "ipmi b1 + ipmi b2",
        "ipmi b3",
        "ipmi b4",
        "ipmi b5",
    ]
    level = fence_file.fences_of(path, Clock(), "c1")[1]
    assert isinstance(level, AllOf)
    assert level.evidence is Evidence.POWER
    fence_file.check(path, Clock())
    assert fence_file.hosts_of(path) == ["c1"]


def test_patterns(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "c1.test": [ipmi("own")],
            "c*.test": [ipmi("{short}-bmc.{host}")],
            "d?": [ipmi("{host}")],
        },
    )
    assert names(path, "c1.test") == ["ipmi own"]
    assert names(path, "c22.test") == ["ipmi c22-bmc.c22.test"]
    assert names(path, "d7") == ["ipmi d7"]
    assert names(path, "e7") == []
    fence_file.check(path, Clock())
    assert fence_file.hosts_of(path) == ["c1.test"]


def test_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file\n")
    secret.chmod(0o600)
    monkeypatch.setenv("BMC_PASSWORD", "from the environment")
    path = write(
        tmp_path,
        {
            "c1": [ipmi(password="env:BMC_PASSWORD")],
            "c2": [ipmi(password=f"file:{secret}")],
        },
    )
    for host, word in (("c1", "environment"), ("c2", "file")):
        [fence] = fence_file.fences_of(path, Clock(), host)
        made: Any = fence
        assert made._set.password == f"from the {word}"
    secret.chmod(0o644)
    with pytest.raises(BadInput, match="chmod 600"):
        names(path, "c2")
    monkeypatch.delenv("BMC_PASSWORD")
    with pytest.raises(BadInput, match="no variable BMC_PASSWORD"):
        names(path)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"c1": [{"all": []}]}, "all must be a list of devices alone"),
        ({"c1": [{"all": [ipmi()], "kind": "x"}]}, "devices alone"),
        ({"c1": [{"any": [{"address": "x"}]}]}, "needs its `kind`"),
        ({"c1": [{"any": {"kind": "ipmi"}}]}, "devices alone"),
        ({"c1": [{"kind": "ipmy"}]}, "did you mean 'ipmi'"),
        (
            {
                "c1": [
                    {
                        "all": [
                            ipmi(),
                            {
                                "kind": "ceph_blocklist",
                                "addresses": ["10.0.0.1"],
                            },
                        ]
                    }
                ]
            },
            "evidence of one class",
        ),
        ({"c*": [ipmi("same-for-all")]}, "share one device"),
        ({7: [ipmi()]}, "7 must be a list"),
        ({"c1": [ipmi(identty="x")]}, "did you mean 'identity'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, data: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says) as met:
        fence_file.check(write(tmp_path, data), Clock())
    assert "hush" not in met.value.message


def test_two_patterns_for_one_host(tmp_path: Path) -> None:
    path = write(tmp_path, {"c*": [ipmi("{host}")], "*1": [ipmi("{host}")]})
    assert names(path, "c2") == ["ipmi c2"]
    with pytest.raises(BadInput, match=r"c1 fits \*1 and c\*"):
        names(path, "c1")


def test_a_word_that_only_looks_like_a_reference(tmp_path: Path) -> None:
    path = write(tmp_path, {"c1": [ipmi("file", password="env")]})
    assert names(path) == ["ipmi file"]
