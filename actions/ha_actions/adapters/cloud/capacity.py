"""Placement, read only: what guests take, and where it would fit again.

Calls: two for the hypervisors and a provider's tree, one for each provider
of a dead host, one for each different need.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from ha_actions.adapters.cloud import values
from ha_actions.adapters.cloud.http import Api, Count
from ha_actions.adapters.cloud.servers import Servers, together
from ha_actions.model import Guest
from ha_actions.model.capacity import Need, Room
from ha_actions.ports import Clock

VERSION = "1.36"
"""Of Placement: nested providers in the summaries, forbidden traits.
Source: placement, rest_api_version_history.rst."""

DISABLED = "COMPUTE_STATUS_DISABLED"
"""Nova's own mark on a disabled host's provider.
Source: nova, compute/manager.py, update_compute_provider_status."""


class PlacementCapacity:
    """:class:`~ha_actions.ports.Capacity` over openstacksdk.

    :param conn: a connection of a user with the role admin.
    """

    def __init__(
        self, conn: Any, clock: Clock, count: Count | None = None
    ) -> None:
        self._api = Api(conn, clock, count)
        self._clock = clock
        self._conn = conn

    def needs(self, host: str) -> dict[str, Need]:
        """Guest id -> what it has allocated on the host, nested included."""
        taken: dict[str, dict[str, int]] = {}
        roots = [uuid for uuid, name in self._hosts.items() if name == host]
        trees = together(self._clock, self._tree, roots)
        for held in together(
            self._clock, self._held, [uuid for tree in trees for uuid in tree]
        ):
            for consumer, resources in held.items():
                mine = taken.setdefault(consumer, {})
                for kind, amount in resources.items():
                    mine[kind] = mine.get(kind, 0) + amount
        return {
            consumer: Need(tuple(sorted(resources.items())))
            for consumer, resources in taken.items()
        }

    def rooms(self, need: Need) -> list[Room]:
        """Hosts on which Placement would allocate one such need now.

        What Placement itself answers: unit sizes, traits and nesting are
        its own arithmetic. A disabled host is none.
        """
        traits = [*need.required, *(f"!{t}" for t in need.forbidden)]
        query = {
            "resources": ",".join(f"{k}:{n}" for k, n in need.resources),
            "required": ",".join([*traits, f"!{DISABLED}"]),
        }
        body = self._api.get(
            "placement", "/allocation_candidates", query, VERSION
        )
        found = (body or {}).get("provider_summaries") or {}
        free: dict[str, dict[str, int]] = {}
        for uuid, told in found.items():
            root = told.get("root_provider_uuid") or uuid
            name = self._hosts.get(root)
            if name is None:  # a sharing provider, or not a compute host
                continue
            mine = free.setdefault(name, {})
            for kind, use in told["resources"].items():
                left = int(use["capacity"]) - int(use["used"])
                mine[kind] = mine.get(kind, 0) + left
        return [Room(host=name, free=left) for name, left in free.items()]

    def group_places(self, groups: Iterable[str]) -> dict[str, dict[str, str]]:
        """Server group id -> its members' ids and the hosts they are on."""
        wanted = sorted(set(groups))
        members = dict(
            zip(
                wanted,
                together(self._clock, self._members, wanted),
                strict=True,
            )
        )
        ids = sorted({one for mine in members.values() for one in mine})
        at = dict(
            zip(ids, together(self._clock, self._host_of, ids), strict=True)
        )
        return {
            group: {one: at[one] for one in mine if at[one]}
            for group, mine in members.items()
        }

    def guests_of(self, project: str) -> list[Guest]:
        """Every server of a project, whole; empty: the caller's own."""
        servers = Servers(
            self._api,
            self._clock,
            # who asks for his own servers is a tenant
            lambda p: bool(project) and p == self._conn.current_project_id,
        )
        return servers.of_project(project)

    @functools.cached_property
    def _hosts(self) -> dict[str, str]:
        """Root provider -> the compute service's host: one uuid for both."""
        found = self._api.listing(
            "compute",
            "/os-hypervisors/detail",
            "hypervisors",
            None,
            values.LIST,
        )
        return {str(h["id"]): str(h["service"]["host"]) for h in found}

    def _tree(self, root: str) -> list[str]:
        body = self._api.get(
            "placement", "/resource_providers", {"in_tree": root}, VERSION
        )
        return [p["uuid"] for p in (body or {}).get("resource_providers", [])]

    def _held(self, provider: str) -> dict[str, dict[str, int]]:
        body = self._api.get(
            "placement",
            f"/resource_providers/{provider}/allocations",
            None,
            VERSION,
        )
        return {
            consumer: dict(held["resources"])
            for consumer, held in (body or {}).get("allocations", {}).items()
        }

    def _members(self, group: str) -> list[str]:
        body = self._api.get(
            "compute", f"/os-server-groups/{group}", None, values.LIST
        )
        return list(body["server_group"]["members"]) if body else []

    def _host_of(self, guest: str) -> str:
        body = self._api.get("compute", f"/servers/{guest}", None, values.LIST)
        server = (body or {}).get("server") or {}
        return str(server.get("OS-EXT-SRV-ATTR:host") or "")
