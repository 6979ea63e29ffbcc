"""Ceph's and SCSI's command lines at the wire, by recorded outputs."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ha_actions.deciders.plan import make_plan
from ha_actions.errors import BadInput, Failed, HaError, Refused, Transient
from ha_actions.fences.ceph_blocklist import CephBlocklist
from ha_actions.fences.rehearsal import RehearsalFence
from ha_actions.fences.scsi_reservation import ScsiReservation
from ha_actions.model import Evidence, Power, Protection, Requires
from ha_actions.settings import Policy
from unit.fakes import NOW, Clock, claim, guest, planned
from unit.programs import Answer, Program

FSID = "0b7f2c1e-0000-4000-8000-000000000000"


# -- Ceph -----------------------------------------------------------------
def listed(**ends: float) -> str:
    """What ``ceph osd blocklist ls --format json`` prints."""
    return json.dumps(
        [
            {
                "addr": {"a": "10.0.0.5:0/0", "b": "[fd00::5]:0/0"}[key],
                "until": datetime.fromtimestamp(
                    NOW + rest, timezone.utc
                ).strftime("%Y-%m-%dT%H:%M:%S.%f%z"),
            }
            for key, rest in ends.items()
        ]
    )


def ceph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ls: Answer, **more: Any
) -> tuple[CephBlocklist, Program]:
    program = Program(
        "ceph",
        tmp_path,
        monkeypatch,
        {
            "blocklist ls": [ls],
            "fsid": [(0, FSID + "\n", "")],
            "blocklist add": [(0, "", "blocklisting 10.0.0.5:0/0 until x\n")],
            "blocklist rm": [(0, "", "un-blocklisting 10.0.0.5:0/0\n")],
        },
    )
    entry = {"addresses": ["10.0.0.5", "fd00::5"], "cluster": FSID, **more}
    return CephBlocklist("c1", entry, Clock()), program


@pytest.mark.parametrize(
    ("ls", "power", "why"),
    [
        ((0, listed(a=86400, b=86400), ""), Power.OFF, ""),
        ((0, listed(a=86400), ""), Power.UNKNOWN, "not blocklisted"),
        ((0, listed(a=86400, b=-5), ""), Power.UNKNOWN, "not blocklisted"),
        ((0, listed(a=86400, b=600), ""), Power.UNKNOWN, "about to end"),
        ((0, "[]", "listed 0 entries"), Power.UNKNOWN, "not blocklisted"),
        ((0, "{}", ""), Power.UNKNOWN, "not blocklisted"),
        ((0, '[{"addr": "10.0.0.5:0/0"}]', ""), Power.UNKNOWN, "unexpected"),
        ((0, "listed", ""), Power.UNKNOWN, "unexpected"),
        ((1, "", "error connecting to the cluster"), Power.UNKNOWN, "error"),
    ],
)
def test_ceph_is_off_only_if_every_address_stays_listed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ls: Answer,
    power: Power,
    why: str,
) -> None:
    fence, _ = ceph(tmp_path, monkeypatch, ls)
    read = fence.power()
    assert (read.power, fence.evidence) == (power, Evidence.STORAGE)
    assert why in read.detail


def test_ceph_cut_and_restore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fence, program = ceph(
        tmp_path, monkeypatch, (0, "[]", ""), user="client.ha", lasts_s=7200
    )
    fence.cut(claim())
    asked = [" ".join(argv) for argv, _, _ in program.calls]
    assert [a.split("blocklist ")[1] for a in asked] == [
        "add 10.0.0.5:0/0 7200",
        "add [fd00::5]:0/0 7200",
    ]
    assert all("--name client.ha" in a for a in asked)
    with pytest.raises(Refused):
        fence.cut(claim(until=NOW - 1))
    assert len(program.calls) == 2
    program.answer({"blocklist rm": [(13, "", "Error EACCES: denied")]})
    with pytest.raises(Failed, match="EACCES"):
        fence.restore(claim())


@pytest.mark.parametrize(
    ("ls", "due"),
    [
        (listed(a=90000, b=90000), False),
        (listed(a=90000, b=80000), True),
        (listed(a=90000), False),  # somebody has lifted it
        (listed(a=90000, b=-5), False),
    ],
)
def test_ceph_is_renewed_when_half_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ls: str, due: bool
) -> None:
    fence, _ = ceph(tmp_path, monkeypatch, (0, ls, ""))
    assert fence.renewal_due() is due


def test_ceph_identify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fence, _ = ceph(tmp_path, monkeypatch, (0, "[]", ""))
    assert FSID in fence.identify()
    other, program = ceph(
        tmp_path, monkeypatch, (0, "[]", ""), cluster="another"
    )
    with pytest.raises(BadInput, match="not another"):
        other.identify()
    program.answer({"fsid": [(1, "", "timed out")]})
    with pytest.raises(Transient, match="timed out"):
        other.identify()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"addresses": []}, "every storage address"),
        ({"addresses": ["ceph.test"]}, "does not appear to be"),
        ({"lasts_s": 3600}, "lasts_s"),
        ({"user": "--conf=x"}, "dash"),
    ],
)
def test_ceph_wrong_settings(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        CephBlocklist("c1", {"addresses": ["10.0.0.5"], **change}, Clock())


# -- SCSI -----------------------------------------------------------------
BOTH = "  PR generation=0x2, 2 registered reservation keys follow:\n" + (
    "    0x3\n    0xff\n"
)
OURS = "  PR generation=0x3, 1 registered reservation key follows:\n    0xff\n"
NONE = "  PR generation=0x0, there are NO registered reservation keys\n"
HELD = (
    "  PR generation=0x3, Reservation follows:\n    Key=0xff\n"
    "    scope: LU_SCOPE,  type: Write Exclusive, registrants only\n"
)
PLAIN = HELD.replace(", registrants only", "")
FREE = "  PR generation=0x3, there is NO reservation held\n"


def scsi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str, held: str
) -> tuple[ScsiReservation, Program]:
    program = Program(
        "sg_persist",
        tmp_path,
        monkeypatch,
        {
            "--read-keys": [(0, keys, "")],
            "--read-reservation": [(0, held, "")],
            "--out": [(0, "", "")],
        },
    )
    entry = {"disks": ["/dev/sdb"], "key": "0x3", "our_key": "0xff"}
    return ScsiReservation("c1", entry, Clock()), program


@pytest.mark.parametrize(
    ("keys", "held", "power", "why"),
    [
        (OURS, HELD, Power.OFF, ""),
        (BOTH, HELD, Power.UNKNOWN, "registered on /dev/sdb"),
        (OURS, FREE, Power.UNKNOWN, "not reserved"),
        (OURS, PLAIN, Power.UNKNOWN, "not reserved"),
        (NONE, FREE, Power.UNKNOWN, "not reserved"),
        ("hello", HELD, Power.UNKNOWN, "unexpected words"),
        ("", "", Power.UNKNOWN, "unexpected words"),
    ],
)
def test_scsi_is_off_only_if_reserved_without_the_host(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: str,
    held: str,
    power: Power,
    why: str,
) -> None:
    fence, _ = scsi(tmp_path, monkeypatch, keys, held)
    read = fence.power()
    assert read.power is power
    assert why in read.detail


@pytest.mark.parametrize(
    ("keys", "held", "sent"),
    [
        (BOTH, FREE, ["--reserve", "--preempt-abort"]),
        (BOTH, HELD, ["--preempt-abort"]),
        (OURS, HELD, []),
    ],
)
def test_scsi_cut(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    keys: str,
    held: str,
    sent: list[str],
) -> None:
    fence, program = scsi(tmp_path, monkeypatch, keys, held)
    fence.cut(claim())
    out = [argv for argv, _, _ in program.calls if argv[0] == "--out"]
    assert [argv[2] for argv in out] == sent
    assert all("--param-rk=0xff" in argv for argv in out)
    if sent:
        assert "--param-sark=0x3" in out[-1]


def test_scsi_identify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fence, program = scsi(tmp_path, monkeypatch, BOTH, FREE)
    assert fence.identify() == "key 0x3 on /dev/sdb"
    program.answer({"--read-keys": [(0, NONE, "")]})
    with pytest.raises(BadInput, match="is not registered"):
        fence.identify()
    program.answer({"--read-keys": [(5, "", "open: no such device")]})
    with pytest.raises(Transient, match="no such device"):
        fence.identify()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"disks": []}, "disks"),
        ({"disks": ["sdb"]}, "disks"),
        ({"key": "3"}, "hexadecimal"),
        ({"key": "0xff"}, "must differ"),
    ],
)
def test_scsi_wrong_settings(change: dict[str, Any], says: str) -> None:
    entry = {"disks": ["/dev/sdb"], "key": "0x3", "our_key": "0xff", **change}
    with pytest.raises(BadInput, match=says):
        ScsiReservation("c1", entry, Clock())


# -- rehearsal ------------------------------------------------------------
def test_a_rehearsal_is_never_a_proof() -> None:
    fence = RehearsalFence("c1", {"note": "drill of May"}, Clock())
    assert fence.identify() == "c1"
    fence.cut(claim())
    fence.restore(claim())
    read = fence.power()
    assert (read.power, read.detail) == (Power.UNKNOWN, "drill of May")
    wrong: type[HaError] = Refused
    with pytest.raises(wrong):
        fence.cut(claim(until=1.0))


# -- what a storage proof is enough for -------------------------------------
@pytest.mark.parametrize(
    ("protection", "guest_is", "choice", "goes"),
    [
        (Protection.PET, {"boot": "volume"}, {}, True),
        (Protection.PET, {"boot": "volume", "ephemeral_gb": 5}, {}, False),
        (Protection.PET, {"boot": "image"}, {}, False),
        (Protection.PET, {"boot": "image"}, {"shared_disk": True}, True),
        (Protection.CATTLE, {"boot": "image"}, {"duplicates": False}, False),
        (Protection.CATTLE, {"boot": "image"}, {}, True),
    ],
)
def test_a_guest_with_a_disk_elsewhere_waits_for_power(
    protection: Protection,
    guest_is: dict[str, Any],
    choice: dict[str, Any],
    goes: bool,
) -> None:
    """Cattle that may be two need the verdict alone, whatever the proof."""
    one = planned(guest(**guest_is), protection, **choice)
    for evidence in (Evidence.STORAGE, Evidence.POWER):
        plan = make_plan(
            "i",
            "c1",
            [one],
            Policy(),
            {"ha.recreate_servers": Requires.VERDICT},
            proven=True,
            evidence=evidence,
        )
        assert bool(plan.waves) is (goes or evidence is Evidence.POWER)
        for left in plan.left_alone:
            assert left.code == "waits_for_proof"
            assert "storage alone" in left.reason
