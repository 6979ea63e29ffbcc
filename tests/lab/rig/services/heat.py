"""Heat: API and engine, with convergence (full lab, HEAT=1)."""

from __future__ import annotations

from functools import partial

from rig import ini, process, settings
from rig.rest import Cloud
from rig.service import Service, Setup
from rig.uwsgi import api
from rig.waiting import eventually

CONF = settings.ETC / "heat" / "heat.conf"
SHIPPED = settings.VENV / "etc" / "heat"
DOMAIN, DOMAIN_ADMIN = "heat", "heat_domain_admin"


def _trustee() -> dict[str, object]:
    """Heat's user without a project: a trust is his scope."""
    user = ini.user("heat")
    return {k: v for k, v in user.items() if not k.startswith("project_")}


def configure() -> None:
    """heat.conf."""
    ini.write(
        CONF,
        {
            "DEFAULT": {
                "transport_url": settings.TRANSPORT_URL,
                "num_engine_workers": 1,
                "auth_encryption_key": "x" * 32,
                "region_name_for_services": settings.REGION,
                "convergence_engine": True,
                "deferred_auth_method": "trusts",
                "stack_domain_admin": DOMAIN_ADMIN,
                "stack_domain_admin_password": settings.PASSWORD,
                "stack_user_domain_name": DOMAIN,
                "environment_dir": SHIPPED / "environment.d",
                "template_dir": SHIPPED / "templates",
                # cloud-init alone: the shipped default wants Heat's
                # CloudFormation API
                "default_user_data_format": "RAW",
                "default_software_config_transport": "POLL_SERVER_HEAT",
                "error_wait_time": 5,
                "rpc_response_timeout": 60,
            },
            "database": {"connection": settings.db_url("heat")},
            "keystone_authtoken": ini.authtoken("heat"),
            "trustee": _trustee(),
            "clients_keystone": {"auth_uri": settings.KEYSTONE_URL},
            "paste_deploy": {"api_paste_config": SHIPPED / "api-paste.ini"},
            **ini.messaging(),
        },
    )


def domain() -> None:
    """Heat's own domain and its keeper, and the roles of stacks' owners."""
    cloud = Cloud()
    listed = cloud("keystone", "GET", f"/domains?name={DOMAIN}")["domains"]
    made = (
        listed[0]
        if listed
        else cloud(
            "keystone", "POST", "/domains", {"domain": {"name": DOMAIN}}
        )["domain"]
    )
    keeper = _keeper(cloud, made["id"])
    roles = {
        row["name"]: row["id"]
        for row in cloud("keystone", "GET", "/roles")["roles"]
    }
    for name in ("heat_stack_owner", "heat_stack_user"):
        if name not in roles:
            body = {"role": {"name": name}}
            cloud("keystone", "POST", "/roles", body)
    path = f"/domains/{made['id']}/users/{keeper}/roles/{roles['admin']}"
    cloud("keystone", "PUT", path)


def _keeper(cloud: Cloud, domain_id: str) -> str:
    path = f"/users?name={DOMAIN_ADMIN}&domain_id={domain_id}"
    found = cloud("keystone", "GET", path)["users"]
    body = {
        "name": DOMAIN_ADMIN,
        "password": settings.PASSWORD,
        "domain_id": domain_id,
    }
    made = (
        found[0]
        if found
        else cloud("keystone", "POST", "/users", {"user": body})["user"]
    )
    return str(made["id"])


def reset() -> None:
    """No stack of anybody, and nothing that one made."""
    for project in ("admin", "demo"):
        cloud = Cloud(project)
        eventually(
            f"the deletion of all stacks of {project}",
            partial(_stacks_gone, cloud, set()),
            90,
        )


def _stacks_gone(cloud: Cloud, asked: set[str]) -> bool:
    base = f"/v1/{cloud.project_id()}/stacks"
    # an admin is shown everybody's
    stacks = [
        row
        for row in cloud("heat", "GET", base)["stacks"]
        if row["project"] == cloud.project_id()
    ]
    for stack in stacks:
        # one whose member Octavia has lost fails the first time
        failed = stack["stack_status"] == "DELETE_FAILED"
        if failed or stack["id"] not in asked:
            path = f"{base}/{stack['stack_name']}/{stack['id']}"
            if cloud.ask("heat", "DELETE", path).status < 400:
                asked.add(stack["id"])
    return not stacks


_FIRST = ["mariadb", "memcached", "rabbitmq", "keystone"]

SETUPS = [
    Setup(
        name="heat db",
        commands=[
            [
                str(settings.BIN / "heat-manage"),
                f"--config-file={CONF}",
                "db_sync",
            ]
        ],
        after=["mariadb"],
        tables=True,
    ),
    Setup(name="heat domain", call=domain, after=["keystone", "catalogue"]),
]

SERVICES = [
    api(
        "heat",
        "heat.wsgi.api",
        threads=4,
        after=_FIRST,
        env={},
        more=[f"--pyargv=--config-file {CONF}"],
    ),
    Service(
        name="heat-engine",
        argv=[str(settings.BIN / "heat-engine"), f"--config-file={CONF}"],
        healthy=lambda: process.connected(
            "heat-engine", settings.PORTS["rabbitmq"]
        ),
        after=[*_FIRST, "catalogue", "heat domain"],
        grace=5,
    ),
]
