"""Neutron's API alone: the lab's mechanism driver binds any port on any host,
so there are no agents.
"""

from __future__ import annotations

from typing import Any

from rig import ini, settings
from rig.rest import Cloud
from rig.service import Setup
from rig.uwsgi import api

CONF = settings.ETC / "neutron" / "neutron.conf"
_QUOTAS = (
    "default_quota",
    "quota_network",
    "quota_subnet",
    "quota_port",
    "quota_security_group",
    "quota_security_group_rule",
    "quota_router",
    "quota_floatingip",
)


def configure() -> None:
    """neutron.conf; without agents nobody answers for DHCP, and the fake
    guests wait for no port event.
    """
    ini.write(
        CONF,
        {
            "DEFAULT": {
                "transport_url": settings.TRANSPORT_URL,
                "log_file": settings.LOG / "neutron.log",
                "state_path": settings.DATA / "neutron",
                "core_plugin": "ml2",
                "service_plugins": "router",
                "enable_dvr": False,
                "api_paste_config": settings.VENV
                / "etc"
                / "neutron"
                / "api-paste.ini",
                "dhcp_agent_notification": False,
                "notify_nova_on_port_status_changes": False,
                "notify_nova_on_port_data_changes": False,
            },
            "quotas": dict.fromkeys(_QUOTAS, -1),
            "ml2": {
                "type_drivers": "local",
                "tenant_network_types": "local",
                "project_network_types": "local",
                "mechanism_drivers": "lab",
                "extension_drivers": "port_security",
            },
            "database": {"connection": settings.db_url("neutron")},
            "keystone_authtoken": ini.authtoken("neutron"),
            "nova": ini.regional("nova"),
            **ini.messaging(),
        },
    )


def seed() -> None:
    """One shared network `lab` with one subnet."""
    _network("lab", "10.99.0.0/16", None)


def routed() -> None:
    """A shared network `reachable`, whose addresses are this machine's own,
    and a router of the tenant's to `outside`, which has floating IPs.
    """
    near = f"{settings.REACHABLE}.0/24"
    inside = _network("reachable", near, f"{settings.REACHABLE}.1")
    outside = _network(
        "outside",
        "203.0.113.0/24",
        "203.0.113.1",
        shared=False,
        **{"router:external": True},
    )
    cloud = Cloud("demo")
    path = "/v2.0/routers"
    if cloud("neutron", "GET", f"{path}?name=door")["routers"]:
        return
    gateway = {"network_id": outside["id"]}
    body = {"router": {"name": "door", "external_gateway_info": gateway}}
    made = cloud("neutron", "POST", path, body)["router"]
    (subnet,) = inside["subnets"]
    door = f"{path}/{made['id']}/add_router_interface"
    cloud("neutron", "PUT", door, {"subnet_id": subnet})


def _network(
    name: str, cidr: str, gateway: str | None, **more: Any
) -> dict[str, Any]:
    """A network with one subnet; what there is is kept."""
    cloud, path = Cloud(), "/v2.0/networks"
    found = cloud("neutron", "GET", f"{path}?name={name}")["networks"]
    body = {"network": {"name": name, "shared": True, **more}}
    network: dict[str, Any] = (
        found[0] if found else cloud("neutron", "POST", path, body)["network"]
    )
    if not network["subnets"]:
        subnet = {
            "name": name,
            "network_id": network["id"],
            "ip_version": 4,
            "cidr": cidr,
            "enable_dhcp": False,
            "gateway_ip": gateway,
        }
        body = {"subnet": subnet}
        made = cloud("neutron", "POST", "/v2.0/subnets", body)["subnet"]
        network["subnets"] = [made["id"]]
    return network


SETUPS = [
    Setup(
        name="neutron db",
        commands=[
            [
                str(settings.BIN / "neutron-db-manage"),
                f"--config-file={CONF}",
                "upgrade",
                "heads",
            ]
        ],
        after=["mariadb"],
        tables=True,
    ),
    Setup(name="network", call=seed, after=["neutron", "catalogue"]),
]

# at each start: a lab that was made before gets it too
FINISH = (
    [Setup(name="routed", call=routed, after=["network", "neutron"])]
    if settings.FULL
    else []
)

SERVICES = [
    api(
        "neutron",
        "neutron_api",
        threads=8,
        after=["mariadb", "memcached", "rabbitmq"],
        env={
            "OS_NEUTRON_CONFIG_DIR": str(CONF.parent),
            "OS_NEUTRON_CONFIG_FILES": "neutron.conf",
        },
    )
]
