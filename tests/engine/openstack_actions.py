"""Mistral's standard OpenStack actions, as far as the example calls them.

What they take and give is mistral-extra's: the clients' own arguments and
``to_dict()``. Registered by hand: the package has no part in these tests.
"""

from __future__ import annotations

from typing import Any

from mistral_lib import actions


class Cloud:
    """What one tenant has, and what was asked of it."""

    def __init__(self) -> None:
        self.metadata: dict[str, str] = {"ha:protection": "custom"}
        self.resources = [
            {"resource_name": "lb", "physical_resource_id": "other"},
            {"resource_name": "web", "physical_resource_id": "vm-1"},
        ]
        self.states = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
        self.calls: list[tuple[str, dict[str, Any]]] = []


CLOUDS: list[Cloud] = []


class Get(actions.Action):  # type: ignore[misc]
    """``nova.servers_get``"""

    def __init__(self, server: str) -> None:
        self.server = server

    def run(self, context: Any) -> Any:
        return {"id": self.server, "metadata": CLOUDS[-1].metadata}


class Resources(actions.Action):  # type: ignore[misc]
    """``heat.resources_list``"""

    def __init__(self, stack_id: str) -> None:
        self.stack_id = stack_id

    def run(self, context: Any) -> Any:
        return CLOUDS[-1].resources


class Mark(actions.Action):  # type: ignore[misc]
    """``heat.resources_mark_unhealthy``"""

    def __init__(
        self,
        stack_id: str,
        resource_name: str,
        mark_unhealthy: bool,
        resource_status_reason: str,
    ) -> None:
        self.given = (stack_id, resource_name, mark_unhealthy)
        self.why = resource_status_reason

    def run(self, context: Any) -> Any:
        CLOUDS[-1].calls.append(("mark", {"given": list(self.given)}))


class Update(actions.Action):  # type: ignore[misc]
    """``heat.stacks_update``"""

    def __init__(self, stack_id: str, existing: bool) -> None:
        self.stack_id = stack_id
        self.existing = existing

    def run(self, context: Any) -> Any:
        CLOUDS[-1].calls.append(("update", {"existing": self.existing}))


class Stack(actions.Action):  # type: ignore[misc]
    """``heat.stacks_get``"""

    def __init__(self, stack_id: str) -> None:
        self.stack_id = stack_id

    def run(self, context: Any) -> Any:
        states = CLOUDS[-1].states
        CLOUDS[-1].calls.append(("get", {}))
        return {"stack_status": states.pop(0) if states[1:] else states[0]}


ACTIONS = {
    "nova.servers_get": Get,
    "heat.resources_list": Resources,
    "heat.resources_mark_unhealthy": Mark,
    "heat.stacks_update": Update,
    "heat.stacks_get": Stack,
}
