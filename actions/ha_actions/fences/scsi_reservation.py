"""Storage evidence: shared SCSI disks take no write by the host's key.

Through ``sg_persist`` of sg3-utils. Every host must have registered a key of
its own beforehand; the executor's machine needs the disks, too. OFF means
that on each disk a registrants-only reservation is held and the host's key
is not registered. Anything else is UNKNOWN: a disk says nothing of power.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from ha_actions.errors import BadInput, Failed, HaError, Transient
from ha_actions.fencing import command, device
from ha_actions.model import Claim, Evidence, Power, Reading
from ha_actions.ports import Clock

TIMEOUT_S = 10.0
TYPE = "5"
"""Write Exclusive, registrants only.
Source: SPC-4, persistent reservation type codes."""
_REGISTRANTS_ONLY = ("registrants only", "all registrants")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A host's entry in the fence file."""

    disks: list[str]
    """Device paths on the executor, of every disk that the host writes."""
    key: str
    """The host's own registered key, hexadecimal: ``0x1a``."""
    our_key: str
    """The key by which this executor is registered on the disks."""

    def __post_init__(self) -> None:
        if not self.disks or not all(
            d.startswith("/dev/") for d in self.disks
        ):
            raise ValueError("disks must list paths under /dev/")
        for key in (self.key, self.our_key):
            if not re.fullmatch(r"0x[0-9a-f]{1,16}", key):
                raise ValueError("a key is hexadecimal, such as 0x1a")
        if int(self.key, 16) == int(self.our_key, 16):
            raise ValueError("key and our_key must differ")


class ScsiReservation:
    """:class:`~ha_actions.ports.Fence` of one host's shared disks."""

    evidence = Evidence.STORAGE

    def __init__(
        self, host: str, settings: Mapping[str, Any], clock: Clock
    ) -> None:
        self._set = device.settings_of(
            Settings, settings, host, "scsi_reservation"
        )
        self._host = host
        self._clock = clock
        self.name = f"scsi key {self._set.key}"

    def identify(self) -> str:
        """The key and the disks on which ours is registered.

        :raises BadInput: ``not_registered``: our key is not on a disk.
        :raises Transient: a disk did not answer.
        """
        for disk in self._set.disks:
            if int(self._set.our_key, 16) not in self._keys(disk):
                raise BadInput(
                    "not_registered",
                    f"Our key {self._set.our_key} is not registered on "
                    f"{disk}, so {self._host} cannot be preempted there.",
                )
        return f"key {self._set.key} on {', '.join(self._set.disks)}"

    def power(self) -> Reading:
        """OFF if the host's key is gone from each reserved disk."""
        try:
            whys = [self._why_not(disk) for disk in self._set.disks]
        except HaError as error:
            return device.unknown(self.name, self._clock, error)
        why = next(filter(None, whys), "")
        if why:
            return device.unknown(self.name, self._clock, why)
        return Reading(device=self.name, power=Power.OFF, at=self._clock.now())

    def cut(self, claim: Claim) -> None:
        """Reserve each disk, and preempt the host's key there."""
        its = self._set
        ours = ["--param-rk=" + its.our_key, "--prout-type=" + TYPE]
        for disk in its.disks:
            device.still_ours(
                claim, self._clock, self._host, f"{disk} was asked"
            )
            if not self._reserved(disk):
                self._out(disk, "--reserve", *ours)
            if int(its.key, 16) in self._keys(disk):
                victim = "--param-sark=" + its.key
                self._out(disk, "--preempt-abort", *ours, victim)

    def restore(self, claim: Claim) -> None:
        """Nothing: the host registers its key again when it boots."""

    def _why_not(self, disk: str) -> str:
        if int(self._set.key, 16) in self._keys(disk):
            return f"its key is registered on {disk}"
        return "" if self._reserved(disk) else f"{disk} is not reserved"

    def _keys(self, disk: str) -> set[int]:
        text = self._in(disk, "--read-keys")
        if "NO registered reservation keys" in text:
            return set()
        if "registered reservation key" not in text:
            raise Failed("scsi", f"{disk} answered with unexpected words.")
        found = re.findall(r"^\s+0x([0-9a-f]+)\s*$", text, re.M)
        return {int(key, 16) for key in found}

    def _reserved(self, disk: str) -> bool:
        text = self._in(disk, "--read-reservation")
        return "Reservation follows" in text and any(
            word in text for word in _REGISTRANTS_ONLY
        )

    def _in(self, disk: str, what: str) -> str:
        argv = ["sg_persist", "--in", "--no-inquiry", what, disk]
        ran = command.run(argv, timeout_s=TIMEOUT_S)
        if ran.status:
            raise Transient("scsi", f"{disk}: {ran.last_words()}.")
        return ran.out

    def _out(self, disk: str, *words: str) -> None:
        ran = command.run(
            ["sg_persist", "--out", "--no-inquiry", *words, disk],
            timeout_s=TIMEOUT_S,
            changing=True,
        )
        if ran.status:
            raise Failed("scsi", f"{disk} refused: {ran.last_words()}.")
