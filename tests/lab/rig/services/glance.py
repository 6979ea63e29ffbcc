"""Glance with a folder as its store, and the one image of the lab."""

from __future__ import annotations

from rig import ini, settings
from rig.rest import Cloud
from rig.service import Setup
from rig.uwsgi import api

CONF = settings.ETC / "glance" / "glance-api.conf"
IMAGES = settings.DATA / "images"


def configure() -> None:
    """glance-api.conf."""
    for name in ("staging", "tasks"):
        (IMAGES / name).mkdir(parents=True, exist_ok=True)
    ini.write(
        CONF,
        {
            "DEFAULT": {
                "transport_url": settings.TRANSPORT_URL,
                "log_file": settings.LOG / "glance.log",
                "enabled_backends": "local:file",
                "enabled_import_methods": "[glance-direct]",
                "node_staging_uri": f"file://{IMAGES}/staging",
                "worker_self_reference_url": settings.api_url("glance"),
            },
            "os_glance_tasks_store": {
                "filesystem_store_datadir": IMAGES / "tasks"
            },
            "os_glance_staging_store": {
                "filesystem_store_datadir": IMAGES / "staging"
            },
            "database": {"connection": settings.db_url("glance")},
            "glance_store": {"default_backend": "local"},
            "local": {"filesystem_store_datadir": IMAGES},
            "paste_deploy": {
                "flavor": "keystone",
                "config_file": settings.VENV
                / "etc"
                / "glance"
                / "glance-api-paste.ini",
            },
            "keystone_authtoken": ini.authtoken("glance"),
            **ini.messaging(),
        },
    )


def seed() -> None:
    """A 1 KiB image `tiny` that every project may boot."""
    cloud = Cloud()
    for image in cloud("glance", "GET", "/v2/images?name=tiny")["images"]:
        if image["status"] == "active":
            return
    body = {
        "name": "tiny",
        "disk_format": "raw",
        "container_format": "bare",
        "visibility": "public",
    }
    image = cloud("glance", "POST", "/v2/images", body)
    cloud("glance", "PUT", f"/v2/images/{image['id']}/file", b"\0" * 1024)


SETUPS = [
    Setup(
        name="glance db",
        commands=[
            [
                str(settings.BIN / "glance-manage"),
                f"--config-file={CONF}",
                "db_sync",
            ]
        ],
        after=["mariadb"],
        tables=True,
    ),
    Setup(name="image", call=seed, after=["glance", "catalogue"]),
]

SERVICES = [
    api(
        "glance",
        "glance.wsgi.api",
        threads=4,
        after=["mariadb", "memcached", "rabbitmq"],
        env={"OS_GLANCE_CONFIG_DIR": str(CONF.parent)},
    )
]
