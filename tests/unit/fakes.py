"""Small fakes at the ports, and short ways to the values of the model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ha_actions import outside
from ha_actions.errors import HaError
from ha_actions.model import (
    Choice,
    Claim,
    Evidence,
    Guest,
    Host,
    Incident,
    Member,
    Planned,
    Port,
    Power,
    Proof,
    Protection,
    Reading,
    Says,
    Testimony,
)
from ha_actions.model.server import ServerFailure
from ha_actions.outside import Outside
from ha_actions.ports import Reach
from ha_actions.settings import Policy
from ha_actions.sim.ledger import MemoryLedger

T = TypeVar("T")
NOW = 1_800_000_000.0
OPERATOR = "operator-project"


class Clock:
    """Virtual time; a sleep moves it. Safe to share between threads."""

    def __init__(self, at: float = NOW) -> None:
        self.at = at
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.at += max(0.0, seconds)

    def together(
        self, jobs: Sequence[Callable[[], T]], at_most: int
    ) -> list[T]:
        return [job() for job in jobs]

    def within(self, job: Callable[[], T], seconds: float) -> T:
        return job()


class Journal:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str, str]] = []
        self.told: list[tuple[str, str]] = []

    def note(self, kind: str, subject: str, text: str, **facts: Any) -> None:
        self.notes.append((kind, subject, text))

    def tell(self, subject: str, text: str, **facts: Any) -> None:
        self.told.append((subject, text))


@dataclass
class Device:
    """A fence whose power follows a table of ``(seconds after cut, word)``.

    Before the first cut it reads ``before``; a cut may raise, or be ignored
    by an empty table.
    """

    clock: Clock
    name: str = "bmc"
    evidence: Evidence = Evidence.POWER
    before: Power = Power.ON
    after: Sequence[tuple[float, Power]] = ((0.0, Power.OFF),)
    strangers: list[HaError] = field(default_factory=list)
    """Raised by ``identify``, one after another; the last one stays."""
    refuses: list[HaError] = field(default_factory=list)
    """Raised by ``cut``, one after another, until none is left."""
    latency_s: float = 0.0
    cut_at: float | None = None
    calls: list[str] = field(default_factory=list)

    def identify(self) -> str:
        self.calls.append("identify")
        if self.strangers:
            raise self.strangers[0]
        return self.name

    def power(self) -> Reading:
        self.calls.append("power")
        self.clock.sleep(self.latency_s)
        return Reading(device=self.name, power=self._now(), at=self.clock.at)

    def _now(self) -> Power:
        word = self.before
        if self.cut_at is not None:
            for delay, then in self.after:
                if self.clock.at >= self.cut_at + delay:
                    word = then
        return word

    def cut(self, claim: Claim) -> None:
        self.calls.append("cut")
        if self.refuses:
            raise self.refuses.pop(0)
        self.cut_at = self.clock.at

    def restore(self, claim: Claim) -> None:
        self.calls.append("restore")


@dataclass
class Wire:
    """A network on which only the given answers are heard."""

    reach: Mapping[tuple[str, int], Reach] = field(default_factory=dict)
    http: Mapping[tuple[str, int, str], int] = field(default_factory=dict)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def connect(self, address: str, port: int, timeout_s: float) -> Reach:
        self.asked.append((address, port))
        return self.reach.get((address, port), Reach.NOTHING)

    def dumped_at(self, address: str, wait_s: float) -> float:
        return 0.0

    def ping(self, address: str, timeout_s: float) -> Reach:
        return self.connect(address, 0, timeout_s)

    def http_status(
        self, address: str, port: int, path: str, timeout_s: float
    ) -> int:
        self.asked.append((address, port, path))
        return self.http.get((address, port, path), 0)


class Forbidden:
    """Any use of it, even looking at an attribute, is noted and fails."""

    def __init__(self, name: str, touched: list[str]) -> None:
        self.__dict__.update(_name=name, _touched=touched)

    def __getattr__(self, verb: str) -> Any:
        self._touched.append(f"{self._name}.{verb}")
        raise AssertionError(f"{self._name}.{verb} was touched")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._touched.append(self._name)
        raise AssertionError(f"{self._name} was called")


def forbidden(touched: list[str]) -> Outside:
    """An outside of which nothing may be touched.

    But the operators' list, and the journal: that somebody tried is told.
    """
    return Outside(
        operator_projects=frozenset({OPERATOR}),
        clock=Forbidden("clock", touched),
        ledger=Forbidden("ledger", touched),
        network=Forbidden("network", touched),
        journal=Journal(),
        cloud=Forbidden("cloud", touched),
        fences=Forbidden("fences", touched),
        witnesses=Forbidden("witnesses", touched),
    )


def small_outside(
    *,
    clock: Clock | None = None,
    ledger: MemoryLedger | None = None,
    fences: Sequence[Device] = (),
    witnesses: Mapping[str, Any] | None = None,
    network: Wire | None = None,
) -> Outside:
    """A clock, a ledger and devices; there is no cloud in it."""
    return Outside(
        operator_projects=frozenset({OPERATOR}),
        clock=clock or Clock(),
        ledger=ledger or MemoryLedger(),
        network=network or Wire(),
        journal=Journal(),
        cloud=Forbidden("cloud", []),
        fences=lambda host: list(fences),
        witnesses=lambda policy, cloud: dict(witnesses or {}),
    )


@contextmanager
def used(outside_: Outside) -> Iterator[Outside]:
    """Make the actions of this process use it, for a while."""
    outside.use(outside_)
    try:
        yield outside_
    finally:
        outside.use(None)


# -- values -----------------------------------------------------------------
def guest(name: str = "db", host: str = "c1", **more: Any) -> Guest:
    values: dict[str, Any] = {"id": f"id-{name}", "project": "p1"}
    return Guest(name=name, host=host, **(values | more))


def planned(
    who: Guest | None = None,
    protection: Protection = Protection.PET,
    members: Sequence[Member] = (),
    **choice: Any,
) -> Planned:
    choice.setdefault("discard_local_disk", True)
    return Planned(
        guest=who or guest(),
        choice=Choice(protection=protection, **choice),
        members=tuple(members),
    )


def port(address: str = "10.0.0.5", **more: Any) -> Port:
    values: dict[str, Any] = {
        "id": f"port-{address}",
        "network": "net-1",
        "subnet": "sub-1",
        "host": "c2",
    }
    return Port(address=address, **(values | more))


def host(name: str = "c1", up: bool = True, **more: Any) -> Host:
    return Host(name=name, service_id=f"service-{name}", up=up, **more)


def incident(id: str = "c1-aaaa", host: str = "c1", **more: Any) -> Incident:
    values: dict[str, Any] = {
        "opened_at": NOW,
        "opened_by": "alarm",
        "request_id": f"req-{id}",
        "policy": "digest",
    }
    return Incident(id=id, host=host, **(values | more))


def proof(at: float = NOW, evidence: Evidence = Evidence.POWER) -> Proof:
    """Of the host of ``incident()``."""
    return Proof(
        host="c1",
        incident="c1-aaaa",
        evidence=evidence,
        rule="read Off",
        since=at - 10,
        at=at,
    )


def says(
    witness: str, answer: Says, at: float = NOW, host: str = "c1"
) -> Testimony:
    return Testimony(witness=witness, host=host, says=answer, observed_at=at)


def claim(until: float = NOW + 60, **more: Any) -> Claim:
    values: dict[str, Any] = {
        "incident": "c1-aaaa",
        "subject": "fence",
        "holder": "me",
        "number": 1,
    }
    return Claim(until=until, **(values | more))


DEFAULTS = Policy()


def server_failure(name: str) -> ServerFailure:
    """Server ``vm`` of project p, which crashed alone on c1."""
    return ServerFailure(
        id="vm.1",
        server="vm",
        name=name,
        project="p",
        host="c1",
        opened_at=NOW,
        opened_by="alarm",
        request_id="r",
        policy="digest",
        reason="crashed",
    )
