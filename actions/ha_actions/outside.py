"""What an action needs of the world, gathered once per process.

An executor reads its own file (``HA_EXECUTOR_FILE``, else
``/etc/mistral-ha-pack/executor.yaml``); the embedded engine and the tests hand
an ``Outside`` over with :func:`use`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ha_actions.model import Event
from ha_actions.model.caller import Caller
from ha_actions.ports import (
    Bus,
    Clock,
    Cloud,
    Executions,
    Fence,
    Gauges,
    Journal,
    Ledger,
    Network,
    Reports,
    Stacks,
    Witness,
)
from ha_actions.settings import Policy


class NoBus:
    """:class:`~ha_actions.ports.Bus` where none is configured: silent."""

    def publish(self, events: Sequence[Event]) -> None:
        """Tell nobody."""


class NoGauges:
    """Where nobody reads figures."""

    def put(
        self, label: str, families: Mapping[str, tuple[str, dict[str, float]]]
    ) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Own:
    """What a tenant's action works with: all of it by the tenant's token."""

    caller: Caller
    cloud: Cloud
    ledger: Ledger
    """Notes in the caller's project, in Mistral's environments."""
    clock: Clock


@dataclass(frozen=True)
class Outside:
    """Every port, and who may use them."""

    operator_projects: frozenset[str]
    """Projects whose executions may use the operator's credentials."""
    clock: Clock
    ledger: Ledger
    network: Network
    journal: Journal
    cloud: Callable[[str], Cloud]
    """Request id -> a cloud whose every call carries it."""
    fences: Callable[[str], Sequence[Fence]]
    """Host -> its devices, in order."""
    witnesses: Callable[[Policy, Cloud], Mapping[str, Witness]]
    """The policy's witnesses by name."""
    namespace: str = "00000000-0000-0000-0000-000000000000"
    """Secret of the installation: makes execution ids unguessable."""
    bus: Bus = field(default_factory=NoBus)
    executions: Executions | None = None
    """None: somebody else cleans them, or nobody."""
    reports: Reports | None = None
    """None: old reports stay in the ledger."""
    alarms: Callable[[Collection[str]], Collection[str]] | None = None
    """Which of these alarms of ours Aodh has, enabled; None: no Aodh."""
    queues: Callable[[], Mapping[str, tuple[int, int]]] | None = None
    """Queue of the bus -> messages and readers; None: there is no bus."""
    gauges: Gauges = field(default_factory=NoGauges)
    stacks: Callable[[str], Stacks] | None = None
    """Request id -> Heat, as ``cloud``; None: no stack is looked at."""
    own: Callable[[Caller], Own] | None = None
    """For tenants' actions; None: they are refused."""


_current: list[Outside] = []


def use(outside: Outside | None) -> None:
    """Make every action of this process use it; None: the file again."""
    _current[:] = [] if outside is None else [outside]


def current() -> Outside | None:
    """The process's way out, once it has one."""
    return _current[0] if _current else None
