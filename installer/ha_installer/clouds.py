"""A real cloud as the operator's shell sees it: its Mistral and its Nova."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ha_actions.adapters.clock import SystemClock
from ha_actions.adapters.ledger import MistralLedger
from ha_actions.errors import BadInput, HaError
from ha_actions.ports import Capacity, Clock, Cloud, Ledger, Stacks
from ha_actions.records.incidents import Record

from ha_installer.rest import Rest

ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED"})


class MistralApi:
    """Executions by Mistral's REST API.

    :param api: a keystoneauth adapter made with ``raise_exc=False``.
    """

    def __init__(self, api: Any) -> None:
        self.rest = Rest(api)

    def start(self, workflow: str, inputs: Mapping[str, Any]) -> str:
        """POST an execution; its id.

        :raises Refused: Mistral does not let us.
        :raises BadInput: it does not know the workflow, or did not answer.
        """
        body = {"workflow_name": workflow, "input": dict(inputs)}
        return str(self.rest.call("POST", "/executions", json=body)["id"])

    def execution(self, id: str) -> tuple[str, dict[str, Any], str]:
        """State, output and info of an execution."""
        found = self.rest.call("GET", f"/executions/{id}")
        output = found.get("output") or {}
        if isinstance(output, str):
            output = json.loads(output)
        return str(found["state"]), output, str(found.get("state_info") or "")

    def tasks(self, id: str) -> list[tuple[str, str]]:
        """(name, state) of its tasks and of those below it, oldest first."""
        below = self.rest.call(
            "GET",
            "/executions",
            params={"root_execution_id": id, "fields": "id"},
        )
        ids = [id, *(str(e["id"]) for e in below.get("executions", []))]
        found = [
            (str(t.get("created_at", "")), str(t["name"]), str(t["state"]))
            for one in dict.fromkeys(ids)
            for t in self.rest.call("GET", f"/executions/{one}/tasks").get(
                "tasks", []
            )
        ]
        return [(name, state) for _, name, state in sorted(found)]


@dataclass(frozen=True)
class Site:
    """One cloud of ``clouds.yaml``; nothing is called before it is used."""

    name: str
    clock: Clock
    ledger: Ledger
    mistral: MistralApi

    @property
    def aodh(self) -> Rest | None:
        """Its alarming service, if its catalogue has one.

        :raises BadInput: it cannot be found out.
        """
        return service(self.name, "alarm", "Aodh")

    @property
    def record(self) -> Record:
        """The ledger's entries, by what they mean."""
        return Record(self.ledger, self.clock)

    def cloud(self, request_id: str = "") -> Cloud:
        """Its Nova and the others."""
        from ha_actions.executor_file import cloud_of

        return cloud_of(self.name, self.clock)(request_id)

    def stacks(self) -> Stacks:
        """Its Heat, if it has one."""
        return stacks(self.name)

    def capacity(self) -> Capacity:
        """Its Placement."""
        return capacity(self.name)


def capacity(name: str | None) -> Capacity:
    """Placement and Nova of that cloud; its Mistral is not needed.

    :raises BadInput: no name, or ``clouds.yaml`` has no such cloud.
    """
    from ha_actions.executor_file import capacity_of

    return capacity_of(_named(name), SystemClock())


def stacks(name: str | None) -> Stacks:
    """Heat of that cloud, if it has one; its Mistral is not needed.

    :raises BadInput: no name, or ``clouds.yaml`` has no such cloud.
    """
    from ha_actions.executor_file import stacks_of

    return stacks_of(_named(name), SystemClock())("")


def site(name: str | None) -> Site:
    """The cloud of that name; else of ``$OS_CLOUD``.

    :raises BadInput: no name, or ``clouds.yaml`` has no such cloud.
    """
    name = _named(name)
    adapter = _adapter(name, "workflow")
    return Site(
        name=name,
        clock=SystemClock(),
        ledger=MistralLedger(adapter),
        mistral=MistralApi(adapter),
    )


def _named(name: str | None) -> str:
    name = name or os.environ.get("OS_CLOUD", "")
    if not name:
        raise BadInput(
            "no_cloud",
            "Say which cloud: --cloud NAME (of clouds.yaml), or OS_CLOUD.",
        )
    return name


def service(name: str, kind: str, called: str) -> Rest | None:
    """A service of a cloud by its type, if the cloud's catalogue has it.

    :raises BadInput: it cannot be found out.
    """
    from keystoneauth1 import exceptions

    adapter = _adapter(name, kind)
    try:
        there = adapter.endpoint_override or adapter.get_endpoint()
    except exceptions.EndpointNotFound:
        there = None
    except exceptions.ClientException as error:
        raise BadInput(
            "unreachable",
            f"Whether cloud {name} has {called} cannot be found out "
            f"({type(error).__name__}); check your credentials and the "
            "network.",
        ) from error
    return Rest(adapter, called) if there else None


def _adapter(name: str, service: str) -> Any:
    from ha_actions.adapters.cloud.region import region_of
    from keystoneauth1 import adapter

    config = region_of(name)
    return adapter.Adapter(
        config.get_session(),
        service_type=service,
        interface=config.get_interface(service),
        region_name=config.get_region_name(service),
        endpoint_override=config.get_endpoint(service),
        raise_exc=False,
        # A repeated POST could take its own first answer for another's.
        connect_retries=0,
    )


def reachable(one: Site) -> bool:
    """Whether its Mistral answers at all."""
    try:
        one.ledger.read("ha.policy")
    except HaError:
        return False
    return True
