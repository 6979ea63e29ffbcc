"""Cinder whose volumes exist in its database alone (full lab)."""

from __future__ import annotations

from functools import partial

from rig import ini, settings
from rig.rest import Cloud
from rig.service import Service, Setup
from rig.uwsgi import api

CONF = settings.ETC / "cinder" / "cinder.conf"
STATE = settings.DATA / "cinder"
TYPE = "lab"


def configure() -> None:
    """cinder.conf."""
    (STATE / "conversion").mkdir(parents=True, exist_ok=True)
    ini.write(
        CONF,
        {
            "DEFAULT": {
                "transport_url": settings.TRANSPORT_URL,
                "state_path": STATE,
                "host": "ctl",
                "my_ip": settings.LISTEN,
                "api_paste_config": settings.VENV
                / "etc"
                / "cinder"
                / "api-paste.ini",
                "auth_strategy": "keystone",
                "enabled_backends": "nothing",
                # it has to exist, else each creation is a 500
                "default_volume_type": TYPE,
                "glance_api_servers": settings.api_url("glance"),
                "image_conversion_dir": STATE / "conversion",
                "report_interval": 5,
                "service_down_time": 20,
                "quota_volumes": -1,
                "quota_gigabytes": -1,
                "quota_snapshots": -1,
            },
            "nothing": {
                "volume_driver": "labnova.volumes.NoBackEnd",
                "volume_backend_name": "nothing",
            },
            "database": {"connection": settings.db_url("cinder")},
            "coordination": {"backend_url": f"file://{STATE}/coordination"},
            "keystone_authtoken": ini.authtoken("cinder"),
            "service_user": ini.regional("cinder")
            | {"send_service_user_token": True},
            "nova": ini.regional("cinder"),
            **ini.messaging(),
        },
    )


def seed() -> None:
    """The one volume type."""
    cloud = Cloud()
    types = cloud("cinder", "GET", "/types?is_public=None")["volume_types"]
    if not any(kind["name"] == TYPE for kind in types):
        body = {"volume_type": {"name": TYPE}}
        cloud("cinder", "POST", "/types", body)


_FIRST = ["mariadb", "memcached", "rabbitmq", "keystone"]


def _daemon(name: str) -> Service:
    return Service(
        name=name,
        argv=[str(settings.BIN / name), f"--config-file={CONF}"],
        healthy=lambda: _up(name),
        started=lambda: True,
        after=[*_FIRST, "catalogue"],
        grace=5,
    )


_cloud = Cloud()


def _up(binary: str) -> bool:
    rows = _cloud("cinder", "GET", "/os-services")["services"]
    return any(r["binary"] == binary and r["state"] == "up" for r in rows)


def working() -> None:
    """Waits for both daemons; the API says when."""
    from rig.waiting import eventually

    for binary in ("cinder-scheduler", "cinder-volume"):
        eventually(f"{binary} being up", partial(_up, binary), 90)


SETUPS = [
    Setup(
        name="cinder db",
        commands=[
            [
                str(settings.BIN / "cinder-manage"),
                f"--config-file={CONF}",
                "db",
                "sync",
            ]
        ],
        after=["mariadb"],
        tables=True,
    ),
    Setup(name="volume type", call=seed, after=["cinder", "catalogue"]),
]

FINISH = [
    Setup(
        name="cinder working",
        call=working,
        after=["cinder", "cinder-scheduler", "cinder-volume"],
    )
]

SERVICES = [
    api(
        "cinder",
        "cinder.wsgi.api",
        threads=6,
        after=_FIRST,
        env={},
        # the only way its WSGI module takes a configuration
        more=[f"--pyargv=--config-file {CONF}"],
    ),
    _daemon("cinder-scheduler"),
    _daemon("cinder-volume"),
]
