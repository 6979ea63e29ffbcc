"""OpenStack at the wire, for requests-mock: Keystone, discovery, bodies.

The bodies have the form that real services gave (see tests/recorded).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ha_actions.adapters.cloud.openstack import OpenStackCloud
from ha_actions.model import Claim
from openstack import connection

T = TypeVar("T")

KEYSTONE = "http://keystone.test/v3"
NOVA = "http://nova.test/v2.1"
NEUTRON = "http://neutron.test/v2.0"
GLANCE = "http://glance.test/v2"
CINDER = "http://cinder.test/v3"
MISTRAL = "http://mistral.test/v2"
OCTAVIA = "http://octavia.test/v2.0"

ENDPOINTS = {
    "compute": NOVA,
    "network": "http://neutron.test",
    "image": "http://glance.test",
    "block-storage": CINDER,
    "workflowv2": MISTRAL,
    "load-balancer": "http://octavia.test",
    "placement": "http://placement.test",
    "orchestration": "http://heat.test/v1/%(project_id)s",
}
PROJECT = "0d1e7a3c5b9f4d0e8a6c2b4d6e8f0a1c"
REQUEST_ID = "req-11111111-2222-3333-4444-555555555555"


def keystone(mock: Any, *without: str, projects: bool = True) -> None:
    """A Keystone that gives a token for any project, and all discovery."""

    def token(request: Any, context: Any) -> dict[str, Any]:
        scope = request.json()["auth"].get("scope", {}).get("project", {})
        project = scope.get("id") or PROJECT
        if project != PROJECT and not projects:
            context.status_code = 401
            return {"error": {"code": 401, "message": "no"}}
        context.status_code = 201
        context.headers["X-Subject-Token"] = f"token-{project}"
        catalog = [
            {
                "type": kind,
                "name": kind,
                "id": kind,
                "endpoints": [
                    {
                        "interface": "public",
                        "region": "R1",
                        "region_id": "R1",
                        "url": url.replace("%(project_id)s", project),
                        "id": kind,
                    }
                ],
            }
            for kind, url in ENDPOINTS.items()
            if kind not in without
        ]
        return {
            "token": {
                "methods": ["password"],
                "user": {
                    "id": "ha-user",
                    "name": "ha",
                    "domain": {"id": "default", "name": "Default"},
                },
                "project": {
                    "id": project,
                    "name": project,
                    "domain": {"id": "default", "name": "Default"},
                },
                "roles": [{"id": "r", "name": "admin"}],
                "catalog": catalog,
                "issued_at": "2026-11-22T10:00:00.000000Z",
                "expires_at": "2036-11-22T10:00:00.000000Z",
            }
        }

    mock.post(f"{KEYSTONE}/auth/tokens", json=token)
    version = {"id": "v3.14", "status": "stable", "links": _links(KEYSTONE)}
    mock.get(KEYSTONE, json={"version": version})
    nova = {
        "id": "v2.1",
        "status": "CURRENT",
        "version": "2.100",
        "min_version": "2.1",
        "links": _links(NOVA),
    }
    mock.get(NOVA, json={"version": nova})
    glance = {"id": "v2.17", "status": "CURRENT", "links": _links(GLANCE)}
    mock.get("http://glance.test", json={"versions": [glance]})
    placement = {
        "id": "v1.0",
        "status": "CURRENT",
        "max_version": "1.39",
        "min_version": "1.0",
        "links": _links("http://placement.test"),
    }
    mock.get("http://placement.test", json={"versions": [placement]})
    cinder = {
        "id": "v3.0",
        "status": "CURRENT",
        "version": "3.71",
        "min_version": "3.0",
        "links": _links(CINDER),
    }
    mock.get(CINDER, json={"versions": [cinder]})


def _links(url: str) -> list[dict[str, str]]:
    return [{"rel": "self", "href": url}]


def connect() -> Any:
    """A connection as the executor makes it."""
    return connection.Connection(
        auth={
            "auth_url": KEYSTONE,
            "username": "ha",
            "password": "hush",
            "project_id": PROJECT,
            "user_domain_id": "default",
        },
        region_name="R1",
        global_request_id=REQUEST_ID,
    )


def service(host: str, **changes: Any) -> dict[str, Any]:
    """One entry of os-services at 2.96."""
    return {
        "id": f"uuid-of-{host}",
        "binary": "nova-compute",
        "host": host,
        "zone": "nova",
        "status": "enabled",
        "state": "up",
        "updated_at": "2026-11-22T10:00:10.000000",
        "disabled_reason": None,
        "forced_down": False,
        **changes,
    }


def server(id: str, host: str = "c1", **changes: Any) -> dict[str, Any]:
    """One server of /servers/detail at 2.96."""
    return {
        "id": id,
        "name": f"name of {id}",
        "status": "ACTIVE",
        "tenant_id": PROJECT,
        "user_id": "owner",
        "metadata": {},
        "hostId": "77",
        "image": {"id": "img-1", "links": []},
        "flavor": {
            "vcpus": 1,
            "ram": 64,
            "disk": 1,
            "ephemeral": 0,
            "swap": 0,
            "original_name": "tiny",
            "extra_specs": {"ha:protection": "pet"},
        },
        "created": "2026-11-22T10:00:00Z",
        "updated": "2026-11-22T10:01:00Z",
        "addresses": {"net": [{"version": 4, "addr": "10.0.0.5"}]},
        "accessIPv4": "",
        "accessIPv6": "",
        "OS-DCF:diskConfig": "MANUAL",
        "OS-EXT-AZ:availability_zone": "nova",
        "config_drive": "",
        "key_name": None,
        "OS-SRV-USG:launched_at": "2026-11-22T10:00:05.000000",
        "OS-SRV-USG:terminated_at": None,
        "OS-EXT-SRV-ATTR:host": host,
        "OS-EXT-SRV-ATTR:instance_name": "instance-00000001",
        "OS-EXT-SRV-ATTR:hypervisor_hostname": host,
        "OS-EXT-SRV-ATTR:user_data": None,
        "OS-EXT-STS:task_state": None,
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:power_state": 1,
        "os-extended-volumes:volumes_attached": [],
        "locked": False,
        "host_status": "UP",
        "description": None,
        "tags": [],
        "trusted_image_certificates": None,
        "locked_reason": None,
        "security_groups": [{"name": "default"}],
        "pinned_availability_zone": None,
        **changes,
    }


def port(guest: str, host: str = "c1", **changes: Any) -> dict[str, Any]:
    """One Neutron port, as an admin sees it."""
    return {
        "id": f"port-of-{guest}",
        "name": "",
        "network_id": "net-1",
        "tenant_id": PROJECT,
        "mac_address": "fa:16:3e:00:00:01",
        "admin_state_up": True,
        "status": "ACTIVE",
        "device_id": guest,
        "device_owner": "compute:nova",
        "fixed_ips": [{"subnet_id": "sub-1", "ip_address": "10.0.0.5"}],
        "security_groups": ["sg-1"],
        "allowed_address_pairs": [],
        "binding:vnic_type": "normal",
        "binding:host_id": host,
        "port_security_enabled": True,
        **changes,
    }


def migration(number: int, guest: str, **changes: Any) -> dict[str, Any]:
    """One entry of os-migrations at 2.96."""
    return {
        "id": number,
        "uuid": f"mig-{number}",
        "instance_uuid": guest,
        "source_compute": "c1",
        "source_node": "c1",
        "dest_compute": "c2",
        "dest_node": "c2",
        "dest_host": None,
        "old_instance_type_id": 1,
        "new_instance_type_id": 1,
        "migration_type": "evacuation",
        "status": "accepted",
        "created_at": "2026-11-22T10:00:00.000000",
        "updated_at": None,
        "user_id": None,
        "project_id": None,
        **changes,
    }


def member(number: int, **changes: Any) -> dict[str, Any]:
    """One member of an Octavia pool."""
    return {
        "id": f"m{number}",
        "name": f"web-{number}",
        "operating_status": "ONLINE",
        "provisioning_status": "ACTIVE",
        "admin_state_up": True,
        "address": f"10.0.0.{number}",
        "protocol_port": 8080,
        "weight": 10,
        "backup": False,
        "subnet_id": "sub-1",
        "project_id": PROJECT,
        "monitor_address": None,
        "monitor_port": None,
        "tags": ["keep"],
        "vnic_type": "normal",
        **changes,
    }


def claim(until: float = 4e9) -> Claim:
    return Claim(
        incident="i1", subject="batch 1", holder="h", number=1, until=until
    )


class StillClock:
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def together(
        self, jobs: Sequence[Callable[[], T]], at_most: int
    ) -> list[T]:
        return [job() for job in jobs]


class Lab:
    """A cloud at the wire, and the calls that reached it."""

    def __init__(self, mock: Any) -> None:
        self.mock = mock
        self.clock = StillClock()
        self.calls: list[str] = []
        keystone(mock)
        mock.get(f"{NOVA}/os-aggregates", json={"aggregates": []})
        mock.get(f"{NOVA}/os-server-groups", json={"server_groups": []})
        mock.get(f"{NEUTRON}/ports", json={"ports": []})
        mock.get(f"{GLANCE}/images", json={"images": []})
        self.cloud = OpenStackCloud(
            connect(),
            self.clock,
            lambda method, path: self.calls.append(f"{method} {path}"),
        )

    def sent(self, method: str) -> list[Any]:
        return [
            one
            for one in self.mock.request_history
            if one.method == method and "keystone" not in one.url
        ]
