"""A server made in the place of another, in its owner's project.

Everything that can be read back from the APIs is copied; what cannot be, or
would silently differ, is a refusal that names it: a copy that only looks like
the old server is worse than none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ha_actions.adapters.cloud import values
from ha_actions.adapters.cloud.errors import check_nova, text_of
from ha_actions.adapters.cloud.http import Api
from ha_actions.adapters.cloud.project import in_project
from ha_actions.errors import Failed, Refused
from ha_actions.model import Claim, Guest
from ha_actions.model.likeness import Likeness, NewDisk

TAG_MAX = 60
"""Source: nova, objects/tag.py."""

Body = dict[str, Any]


INCIDENT, REPLACES = "ha:incident:", "ha:replaces:"


def incident_tag(incident: str) -> str:
    """The server tag by which people list an incident's copies."""
    tag = f"{INCIDENT}{incident}"
    if len(tag) <= TAG_MAX and not set(tag) & set(",/"):
        return tag
    return f"{INCIDENT}{hashlib.sha256(incident.encode()).hexdigest()[:40]}"


def replaces_tag(old: str) -> str:
    """The server tag by which the copies of old servers are listed."""
    return f"{REPLACES}{old}"


class Copier:
    """Recreates servers; see :meth:`ha_actions.ports.Cloud.recreate`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._entered: set[str] = set()
        self._bootable: dict[str, str] = {}

    def make(
        self,
        guest: Guest,
        metadata: Mapping[str, str],
        claim: Claim,
        like: Likeness,
    ) -> str:
        """The new server's id.

        :param like: its volumes, and the old ports if it gets those.

        :raises Refused: ``cannot_copy`` says what; ``forbidden``: the
            executor's user has no role in the owner's project.
        """
        old = self._old(guest, like)
        owner = in_project(self._api.conn, guest.project)
        body = {
            **_plain(old),
            **_user_data(guest, old, like.user_data),
            **_disks(old, like),
            "flavorRef": self._flavor(guest, old),
            "metadata": {**(old.get("metadata") or {}), **metadata},
            "tags": _tags(old, metadata.get("ha:incident", claim.incident)),
            **(_ports(like) or self._networks(guest)),
            **self._key(old, owner, claim),
        }
        request: Body = {"server": body}
        hints: Body = {}
        if guest.group is not None:
            hints["group"] = guest.group.id
        if like.away_from:
            hints["different_host"] = list(like.away_from)
        if hints:
            request["os:scheduler_hints"] = hints
        answer = self._api.change(
            "POST",
            "compute",
            "/servers",
            request,
            claim,
            microversion=values.LIST,
            conn=owner,
        )
        if answer.status_code == 400:
            raise _cannot(guest, f"Nova says: {text_of(answer)}")
        check_nova(answer, f"recreate {guest.name}")
        return str(answer.json()["server"]["id"])

    def lacks(self, guest: Guest, *, new_ports: bool = True) -> str:
        """Why :meth:`make` would refuse it now; empty: it would not.

        By the same looks, and two that Nova or Keystone would take then:
        the image, and our role in the project. Nothing is made.
        """
        try:
            old = self._old(guest)
            self._enter(guest.project)
            self._image(guest, old)
            self._flavor(guest, old)
            if new_ports:
                self._networks(guest)
            self._key_pairs(old)
        except Refused as no:
            return str(no.facts.get("why") or no.message)
        except Failed as gone:
            if gone.code != "not_found":
                raise
        return ""

    def _old(self, guest: Guest, like: Likeness | None = None) -> Body:
        found = self._api.get(
            "compute", f"/servers/{guest.id}", microversion=values.LIST
        )
        if found is None:
            raise Failed(
                "not_found",
                f"Server {guest.name} ({guest.id}) is gone, so it cannot be "
                "copied.",
            )
        old: Body = found["server"]
        if like is not None:
            _all_seen(guest, old, like)
        return old

    def _enter(self, project: str) -> None:
        """:raises Refused: ``forbidden``; asked once for each project."""
        if project not in self._entered:
            in_project(self._api.conn, project)
            self._entered.add(project)

    def _image(self, guest: Guest, old: Mapping[str, Any]) -> None:
        """:raises Refused: Glance has its image no more, or gives it to
        nobody; asked once for each image."""
        image = (old.get("image") or {}).get("id")
        if not image or not self._api.offers("image"):
            return
        if image not in self._bootable:
            found = self._api.get("image", f"/images/{image}")
            self._bootable[image] = (found or {}).get("status") or "gone"
        if self._bootable[image] != "active":
            raise _cannot(
                guest, f"its image {image} is {self._bootable[image]}"
            )

    def _flavor(self, guest: Guest, old: Mapping[str, Any]) -> str:
        """Id of the flavor; a server's record holds only its properties."""
        was = old.get("flavor") or {}
        found = self._api.listing(
            "compute",
            "/flavors/detail",
            "flavors",
            {"is_public": "None"},
            values.LIST,
        )
        for flavor in found:
            if flavor["name"] == was.get("original_name") and all(
                flavor.get(key) == was.get(key)
                for key in ("vcpus", "ram", "disk")
            ):
                return str(flavor["id"])
        raise _cannot(
            guest,
            f"its flavor {was.get('original_name')!r} is gone or was changed",
        )

    def _networks(self, guest: Guest) -> Body:
        found = self._api.listing(
            "network", "/ports", "ports", {"device_id": guest.id}
        )
        if not found:
            return {"networks": "none"}
        for port in found:
            _refuse_special(guest, port)
        groups = {tuple(sorted(p.get("security_groups") or ())) for p in found}
        if len(groups) > 1:
            raise _cannot(guest, "its ports differ in security groups")
        order = {port.id: i for i, port in enumerate(guest.ports)}
        found.sort(key=lambda p: order.get(p["id"], len(order)))
        names = [{"name": group} for group in groups.pop()]
        networks = [{"uuid": port["network_id"]} for port in found]
        if not names:
            raise _cannot(guest, "its ports have no security group")
        return {"networks": networks, "security_groups": names}

    def _key(self, old: Mapping[str, Any], owner: Any, claim: Claim) -> Body:
        """The key pair, which Nova looks up among those of our own user.

        Its public half is imported there under its name. A name that stands
        for another key is never replaced: somebody else's copy may need it.
        """
        name = old.get("key_name")
        theirs, mine = self._key_pairs(old)
        if theirs is None:
            return {}
        if mine is None:
            made = {
                "name": name,
                "public_key": theirs["public_key"],
                "type": theirs.get("type") or "ssh",
            }
            answer = self._api.change(
                "POST",
                "compute",
                "/os-keypairs",
                {"keypair": made},
                claim,
                microversion=values.LIST,
                conn=owner,
            )
            if answer.status_code == 409:  # by another, just now: whose?
                _, mine = self._key_pairs(old)
            else:
                check_nova(answer, f"import key pair {name}")
                mine = theirs
        if mine is None:
            raise _cannot_key(old, "it vanished while it was imported")
        return {"key_name": name}

    def _key_pairs(
        self, old: Mapping[str, Any]
    ) -> tuple[Body | None, Body | None]:
        """Its owner's, and ours of the same name; None, None: it has none.

        :raises Refused: ``cannot_copy``.
        """
        name = old.get("key_name")
        if not name:
            return None, None
        path = f"/os-keypairs/{quote(name, safe='')}"
        theirs = self._keypair(path, {"user_id": old.get("user_id") or ""})
        mine = self._keypair(path, {})
        if theirs is None:
            raise _cannot_key(old, "its owner has deleted it")
        if mine is not None and _key_of(mine) != _key_of(theirs):
            raise _cannot_key(
                old,
                "the executor's user has another key of that name: delete it",
            )
        return theirs, mine

    def _keypair(self, path: str, query: Mapping[str, str]) -> Body | None:
        found = self._api.get("compute", path, query, values.LIST)
        return None if found is None else dict(found["keypair"])


def _plain(old: Mapping[str, Any]) -> Body:
    """What can be posted as it is read."""
    body: Body = {
        "name": old["name"],
        "config_drive": old.get("config_drive") in (True, "True"),
        "OS-DCF:diskConfig": old.get("OS-DCF:diskConfig") or "MANUAL",
    }
    copied = {
        "availability_zone": "pinned_availability_zone",
        "description": "description",
        "trusted_image_certificates": "trusted_image_certificates",
        "hostname": "OS-EXT-SRV-ATTR:hostname",
    }
    body.update({new: old[was] for new, was in copied.items() if old.get(was)})
    if body.get("hostname") == f"Server-{old['id']}":
        del body["hostname"]  # Nova's own, for a name that makes none
    return body


def _user_data(guest: Guest, old: Mapping[str, Any], told: str | None) -> Body:
    """What it is to be told when it first boots.

    :raises Refused: ``cannot_copy``: Nova shows it to administrators only,
        and nobody has told it.
    """
    key = "OS-EXT-SRV-ATTR:user_data"
    if told is None and key not in old:
        raise _cannot(
            guest,
            "Nova shows its user data to administrators only, so they must "
            "be given: as the input user_data, empty if it has none",
        )
    found = old.get(key) if told is None else told
    return {"user_data": found} if found else {}


def _all_seen(guest: Guest, old: Mapping[str, Any], like: Likeness) -> None:
    """:raises Refused: it has volumes of which nothing was decided."""
    boots = any(new.like.root for new in like.disks)
    if not (old.get("image") or {}).get("id") and not boots:
        raise _cannot(guest, "nothing is known that it could boot from")
    seen = {new.like.volume for new in like.disks} | set(like.later)
    attached = old.get("os-extended-volumes:volumes_attached") or ()
    if not {volume["id"] for volume in attached} <= seen:
        raise _cannot(guest, "a volume was attached to it meanwhile")


def _disks(old: Mapping[str, Any], like: Likeness) -> Body:
    """What it boots from, and its other volumes in the order of devices.

    Source: nova, block device mapping v2.
    """
    image = (old.get("image") or {}).get("id")
    body: Body = {"imageRef": image} if image else {}
    if not like.disks:
        return body
    rows: list[Body] = []
    if image:
        rows.append(
            {
                "boot_index": 0,
                "source_type": "image",
                "uuid": image,
                "destination_type": "local",
                "delete_on_termination": True,
            }
        )
    found = sorted(like.disks, key=lambda n: (not n.like.root, n.like.device))
    return {
        **body,
        "block_device_mapping_v2": [*rows, *(_mapped(n) for n in found)],
    }


def _mapped(new: NewDisk) -> Body:
    row: Body = {
        "boot_index": 0 if new.like.root else -1,
        "source_type": new.made_of,
        "destination_type": "volume",
        "delete_on_termination": not new.like.stays,
    }
    if new.id:
        row["uuid"] = new.id
    if new.like.tag:
        row["tag"] = new.like.tag
    if new.made_of != "volume":
        row["volume_size"] = new.like.size_gb
        if new.like.kind:
            row["volume_type"] = new.like.kind
    return row


def _ports(like: Likeness) -> Body:
    ids = dict.fromkeys(port.id for port in like.ports)
    return {"networks": [{"port": id} for id in ids]} if ids else {}


def _tags(old: Mapping[str, Any], incident: str) -> list[str]:
    kept = [
        tag
        for tag in old.get("tags") or ()
        if not tag.startswith((INCIDENT, REPLACES))
    ]
    return [*kept[:48], incident_tag(incident), replaces_tag(old["id"])]


def _refuse_special(guest: Guest, port: Mapping[str, Any]) -> None:
    """What a fresh port would silently lack."""
    name = port.get("name") or port["id"]
    if port.get("binding:vnic_type", "normal") != "normal":
        raise _cannot(guest, f"its port {name} is not a normal one")
    if port.get("allowed_address_pairs"):
        raise _cannot(guest, f"its port {name} has allowed address pairs")
    if port.get("port_security_enabled") is False:
        raise _cannot(guest, f"its port {name} has port security off")


def _key_of(pair: Mapping[str, Any]) -> Sequence[str]:
    """Type and key, without the comment."""
    return str(pair.get("public_key") or "").split()[:2]


def _cannot(guest: Guest, why: str) -> Refused:
    return Refused(
        "cannot_copy",
        f"Server {guest.name} cannot be recreated as it was: {why}.",
        guest=guest.id,
        why=why,
    )


def _cannot_key(old: Mapping[str, Any], why: str) -> Refused:
    return Refused(
        "cannot_copy",
        f"Server {old['name']} cannot be recreated as it was: its key pair "
        f"{old['key_name']} cannot be used ({why}).",
        guest=old["id"],
        why=f"its key pair {old['key_name']} cannot be used ({why})",
    )
