"""API bodies as our values: pure translation, nothing is asked here.

The bodies are Nova's at :data:`LIST`, Neutron's v2.0 and Octavia's v2.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ha_actions.errors import Refused, Transient
from ha_actions.model import (
    Aggregate,
    Attachment,
    FloatingIp,
    Group,
    Guest,
    Host,
    Member,
    Migration,
    Port,
    Volume,
)
from ha_actions.model.likeness import Disk
from ha_actions.model.server import Deed

LIST = "2.96"
"""Nova's microversion for all reads: the first that shows the pinned zone in
lists. Nova has it since 2024.1; a fixed number, since a newer one may drop
fields. Source: nova, rest_api_version_history.rst."""

POWER = {
    0: "nostate",
    1: "running",
    3: "paused",
    4: "shutdown",
    6: "crashed",
    7: "suspended",
}
"""Source: nova/objects/fields.py, InstancePowerState."""

Body = Mapping[str, Any]


def moment(text: str | None) -> float:
    """Seconds since the epoch of an API time (UTC); 0.0 for none."""
    if not text:
        return 0.0
    naive = text.rstrip("Z").replace(" ", "T").split("+")[0]
    when = datetime.datetime.fromisoformat(naive)
    return when.replace(tzinfo=datetime.timezone.utc).timestamp()


def host(body: Body, aggregates: Iterable[Aggregate]) -> Host:
    """One entry of os-services."""
    name = body["host"]
    return Host(
        name=name,
        service_id=str(body["id"]),
        up=body["state"] == "up",
        enabled=body["status"] == "enabled",
        forced_down=bool(body.get("forced_down")),
        disabled_reason=body.get("disabled_reason") or "",
        updated_at=moment(body.get("updated_at")),
        zone=body.get("zone") or "",
        aggregates=tuple(a.name for a in aggregates if name in a.hosts),
    )


def after_put(body: Body) -> Host:
    """A service as the answer to its PUT shows it.

    The answer has the moment to the microsecond, and MySQL rounds it when it
    is kept: it is taken for the next full second, so that the same moment,
    read later, is not taken for a heartbeat.
    Source: nova, services.updated_at is DATETIME; MySQL, fractional seconds.
    """
    put = host(body, ())
    return replace(put, updated_at=float(math.ceil(put.updated_at)))


def aggregate(body: Body) -> Aggregate:
    """One entry of os-aggregates."""
    return Aggregate(
        name=body["name"],
        hosts=tuple(body.get("hosts") or ()),
        metadata={k: str(v) for k, v in (body.get("metadata") or {}).items()},
    )


def guest(
    body: Body,
    ports: Iterable[Port] = (),
    group: Group | None = None,
    image_properties: Mapping[str, str] | None = None,
) -> Guest:
    """One server of ``/servers/detail`` or ``/servers/ID``.

    :raises Transient: its cell does not answer, so Nova knows next to nothing.
    :raises Refused: the caller may not see hosts.
    """
    if body.get("status") == "UNKNOWN" or "OS-EXT-STS:vm_state" not in body:
        raise Transient(
            "cell_down",
            f"Nova cannot say anything of server {body.get('id')}: the "
            "database of its cell does not answer.",
        )
    if "OS-EXT-SRV-ATTR:host" not in body:
        raise Refused(
            "forbidden",
            "Nova does not show us the hosts of servers; give the executor's "
            "user the role admin.",
        )
    flavor = body.get("flavor") or {}
    image = (body.get("image") or {}).get("id") or ""
    attached = body.get("os-extended-volumes:volumes_attached") or ()
    return Guest(
        id=body["id"],
        name=body.get("name") or "",
        project=body.get("tenant_id") or "",
        host=body["OS-EXT-SRV-ATTR:host"] or "",
        vm_state=body["OS-EXT-STS:vm_state"] or "",
        task_state=body.get("OS-EXT-STS:task_state") or "",
        power=POWER.get(body.get("OS-EXT-STS:power_state") or 0, "nostate"),
        locked=bool(body.get("locked")),
        locked_reason=body.get("locked_reason") or "",
        tags=tuple(sorted(body.get("tags") or ())),
        metadata=dict(body.get("metadata") or {}),
        flavor=flavor.get("original_name") or "",
        flavor_specs=dict(flavor.get("extra_specs") or {}),
        image=image,
        image_properties=dict(image_properties or {}),
        boot="image" if image else "volume",
        ephemeral_gb=int(flavor.get("ephemeral") or 0),
        volumes=tuple(volume["id"] for volume in attached),
        lasting=tuple(
            volume["id"]
            for volume in attached
            if volume.get("delete_on_termination") is False
        ),
        ports=tuple(ports),
        group=group,
        zone=body.get("pinned_availability_zone") or "",
        launched=bool(body.get("OS-SRV-USG:launched_at")),
        created_at=moment(body.get("created")),
        fault=str((body.get("fault") or {}).get("message") or ""),
    )


def ports(body: Body) -> list[Port]:
    """One Neutron port: a value for each of its fixed addresses."""
    fixed = body.get("fixed_ips") or [{}]
    return [
        Port(
            id=body["id"],
            network=body["network_id"],
            subnet=address.get("subnet_id") or "",
            address=address.get("ip_address") or "",
            mac=body.get("mac_address") or "",
            host=body.get("binding:host_id") or "",
            status=body.get("status") or "",
            kind=body.get("binding:vnic_type") or "normal",
            security_groups=tuple(sorted(body.get("security_groups") or ())),
        )
        for address in fixed
    ]


def migration(body: Body) -> Migration:
    """One entry of os-migrations."""
    return Migration(
        id=str(body["id"]),
        guest=body["instance_uuid"],
        source=body.get("source_compute") or "",
        dest=body.get("dest_compute") or "",
        status=body.get("status") or "",
        created_at=moment(body.get("created_at")),
        kind=body.get("migration_type") or "",
    )


def volume(body: Body) -> Volume:
    """One Cinder volume, with its attachments."""
    return Volume(
        id=body["id"],
        status=body.get("status") or "",
        attachments=tuple(
            Attachment(
                volume=body["id"],
                guest=one.get("server_id") or "",
                device=one.get("device") or "",
                host=one.get("host_name") or "",
            )
            for one in body.get("attachments") or ()
        ),
    )


def disk(attached: Body, body: Body, root: bool) -> Disk:
    """One volume attachment of Nova's, and the volume."""
    image = body.get("volume_image_metadata") or {}
    return Disk(
        volume=body["id"],
        root=root,
        stays=attached.get("delete_on_termination") is not True,
        device=attached.get("device") or "",
        tag=attached.get("tag") or "",
        size_gb=int(body.get("size") or 0),
        kind=body.get("volume_type") or "",
        image=image.get("image_id") or "",
        snapshot=body.get("snapshot_id") or "",
        source=body.get("source_volid") or "",
    )


def floating_ip(body: Body) -> FloatingIp:
    """One floating IP of Neutron's."""
    return FloatingIp(
        id=body["id"],
        address=body.get("floating_ip_address") or "",
        port=body.get("port_id") or "",
        fixed=body.get("fixed_ip_address") or "",
    )


def deed(body: Body) -> Deed:
    """One entry of os-instance-actions; Nova's own have no user."""
    return Deed(
        action=body.get("action") or "",
        user=body.get("user_id") or "",
        at=moment(body.get("start_time")),
        failed=body.get("message") == "Error",
    )


def member(pool: Body, body: Body) -> Member:
    """One member of an Octavia pool."""
    lbs = pool.get("loadbalancers") or [{}]
    weight = body.get("weight")
    return Member(
        id=body["id"],
        pool=pool["id"],
        pool_name=pool.get("name") or "",
        lb=lbs[0].get("id") or "",
        address=body["address"],
        subnet=body.get("subnet_id") or "",
        port=body["protocol_port"],
        weight=1 if weight is None else int(weight),
        backup=bool(body.get("backup")),
        monitor_address=body.get("monitor_address") or "",
        monitor_port=int(body.get("monitor_port") or 0),
        status=body.get("operating_status") or "",
        name=body.get("name") or "",
        project=body.get("project_id") or "",
        early=EARLY in (pool.get("tags") or ()),
    )


EARLY = "ha:drain=suspicion"
"""The tag of pools that are drained before the verdict."""

_IMAGE_FIELDS = frozenset(
    "id name status visibility protected checksum size virtual_size owner "
    "created_at updated_at tags self file schema locations direct_url "
    "container_format disk_format min_disk min_ram stores os_hidden "
    "os_hash_algo os_hash_value".split()
)


def operators_image(body: Body, operators: Callable[[str], bool]) -> bool:
    """Whether an image's properties are the operator's word.

    It is when an administrator made it public, which nobody else may, or
    when it is an operator's. An image without an owner is nobody's.
    Source: glance, policies/image.py, publicize_image.
    """
    owner = str(body.get("owner") or "")
    public = body.get("visibility") == "public"
    return public or (bool(owner) and operators(owner))


def image_properties(body: Body) -> dict[str, str]:
    """The free properties of a Glance image."""
    return {
        key: str(value)
        for key, value in body.items()
        if key not in _IMAGE_FIELDS and value is not None
    }
