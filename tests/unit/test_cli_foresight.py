"""`ha-pack whatif` and `explain` of many: what people and programs read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import incident
from ha_actions.model import (
    Guest,
    GuestReport,
    Outcome,
    Proof,
    Protection,
    Report,
    Result,
    State,
)
from ha_actions.sim.cloud import SimCloud
from ha_actions.sim.play import world_of
from ha_installer import cli, sight
from ha_installer.simulate import read

WORLD = """
why: Two hosts, three racks of thought.
policy: {limits: {hosts_down_percent: 50}}
world:
  hosts: {c1: {}, c2: {slots: 2}, c3: {aggregates: [old]}}
  guests:
    db: {on: c1, protection: pet, boot: volume}
    web: {on: c1, protection: cattle, project: shop}
    typo: {on: c1, metadata: {"ha:protection": pett}}
    disk: {on: c3, protection: pet, project: shop}
    lone: {on: c2, protection: pet, boot: volume}
script: [{at: 10, do: power c1 off}]
"""


@pytest.fixture
def world(tmp_path: Path) -> str:
    path = tmp_path / "w.yaml"
    path.write_text(WORLD)
    return str(path)


def test_whatif_is_a_table_with_cures(
    world: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["whatif", "c1", "--scenario", world]) == 1
    out = capsys.readouterr().out
    assert out.startswith("If c1 died now:\n")
    assert "3 servers: 2 protected, 1 at risk." in out
    assert "'pett' is not one of" in " ".join(out.split())
    assert "back about" in out


def test_whatif_of_an_aggregate_as_json(
    world: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["whatif", "--aggregate", "old", "--scenario", world, "--json"]
    assert cli.main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["hosts"] == ["c3"]
    assert told["counts"]["protected"] == 1
    row = told["guests"][0]
    assert (row["name"], row["standing"]) == ("disk", "protected")
    assert row["target"] in ("c1", "c2")


def test_explain_a_host_and_a_project(
    world: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["explain", "--scenario", world, "--json"]
    assert cli.main([*asked, "--host", "c1"]) == 1
    host = json.loads(capsys.readouterr().out)
    assert {g["name"] for g in host["guests"]} == {"db", "web", "typo"}
    assert cli.main([*asked, "--project", "shop"]) == 0
    project = json.loads(capsys.readouterr().out)
    found = {g["name"]: g["host"] for g in project["guests"]}
    assert found == {"web": "c1", "disk": "c3"}


def test_stacks_and_keys_are_looked_at_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("""
why: Cattle of a stack, and some whose key is another's.
world:
  hosts: {c1: {}, c2: {}}
  guests:
    web: {on: c1, protection: cattle}
    keyed: {on: c1, protection: cattle, cannot_copy: the key pair}
    cloned: {on: c1, protection: cattle, boot: volume}
    kept:
      {on: c1, protection: cattle, boot: volume, metadata: {ha:volumes: clone}}
  volumes: {cloned-root: {made_of: volume}, kept-root: {made_of: volume}}
  stacks: {shop: {servers: [web]}}
script: [{at: 10, do: power c1 off}]
""")
    asked = ["--scenario", str(path), "--json"]
    assert cli.main(["whatif", "c1", *asked]) == 1
    told = json.loads(capsys.readouterr().out)
    assert {g["name"]: g["code"] for g in told["guests"]} == {
        "web": "stack_repaired",
        "keyed": "refused_cannot_copy",
        "cloned": "refused_cannot_copy",
        "kept": "recreated",
    }
    cli.main(["explain", "web", *asked])
    one = json.loads(capsys.readouterr().out)
    assert one["prospect"]["code"] == "stack_repaired"
    cli.main(["explain", "keyed", "--scenario", str(path)])
    assert "[refused_cannot_copy]" in capsys.readouterr().out


class OddPorts(SimCloud):
    """A cloud whose ports nobody can make anew."""

    def lacks(self, guest: Guest, *, new_ports: bool = True) -> str:
        return "a port with port security off" if new_ports else ""


def test_ports_that_go_over_need_not_be_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("""
why: Cattle on odd ports; one keeps them.
world:
  hosts: {c1: {}, c2: {}}
  guests:
    fresh: {on: c1, protection: cattle}
    keeps: {on: c1, protection: cattle, metadata: {"ha:ports": keep}}
script: [{at: 10, do: power c1 off}]
""")
    scenario = read(str(path))
    view = replace(
        sight.simulated(scenario), cloud=OddPorts(world_of(scenario))
    )
    told = {g.name: g for g in view.whatif(["c1"]).guests}
    assert told["fresh"].code == "refused_cannot_copy"
    assert "port security off" in told["fresh"].sentence
    assert told["keeps"].code == "recreated"


def test_the_page_is_self_contained_and_escaped(
    world: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    cli.main(["whatif", "c1", "--scenario", world, "--html", str(page)])
    text = page.read_text()
    assert "&#39;pett&#39;" in text and "<script" not in text
    assert "http://" not in text and "https://" not in text
    assert str(page) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["whatif", "c9"], "no compute host 'c9' (did you mean"),
        (["whatif"], "Name a host, or --aggregate A"),
        (["whatif", "--aggregate", "odl"], "did you mean 'old'"),
        (["explain"], "Say what to explain"),
        (["explain", "db", "--host", "c1"], "Say what to explain"),
        (["explain", "bd"], "No server is called 'bd'"),
        (["explain", "--tenant"], "--tenant asks a real cloud"),
    ],
)
def test_a_mistake_is_one_sentence(
    words: list[str],
    says: str,
    world: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main([*words, "--scenario", world]) == 2
    assert says in capsys.readouterr().err


def past(seconds: float, back: int) -> Report:
    rows = tuple(
        GuestReport(
            guest=str(i),
            name=str(i),
            protection=Protection.PET,
            did="x",
            outcome="recovered",
            as_chosen=True,
            steps=(
                Outcome(
                    guest=str(i),
                    name=str(i),
                    step="ha.evacuate_servers",
                    result=Result.DONE,
                    reason="",
                    at=1000.0 + seconds,
                ),
            ),
        )
        for i in range(back)
    )
    proof = Proof(
        host="c1",
        incident="i",
        evidence="power",  # type: ignore[arg-type]
        rule="",
        since=990.0,
        at=1000.0,
    )
    return Report(
        incident=incident(),
        state=State.CLOSED,
        reason="",
        closed_at=2000.0,
        proof=proof,
        guests=rows,
    )


def test_the_pace_is_this_clouds_own_once_it_has_shown_one() -> None:
    assert "small lab" in sight.pace_of([past(10.0, 2)]).source
    pace = sight.pace_of([past(10.0, 10), past(50.0, 10), past(30.0, 10)])
    assert pace.each_s == 3.0
    assert "median of 3 incident(s) of this cloud" in pace.source
