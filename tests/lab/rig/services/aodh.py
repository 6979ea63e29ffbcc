"""Aodh: API, listener, evaluator and notifier, in a venv that holds the pack
as well, so that the notifier finds its plug-in (full lab).
"""

from __future__ import annotations

import os

from rig import ini, process, settings
from rig.rest import Cloud
from rig.service import Service, Setup
from rig.uwsgi import api

# The WSGI module takes no arguments, and keystonemiddleware looks for Aodh's
# default file: both find it below HOME.
HOME = settings.ETC / "aodh"
CONF = HOME / ".aodh" / "aodh.conf"
PLUGIN = HOME / "ha_alarms.conf"
ENV = {
    "HOME": str(HOME),
    # not the rig's own plug-ins: these processes load what an operator's do
    "PYTHONPATH": "",
    "PATH": f"{settings.AODH_BIN}:{os.environ.get('PATH', '')}",
}
# What each leans on all the time: the evaluator asks its database alone.
DAEMONS = {
    "aodh-listener": "rabbitmq",
    "aodh-evaluator": "mariadb",
    "aodh-notifier": "rabbitmq",
}


def configure() -> None:
    """aodh.conf."""
    ini.write(
        CONF,
        {
            "DEFAULT": {
                "transport_url": settings.TRANSPORT_URL,
                # A new alarm is heard of after a second, not a minute; and
                # not 0, which would ask the database for every event.
                "event_alarm_cache_ttl": 1,
                "member_creation_time": 1,
                # whom trust+https may talk to: the bridge has this one
                "rest_notifier_ca_bundle_certificate_path": str(
                    settings.DATA / "bmc" / "cert.pem"
                ),
            },
            "api": {
                # -1, the default, becomes a limit of -1 as soon as somebody
                # reads his quota
                "project_alarm_quota": 500,
                "user_alarm_quota": 500,
                "alarm_max_actions": 5,
            },
            "listener": {"workers": 1},
            "notifier": {"workers": 1},
            # of alarms that heal stacks; no other needs it
            "evaluator": {
                "workers": 1,
                "evaluation_interval": 5 if settings.HEAT else 60,
            },
            "database": {"connection": settings.db_url("aodh")},
            "keystone_authtoken": ini.authtoken("aodh"),
            "service_credentials": ini.regional("aodh")
            | {"interface": "public"},
            **ini.messaging(),
        },
    )


_cloud = Cloud()


def write_plugin_file() -> None:
    """What the pack's notifier plug-in reads, as on the executors."""
    own = {
        "secret": settings.SECRET,
        "operator_projects": _cloud.project_id(),
    }
    ini.write(PLUGIN, {"ha_alarms": own})


_FIRST = ["mariadb", "memcached", "rabbitmq", "keystone"]


def _daemon(name: str) -> Service:
    files = [f"--config-file={CONF}"]
    if name == "aodh-notifier":
        files.append(f"--config-file={PLUGIN}")
    return Service(
        name=name,
        argv=[str(settings.AODH_BIN / name), *files],
        healthy=lambda: process.connected(name, settings.PORTS[DAEMONS[name]]),
        after=[*_FIRST, "catalogue"],
        env=ENV,
        before_start=write_plugin_file,
        grace=5,
    )


SETUPS = [
    Setup(
        name="aodh db",
        commands=[
            [
                str(settings.AODH_BIN / "aodh-dbsync"),
                f"--config-file={CONF}",
            ]
        ],
        after=["mariadb"],
        tables=True,
        env=ENV,
    )
]

SERVICES = [
    api(
        "aodh",
        "aodh.wsgi.api",
        threads=4,
        after=_FIRST,
        env=ENV,
        venv=settings.AODH_VENV,
    ),
    *[_daemon(name) for name in DAEMONS],
]
