"""Mistral with two engines and two executors, and the pack in their venv, as
an operator installs it (full lab).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from rig import ini, process, seeded, settings
from rig.errors import LabError
from rig.rest import Cloud
from rig.service import Service, Setup, http

ETC = settings.ETC / "mistral"
CONF = ETC / "mistral.conf"
PORT = settings.PORTS["mistral"]
EXECUTOR_FILE = settings.PACK / "executor.yaml"
FENCES = settings.PACK / "fences.yaml"
POLICY = settings.PACK / "policy.yaml"
WATCH_FILE = settings.PACK / "watch.yaml"
HA_PACK_S = 180
ENGINES = ("engine1", "engine2")
EXECUTORS = ("executor1", "executor2")
ENV = {
    "HA_EXECUTOR_FILE": str(EXECUTOR_FILE),
    "OS_CLIENT_CONFIG_FILE": str(settings.CLOUDS_YAML),
    # not the rig's own plug-ins: these processes load what an operator's do
    "PYTHONPATH": "",
    "PATH": f"{settings.MISTRAL_BIN}:{os.environ.get('PATH', '')}",
}


def configure() -> None:
    """One file for all, one small one for each engine and executor."""
    ini.write(
        CONF,
        {
            "DEFAULT": {
                "transport_url": settings.TRANSPORT_URL,
                # `legacy`, the default, loses work when an engine dies
                "scheduler_type": "default",
                "rpc_response_timeout": 60,
            },
            "database": {
                "connection": settings.db_url("mistral"),
                "max_pool_size": 20,
                "max_overflow": 50,
            },
            "pecan": {"auth_enable": True},
            "api": {"host": settings.LISTEN, "port": PORT, "api_workers": 1},
            "executor": {"type": "remote"},
            "notifier": {"type": "local"},
            "event_engine": {"listener_pool_name": "lab"},
            "scheduler": {
                # what a killed engine had begun is another's after this
                "pickup_job_after": 10,
                "captured_job_timeout": 15,
            },
            # in the API its first look may hold a lock while the API forks,
            # and no request is answered any more: a service of its own
            "cron_trigger": {"enabled": True, "run_in_api": False},
            "action_heartbeat": {
                "check_interval": 5,
                "max_missed_heartbeats": 3,
                "first_heartbeat_timeout": 60,
            },
            "keystone_authtoken": ini.authtoken("mistral"),
            "keystone": ini.regional("mistral"),
            **ini.messaging(),
        },
    )
    for name in ENGINES:
        ini.write(ETC / f"{name}.conf", {"engine": {"host": name}})
    for name in EXECUTORS:
        ini.write(ETC / f"{name}.conf", {"executor": {"host": name}})
    ini.write(ETC / "periodic.conf", {})


def write_pack_files() -> None:
    """What an operator writes on each executor; JSON is YAML too."""
    settings.PACK.mkdir(parents=True, exist_ok=True)
    _write(
        EXECUTOR_FILE,
        {
            "operator_projects": [Cloud().project_id()],
            "cloud": "lab",
            "fences": str(FENCES),
            "namespace": settings.SECRET,
            "bus": {
                "url": settings.TRANSPORT_URL,
                "via": "aodh",
                "queues": "durable",
            },
        },
    )
    write_fences()


def write_watch_file() -> None:
    """What `ha-watch` reads: quick, as Nova's waits are here, and quiet for a
    moment only after its start.
    """
    write_pack_files()
    timing = {
        "interval_s": 1,
        "quiet_s": 5,
        "suspect_s": 5,
        "ask_again_s": 2,
        "republish_s": 5,
        "grace_s": 20,
    }
    watch = {"executor": str(EXECUTOR_FILE), "timing": timing}
    _write(WATCH_FILE, watch)


def write_fences(kind: str = "redfish") -> None:
    """How hosts are fenced: `redfish`, or `ipmi`, the same BMCs' other door.
    Executors read the file at each action.
    """
    entry = {"redfish": _redfish, "ipmi": _ipmi}[kind]
    _write(FENCES, {host: [entry(host)] for host in settings.HOSTS})


def _write(path: Path, what: Any) -> None:
    path.write_text(json.dumps(what, indent=1))
    path.chmod(0o600)


def _ipmi(host: str) -> dict[str, Any]:
    return {
        "kind": "ipmi",
        "address": settings.address(host),
        "port": settings.PORTS["ipmi"],
        "username": settings.BMC_USER,
        "password": settings.BMC_PASSWORD,
        "identity": settings.system_uuid(host),
    }


def _redfish(host: str) -> dict[str, Any]:
    return {
        "kind": "redfish",
        "address": f"https://{settings.LISTEN}:{settings.PORTS['bmc']}",
        "username": settings.BMC_USER,
        "password": settings.BMC_PASSWORD,
        "verify": str(settings.DATA / "bmc" / "cert.pem"),
        "system": f"/redfish/v1/Systems/{settings.system_uuid(host)}",
        "identity": settings.system_uuid(host),
    }


def policy() -> dict[str, Any]:
    """The lab's policy: acts, with waits to match Nova's short heartbeats."""
    hosts = {host: settings.address(host) for host in settings.HOSTS}
    reach = {
        "port": settings.PORTS["reach"],
        "control": settings.CONTROL,
        "hosts": hosts,
    }
    return {
        "version": 1,
        "mode": "act",
        "limits": {
            "hosts_down_percent": 50,
            "cloud_down_percent": 30,
            "fences": 50,
            "domain": "rack",
        },
        "witnesses": {
            "watch_s": 2,
            "reach_over_s": 1,
            "networks": {"lab": reach},
        },
        "fencing": {"stable_s": 3, "poll_s": 0.5, "deadline_s": 40},
        "recovery": {"poll_s": 1},
        "drill": {"hosts": list(settings.HOSTS)},
        "rules": [
            {
                "when": "$.boot = volume",
                "set": {"ha:protection": "pet"},
                "because": "its disk is a volume",
            }
        ],
    }


def ha_pack(*words: str) -> subprocess.CompletedProcess[str]:
    """The operator's command, from the wheel, against the lab's cloud."""
    try:
        return subprocess.run(
            [str(settings.MISTRAL_BIN / "ha-pack"), *words],
            env=process.environment("ha-pack", ENV | {"OS_CLOUD": "lab"}),
            capture_output=True,
            text=True,
            timeout=HA_PACK_S,
            cwd=settings.STATE,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(
            f"`ha-pack {words[0]}` has not ended in {HA_PACK_S} s; "
            "see `lab logs mistral-api`."
        ) from error


def install_pack() -> None:
    """`ha-pack install` and `ha-pack arm`, as an operator types them: at each
    start and reset. What is there already is left alone.
    """
    _write(POLICY, policy())
    install = ["install", "--yes", "--policy", str(POLICY)]
    for words in ([*install, "--executors", ",".join(EXECUTORS)], ["arm"]):
        done = ha_pack(*words)
        if done.returncode:
            raise LabError(
                f"`ha-pack {words[0]}` failed: "
                f"{(done.stderr or done.stdout).strip()[-600:]}"
            )
    seeded.note()


def end_executions() -> None:
    """No execution of anybody runs, and none is remembered."""
    cloud = Cloud()
    path = "/executions?all_projects=true&fields=id,state,task_execution_id"
    found = cloud("mistral", "GET", path)["executions"]
    roots = [row for row in found if not row.get("task_execution_id")]

    def end(row: dict[str, Any]) -> None:
        one = f"/executions/{row['id']}"
        if row["state"] in ("RUNNING", "PAUSED"):
            cloud.ask("mistral", "PUT", one, {"state": "CANCELLED"})
        cloud.ask("mistral", "DELETE", f"{one}?force=true")

    seeded.side_by_side(end, roots)


def forget_incidents() -> None:
    """The ledger and the alarms are as after the installation, and the fences
    are Redfish.
    """
    end_executions()
    write_fences()
    if not seeded.put_back():
        seeded.empty()
        install_pack()


def _server(name: str, kind: str, **more: Any) -> Service:
    own = ETC / f"{name}.conf"
    argv = [
        str(settings.MISTRAL_BIN / "mistral-server"),
        f"--config-file={CONF}",
        *([f"--config-file={own}"] if kind != "api" else []),
        f"--server={kind}",
        f"--log-file={settings.LOG}/mistral-{name}.log",
    ]
    return Service(
        name=f"mistral-{name}",
        argv=argv,
        after=[
            "mariadb",
            "memcached",
            "rabbitmq",
            "catalogue",
            "keystone",
            "bmc",
        ],
        env=ENV,
        grace=10,
        **more,
    )


def _alive(name: str) -> Any:
    return lambda: process.running(f"mistral-{name}")


def _manage(*words: str) -> list[str]:
    tool = str(settings.MISTRAL_BIN / "mistral-db-manage")
    return [tool, f"--config-file={CONF}", *words]


SETUPS = [
    Setup(
        name="mistral db",
        commands=[_manage("upgrade", "head"), _manage("populate")],
        after=["mariadb"],
        tables=True,
        env=ENV,
    )
]

FINISH = [
    Setup(
        name="pack installed",
        call=install_pack,
        after=[
            "nova-api",
            "aodh",
            "mistral-api",
            *[f"mistral-{name}" for name in (*ENGINES, *EXECUTORS)],
        ],
    )
]

SERVICES = [
    _server("api", "api", healthy=http(PORT), port=PORT),
    _server("periodic", "periodic", healthy=_alive("periodic")),
    *[_server(name, "engine", healthy=_alive(name)) for name in ENGINES],
    *[
        _server(
            name,
            "executor",
            healthy=_alive(name),
            before_start=write_pack_files,
        )
        for name in EXECUTORS
    ],
    # Off unless a drill wants it: most drills post the alarm themselves.
    Service(
        name="ha-watch",
        argv=[
            str(settings.MISTRAL_BIN / "ha-watch"),
            f"--file={WATCH_FILE}",
        ],
        healthy=lambda: process.running("ha-watch"),
        env=ENV,
        before_start=write_watch_file,
        grace=5,
        auto=False,
    ),
]
