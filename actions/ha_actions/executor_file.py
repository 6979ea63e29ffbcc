"""The executor's own file: whose word counts, and how to reach the world.

It lies on every Mistral executor, readable by the service's user alone. No
workflow input, environment or tenant can change what it says.
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import os
import stat
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openstack
import yaml
from keystoneauth1 import adapter
from openstack import connection as sdk_connection
from openstack import exceptions as sdk_errors
from oslo_log import formatters

from ha_actions.clock import SystemClock
from ha_actions.cloud import OpenStackCloud
from ha_actions.codec import from_json, nearest
from ha_actions.errors import BadInput
from ha_actions.journal import LogJournal
from ha_actions.ledger import MistralLedger
from ha_actions.network import PlainNetwork
from ha_actions.outside import Outside
from ha_actions.ports import Clock, Cloud, Fence, Network, Witness
from ha_actions.settings import Policy

DEFAULT_PATH = "/etc/mistral-ha-pack/executor.yaml"
VARIABLE = "HA_EXECUTOR_FILE"


@dataclass(frozen=True, kw_only=True)
class Log:
    """How our own log lines look."""

    json: bool = False
    """One JSON object a line, on standard error, beside Mistral's log."""


@dataclass(frozen=True, kw_only=True)
class ExecutorFile:
    """The file's keys; ``executor.example.yaml`` explains each."""

    operator_projects: list[str]
    cloud: str
    ledger_cloud: str = ""
    fences: str = ""
    namespace: str = ""
    log: Log = field(default_factory=Log)


def from_file(path: str | None = None) -> Outside:
    """Everything an action needs, by the file; nothing is called yet.

    :param path: else ``$HA_EXECUTOR_FILE``, else :data:`DEFAULT_PATH`.
    :raises BadInput: a file, a key, a cloud or a fence in it is wrong.
    """
    where = Path(path or os.environ.get(VARIABLE) or DEFAULT_PATH)
    what = from_json(ExecutorFile, _yaml(where), str(where))
    if not any(what.operator_projects):
        raise _bad(
            f"{where}: operator_projects is empty, so nobody could start "
            "anything; list the id of the operator's project."
        )
    if what.log.json:
        _log_json()
    clock = SystemClock()
    network = PlainNetwork()
    fences = functools.partial(fences_of, what.fences, clock)
    if what.fences:
        _check_all(what.fences, clock)
    return Outside(
        operator_projects=frozenset(what.operator_projects),
        clock=clock,
        ledger=ledger_of(what.ledger_cloud or what.cloud),
        network=network,
        journal=LogJournal(),
        cloud=cloud_of(what.cloud, clock),
        fences=fences,
        witnesses=functools.partial(witnesses_of, network, fences, clock),
        namespace=_namespace(what.namespace),
    )


def cloud_of(name: str, clock: Clock) -> Callable[[str], Cloud]:
    """Request id -> the cloud ``name`` of ``clouds.yaml``.

    All of them share one session, so one token.

    :raises BadInput: ``clouds.yaml`` has no such cloud.
    """
    config = _region(name)

    @functools.lru_cache(maxsize=64)
    def of(request_id: str) -> Cloud:
        return OpenStackCloud(
            sdk_connection.Connection(
                config=config, global_request_id=request_id or None
            ),
            clock,
        )

    return of


def ledger_of(name: str) -> MistralLedger:
    """The ledger in the Mistral of a cloud of ``clouds.yaml``.

    :raises BadInput: ``clouds.yaml`` has no such cloud.
    """
    config = _region(name)
    return MistralLedger(
        adapter.Adapter(
            config.get_session(),
            service_type="workflow",
            interface=config.get_interface("workflow"),
            region_name=config.get_region_name("workflow"),
            endpoint_override=config.get_endpoint("workflow"),
            raise_exc=False,
            connect_retries=0,
        )
    )


def fences_of(path: str, clock: Clock, host: str) -> Sequence[Fence]:
    """A host's devices, in the order of the fence file.

    The file is read anew each time: a changed password counts at once.

    :raises BadInput: the file or the host's entry is wrong.
    """
    if not path:
        return []
    entries = _fence_file(Path(path)).get(host, [])
    return [_fence(path, host, entry, clock) for entry in entries]


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
        name: _load("ha_actions.witnesses", name, "policy: witnesses: ask")(
            policy, cloud, network, fences, clock
        )
        for name in policy.witnesses.ask
    }


def _region(name: str) -> Any:
    try:
        return openstack.config.OpenStackConfig(
            app_name="mistral-ha-pack"
        ).get_one(cloud=name)
    except sdk_errors.SDKException as error:
        raise _bad(
            f"clouds.yaml has no usable cloud {name!r} ({error}); check the "
            "name in the executor's file, and where clouds.yaml lies."
        ) from error


def _fence_file(path: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise _unreadable(path, error) from error
    if mode & 0o077:
        raise _bad(
            f"{path} holds passwords and others may read it (mode "
            f"{mode:03o}); chmod 600 it."
        )
    data = _yaml(path)
    for host, entries in data.items():
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) for entry in entries
        ):
            raise _bad(
                f"{path}: {host} must be a list of devices, each with its "
                "`kind`."
            )
    return data


def _check_all(path: str, clock: Clock) -> None:
    """Read every entry once, so that a typo is found before the night."""
    for host, entries in _fence_file(Path(path)).items():
        for entry in entries:
            _fence(path, host, entry, clock)


def _fence(
    path: str, host: str, entry: Mapping[str, Any], clock: Clock
) -> Fence:
    settings = dict(entry)
    kind = settings.pop("kind", None)
    cls = _load("ha_actions.fences", str(kind), f"{path}: {host}: kind")
    made: Fence = cls(host, settings, clock)
    return made


@functools.lru_cache(maxsize=64)
def _load(group: str, name: str, where: str) -> Callable[..., Any]:
    found = importlib.metadata.entry_points(group=group)
    known = {point.name: point for point in found}
    if name not in known:
        raise _bad(
            f"{where}: {name!r} is not installed{nearest(name, known)}; "
            f"there is {', '.join(sorted(known)) or 'none'}."
        )
    loaded: Callable[..., Any] = known[name].load()
    return loaded


def _namespace(text: str) -> str:
    if not text:
        return Outside.namespace
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, text))


def _log_json() -> None:
    logger = logging.getLogger("ha_actions")
    if logger.propagate:
        handler = logging.StreamHandler()
        handler.setFormatter(formatters.JSONFormatter())
        logger.addHandler(handler)
        logger.propagate = False


def _yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    except yaml.YAMLError as error:
        # The mark alone: the text around it may be a password.
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise _bad(f"{path} is not YAML{line}; correct it.") from error
    if not isinstance(data, dict):
        raise _bad(f"{path} must be a mapping of keys to values.")
    return data


def _unreadable(path: Path, error: Exception) -> BadInput:
    why = getattr(error, "strerror", None) or "not UTF-8"
    return _bad(f"{path} cannot be read ({why}); see executor.example.yaml.")


def _bad(message: str) -> BadInput:
    return BadInput("executor_file", message)
