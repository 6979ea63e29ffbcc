"""The nightly rehearsal: who could not be fenced, told and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ha_actions.adapters.gauges import TextFile
from ha_actions.errors import BadInput, Failed
from ha_actions.model import Host, Power
from ha_actions.step_parts.run import Run
from ha_actions.steps.rehearse_fences import NAMED, RehearseFences
from unit.fakes import NOW, Clock, Device, Journal, host, small_outside

Families = Mapping[str, tuple[str, dict[str, float]]]


class Nova:
    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = list(hosts)

    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[Host]:
        return self._hosts


class Kept:
    """Keeps the figures that it is given, or refuses them."""

    def __init__(self, refuses: bool = False) -> None:
        self.figures: dict[str, dict[str, float]] = {}
        self.refuses = refuses

    def put(self, label: str, families: Families) -> None:
        if self.refuses:
            raise Failed("metrics", "No room.")
        self.figures = {name: values for name, (_, values) in families.items()}


def rehearse(
    hosts: Sequence[Host],
    devices: Mapping[str, Sequence[Device]],
    clock: Clock,
    gauges: Kept,
) -> tuple[dict[str, Any], Journal]:
    outside = small_outside(clock=clock)
    outside.ledger.write("ha.policy", {"text": "version: 1"})

    def fences(name: str) -> Sequence[Device]:
        if name == "typo":
            raise BadInput("executor_file", "fences.yaml: typo: no such kind.")
        return devices.get(name, [])

    cloud: Any = Nova(hosts)
    made = replace(
        outside, cloud=lambda _: cloud, fences=fences, gauges=gauges
    )
    answer = RehearseFences().perform(Run(made, execution="e", holder="me"))
    journal: Any = made.journal
    return answer, journal


def test_who_could_not_be_fenced() -> None:
    clock, gauges = Clock(), Kept()
    ill = Device(clock, name="ill", before=Power.UNKNOWN)
    devices = {"c1": [Device(clock, latency_s=3)], "c2": [ill]}
    hosts = [host(n) for n in ("c1", "c2", "c3", "typo")]
    hosts.append(host("c9", forced_down=True))
    answer, journal = rehearse(hosts, devices, clock, gauges)
    assert (answer["hosts"], answer["unfenceable"]) == (4, 3)
    assert set(answer["named"]) == {"c2", "c3", "typo"}
    assert "ill: no power reading" in answer["named"]["c2"]
    assert [who for who, _ in journal.told] == ["c2", "c3", "typo"]
    ok = gauges.figures["ha_pack_fence_ok"]
    assert ok == {"c1": 1.0, "c2": 0.0, "c3": 0.0, "typo": 0.0}
    assert gauges.figures["ha_pack_fence_seconds"]["c1"] == 3.0
    at = gauges.figures["ha_pack_fence_rehearsed_seconds"]["c1"]
    assert at >= NOW
    assert all("cut" not in d.calls for many in devices.values() for d in many)


def test_a_thousand_sick_hosts_are_not_a_thousand_pages() -> None:
    hosts = [host(f"c{n}") for n in range(1000)]
    answer, journal = rehearse(hosts, {}, Clock(), Kept())
    assert answer["unfenceable"] == 1000
    assert len(answer["named"]) == NAMED
    assert len(journal.told) == NAMED + 1
    assert "980 more" in journal.told[-1][1]


def test_figures_that_cannot_be_written_hide_nothing() -> None:
    answer, journal = rehearse([host("c1")], {}, Clock(), Kept(refuses=True))
    assert answer["unfenceable"] == 1
    assert ("rehearsal", "no figures: No room.") in journal.told


def test_the_file_of_the_node_exporter(tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client")
    path = tmp_path / "fences.prom"
    gauges = TextFile(str(path))
    gauges.put("host", {"ha_pack_fence_ok": ("help", {"c1": 1.0, "c2": 0.0})})
    gauges.put("host", {"ha_pack_fence_ok": ("help", {"c2": 1.0})})
    assert path.read_text() == (
        "# HELP ha_pack_fence_ok help\n"
        "# TYPE ha_pack_fence_ok gauge\n"
        'ha_pack_fence_ok{host="c2"} 1.0\n'
    )
    assert list(tmp_path.iterdir()) == [path], "nothing is left beside it"


def test_a_file_that_nobody_would_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"\.prom"):
        TextFile(str(tmp_path / "fences.txt"))
    pytest.importorskip("prometheus_client")
    with pytest.raises(Failed, match="cannot be written"):
        TextFile(str(tmp_path / "none" / "f.prom")).put("host", {})
