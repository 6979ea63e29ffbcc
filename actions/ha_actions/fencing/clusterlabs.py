"""A ClusterLabs fence agent, as one program run per question.

Options go in by standard input, one ``key=value`` a line, so no password is
on a command line; unknown keys are refused here, since agents ignore them.
An action is always sent: an agent's own default is ``reboot``. The target is
mandatory: an agent without one was seen to switch off another machine and to
report success. ``Status: OFF`` with exit status 2 is OFF; either alone is
not (a shell that cannot start also ends with 2).
Source: FenceAgentAPI of the ClusterLabs project.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from ha_actions.codec import nearest
from ha_actions.errors import BadInput, Failed, HaError, NoAnswer, Transient
from ha_actions.fencing import command, device
from ha_actions.model import Claim, Evidence, Power, Reading
from ha_actions.ports import Clock

STATUS_S = 20.0
"""Seconds for one status; agents start in 0.2 s and give devices 5 s."""
CUT_S = 30.0
"""Seconds for one cut; the fencing loop reads by itself what came of it."""
POWER_TIMEOUT_S = 5
"""What agents are told to wait for the power to change, unless the entry
sets it: they need not wait long, since the fencing loop does."""

CHANGES = frozenset({"on", "off"})
OURS = frozenset({"action", "method", "verbose", "debug", "debug_file"})
"""Keys that an entry may not set."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A host's entry in the fence file."""

    agent: str
    """``fence_apc_snmp``, ``fence_ipmilan``, ... as it is installed."""
    target: dict[str, str]
    """What says which machine: ``plug``, ``systems_uri``, ... Never empty."""
    options: dict[str, Any] = dataclasses.field(
        default_factory=dict, repr=False
    )
    """Every other option of the agent: address, credentials, timeouts."""
    identity: str = ""
    """The name that the device itself gives to ``target: plug`` (agents
    with a ``list`` action: most PDUs and virtual machines)."""
    evidence: str = ""
    """Class of the proof; each kind has its own default."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"fence_[a-z0-9_]+", self.agent):
            raise ValueError("agent must be the name of a program fence_...")
        if not any(self.target.values()):
            raise ValueError(
                "target is empty; without it the agent may choose a machine "
                "by itself"
            )
        for key, value in {**self.options, **self.target}.items():
            if "\n" in f"{key}{value}" or "=" in key:
                raise ValueError(f"option {key} cannot be sent as a line")
        for key in sorted(OURS & {*self.options, *self.target}):
            raise ValueError(f"option {key} is not yours to set")


class Agent:
    """:class:`~ha_actions.ports.Fence` of one target of one agent.

    The kinds of the fence file that are agents derive from it.

    :raises BadInput: the settings are wrong; no option is ever shown.
    """

    kind = "fence_agent"
    evidence = Evidence.POWER

    def __init__(
        self, host: str, settings: Mapping[str, Any], clock: Clock
    ) -> None:
        self._set = device.settings_of(Settings, settings, host, self.kind)
        if self._set.evidence:
            known = [e.value for e in Evidence if e is not Evidence.OPERATOR]
            if self._set.evidence not in known:
                raise BadInput(
                    "malformed",
                    f"fence file: {host}: {self.kind}: evidence is one of "
                    f"{', '.join(known)}.",
                )
            self.evidence = Evidence(self._set.evidence)
        self._host = host
        self._clock = clock
        which = ",".join(self._set.target.values())
        self.name = f"{self._set.agent} {which}"

    def __repr__(self) -> str:
        return f"<Agent of {self._host}, {self.name}>"

    def identify(self) -> str:
        """The target, as far as the agent can say whose it is.

        :raises BadInput: the agent is not installed, does not know an
            option, or the device calls the plug something else.
        :raises Transient: the device did not answer.
        """
        self._validate()
        if not self._set.identity:
            power, why = self._status()
            if power is Power.UNKNOWN:
                raise Transient(
                    "fence_agent",
                    f"{self.name} of {self._host} cannot say its status: "
                    f"{why.rstrip('.')}.",
                )
            return self.name
        ran = self._run("list", STATUS_S)
        plug = self._set.target.get("plug", "")
        names = dict(
            line.split(",")[:2] for line in ran.out.split() if "," in line
        )
        if ran.status:
            why = ran.last_words(self._secrets())
            raise Transient("fence_agent", f"{self.name} did not list: {why}.")
        return device.same_machine(
            {"plug": names.get(plug, "")},
            self._set.identity,
            self.name,
            self._host,
        )

    def power(self) -> Reading:
        """One status; never raises.

        A network or storage device that is "on" says nothing of the host.
        """
        power, detail = self._status()
        if power is Power.ON and self.evidence is not Evidence.POWER:
            power, detail = Power.UNKNOWN, "not cut off"
        return Reading(
            device=self.name,
            power=power,
            at=self._clock.now(),
            detail=detail,
        )

    def cut(self, claim: Claim) -> None:
        """Ask for ``off``."""
        self._change("off", claim)

    def restore(self, claim: Claim) -> None:
        """Ask for ``on``."""
        self._change("on", claim)

    def _change(self, action: str, claim: Claim) -> None:
        device.still_ours(
            claim, self._clock, self._host, f"{self.name} was asked: {action}"
        )
        ran = self._run(action, CUT_S)
        if ran.status:
            why = ran.last_words(self._secrets())
            raise Failed(
                "fence_agent", f"{self.name} failed to do {action}: {why}."
            )

    def _status(self) -> tuple[Power, str]:
        try:
            ran = self._run("status", STATUS_S)
        except HaError as error:
            return Power.UNKNOWN, error.message
        said = {line.strip().lower() for line in ran.out.splitlines()}
        if ran.status == 2 and "status: off" in said:
            return Power.OFF, ""
        if ran.status == 0 and "status: on" in said:
            return Power.ON, ""
        return Power.UNKNOWN, ran.last_words(self._secrets())

    def _run(self, action: str, timeout_s: float) -> command.Ran:
        options = {
            "power_timeout": POWER_TIMEOUT_S,
            **self._set.options,
            **self._set.target,
            "action": action,
        }
        lines = "".join(f"{key}={value}\n" for key, value in options.items())
        try:
            return command.run(
                [self._set.agent],
                timeout_s=timeout_s,
                stdin=lines,
                changing=action in CHANGES,
            )
        except NoAnswer as error:
            raise NoAnswer(error.code, f"{self.name}: {error.message}") from (
                error
            )

    def _secrets(self) -> list[str]:
        words = ("pass", "secret", "community", "token", "key")
        return [
            str(value)
            for key, value in self._set.options.items()
            if any(word in key.lower() for word in words)
        ]

    def _validate(self) -> None:
        """Hold the entry up against the agent's own metadata."""
        agent = self._set.agent
        known, needed = _metadata(agent)
        where = f"fence file: {self._host}: {agent}"
        given = {*self._set.options, *self._set.target}
        for key in sorted(given - known):
            raise BadInput(
                "malformed",
                f"{where}: the agent has no option {key!r}"
                f"{nearest(key, known)}.",
            )
        one_of = "systems_uri" if "systems_uri" in known else "plug"
        must = one_of == "systems_uri" or "plug" in needed
        if must and not self._set.target.get(one_of):
            raise BadInput(
                "malformed",
                f"{where}: target must have {one_of}: the agent reaches more "
                "than one machine at that address.",
            )


@functools.lru_cache(maxsize=64)
def _metadata(agent: str) -> tuple[frozenset[str], frozenset[str]]:
    """Options that an agent knows, and those that it needs.

    :raises BadInput: it is not installed, or describes itself to nobody.
    """
    ran = command.run(
        [agent], timeout_s=STATUS_S, stdin="action=metadata\n", changing=False
    )
    try:
        tree = ET.fromstring(ran.out)  # noqa: S314 - an installed program
    except ET.ParseError as error:
        raise BadInput(
            "no_metadata",
            f"The fence agent {agent} does not describe its options.",
        ) from error
    known = {p.get("name", ""): p for p in tree.iter("parameter")}
    needed = {n for n, p in known.items() if p.get("required") == "1"}
    return frozenset(known), frozenset(needed)
