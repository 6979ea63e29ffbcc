"""All services of the lab. To grow it: write a module like these, add it here
and its port to `settings.PORT_NAMES`.

A module may have `configure()` (write its files; called at each start),
`SETUPS` (done once, when the databases are made), `SERVICES`, and `FINISH`
(done at each start).
"""

from __future__ import annotations

from rig import settings
from rig.errors import LabError
from rig.service import Service, Setup
from rig.services import (
    aodh,
    bmc,
    ceilometer,
    cinder,
    glance,
    heat,
    keystone,
    link,
    mariadb,
    memcached,
    mistral,
    neutron,
    nova,
    octavia,
    placement,
    rabbitmq,
)

MODULES = (
    memcached,
    mariadb,
    rabbitmq,
    keystone,
    placement,
    glance,
    neutron,
    link,
    nova,
    bmc,
    *((cinder, octavia, mistral, aodh, ceilometer) if settings.FULL else ()),
    *((heat,) if settings.HEAT else ()),
)

SERVICES: list[Service] = [
    service for module in MODULES for service in module.SERVICES
]
SETUPS: list[Setup] = [
    setup for module in MODULES for setup in getattr(module, "SETUPS", [])
]
FINISH: list[Setup] = [
    setup for module in MODULES for setup in getattr(module, "FINISH", [])
]


def configure() -> None:
    """Write every configuration file anew."""
    for module in MODULES:
        write = getattr(module, "configure", None)
        if write:
            write()


def named(name: str) -> Service:
    """The service of that name; LabError when there is none."""
    for service in SERVICES:
        if service.name == name:
            return service
    raise LabError(
        f"There is no service {name!r} in the {settings.SIZE} lab: "
        "`lab status` lists them."
    )
