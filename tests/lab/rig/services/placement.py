"""Placement: what each host has left."""

from __future__ import annotations

from rig import ini, settings
from rig.service import Setup
from rig.uwsgi import api

CONF = settings.ETC / "placement" / "placement.conf"
ENV = {"OS_PLACEMENT_CONFIG_DIR": str(CONF.parent)}


def configure() -> None:
    """placement.conf."""
    ini.write(
        CONF,
        {
            "DEFAULT": {"log_file": settings.LOG / "placement.log"},
            "placement_database": {"connection": settings.db_url("placement")},
            "api": {"auth_strategy": "keystone"},
            "keystone_authtoken": ini.authtoken("placement"),
        },
    )


SETUPS = [
    Setup(
        name="placement db",
        commands=[
            [
                str(settings.BIN / "placement-manage"),
                f"--config-file={CONF}",
                "db",
                "sync",
            ]
        ],
        after=["mariadb"],
        tables=True,
        env=ENV,
    )
]

SERVICES = [
    api(
        "placement",
        "placement.wsgi.api",
        threads=6,
        after=["mariadb", "memcached"],
        env=ENV,
    )
]
