"""What goes over from an old server to its copy: volumes, clones, ports.

Nova itself cannot detach anything from a dead host: it asks nova-compute
there, and the request waits for the host's return. So a volume is free once
the old server is deleted, and a port once Neutron has let it go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ha_actions.adapters.cloud import values
from ha_actions.adapters.cloud.errors import check_nova, explain, text_of
from ha_actions.adapters.cloud.http import Api
from ha_actions.adapters.cloud.project import in_project
from ha_actions.adapters.cloud.servers import together
from ha_actions.errors import Failed
from ha_actions.model import Claim, Guest, Port
from ha_actions.model.likeness import Clone, Disk
from ha_actions.ports import Clock

OF, FOR = "ha:replaces", "ha:incident"
"""Metadata of a clone: the old volume, and the incident."""

Body = dict[str, Any]


class Handover:
    """The verbs of :class:`~ha_actions.ports.Cloud` for what goes over."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    def disks(self, guest: Guest) -> list[Disk]:
        """Its volumes: two calls, and one for each volume.

        :raises Failed: ``not_found``: the server or a volume is gone.
        """
        path = f"/servers/{guest.id}"
        found = self._api.get("compute", path, microversion=values.LIST)
        attached = self._api.get(
            "compute",
            f"{path}/os-volume_attachments",
            microversion=values.LIST,
        )
        if found is None or attached is None:
            raise Failed(
                "not_found",
                f"Server {guest.name} ({guest.id}) is gone, so its volumes "
                "are not known.",
            )
        root = found["server"].get("OS-EXT-SRV-ATTR:root_device_name") or ""
        here: list[Body] = attached["volumeAttachments"]
        bodies = together(
            self._clock, self._volume, [one["volumeId"] for one in here]
        )
        boots = not (found["server"].get("image") or {}).get("id")
        return [
            values.disk(one, body, boots and one.get("device") == root)
            for one, body in zip(here, bodies, strict=True)
        ]

    def _volume(self, volume: str) -> Body:
        found = self._api.get("block_storage", f"/volumes/{volume}")
        if found is None:
            raise Failed("not_found", f"Volume {volume} is gone (404).")
        body: Body = found["volume"]
        return body

    def clones(
        self, volumes: Iterable[str], incident: str
    ) -> dict[str, Clone]:
        """Old volume -> its clone: one call.

        Owners write metadata as they like: only what Cinder itself calls a
        clone of that volume counts.
        """
        wanted = set(volumes)
        if not wanted:
            return {}
        bodies = self._api.listing(
            "block_storage",
            "/volumes/detail",
            "volumes",
            # Cinder reads a filter's value as a Python literal.
            {"all_tenants": "1", "metadata": str({FOR: incident})},
        )
        return {
            b["source_volid"]: Clone(id=b["id"], status=b["status"])
            for b in bodies
            if b.get("source_volid") in wanted
            and (b.get("metadata") or {}).get(OF) == b["source_volid"]
        }

    def clone(
        self, guest: Guest, disk: Disk, incident: str, claim: Claim
    ) -> None:
        """POST one volume, in the owner's project.

        :raises Failed: ``quota``.
        """
        body = {
            "size": disk.size_gb,
            "source_volid": disk.volume,
            "name": f"{guest.name} after {disk.volume}"[:255],
            "metadata": {OF: disk.volume, FOR: incident},
        }
        answer = self._api.change(
            "POST",
            "block_storage",
            "/volumes",
            {"volume": body},
            claim,
            conn=in_project(self._api.conn, guest.project),
        )
        if answer.status_code == 413 or "uota" in text_of(answer):
            raise Failed(
                "quota",
                f"Cinder refuses to clone volume {disk.volume} of "
                f"{guest.name}: {text_of(answer)}",
            )
        if answer.status_code >= 400:
            raise explain(
                answer, "block_storage", f"clone volume {disk.volume}"
            )

    def attach(self, copy: Guest, disk: Disk, claim: Claim) -> None:
        """POST one attachment; Nova refuses a volume that is not free.

        :raises Failed: ``rejected``.
        """
        body: Body = {
            "volumeId": disk.volume,
            "delete_on_termination": not disk.stays,
        }
        if disk.tag:
            body["tag"] = disk.tag
        answer = self._api.change(
            "POST",
            "compute",
            f"/servers/{copy.id}/os-volume_attachments",
            {"volumeAttachment": body},
            claim,
            microversion=values.LIST,
            conn=in_project(self._api.conn, copy.project),
        )
        check_nova(answer, f"attach volume {disk.volume} to {copy.name}")

    def free_ports(
        self, guest: Guest, ports: Iterable[Port], claim: Claim
    ) -> None:
        """Neutron lets them go, and each has a new MAC.

        Nova remembers a server's ports by MAC and id until it is deleted,
        and builds no second server with the same pair.
        Source: nova 34, db/main/models.py, VirtualInterface.
        """
        free = {"device_id": "", "device_owner": "", "binding:host_id": None}
        old = {port.id: port.mac for port in ports}
        self._put_ports(guest, old, free, claim)
        for body in together(self._clock, self._port, sorted(old)):
            if body["mac_address"] == old[body["id"]]:
                self._put(body["id"], {"mac_address": None}, claim)

    def bind_ports(
        self, server: Guest, ports: Iterable[Port], claim: Claim
    ) -> None:
        """They are the server's, on its host, each with the MAC that is
        named, if one is.

        :raises Failed: ``taken``: another server has one of them.
        """
        named = {port.id: port.mac for port in ports}
        bound = {
            "device_id": server.id,
            "device_owner": f"compute:{server.zone or 'nova'}",
            "binding:host_id": server.host,
        }
        self._put_ports(server, named, bound, claim)

    def _put_ports(
        self,
        server: Guest,
        named: Mapping[str, str],
        wanted: Body,
        claim: Claim,
    ) -> None:
        for body in together(self._clock, self._port, sorted(named)):
            owner = body.get("device_id") or ""
            if owner == wanted["device_id"]:
                continue
            if owner not in ("", server.id):
                raise Failed(
                    "taken",
                    f"Port {body['id']} of {server.name} belongs to "
                    f"{owner} by now; it is left there.",
                )
            mac = named[body["id"]]
            if wanted["device_id"] and mac not in ("", body["mac_address"]):
                # while it is free: Neutron refuses it for a bound port
                self._put(body["id"], {"mac_address": mac}, claim)
            self._put(body["id"], wanted, claim)

    def _put(self, port: str, wanted: Body, claim: Claim) -> None:
        path = f"/ports/{port}"
        answer = self._api.change(
            "PUT", "network", path, {"port": wanted}, claim
        )
        if answer.status_code >= 400:
            raise explain(answer, "network", f"PUT {path}")

    def _port(self, port: str) -> Body:
        found = self._api.get("network", f"/ports/{port}")
        if found is None:
            raise Failed("not_found", f"Port {port} is gone (404).")
        body: Body = found["port"]
        return body
