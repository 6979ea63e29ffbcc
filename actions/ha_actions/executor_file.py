"""The executor's own file: whose word counts, and how to reach the world.

It lies on every Mistral executor, readable by the service's user alone. No
workflow input, environment or tenant can change what it says.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ha_alarms import start
from keystoneauth1 import adapter
from openstack import connection as sdk_connection
from oslo_log import formatters

from ha_actions.adapters import alarm_names, bus_queues
from ha_actions.adapters.barbican import Barbican
from ha_actions.adapters.bus import MessageBus, topic_of
from ha_actions.adapters.clock import SystemClock
from ha_actions.adapters.cloud.by_token import Tokens
from ha_actions.adapters.cloud.capacity import PlacementCapacity
from ha_actions.adapters.cloud.openstack import OpenStackCloud
from ha_actions.adapters.cloud.region import api_at, region_of
from ha_actions.adapters.cloud.stacks import HeatStacks
from ha_actions.adapters.gauges import TextFile
from ha_actions.adapters.journal import LogJournal
from ha_actions.adapters.ledger import MistralLedger
from ha_actions.adapters.ledger_executions import MistralExecutions
from ha_actions.adapters.network import PlainNetwork
from ha_actions.adapters.network_kdump import KdumpListener
from ha_actions.adapters.record_store import ReportFolder
from ha_actions.codec import from_json
from ha_actions.fencing import fence_file
from ha_actions.model.caller import Caller
from ha_actions.outside import NoBus, NoGauges, Outside, Own
from ha_actions.ports import (
    Bus,
    Capacity,
    Clock,
    Cloud,
    Fence,
    Network,
    Stacks,
    Witness,
)
from ha_actions.settings import Policy

DEFAULT_PATH = "/etc/mistral-ha-pack/executor.yaml"
VARIABLE = "HA_EXECUTOR_FILE"


@dataclass(frozen=True, kw_only=True)
class Log:
    """How our own log lines look."""

    json: bool = False
    """One JSON object a line, on standard error, beside Mistral's log."""


@dataclass(frozen=True, kw_only=True)
class BusKeys:
    """Where events are published; without ``url`` nowhere."""

    url: str = ""
    via: str = "aodh"
    topic: str = ""
    queues: str = "plain"


@dataclass(frozen=True, kw_only=True)
class ExecutorFile:
    """The file's keys; ``executor.example.yaml`` explains each."""

    operator_projects: list[str]
    cloud: str
    ledger_cloud: str = ""
    fences: str = ""
    namespace: str = ""
    log: Log = field(default_factory=Log)
    bus: BusKeys = field(default_factory=BusKeys)
    reports_dir: str = ""
    metrics: str = ""
    kdump: str = ""


def read_file(path: str | None = None) -> tuple[Path, ExecutorFile]:
    """Where the file is, and what it says.

    :raises BadInput: it cannot be read, or a key is wrong.
    """
    where = Path(path or os.environ.get(VARIABLE) or DEFAULT_PATH)
    data = fence_file.read_yaml(where)
    return where, from_json(ExecutorFile, data, str(where))


def from_file(path: str | None = None) -> Outside:
    """Everything an action needs, by the file; nothing is called yet.

    :param path: else ``$HA_EXECUTOR_FILE``, else :data:`DEFAULT_PATH`.
    :raises BadInput: a file, a key, a cloud or a fence in it is wrong.
    """
    where, what = read_file(path)
    if not any(what.operator_projects):
        raise fence_file.bad(
            f"{where}: operator_projects is empty, so nobody could start "
            "anything; list the id of the operator's project."
        )
    if what.log.json:
        _log_json()
    clock = SystemClock()
    network = PlainNetwork(
        KdumpListener(what.kdump, clock) if what.kdump else None
    )
    fences = functools.partial(
        fence_file.fences_of,
        what.fences,
        clock,
        vault=vault_of(what.cloud, clock),
    )
    if what.fences:
        fence_file.check(what.fences, clock)
    mistral = mistral_of(what.ledger_cloud or what.cloud)
    return Outside(
        operator_projects=frozenset(what.operator_projects),
        clock=clock,
        ledger=MistralLedger(mistral),
        executions=MistralExecutions(mistral),
        network=network,
        journal=LogJournal(),
        cloud=cloud_of(what.cloud, clock, what.operator_projects),
        fences=fences,
        witnesses=functools.partial(witnesses_of, network, fences, clock),
        namespace=_namespace(what.namespace),
        bus=bus_of(what.bus, where),
        queues=queues_of(what.bus, where),
        reports=_reports(what.reports_dir, where),
        alarms=alarm_names.of(api_at(region_of(what.cloud), "alarm")),
        stacks=stacks_of(what.cloud, clock),
        gauges=TextFile(what.metrics) if what.metrics else NoGauges(),
        own=own_of(what.cloud, clock),
    )


def _reports(path: str, where: Path) -> ReportFolder | None:
    if not path:
        return None
    if not os.access(path, os.W_OK | os.X_OK):
        raise fence_file.bad(
            f"{where}: reports_dir: {path} is no directory that this user "
            "may write; make it, or leave the key out."
        )
    return ReportFolder(path)


def bus_of(keys: BusKeys, where: Path) -> Bus:
    """The bus that a file names; nothing is connected yet.

    :param where: the file; with a password in the url it must be private.
    :raises BadInput: a key is wrong, or others may read the password.
    """
    if not keys.url:
        return NoBus()
    url = fence_file.secret(keys.url, f"{where}: bus: url")
    if url == keys.url and "@" in url:
        fence_file.private(where)
    return MessageBus(url, keys.via, keys.topic, keys.queues)


def queues_of(
    keys: BusKeys, where: Path
) -> Callable[[], Mapping[str, tuple[int, int]]] | None:
    """Looks at the queue that events go to, and at those of notifications.

    :raises BadInput: a key is wrong.
    """
    if not keys.url:
        return None
    url = fence_file.secret(keys.url, f"{where}: bus: url")
    names = {topic_of(keys.via, keys.topic), *bus_queues.NOTIFICATIONS}
    return functools.partial(bus_queues.look, url, sorted(names))


def cloud_of(
    name: str, clock: Clock, operators: Collection[str] = ()
) -> Callable[[str], Cloud]:
    """Request id -> the cloud ``name`` of ``clouds.yaml``.

    All of them share one session, so one token.

    :param operators: projects whose images speak for the operator, beside
        that of the credentials.
    :raises BadInput: ``clouds.yaml`` has no such cloud.
    """
    config = region_of(name)

    @functools.lru_cache(maxsize=64)
    def of(request_id: str) -> Cloud:
        return OpenStackCloud(
            sdk_connection.Connection(
                config=config, global_request_id=request_id or None
            ),
            clock,
            operators=operators,
        )

    return of


def own_of(name: str, clock: Clock) -> Callable[[Caller], Own]:
    """Caller -> what his own token reaches.

    Of the cloud of ``clouds.yaml`` only places are used (certificates,
    interface, region), never its credentials.

    :raises BadInput: ``clouds.yaml`` has no such cloud.
    """
    tokens = Tokens(region_of(name), clock)

    def of(caller: Caller) -> Own:
        conn = tokens.connection(caller)
        return Own(
            caller=caller,
            cloud=OpenStackCloud(conn, clock),
            ledger=MistralLedger(api_at(conn.config, "workflow")),
            clock=clock,
        )

    return of


def stacks_of(name: str, clock: Clock) -> Callable[[str], Stacks]:
    """Request id -> Heat of the cloud ``name`` of ``clouds.yaml``.

    :raises BadInput: ``clouds.yaml`` has no such cloud.
    """
    config = region_of(name)

    @functools.lru_cache(maxsize=64)
    def of(request_id: str) -> Stacks:
        return HeatStacks(
            sdk_connection.Connection(
                config=config, global_request_id=request_id or None
            ),
            clock,
        )

    return of


def capacity_of(name: str, clock: Clock) -> Capacity:
    """Placement of the cloud ``name`` of ``clouds.yaml``.

    :raises BadInput: ``clouds.yaml`` has no such cloud.
    """
    conn = sdk_connection.Connection(config=region_of(name))
    return PlacementCapacity(conn, clock)


def vault_of(name: str, clock: Clock) -> fence_file.Vault:
    """Secrets in the Barbican of a cloud of ``clouds.yaml``; asked late."""

    def made() -> adapter.Adapter:
        return api_at(region_of(name), "key-manager")

    return Barbican(made, clock).secret


def mistral_of(name: str) -> adapter.Adapter:
    """The API of Mistral in a cloud of ``clouds.yaml``.

    :raises BadInput: ``clouds.yaml`` has no such cloud.
    """
    return api_at(region_of(name), "workflow")


def witnesses_of(
    network: Network,
    fences: Callable[[str], Sequence[Fence]],
    clock: Clock,
    policy: Policy,
    cloud: Cloud,
) -> Mapping[str, Witness]:
    """The policy's witnesses by name, each found by its entry point.

    :raises BadInput: the policy asks a witness that is not installed.
    """
    return {
        name: fence_file.load(
            "ha_actions.witnesses", name, "policy: witnesses: ask"
        )(policy, cloud, network, fences, clock)
        for name in policy.witnesses.ask
    }


def _namespace(text: str) -> str:
    return str(start.namespace(text)) if text else Outside.namespace


def _log_json() -> None:
    logger = logging.getLogger("ha_actions")
    if logger.propagate:
        handler = logging.StreamHandler()
        handler.setFormatter(formatters.JSONFormatter())
        logger.addHandler(handler)
        logger.propagate = False
