"""One BMC that speaks IPMI 2.0 over a network, through ``ipmitool``.

The password goes in by the environment. Only the sentence ``Chassis Power is
off`` is OFF. ipmitool tells a wrong password from silence in words alone, so
both read UNKNOWN.
Source: of the IPMI clients tried, ipmitool is the one that stops cleanly at
its timeouts; its own default waits 20 s for a BMC that is not there.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from ha_actions.errors import Failed, HaError, Refused, Transient
from ha_actions.fencing import command, device
from ha_actions.model import Claim, Evidence, Power, Reading
from ha_actions.ports import Clock

RETRIES, WAIT_S = 1, 1
"""UDP packets sent again per question, and seconds between them: a BMC that
is not there costs 2 s, and the fencing loop asks again anyway."""
TIMEOUT_S = 6.0
"""Seconds for one call; ipmitool asks several questions to log in."""

ON, OFF = "chassis power is on", "chassis power is off"
_WRONG_KEY = ("rakp 2 hmac is invalid", "unauthorized name")
_NO_GUID = "invalid command"
"""What ipmitool says of a BMC that answers, and has no GUID."""
_ALWAYS_ON = re.compile(r"^Power Restore Policy\s*:\s*always-on\s*$", re.M)
"""Source: ipmitool, lib/ipmi_chassis.c, ipmi_chassis_status."""
_GUID = re.compile(r"^System GUID\s*:\s*([0-9a-fA-F-]{32,36})\s*$", re.M)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A host's entry in the fence file."""

    address: str
    username: str
    password: str = dataclasses.field(repr=False)
    port: int = 623
    identity: str = ""
    """System GUID that the BMC must show, as ``ipmitool mc guid`` does."""
    cipher: str = ""
    """Cipher suite, such as ``3`` or ``17``; empty: ipmitool's choice."""
    privilege: str = ""
    """``OPERATOR`` is enough for power; empty: ADMINISTRATOR."""

    def __post_init__(self) -> None:
        for name in ("address", "username", "cipher", "privilege"):
            if not re.fullmatch(r"([\w][\w.:@+-]*)?", getattr(self, name)):
                raise ValueError(f"{name} has characters that cannot be")
        if not self.address:
            raise ValueError("address must name the BMC")


class IpmiFence:
    """:class:`~ha_actions.ports.Fence` of one BMC.

    :raises BadInput: the settings are wrong; the password is never shown.
    """

    evidence = Evidence.POWER

    def __init__(
        self, host: str, settings: Mapping[str, Any], clock: Clock
    ) -> None:
        self._set = device.settings_of(Settings, settings, host, "ipmi")
        self._host = host
        self._clock = clock
        self.name = f"ipmi {self._set.address}"

    def __repr__(self) -> str:
        return f"<IpmiFence of {self._host}, {self.name}>"

    def identify(self) -> str:
        """The System GUID, in ipmitool's spelling.

        :raises BadInput: ``wrong_machine``.
        :raises Refused: ``forbidden``: it refuses the credentials.
        :raises Transient: it did not answer.
        """
        ran = self._ask("-v", "mc", "guid")
        said = f"{ran.out}\n{ran.err}".lower()
        if ran.status and any(word in said for word in _WRONG_KEY):
            raise Refused(
                "forbidden",
                f"The BMC {self.name} of {self._host} refuses the "
                "credentials of the fence file.",
            )
        if ran.status and _NO_GUID not in said:
            raise self._silent(ran)
        found = _GUID.search(ran.out)
        guid = found.group(1).replace("-", "").lower() if found else ""
        wanted = self._set.identity.replace("-", "").lower()
        device.same_machine({"guid": guid}, wanted, self.name, self._host)
        return guid or self.name

    def power(self) -> Reading:
        """One reading over a session of its own; never raises."""
        try:
            ran = self._ask("chassis", "power", "status")
        except HaError as error:
            return device.unknown(self.name, self._clock, error)
        word = ran.out.strip().lower()
        if ran.status or word not in (ON, OFF):
            why = ran.last_words([self._set.password])
            return device.unknown(self.name, self._clock, why)
        return Reading(
            device=self.name,
            power=Power.ON if word == ON else Power.OFF,
            at=self._clock.now(),
        )

    def cut(self, claim: Claim) -> None:
        """Ask for power off, at once: no word to the operating system."""
        self._set_power("off", claim)

    def restore(self, claim: Claim) -> None:
        """Ask for power on."""
        self._set_power("on", claim)

    def remark(self) -> str:
        """Whether the host powers on by itself when the mains come back.

        :raises HaError: the BMC did not answer.
        """
        ran = self._ask("chassis", "status")
        if ran.status or not _ALWAYS_ON.search(ran.out):
            return ""
        return (
            "powers on by itself after a loss of mains, also when it was cut "
            "(Power Restore Policy always-on); `ipmitool chassis policy "
            "previous` changes that"
        )

    def _set_power(self, word: str, claim: Claim) -> None:
        device.still_ours(
            claim, self._clock, self._host, f"its BMC was asked for {word}"
        )
        ran = self._ask("chassis", "power", word, changing=True)
        if not ran.status:
            return
        why = ran.last_words([self._set.password])
        if "set chassis power control" in why.lower():
            raise Failed("bmc", f"The BMC {self.name} says: {why}.")
        raise self._silent(ran)

    def _silent(self, ran: command.Ran) -> HaError:
        why = ran.last_words([self._set.password])
        return Transient(
            "bmc",
            f"The BMC {self.name} of {self._host} did not answer, or refuses "
            f"the credentials ({why}).",
        )

    def _ask(self, *words: str, changing: bool = False) -> command.Ran:
        its = self._set
        argv = ["ipmitool", "-I", "lanplus", "-H", its.address]
        argv += ["-p", str(its.port), "-U", its.username, "-E"]
        argv += ["-R", str(RETRIES), "-N", str(WAIT_S)]
        argv += ["-C", its.cipher] if its.cipher else []
        argv += ["-L", its.privilege] if its.privilege else []
        return command.run(
            [*argv, *words],
            timeout_s=TIMEOUT_S,
            env={"IPMITOOL_PASSWORD": its.password},
            changing=changing,
        )
