"""ipmitool at the wire; its sentences are recorded from a real BMC's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ha_actions.adapters.clock import SystemClock
from ha_actions.errors import BadInput, Failed, HaError, Refused, Transient
from ha_actions.fences.ipmi import IpmiFence
from ha_actions.model import Power
from unit.fakes import claim
from unit.programs import Answer, Program

SETTINGS = {"address": "10.0.0.9", "username": "admin", "password": "hush"}
GUID = "System GUID  : 31303043-534d-2500-90d8-7a14ad95ee01\nTimestamp: x\n"
LOST = "Error: Unable to establish IPMI v2 / RMCP+ session\n"
NO = "Set Chassis Power Control to Down/Off failed: Command not supported\n"


def fence(**more: Any) -> IpmiFence:
    return IpmiFence("c1", {**SETTINGS, **more}, SystemClock())


def tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **answers: Answer
) -> Program:
    table = {k.replace("_", " "): [v] for k, v in answers.items()}
    return Program("ipmitool", tmp_path, monkeypatch, table)


@pytest.mark.parametrize(
    ("answer", "power"),
    [
        ((0, "Chassis Power is on\n", ""), Power.ON),
        ((0, "Chassis Power is off\n", ""), Power.OFF),
        ((1, "Chassis Power is off\n", ""), Power.UNKNOWN),
        ((0, "Chassis Power is unknown\n", ""), Power.UNKNOWN),
        ((0, "off", ""), Power.UNKNOWN),
        ((0, "", ""), Power.UNKNOWN),
        ((1, "", LOST), Power.UNKNOWN),
    ],
)
def test_only_the_whole_sentence_is_off(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    power: Power,
) -> None:
    program = tool(tmp_path, monkeypatch, chassis_power_status=answer)
    read = fence().power()
    assert read.power is power
    assert bool(read.detail) == (power is Power.UNKNOWN)
    [(argv, _, secret)] = program.calls
    assert "hush" not in " ".join(argv)
    assert secret == {"IPMITOOL_PASSWORD": "hush"}
    assert "hush" not in repr(read) + repr(fence())


@pytest.mark.parametrize(
    ("answer", "identity", "raises", "says"),
    [
        ((0, GUID, ""), "", None, "313030"),
        ((0, GUID, ""), "31303043534D250090D87A14AD95EE01", None, "313030"),
        ((0, GUID, ""), "0" * 32, BadInput, "correct the entry of c1"),
        ((1, "", "Get GUID: Invalid command\n"), "", None, "ipmi 10.0.0.9"),
        ((1, "", "Get GUID: Invalid command\n"), "0" * 32, BadInput, "nobody"),
        ((1, "", LOST), "", Transient, "did not answer"),
        ((1, "> RAKP 2 HMAC is invalid\n", LOST), "", Refused, "credentials"),
    ],
)
def test_identify(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    identity: str,
    raises: type[HaError] | None,
    says: str,
) -> None:
    tool(tmp_path, monkeypatch, mc_guid=answer)
    bmc = fence(identity=identity)
    if raises is None:
        assert says in bmc.identify()
        return
    with pytest.raises(raises, match=says):
        bmc.identify()


@pytest.mark.parametrize(
    ("answer", "raises"),
    [
        ((0, "Chassis Power Control: Down/Off\n", ""), None),
        ((1, "", NO), Failed),
        ((1, "", LOST), Transient),
    ],
)
def test_cut(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    raises: type[HaError] | None,
) -> None:
    program = tool(tmp_path, monkeypatch, chassis_power_off=answer)
    if raises is None:
        fence(cipher="3", port=6230).cut(claim(until=4e9))
        [(argv, _, _)] = program.calls
        assert argv[-3:] == ["chassis", "power", "off"]
        assert "6230" in argv and "3" in argv
    else:
        with pytest.raises(raises):
            fence().cut(claim(until=4e9))


def test_a_claim_that_has_ended_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tool(tmp_path, monkeypatch)
    with pytest.raises(Refused, match="another attempt"):
        fence().cut(claim(until=1.0))
    with pytest.raises(Refused):
        fence().restore(claim(until=1.0))
    assert program.calls == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"address": ""}, "address must name"),
        ({"address": "-oProxy"}, "characters"),
        ({"address": "a;b"}, "characters"),
        ({"pasword": "x"}, "did you mean 'password'"),
        ({"port": "x"}, "port"),
    ],
)
def test_wrong_settings(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says) as met:
        fence(**change)
    assert "hush" not in met.value.message


STATUS = "System Power         : on\nPower Restore Policy : {}\n"


@pytest.mark.parametrize(
    ("answer", "remarks"),
    [
        ((0, STATUS.format("always-on"), ""), True),
        ((0, STATUS.format("previous"), ""), False),
        ((0, STATUS.format("always-off"), ""), False),
        ((1, "", LOST), False),
    ],
)
def test_a_host_that_powers_on_by_itself(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    remarks: bool,
) -> None:
    tool(tmp_path, monkeypatch, chassis_status=answer)
    assert ("previous" in fence().remark()) is remarks
