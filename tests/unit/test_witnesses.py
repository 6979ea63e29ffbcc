"""Each witness, over fakes of the ports that it uses."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import pytest
from ha_actions.adapters.clock import SystemClock
from ha_actions.errors import BadInput, Transient
from ha_actions.model import Evidence, Host, Power, Reading, Says
from ha_actions.ports import Reach
from ha_actions.settings import Policy, Witnesses
from ha_actions.witnesses.bmc_power import BmcPower
from ha_actions.witnesses.compute_service import ComputeService
from ha_actions.witnesses.icmp_reach import IcmpReach
from ha_actions.witnesses.neutron_agents import NeutronAgents
from ha_actions.witnesses.tcp_reach import TcpReach
from unit.fakes import Wire

T = TypeVar("T")
HOST = Host(name="c1", service_id="s1", up=True, updated_at=100.0)


class FakeClock:
    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def together(
        self, jobs: Sequence[Callable[[], T]], at_most: int
    ) -> list[T]:
        return [job() for job in jobs]


class FakeNova:
    """Only what the witness asks."""

    def __init__(self, looks: Sequence[Host | Exception | None]) -> None:
        self.looks = list(looks)

    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[Host]:
        look = self.looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return [look] if look else []


class FakeNetwork:
    """Address -> what it meets, in turn; the last one stays."""

    def __init__(self, clock: FakeClock, met: dict[str, Any]) -> None:
        self.clock = clock
        self.met = {a: list(r) for a, r in met.items()}
        self.tried: list[tuple[float, str]] = []

    def connect(self, address: str, port: int, timeout_s: float) -> Reach:
        self.tried.append((self.clock.at, address))
        todo = self.met[address]
        met: Reach = todo.pop(0) if len(todo) > 1 else todo[0]
        if met is Reach.NOTHING:
            self.clock.sleep(timeout_s)
        return met

    def http_status(self, *_: Any) -> int:
        raise AssertionError("no witness asks by HTTP")


class FakeFence:
    def __init__(
        self, power: Power, evidence: Evidence, right: bool = True
    ) -> None:
        self.name = "bmc"
        self.evidence = evidence
        self._power = power
        self._right = right

    def identify(self) -> str:
        if not self._right:
            raise BadInput("wrong_machine", "The BMC controls another one.")
        return "c1"

    def power(self) -> Reading:
        return Reading(device="bmc", power=self._power, at=1.0, detail="why")


class StrangersFence(FakeFence):
    """Off, and of another machine."""

    def identify(self) -> str:
        raise BadInput("wrong_machine", "It controls c9.")


def host(**changes: Any) -> Host:
    return dataclasses.replace(HOST, **changes)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (host(), host(updated_at=110.0), Says.ALIVE),
        (host(up=False), host(up=False, updated_at=110.0), Says.ALIVE),
        (host(), host(), Says.SILENT),
        (host(up=False), host(up=False), Says.DEAD),
        (host(), host(up=False), Says.DEAD),
        # A PUT moves updated_at too: somebody's, or ours.
        (
            host(),
            host(updated_at=110.0, enabled=False),
            Says.SILENT,
        ),
        (
            host(up=False),
            host(up=False, updated_at=110.0, forced_down=True),
            Says.SILENT,
        ),
        (
            host(up=False),
            host(up=False, updated_at=110.0, disabled_reason="x"),
            Says.SILENT,
        ),
        (
            host(up=False, forced_down=True),
            host(up=False, forced_down=True),
            Says.SILENT,
        ),
        (
            host(up=False, forced_down=True),
            host(up=False, forced_down=True, updated_at=110.0),
            Says.ALIVE,
        ),
        # A clock that went back proves nothing.
        (host(up=False), host(up=False, updated_at=90.0), Says.SILENT),
        (host(up=False, service_id=""), host(up=False), Says.SILENT),
        (host(up=False), None, Says.SILENT),
        (host(up=False), Transient("api", "Nova is away."), Says.SILENT),
    ],
)
def test_compute_service(before: Any, after: Any, says: Says) -> None:
    clock = FakeClock()
    nova: Any = FakeNova([after])
    witness = ComputeService(Policy(), nova, NO_NET, no_fences, clock)
    told = witness.testify(before)
    assert (told.says, told.host, told.witness) == (
        says,
        "c1",
        "compute_service",
    ), told.detail
    assert told.detail
    assert told.observed_at == 1012.0


@pytest.mark.parametrize(
    ("peers_at", "says"),
    [(159.0, Says.SILENT), (160.0, Says.SILENT), (161.0, Says.DEAD)],
)
def test_a_forced_down_service_is_dead_when_far_behind_its_peers(
    peers_at: float, says: Says
) -> None:
    forced = host(up=False, forced_down=True)
    peer = host(name="c2", service_id="s2", updated_at=peers_at)

    class Nova(FakeNova):
        def hosts(
            self, *, brief: bool = False, max_age_s: float = 0.0
        ) -> list[Host]:
            return [*super().hosts(), peer]

    nova: Any = Nova([forced])
    witness = ComputeService(Policy(), nova, NO_NET, no_fences, FakeClock())
    assert witness.testify(forced).says is says


NO_NET: Any = None


def no_fences(host: str) -> list[Any]:
    return []


@pytest.mark.parametrize(
    ("powers", "says"),
    [
        ([], Says.SILENT),
        ([Power.OFF], Says.DEAD),
        ([Power.ON], Says.SILENT),
        ([Power.UNKNOWN], Says.SILENT),
        ([Power.OFF, Power.OFF], Says.DEAD),
        ([Power.OFF, Power.UNKNOWN], Says.DEAD),
        ([Power.OFF, Power.ON], Says.SILENT),
    ],
)
def test_bmc_power(powers: list[Power], says: Says) -> None:
    def fences(host: str) -> list[Any]:
        return [FakeFence(power, Evidence.POWER) for power in powers]

    clock: Any = FakeClock()
    nothing: Any = None
    witness = BmcPower(Policy(), nothing, nothing, fences, clock)
    told = witness.testify(HOST)
    assert told.says is says
    assert told.detail
    assert ("contradict" in told.detail) == (len(set(powers)) > 1) or (
        Power.UNKNOWN in powers
    )


def test_bmc_power_asks_power_devices_only() -> None:
    clock: Any = FakeClock()
    nothing: Any = None

    def storage(host: str) -> list[Any]:
        return [FakeFence(Power.OFF, Evidence.STORAGE)]

    witness = BmcPower(Policy(), nothing, nothing, storage, clock)
    assert witness.testify(HOST).says is Says.SILENT


def test_bmc_power_of_another_machine_says_nothing() -> None:
    clock: Any = FakeClock()
    nothing: Any = None

    def mixed(host: str) -> list[Any]:
        return [StrangersFence(Power.OFF, Evidence.POWER)]

    told = BmcPower(Policy(), nothing, nothing, mixed, clock).testify(HOST)
    assert told.says is Says.SILENT
    assert "It controls c9" in told.detail


def test_bmc_power_of_another_machine() -> None:
    clock: Any = FakeClock()
    nothing: Any = None

    def other(host: str) -> list[Any]:
        return [FakeFence(Power.OFF, Evidence.POWER, right=False)]

    told = BmcPower(Policy(), nothing, nothing, other, clock).testify(HOST)
    assert told.says is Says.SILENT
    assert "another one" in told.detail


def test_bmc_power_with_a_wrong_fence_file() -> None:
    clock: Any = FakeClock()
    nothing: Any = None

    def broken(host: str) -> list[Any]:
        raise BadInput("executor_file", "fences.yaml is not YAML.")

    told = BmcPower(Policy(), nothing, nothing, broken, clock).testify(HOST)
    assert (told.says, told.detail) == (
        Says.SILENT,
        "fences.yaml is not YAML.",
    )


NET = {"hosts": {"c1": "10.0.0.1"}, "port": 22, "control": "10.0.0.254"}
STORE = {"hosts": {"c1": "10.1.0.1"}, "port": 22, "control": "10.1.0.254"}
NOTHING, OPEN, REFUSED = [Reach.NOTHING], [Reach.OPEN], [Reach.REFUSED]


@pytest.mark.parametrize(
    ("networks", "met", "says"),
    [
        ({}, {}, Says.SILENT),
        ({"mgmt": {**NET, "hosts": {"c2": "10.0.0.2"}}}, {}, Says.SILENT),
        ({"mgmt": NET}, {"10.0.0.1": OPEN}, Says.ALIVE),
        ({"mgmt": NET}, {"10.0.0.1": REFUSED}, Says.ALIVE),
        (
            {"mgmt": NET},
            {"10.0.0.1": NOTHING, "10.0.0.254": OPEN},
            Says.DEAD,
        ),
        (
            {"mgmt": NET},
            {"10.0.0.1": NOTHING, "10.0.0.254": REFUSED},
            Says.DEAD,
        ),
        (
            {"mgmt": NET},
            {"10.0.0.1": NOTHING, "10.0.0.254": NOTHING},
            Says.SILENT,
        ),
        # One network down in the middle of the tries.
        (
            {"mgmt": NET},
            {
                "10.0.0.1": NOTHING,
                "10.0.0.254": [Reach.OPEN, Reach.NOTHING, Reach.OPEN],
            },
            Says.SILENT,
        ),
        (
            {"mgmt": NET},
            {
                "10.0.0.1": [Reach.NOTHING, Reach.NOTHING, Reach.OPEN],
                "10.0.0.254": OPEN,
            },
            Says.ALIVE,
        ),
        # A second network knows better.
        (
            {"mgmt": NET, "store": STORE},
            {"10.0.0.1": NOTHING, "10.0.0.254": OPEN, "10.1.0.1": REFUSED},
            Says.ALIVE,
        ),
        (
            {"mgmt": NET, "store": STORE},
            {
                "10.0.0.1": NOTHING,
                "10.0.0.254": OPEN,
                "10.1.0.1": NOTHING,
                "10.1.0.254": NOTHING,
            },
            Says.SILENT,
        ),
        # What the policy says badly is no evidence.
        (
            {"mgmt": {"hosts": {"c1": "10.0.0.1"}, "port": 22}},
            {"10.0.0.1": NOTHING},
            Says.SILENT,
        ),
        ({"mgmt": {"hosts": {"c1": "10.0.0.1"}}}, {}, Says.SILENT),
        ({"mgmt": "10.0.0.1"}, {}, Says.SILENT),
        (
            {"mgmt": NET, "bad": {"hosts": ["c1"]}},
            {"10.0.0.1": NOTHING, "10.0.0.254": OPEN},
            Says.SILENT,
        ),
    ],
)
def test_tcp_reach(
    networks: dict[str, Any], met: dict[str, Any], says: Says
) -> None:
    clock = FakeClock()
    network = FakeNetwork(clock, met)
    policy = Policy(witnesses=Witnesses(networks=networks))
    nothing: Any = None
    witness = TcpReach(policy, nothing, network, no_fences, clock)
    told = witness.testify(HOST)
    assert told.says is says, told.detail
    if says is Says.DEAD:
        asked = [at for at, where in network.tried if where == "10.0.0.1"]
        assert len(asked) == 3
        assert asked[-1] - asked[0] >= 6


@pytest.mark.parametrize(
    ("alive", "says"),
    [
        ([], Says.SILENT),
        ([True], Says.SILENT),  # for 75 s more: it proves no life
        ([True, False], Says.SILENT),
        ([False, False], Says.DEAD),
    ],
)
def test_neutrons_agents_say_dead_and_never_alive(
    alive: list[bool], says: Says
) -> None:
    class Agents:
        def network_agents(self, host: str) -> list[bool]:
            return alive

    nothing: Any = None
    witness = NeutronAgents(
        Policy(), cast(Any, Agents()), nothing, nothing, FakeClock()
    )
    assert witness.testify(HOST).says is says


def test_neutron_that_does_not_answer_is_silent() -> None:
    class Away:
        def network_agents(self, host: str) -> list[bool]:
            raise Transient("api", "Neutron is away.")

    nothing: Any = None
    witness = NeutronAgents(
        Policy(), cast(Any, Away()), nothing, nothing, FakeClock()
    )
    said = witness.testify(HOST)
    assert (said.says, said.detail) == (
        Says.SILENT,
        "Neutron did not say: Neutron is away.",
    )


@pytest.mark.parametrize(
    ("heard", "says"),
    [
        ({("10.0.0.1", 0): Reach.OPEN}, Says.ALIVE),
        ({("10.0.0.254", 0): Reach.OPEN}, Says.DEAD),
        ({}, Says.SILENT),  # the control does not answer either
    ],
)
def test_a_ping_is_weighed_like_a_connection(
    heard: dict[tuple[str, int], Reach], says: Says
) -> None:
    network = {
        "hosts": {"c1": "10.0.0.1"},
        "port": 16509,
        "control": "10.0.0.254",
    }
    policy = Policy(witnesses=Witnesses(networks={"mgmt": network}))
    nothing: Any = None
    witness = IcmpReach(
        policy, nothing, Wire(reach=heard), nothing, FakeClock()
    )
    assert witness.testify(HOST).says is says


def test_a_machine_that_lets_us_ping_nobody_is_silent() -> None:
    class NoPing(Wire):
        def ping(self, address: str, timeout_s: float) -> Reach:
            raise BadInput("no_ping", "Set net.ipv4.ping_group_range.")

    network = {"hosts": {"c1": "10.0.0.1"}, "port": 1, "control": "10.0.0.2"}
    policy = Policy(witnesses=Witnesses(networks={"mgmt": network}))
    nothing: Any = None
    witness = IcmpReach(policy, nothing, NoPing(), nothing, FakeClock())
    said = witness.testify(HOST)
    assert said.says is Says.SILENT
    assert "ping_group_range" in said.detail


def test_networks_are_asked_side_by_side() -> None:
    """Each first try waits for the other one, so neither may come first."""
    meet = threading.Barrier(2, timeout=5)

    class Slow(Wire):
        def connect(self, address: str, port: int, timeout_s: float) -> Reach:
            if not address.endswith(".254"):
                meet.wait()
                return Reach.NOTHING
            return Reach.OPEN

    rules = Witnesses(
        networks={"mgmt": NET, "store": STORE}, reach_tries=1, reach_over_s=1
    )
    nothing: Any = None
    witness = TcpReach(
        Policy(witnesses=rules), nothing, Slow(), nothing, SystemClock()
    )
    assert witness.testify(HOST).says is Says.DEAD
