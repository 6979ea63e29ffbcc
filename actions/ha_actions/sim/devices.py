"""Fences and connections of the simulated world."""

from __future__ import annotations

from ha_actions.errors import BadInput, Failed, Transient
from ha_actions.model import Claim, Evidence, Power, Reading
from ha_actions.ports import Reach
from ha_actions.sim.cloud import check_claim
from ha_actions.sim.things import SimHost
from ha_actions.sim.world import World

CUT_S = 1.0
"""From the accepted cut to no power."""
SLOW_BMC_S = 15.0
"""How long a slow BMC takes for an answer, and for the cut."""
EVIDENCE = {"ceph": Evidence.STORAGE, "switch": Evidence.NETWORK}
"""Devices by whose name it is known that they cut no power."""
LASTS_S = 86400.0
"""How long a storage entry lasts; a network one does not end."""
REVIVE_S = 4.0
"""A host that "revives" has power again so long after it was off."""
CONTROL = "10.0.255.254"
"""The address that must answer, else the network itself is silent."""


class SimFence:
    """One device of one host. Its moods are those of the ``bmc`` verb.

    ``dead`` answers nothing; ``lies`` says Off once asked to cut, and cuts
    nothing; ``slow`` takes its time; ``refuses`` answers an error to the cut;
    ``revives`` cuts, and the power comes back by itself; ``stranger`` is not
    the configured machine, and that one is off.
    """

    evidence = Evidence.POWER

    def __init__(
        self,
        world: World,
        host: SimHost,
        name: str,
        evidence: Evidence = Evidence.POWER,
    ) -> None:
        self.world = world
        self.host = host
        self.name = name
        self.evidence = evidence

    def _mood(self) -> str:
        return self.host.moods.get(self.name, "ok")

    def identify(self) -> str:
        """The host's own name.

        :raises BadInput: ``wrong_machine``.
        :raises Transient: it does not answer.
        """
        self.world.calls["bmc"] += 1
        if self._mood() == "stranger":
            raise BadInput(
                "wrong_machine",
                f"{self.name} of {self.host.name} says that it controls "
                "another machine; correct its entry in the fence file.",
            )
        if self._mood() == "dead":
            raise self._silence()
        return self.host.name

    def power(self) -> Reading:
        """A fresh reading; never raises: UNKNOWN."""
        self.world.calls["bmc"] += 1
        mood = self._mood()
        if mood == "slow":
            self.world.clock.sleep(SLOW_BMC_S)
        if mood == "dead":
            power, detail = Power.UNKNOWN, "no answer"
        elif mood == "stranger":
            power, detail = Power.OFF, ""
        elif mood == "lies" and self.name in self.host.asked_off:
            power, detail = Power.OFF, ""
        else:
            power = Power.ON if self.host.power else Power.OFF
            detail = ""
        return Reading(
            device=self.name,
            power=power,
            at=self.world.clock.now(),
            detail=detail,
        )

    def cut(self, claim: Claim) -> None:
        """Ask for power off; it goes CUT_S later."""
        number, mood = self._start("cut", claim)
        self.host.asked_off.add(self.name)
        if mood != "lies":
            delay = SLOW_BMC_S if mood == "slow" else CUT_S
            boots = self.host.boots
            clock = self.world.clock

            def off() -> None:
                if self.host.boots == boots:
                    self.world.power(self.host, False)
                if mood == "revives":
                    clock.at(
                        clock.now() + REVIVE_S,
                        lambda: self.world.power(self.host, True),
                    )

            clock.at(clock.now() + delay, off)
        self.world.after_change(number, "cut")

    def restore(self, claim: Claim) -> None:
        """Ask for power on."""
        number, mood = self._start("restore", claim)
        self.host.asked_off.discard(self.name)
        if mood != "lies":
            self.world.power(self.host, True)
        self.world.after_change(number, "restore")

    def _start(self, verb: str, claim: Claim) -> tuple[int, str]:
        number = self.world.before_change(verb)
        check_claim(self.world, claim, verb)
        self.world.calls["bmc"] += 1
        mood = self._mood()
        if mood == "slow":
            self.world.clock.sleep(SLOW_BMC_S)
            check_claim(self.world, claim, verb)
        if mood == "dead":
            raise self._silence()
        if mood == "refuses":
            raise Failed(
                "fence_refused",
                f"{self.name} of {self.host.name} answered 400 to {verb}.",
            )
        name = self.host.name
        self.world.record(number, verb, name, name, claim.incident)
        return number, mood

    def _silence(self) -> Transient:
        return Transient(
            "fence_unreachable",
            f"{self.name} of {self.host.name} does not answer; look at its "
            "network and power.",
        )


class SimBarrier(SimFence):
    """A fence that cuts storage or network off, and no power.

    Its moods are those of the ``bmc`` verb that a barrier can have: ``ok``,
    ``dead``, ``slow``, ``refuses``.
    """

    def power(self) -> Reading:
        """OFF while it holds; else UNKNOWN: it knows nothing of power."""
        self.world.calls["bmc"] += 1
        now = self.world.clock.now()
        held = self._mood() != "dead" and self._ends() > now
        return Reading(
            device=self.name,
            power=Power.OFF if held else Power.UNKNOWN,
            at=now,
            detail="" if held else "not cut off",
        )

    def renewal_due(self) -> bool:
        """Whether it holds, and half of its time is over."""
        rest = self._ends() - self.world.clock.now()
        return 0 < rest < LASTS_S / 2

    def cut(self, claim: Claim) -> None:
        """Cut it off from now on, for so long."""
        number, _ = self._start("cut", claim)
        ends = self.world.clock.now() + LASTS_S
        if self.evidence is Evidence.NETWORK:
            ends = float("inf")
        self.world.block(self.host, self.name, ends)
        self.world.after_change(number, "cut")

    def restore(self, claim: Claim) -> None:
        """Let it in again."""
        number, _ = self._start("restore", claim)
        self.world.block(self.host, self.name, 0.0)
        self.world.after_change(number, "restore")

    def _ends(self) -> float:
        return self.host.blocked.get(self.name, 0.0)


def fence_of(world: World, host: SimHost, name: str) -> SimFence:
    """The device of that name."""
    if name in EVIDENCE:
        return SimBarrier(world, host, name, EVIDENCE[name])
    return SimFence(world, host, name)


class SimNetwork:
    """Connections from the executor to hosts, guests and the control."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._hosts = {h.address: h for h in world.hosts.values()}

    def connect(self, address: str, port: int, timeout_s: float) -> Reach:
        """Open, refused by a live host, or nothing within the timeout."""
        if self._alive(address):
            return Reach.OPEN
        self.world.clock.sleep(timeout_s)
        return Reach.NOTHING

    def dumped_at(self, address: str, wait_s: float) -> float:
        """Now, while the host dumps; else it has listened in vain."""
        host = self._hosts.get(address)
        now = self.world.clock.now()
        if host is not None and host.power and now < host.dumps_until:
            return now
        self.world.clock.sleep(wait_s)
        return 0.0

    def ping(self, address: str, timeout_s: float) -> Reach:
        """As a connection: who answers one answers the other."""
        return self.connect(address, 0, timeout_s)

    def http_status(
        self, address: str, port: int, path: str, timeout_s: float
    ) -> int:
        """200 from a guest that serves, else 0."""
        if self._alive(address):
            return 200
        self.world.clock.sleep(timeout_s)
        return 0

    def _alive(self, address: str) -> bool:
        if address == CONTROL:
            return not self.world.control_lost
        host = self._hosts.get(address)
        if host is not None:
            return host.answers
        return self.world.answering(address) is not None
