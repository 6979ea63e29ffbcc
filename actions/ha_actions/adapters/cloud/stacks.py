"""Heat: whose servers belong to a stack, and the repair of a stack.

Each call is made in the project of the stack's owner: Heat looks at the
project of the token. Source: heat, api/openstack/v1/util.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from ha_actions.adapters.cloud.errors import explain
from ha_actions.adapters.cloud.http import Api, Count
from ha_actions.adapters.cloud.project import in_project
from ha_actions.errors import Failed
from ha_actions.model import Claim, StackPlace
from ha_actions.model.stack import StackPreview, StackResource, StackState
from ha_actions.ports import Clock

HEAT = "orchestration"
DEPTH = 5
"""Stacks in stacks. Source: heat, max_nested_stack_depth (5)."""
SERVER = "OS::Nova::Server"


class HeatStacks:
    """:class:`~ha_actions.ports.Stacks` over openstacksdk.

    :param conn: of a user with the role admin in the owners' projects.
    """

    def __init__(
        self, conn: Any, clock: Clock, count: Count | None = None
    ) -> None:
        self._conn = conn
        self._clock = clock
        self._count = count
        self._mine = Api(conn, clock, count)
        self._apis: dict[str, Api] = {}

    def places(self, project: str) -> dict[str, StackPlace]:
        """Server id -> where it is, or was until a replacement began.

        One call, one for each stack, one more for each that is at work or
        has failed.
        """
        if not self._mine.offers(HEAT):
            return {}
        found: dict[str, StackPlace] = {}
        for stack in self._api(project).listing(HEAT, "/stacks", "stacks"):
            if str(stack.get("stack_status", "")).startswith("DELETE_"):
                continue
            if stack.get("project", project) != project:
                continue  # an admin is shown everybody's
            for body in self._resources(
                project, stack["stack_name"], stack["id"], type=SERVER
            ):
                server = body.get("physical_resource_id")
                if server:
                    found[server] = _place(project, stack, body)
            if not str(stack.get("stack_status", "")).endswith("_COMPLETE"):
                past = self._past(project, stack)
                outer = _parents(past)
                for body in past:
                    server = body.get("physical_resource_id")
                    if server and server not in found:
                        parent = outer.get(_owner(body)[1], "")
                        found[server] = _place(
                            project, stack, body | {"parent_resource": parent}
                        )
        return found

    def state(self, place: StackPlace) -> StackState | None:
        """The root stack now: two calls; None: there is none."""
        path = _root(place)
        body = self._api(place.project).get(HEAT, path)
        if body is None:
            return None
        stack = body["stack"]
        return StackState(
            id=stack["id"],
            name=stack["stack_name"],
            status=stack.get("stack_status") or "",
            reason=stack.get("stack_status_reason") or "",
            resources=tuple(
                _resource(one, _owner(one)[1])
                for one in self._resources(
                    place.project, place.stack_name, place.stack
                )
            ),
        )

    def mark(
        self, place: StackPlace, *, ill: bool, reason: str, claim: Claim
    ) -> None:
        """PATCH one resource to CHECK_FAILED, or back to CHECK_COMPLETE."""
        path = (
            f"/stacks/{quote(place.nested_name)}/{place.nested}"
            f"/resources/{quote(place.resource)}"
        )
        body = {"mark_unhealthy": ill, "resource_status_reason": reason}
        self._patch(place, path, body, claim, f"mark {place.resource}")

    def preview(self, place: StackPlace, claim: Claim) -> StackPreview:
        """What an update with its own template would replace and delete."""
        answer = self._patch(
            place,
            f"{_root(place)}/preview",
            {},
            claim,
            f"preview stack {place.stack_name}",
            {"show_nested": "true"},
        )
        try:
            told = answer.json()["resource_changes"]
            return StackPreview(
                replaced=tuple(_changed(one) for one in told["replaced"]),
                deleted=tuple(_changed(one) for one in told["deleted"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise Failed(
                "no_preview",
                f"Heat's preview of stack {place.stack_name} cannot be read "
                f"({type(error).__name__}); nothing was updated.",
            ) from error

    def update(self, place: StackPlace, claim: Claim) -> None:
        """PATCH the stack once, with its own template and parameters."""
        what = f"update stack {place.stack_name}"
        self._patch(place, _root(place), {}, claim, what)

    # -- inside ------------------------------------------------------------
    def _api(self, project: str) -> Api:
        if project not in self._apis:
            owner = in_project(self._conn, project)
            self._apis[project] = Api(owner, self._clock, self._count)
        return self._apis[project]

    def _resources(
        self, project: str, name: str, id: str, **filters: str
    ) -> list[dict[str, Any]]:
        """Of a stack and all in it; none if it vanished just now."""
        body = self._api(project).get(
            HEAT,
            f"/stacks/{quote(name)}/{id}/resources",
            {"nested_depth": DEPTH, **filters},
        )
        found = (body or {}).get("resources", [])
        return list(found)

    def _past(
        self, project: str, stack: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Its events, which name what its resources were.

        While Heat replaces a server, or when it has failed to, its list has
        the new one alone; the old one is there still. Measured on Heat 27.
        """
        name, id = stack["stack_name"], stack["id"]
        body = self._api(project).get(
            HEAT,
            f"/stacks/{quote(name)}/{id}/events",
            {"nested_depth": DEPTH},
        )
        return list((body or {}).get("events", []))

    def _patch(
        self,
        place: StackPlace,
        path: str,
        body: Mapping[str, Any],
        claim: Claim,
        what: str,
        params: Mapping[str, Any] | None = None,
    ) -> Any:
        answer = self._api(place.project).change(
            "PATCH", HEAT, path, body, claim, params=params
        )
        if answer.status_code >= 400:
            raise explain(answer, HEAT, what)
        return answer


def _root(place: StackPlace) -> str:
    return f"/stacks/{quote(place.stack_name)}/{place.stack}"


def _owner(body: Mapping[str, Any]) -> tuple[str, str]:
    """Name and id of the stack that has the resource, by its own link."""
    for link in body.get("links") or []:
        if link.get("rel") == "stack":
            name, id = str(link["href"]).rstrip("/").split("/")[-2:]
            return name, id
    return "", ""


def _parents(events: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Nested stack -> the resource that it was of the outer one; an event
    does not name that, but the outer stack has events of it."""
    return {
        id: one["resource_name"]
        for one in events
        if (id := one.get("physical_resource_id")) and _owner(one)[1] != id
    }


def _place(
    project: str, stack: Mapping[str, Any], body: Mapping[str, Any]
) -> StackPlace:
    name, id = _owner(body)
    return StackPlace(
        project=project,
        stack=stack["id"],
        stack_name=stack["stack_name"],
        nested=id or stack["id"],
        nested_name=name or stack["stack_name"],
        resource=body["resource_name"],
        parent=body.get("parent_resource") or "",
    )


def _resource(body: Mapping[str, Any], stack: str) -> StackResource:
    return StackResource(
        stack=stack,
        name=body["resource_name"],
        parent=body.get("parent_resource") or "",
        type=body.get("resource_type") or "",
        physical=body.get("physical_resource_id") or "",
        status=body.get("resource_status") or "",
        reason=body.get("resource_status_reason") or "",
        required_by=tuple(body.get("required_by") or ()),
    )


def _changed(body: Mapping[str, Any]) -> StackResource:
    """A line of a preview: it names its stack by an identity, not a link."""
    identity = body.get("stack_identity") or {}
    return _resource(body, str(identity.get("stack_id") or ""))
