"""Storage evidence: Ceph takes no write from any address of the host.

Through the ``ceph`` command. OFF means that every configured address is on
the blocklist for long enough still; the host itself may run on, and its local
disks and other networks are not covered. Not listed is UNKNOWN, never ON: a
host that is not cut off may be dead all the same.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ha_actions.errors import Failed, HaError, Transient
from ha_actions.fencing import command, device
from ha_actions.model import Claim, Evidence, Power, Reading
from ha_actions.ports import Clock

TIMEOUT_S = 15.0
MARGIN_S = 3600.0
"""An entry that ends sooner than this is no evidence any more."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A host's entry in the fence file."""

    addresses: list[str]
    """Every address from which the host speaks to Ceph, IPv6 ones too."""
    cluster: str = ""
    """The cluster's fsid: another cluster's blocklist is worth nothing."""
    user: str = ""
    """Ceph user, such as ``client.ha``: its key needs ``profile rbd`` or
    ``mon 'allow command "osd blocklist"'``."""
    conf: str = ""
    """Path of its ``ceph.conf``; empty: the usual place."""
    lasts_s: int = 2 * 86400
    """Seconds that an entry lasts; it is renewed when half of them are over,
    until the host returns. Ceph's own default is one hour, after which a host
    that still runs would write again."""

    def __post_init__(self) -> None:
        if not self.addresses:
            raise ValueError("addresses must list every storage address")
        for one in self.addresses:
            ipaddress.ip_address(one)
        if self.lasts_s < 2 * MARGIN_S:
            raise ValueError(f"lasts_s must be at least {2 * MARGIN_S:.0f}")
        if self.user.startswith("-") or self.conf.startswith("-"):
            raise ValueError("user and conf cannot begin with a dash")


class CephBlocklist:
    """:class:`~ha_actions.ports.Fence` of one host's storage addresses."""

    evidence = Evidence.STORAGE

    def __init__(
        self, host: str, settings: Mapping[str, Any], clock: Clock
    ) -> None:
        self._set = device.settings_of(
            Settings, settings, host, "ceph_blocklist"
        )
        self._host = host
        self._clock = clock
        self.name = f"ceph {','.join(self._set.addresses)}"

    def identify(self) -> str:
        """The cluster's fsid, and the addresses.

        :raises BadInput: ``wrong_machine``: it is another cluster.
        :raises Transient: Ceph did not answer.
        """
        fsid = self._ask("fsid").out.strip()
        device.same_machine(
            {"fsid": fsid}, self._set.cluster, self.name, self._host
        )
        self._ends()
        return f"{', '.join(self._set.addresses)} in cluster {fsid}"

    def power(self) -> Reading:
        """OFF if each address is listed for more than an hour to come."""
        try:
            ends = self._ends()
        except HaError as error:
            return device.unknown(self.name, self._clock, error)
        now = self._clock.now()
        listed = [a for a in self._addresses() if ends.get(a, 0) - now > 0]
        rest = [a for a in listed if ends[a] - now < MARGIN_S]
        if len(listed) < len(self._set.addresses):
            return device.unknown(self.name, self._clock, "not blocklisted")
        if rest:
            return device.unknown(
                self.name, self._clock, "its blocklisting is about to end"
            )
        return Reading(device=self.name, power=Power.OFF, at=now)

    def cut(self, claim: Claim) -> None:
        """Blocklist each address; a repeat renews it."""
        for address in self._addresses():
            device.still_ours(
                claim, self._clock, self._host, "Ceph was asked to block it"
            )
            self._blocklist("add", address, str(self._set.lasts_s))

    def renewal_due(self) -> bool:
        """Whether it is listed, and half of its time is over.

        :raises HaError: Ceph did not answer.
        """
        ends, now = self._ends(), self._clock.now()
        rest = [ends.get(one, 0.0) - now for one in self._addresses()]
        return min(rest) > 0 and min(rest) < self._set.lasts_s / 2

    def restore(self, claim: Claim) -> None:
        """Let each address write again; only after a proven reboot."""
        for address in self._addresses():
            device.still_ours(
                claim, self._clock, self._host, "Ceph was asked to let it in"
            )
            self._blocklist("rm", address)

    def _blocklist(self, *words: str) -> None:
        try:
            self._ask("osd", "blocklist", *words, changing=True)
        except Transient as error:
            if error.code == "no_answer":
                raise
            raise Failed("ceph", error.message) from error

    def _addresses(self) -> list[str]:
        """In Ceph's spelling: any port, any nonce of the address."""
        found = []
        for one in self._set.addresses:
            ip = ipaddress.ip_address(one)
            text = f"[{ip}]" if ip.version == 6 else str(ip)
            found.append(f"{text}:0/0")
        return found

    def _ends(self) -> dict[str, float]:
        """Address -> when its entry ends, seconds since the epoch."""
        ran = self._ask("osd", "blocklist", "ls", "--format", "json")
        try:
            return {
                str(entry["addr"]): _moment(str(entry["until"]))
                for entry in json.loads(ran.out)
            }
        except (ValueError, TypeError, KeyError) as error:
            raise Failed(
                "ceph", "Ceph's blocklist has an unexpected form."
            ) from error

    def _ask(self, *words: str, changing: bool = False) -> command.Ran:
        its = self._set
        argv = ["ceph", "--connect-timeout", "10"]
        argv += ["--name", its.user] if its.user else []
        argv += ["--conf", its.conf] if its.conf else []
        ran = command.run(
            [*argv, *words], timeout_s=TIMEOUT_S, changing=changing
        )
        if ran.status:
            raise Transient(
                "ceph",
                f"Ceph does not do `{' '.join(words[:3])}` for "
                f"{self._host}: {ran.last_words()}.",
            )
        return ran


def _moment(text: str) -> float:
    """Ceph's ``2026-11-22T13:00:00.123456+0000``; old ones have a space."""
    for form in ("%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S.%f%z"):
        try:
            return datetime.strptime(text, form).timestamp()
        except ValueError:
            continue
    raise ValueError("not a moment with its zone")
