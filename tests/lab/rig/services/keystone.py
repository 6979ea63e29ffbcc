"""Keystone, and the users and catalogue that it keeps for the others."""

from __future__ import annotations

import getpass
import grp
import os
from dataclasses import replace

from rig import ini, settings
from rig.rest import Cloud
from rig.service import Setup
from rig.uwsgi import api

CONF = settings.ETC / "keystone" / "keystone.conf"
FERNET = settings.DATA / "fernet"
CREDENTIAL = settings.DATA / "credential"


def configure() -> None:
    """keystone.conf; cheap password hashes: services log in often."""
    for keys in (FERNET, CREDENTIAL):
        keys.mkdir(parents=True, exist_ok=True)
        keys.chmod(0o700)
    ini.write(
        CONF,
        {
            "DEFAULT": {
                "transport_url": settings.TRANSPORT_URL,
                "log_file": settings.LOG / "keystone.log",
            },
            "database": {"connection": settings.db_url("keystone")},
            "token": {"provider": "fernet", "expiration": 86400},
            "fernet_tokens": {"key_repository": FERNET},
            "credential": {"key_repository": CREDENTIAL},
            "cache": {
                "enabled": True,
                "backend": "dogpile.cache.pymemcache",
                "memcache_servers": settings.MEMCACHED,
            },
            "identity": {"password_hash_rounds": 4},
            **ini.messaging(),
        },
    )


def catalogue() -> None:
    """Service users, endpoints, and the tenant's project `demo`. What exists
    already is left alone.
    """
    cloud = Cloud()
    roles = {
        role["name"]: role["id"]
        for role in cloud("keystone", "GET", "/roles")["roles"]
    }
    if "service" not in roles:
        roles["service"] = cloud(
            "keystone", "POST", "/roles", {"role": {"name": "service"}}
        )["role"]["id"]
    service, demo = _project(cloud, "service"), _project(cloud, "demo")
    for name, kind, _ in settings.APIS:
        user = _user(cloud, name, service)
        for role in ("admin", "service"):
            _grant(cloud, service, user, roles[role])
        _endpoints(cloud, name, kind)
    tenant = _user(cloud, "demo", demo)
    for role in ("member", "reader"):
        _grant(cloud, demo, tenant, roles[role])
    admin = cloud("keystone", "GET", "/users?name=admin")["users"][0]["id"]
    _grant(cloud, demo, admin, roles["admin"])


def _project(cloud: Cloud, name: str) -> str:
    found = cloud("keystone", "GET", f"/projects?name={name}")["projects"]
    made = (
        found[0]
        if found
        else cloud(
            "keystone", "POST", "/projects", {"project": {"name": name}}
        )["project"]
    )
    return str(made["id"])


def _user(cloud: Cloud, name: str, project: str) -> str:
    found = cloud("keystone", "GET", f"/users?name={name}")["users"]
    body = {
        "name": name,
        "password": settings.PASSWORD,
        "default_project_id": project,
    }
    made = (
        found[0]
        if found
        else cloud("keystone", "POST", "/users", {"user": body})["user"]
    )
    return str(made["id"])


def _grant(cloud: Cloud, project: str, user: str, role: str) -> None:
    cloud("keystone", "PUT", f"/projects/{project}/users/{user}/roles/{role}")


def _endpoints(cloud: Cloud, name: str, kind: str) -> None:
    if cloud("keystone", "GET", f"/services?name={name}")["services"]:
        return
    service = cloud(
        "keystone",
        "POST",
        "/services",
        {"service": {"name": name, "type": kind}},
    )["service"]["id"]
    for interface in ("public", "internal", "admin"):
        endpoint = {
            "service_id": service,
            "interface": interface,
            "region_id": settings.REGION,
            "url": settings.api_url(name),
        }
        cloud("keystone", "POST", "/endpoints", {"endpoint": endpoint})


def _manage(*words: str) -> list[str]:
    return [
        str(settings.BIN / "keystone-manage"),
        f"--config-file={CONF}",
        *words,
    ]


_OWNER = [
    f"--keystone-user={getpass.getuser()}",
    f"--keystone-group={grp.getgrgid(os.getegid()).gr_name}",
]

SETUPS = [
    Setup(
        name="keystone db",
        commands=[_manage("db_sync")],
        after=["mariadb"],
        tables=True,
    ),
    Setup(
        name="keystone keys",
        commands=[
            _manage("fernet_setup", *_OWNER),
            _manage("credential_setup", *_OWNER),
        ],
    ),
    Setup(
        name="keystone admin",
        commands=[
            _manage(
                "bootstrap",
                f"--bootstrap-password={settings.PASSWORD}",
                f"--bootstrap-region-id={settings.REGION}",
                f"--bootstrap-public-url={settings.KEYSTONE_URL}",
                f"--bootstrap-internal-url={settings.KEYSTONE_URL}",
                f"--bootstrap-admin-url={settings.KEYSTONE_URL}",
            ),
        ],
        after=["mariadb"],
    ),
    Setup(name="catalogue", call=catalogue, after=["keystone"]),
]


def authorises() -> bool:
    """One call that its policy must allow.

    Keystone loads its rules at the first of them, and forbids what others ask
    of it meanwhile: so nobody is started before one was allowed.
    """
    return Cloud().ask("keystone", "GET", "/projects").status == 200


SERVICES = [
    replace(
        api(
            "keystone",
            "keystone.wsgi.api",
            threads=6,
            after=["mariadb", "memcached", "keystone keys", "keystone admin"],
            env={"OS_KEYSTONE_CONFIG_DIR": str(CONF.parent)},
        ),
        healthy=authorises,
    )
]
