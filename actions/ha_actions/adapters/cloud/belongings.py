"""What belongs to a guest beside Nova: volumes, floating IPs, allocations.

Reads cost a constant number of calls; what was lost is put back one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import requests

from ha_actions.adapters.cloud import values
from ha_actions.adapters.cloud.errors import check_nova, explain
from ha_actions.adapters.cloud.http import Api
from ha_actions.adapters.cloud.project import in_project
from ha_actions.adapters.cloud.servers import chunks, together
from ha_actions.errors import Failed
from ha_actions.model import Claim, Fix, FloatingIp, Guest, Volume
from ha_actions.ports import Clock


class Belongings:
    """The verbs of :class:`~ha_actions.ports.Cloud` beside the servers."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    def volumes(self, ids: Iterable[str]) -> dict[str, Volume]:
        """These volumes; a deleted one is missing."""
        wanted = list(dict.fromkeys(ids))
        if not wanted or not self._api.offers("block_storage"):
            return {}
        found: dict[str, Volume] = {}
        if len(wanted) > 2:
            for part in chunks(wanted):
                # Cinder reads a filter's value as a Python literal.
                bodies = self._api.listing(
                    "block_storage",
                    "/volumes/detail",
                    "volumes",
                    {"all_tenants": "1", "id": str(part)},
                )
                found.update({b["id"]: values.volume(b) for b in bodies})
        missing = [one for one in wanted if one not in found]
        for body in together(self._clock, self._volume, missing):
            if body is not None:
                found[body["id"]] = values.volume(body)
        return {one: found[one] for one in wanted if one in found}

    def _volume(self, volume: str) -> dict[str, Any] | None:
        found = self._api.get("block_storage", f"/volumes/{volume}")
        return None if found is None else dict(found["volume"])

    def floating_ips(
        self, ports: Iterable[str], ids: Iterable[str] = ()
    ) -> list[FloatingIp]:
        """Of these ports, and those with these ids; none without a router."""
        found: dict[str, FloatingIp] = {}
        queries = [{"port_id": part} for part in chunks(list(ports))]
        queries += [{"id": part} for part in chunks(list(ids))]
        for query in queries:
            try:
                bodies = self._api.listing(
                    "network", "/floatingips", "floatingips", query
                )
            except Failed as error:
                if error.code != "no_listing":
                    raise
                return []  # Neutron without its router extension
            found.update({b["id"]: values.floating_ip(b) for b in bodies})
        return list(found.values())

    def allocated(self, host: str) -> frozenset[str] | None:
        """Consumers on the host's resource provider, which has its name."""
        if not self._api.offers("placement"):
            return None
        found = self._api.get(
            "placement", "/resource_providers", {"name": host}
        )
        providers = (found or {}).get("resource_providers") or []
        if not providers:
            return None
        path = f"/resource_providers/{providers[0]['uuid']}/allocations"
        held = self._api.get("placement", path)
        return frozenset((held or {}).get("allocations") or ())

    def mend(self, guest: Guest, fix: Fix, claim: Claim) -> None:
        """Put back what the guest has lost.

        A lock is set from within its owner's project: else it would be an
        administrator's, which he could not lift.
        Source: nova, compute/api.py, lock.
        """
        if fix.kind == "lock":
            reason = {"locked_reason": fix.value[0]} if fix.value[0] else None
            answer = self._nova(
                "POST",
                f"/servers/{fix.target}/action",
                {"lock": reason},
                claim,
                in_project(self._api.conn, guest.project),
            )
            check_nova(answer, f"lock server {guest.name}")
        elif fix.kind == "server tags":
            body = {"tags": list(fix.value)}
            path = f"/servers/{fix.target}/tags"
            check_nova(
                self._nova("PUT", path, body, claim), f"tag {guest.name}"
            )
        elif fix.kind == "security groups":
            wanted: dict[str, Any] = {"security_groups": list(fix.value)}
            self._neutron(f"/ports/{fix.target}", {"port": wanted}, claim)
        elif fix.kind == "floating ip":
            wanted = {
                "port_id": fix.value[0],
                "fixed_ip_address": fix.value[1] or None,
            }
            path = f"/floatingips/{fix.target}"
            self._neutron(path, {"floatingip": wanted}, claim)

    def _nova(
        self, method: str, path: str, body: Any, claim: Claim, conn: Any = None
    ) -> requests.Response:
        return self._api.change(
            method,
            "compute",
            path,
            body,
            claim,
            microversion=values.LIST,
            conn=conn,
        )

    def _neutron(self, path: str, body: Any, claim: Claim) -> None:
        answer = self._api.change("PUT", "network", path, body, claim)
        if answer.status_code >= 400:
            raise explain(answer, "network", f"PUT {path}")
