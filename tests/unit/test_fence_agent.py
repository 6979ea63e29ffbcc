"""ClusterLabs' API at the wire: what counts as Off, and what is never sent."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from ha_actions.adapters.clock import SystemClock
from ha_actions.errors import BadInput, Failed, HaError, Refused, Transient
from ha_actions.fences.fence_agent import FenceAgent
from ha_actions.fences.switch_port import SwitchPort
from ha_actions.model import Evidence, Power
from unit.fakes import claim
from unit.programs import Answer, Program

NAMES = ("ip", "password", "plug", "power_timeout", "community")
NUMBER = itertools.count()
Made = tuple[dict[str, Any], Program]


def metadata(needed: str = "", more: tuple[str, ...] = ()) -> str:
    its = "".join(
        f'<parameter name="{n}" required="{int(n == needed)}"/>'
        for n in (*NAMES, *more)
    )
    return f"<resource-agent><parameters>{its}</parameters></resource-agent>"


def agent(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, Answer],
    about: str | None = None,
) -> Made:
    """Settings for an agent of its own name: metadata is remembered."""
    name = f"fence_test{next(NUMBER)}"
    table = {f"action={k} ": [v] for k, v in answers.items()}
    table["action=metadata "] = [
        (0, metadata() if about is None else about, "")
    ]
    program = Program(name, tmp_path, monkeypatch, table)
    options = {"ip": "10.0.0.9", "password": "hush"}
    return {
        "agent": name,
        "target": {"plug": "7"},
        "options": options,
    }, program


def fence(entry: dict[str, Any], **more: Any) -> FenceAgent:
    return FenceAgent("c1", {**entry, **more}, SystemClock())


@pytest.mark.parametrize(
    ("answer", "power"),
    [
        ((0, "Status: ON\n", ""), Power.ON),
        ((2, "Status: OFF\n", ""), Power.OFF),
        ((2, "", "sh: cannot open\n"), Power.UNKNOWN),
        ((0, "Status: OFF\n", ""), Power.UNKNOWN),
        ((2, "Status: ON\n", ""), Power.UNKNOWN),
        ((1, "Status: OFF\n", ""), Power.UNKNOWN),
        ((0, "", ""), Power.UNKNOWN),
        ((1, "", "Failed: hush is wrong\n"), Power.UNKNOWN),
    ],
)
def test_off_is_a_word_and_a_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    power: Power,
) -> None:
    entry, program = agent(tmp_path, monkeypatch, {"status": answer})
    read = fence(entry).power()
    assert read.power is power
    assert "hush" not in repr(read) + repr(fence(entry))
    [(argv, stdin, _)] = program.calls
    assert argv == []
    assert stdin.splitlines()[-1] == "action=status"
    assert "plug=7" in stdin.splitlines()


def test_a_port_that_is_open_says_nothing_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, program = agent(
        tmp_path, monkeypatch, {"status": (0, "Status: ON\n", "")}
    )
    port = SwitchPort("c1", entry, SystemClock())
    assert port.evidence is Evidence.NETWORK
    assert port.power().power is Power.UNKNOWN
    program.answer({"action=status ": [(2, "Status: OFF\n", "")]})
    assert port.power().power is Power.OFF


@pytest.mark.parametrize(
    ("answer", "raises"),
    [((0, "Success: Powered OFF\n", ""), None), ((1, "", "no\n"), Failed)],
)
def test_cut_sends_off_and_never_the_default(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    raises: type[HaError] | None,
) -> None:
    entry, program = agent(tmp_path, monkeypatch, {"off": answer})
    if raises:
        with pytest.raises(raises, match="failed to do off: no"):
            fence(entry).cut(claim(until=4e9))
    else:
        fence(entry).cut(claim(until=4e9))
    [(_, stdin, _)] = program.calls
    assert stdin.splitlines()[-1] == "action=off"


def test_a_claim_that_has_ended_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, program = agent(tmp_path, monkeypatch, {})
    with pytest.raises(Refused):
        fence(entry).cut(claim(until=1.0))
    assert program.calls == []


@pytest.mark.parametrize(
    ("about", "target", "says"),
    [
        (metadata(), {"plgu": "7"}, r"no option 'plgu' \(did you mean 'plug'"),
        (metadata("plug"), {"ip": "10.0.0.1"}, "target must have plug"),
        (
            metadata(more=("systems_uri",)),
            {"plug": "7"},
            "target must have systems_uri",
        ),
        ("no xml", {"plug": "7"}, "does not describe"),
    ],
)
def test_the_entry_is_held_up_against_the_metadata(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    about: str,
    target: dict[str, str],
    says: str,
) -> None:
    entry, _ = agent(tmp_path, monkeypatch, {}, about)
    with pytest.raises(BadInput, match=says):
        fence(entry, target=target).identify()


def test_identify_asks_whose_plug_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, _ = agent(
        tmp_path, monkeypatch, {"list": (0, "6,cmp6,\n7,cmp7,\n", "")}
    )
    assert fence(entry, identity="CMP7").identify() == "cmp7"
    with pytest.raises(BadInput, match="controls cmp7, not cmp6"):
        fence(entry, identity="cmp6").identify()


def test_identify_without_identity_needs_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, program = agent(tmp_path, monkeypatch, {"status": (1, "", "lost")})
    with pytest.raises(Transient, match="cannot say its status: lost"):
        fence(entry).identify()
    program.answer({"action=status ": [(0, "Status: ON", "")]})
    assert fence(entry).identify().endswith(" 7")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"target": {}}, "target is empty"),
        ({"target": {"plug": ""}}, "target is empty"),
        ({"agent": "sh"}, "fence_"),
        ({"agent": "../fence_x"}, "fence_"),
        ({"options": {"action": "reboot"}}, "not yours"),
        ({"options": {"ip": "a\naction=reboot"}}, "as a line"),
        ({"evidence": "operator"}, "evidence is one of"),
        ({"evidence": "pwoer"}, "evidence is one of"),
    ],
)
def test_wrong_settings(change: dict[str, Any], says: str) -> None:
    entry = {"agent": "fence_x", "target": {"plug": "7"}}
    with pytest.raises(BadInput, match=says):
        fence(entry, **change)


def test_an_agent_that_is_not_installed() -> None:
    entry = {"agent": "fence_nowhere", "target": {"plug": "7"}}
    with pytest.raises(BadInput, match="fence_nowhere is not installed"):
        fence(entry).identify()
    assert fence(entry).power().power is Power.UNKNOWN
