"""Neutron's API alone: the lab's mechanism driver binds any port on any host,
so there are no agents.
"""

from __future__ import annotations

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
                "service_plugins": "",
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
    cloud = Cloud()
    found = cloud("neutron", "GET", "/v2.0/networks?name=lab")["networks"]
    network = (
        found[0]
        if found
        else cloud(
            "neutron",
            "POST",
            "/v2.0/networks",
            {"network": {"name": "lab", "shared": True}},
        )["network"]
    )
    if not network["subnets"]:
        subnet = {
            "name": "lab",
            "network_id": network["id"],
            "ip_version": 4,
            "cidr": "10.99.0.0/16",
            "enable_dhcp": False,
            "gateway_ip": None,
        }
        cloud("neutron", "POST", "/v2.0/subnets", {"subnet": subnet})


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
    ),
    Setup(name="network", call=seed, after=["neutron", "catalogue"]),
]

SERVICES = [
    api(
        "neutron",
        "neutron_api",
        threads=8,
        after=["mariadb", "memcached", "rabbitmq", "neutron db"],
        env={
            "OS_NEUTRON_CONFIG_DIR": str(CONF.parent),
            "OS_NEUTRON_CONFIG_FILES": "neutron.conf",
        },
    )
]
