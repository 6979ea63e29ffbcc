"""What an action needs of the world, gathered once per process.

An executor reads its own file (``HA_EXECUTOR_FILE``, else
``/etc/mistral-ha-pack/executor.yaml``); the embedded engine and the tests hand
an ``Outside`` over with :func:`use`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ha_actions.ports import (
    Clock,
    Cloud,
    Fence,
    Journal,
    Ledger,
    Network,
    Witness,
)
from ha_actions.settings import Policy


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


_current: list[Outside] = []


def use(outside: Outside | None) -> None:
    """Make every action of this process use it; None: the file again."""
    _current[:] = [] if outside is None else [outside]


def current() -> Outside | None:
    """The process's way out, once it has one."""
    return _current[0] if _current else None
