"""The full lab's Mistral and the pack in it, for tests: what an operator can
type, and what he can end.

Everything that waits has a deadline and raises `Late`. The lab has to be up
(`lab up --full`).
"""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import world
from ground import until
from rig import process, services, settings
from rig.services import mistral
from route import FLOW
from route import by_alarm as by_alarm
from route import exists as exists
from route import told_dead as told_dead

ENDED = ("SUCCESS", "ERROR", "CANCELLED")


def call(method: str, path: str, cloud: str = "lab", **more: Any) -> Any:
    """One call of Mistral's API as that cloud's user; the answer itself."""
    client = world.cloud(cloud).workflow
    return client.request(path, method, raise_exc=False, **more)


def start(inputs: dict[str, Any], workflow: str = FLOW) -> str:
    """POST an execution as the operator; its id."""
    body = {"workflow_name": workflow, "input": inputs}
    answer = call("POST", "/executions", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def state(execution: str) -> str:
    """Mistral's word for it."""
    return str(call("GET", f"/executions/{execution}").json()["state"])


def wait(execution: str, seconds: float = 240) -> dict[str, Any]:
    """Wait for its end; its output with `execution_state`."""
    ended = until(
        lambda: (found := state(execution)) in ENDED and found,
        seconds,
        lambda: f"the end of {execution}: {_tasks(execution)}",
        every=0.8,
    )
    found = call("GET", f"/executions/{execution}").json()
    output: dict[str, Any] = json.loads(found.get("output") or "{}")
    return output | {"execution_state": ended}


def _tasks(execution: str) -> Any:
    found = call("GET", f"/executions/{execution}/tasks").json()["tasks"]
    return [(row["name"], row["state"]) for row in found]


def task_states(execution: str) -> dict[str, str]:
    """Task name -> state."""
    return dict(_tasks(execution))


def begun(execution: str, task: str, seconds: float = 120) -> None:
    """Wait until the workflow has come to that task."""
    until(
        lambda: task in task_states(execution),
        seconds,
        lambda: f"{task} beginning: {_tasks(execution)}",
    )


def ha_pack(*words: str) -> Any:
    """`ha-pack WORDS --json`, from the wheel; (exit status, its object)."""
    done = mistral.ha_pack(*words, "--json")
    assert done.stdout.strip(), f"ha-pack {words}: {done.stderr}"
    return done.returncode, json.loads(done.stdout)


def openstack(*words: str, cloud: str = "lab") -> Any:
    """`openstack WORDS -f json`, the usual client; its object."""
    done = subprocess.run(
        [
            str(settings.CLIENT_VENV / "bin" / "openstack"),
            *words,
            "-f",
            "json",
        ],
        env={
            "PATH": "/usr/bin:/bin",
            "OS_CLIENT_CONFIG_FILE": str(settings.CLOUDS_YAML),
            "OS_CLOUD": cloud,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def report(incident: str) -> dict[str, Any]:
    """What `ha-pack incident show` knows of it."""
    found: dict[str, Any] = ha_pack("incident", "show", incident)[1]
    return found


def incidents() -> list[dict[str, Any]]:
    """Every incident that the ledger remembers."""
    found: list[dict[str, Any]] = ha_pack("incidents")[1]
    return found


def still_open() -> list[str]:
    """The hosts whose incident is open, held ones too, by the ledger itself:
    cheap enough to be asked again and again, which `ha-pack` is not.
    """
    rows = call("GET", "/environments?fields=name").json()["environments"]
    names = (row["name"] for row in rows)
    return [n.removeprefix(OPEN) for n in names if n.startswith(OPEN)]


OPEN = "ha.open."


def set_policy(**changes: Any) -> None:
    """Put the lab's policy in force, with these keys changed: of a section
    those that are named.
    """
    policy = mistral.policy()
    for name, value in changes.items():
        section = isinstance(value, dict)
        policy[name] = policy.get(name, {}) | value if section else value
    path = settings.PACK / "policy-test.yaml"
    path.write_text(json.dumps(policy))
    code, _ = ha_pack("policy", "set", str(path))
    assert code == 0


def executor_at_work() -> str:
    """The executor whose heartbeat named a running action last: its log says
    so each few seconds.
    """
    last = {}
    for name in mistral.EXECUTORS:
        text = (settings.LOG / f"mistral-{name}.log").read_text()
        beats = [x for x in text.splitlines() if "report_running" in x]
        last[name] = beats[-1] if beats else ""
    return f"mistral-{max(last, key=lambda name: last[name])}"


def kill_service(name: str) -> None:
    """kill -9 of a service and all its processes."""
    assert process.stop(name, grace=0), f"{name} did not run"


def start_service(name: str) -> None:
    """Start it again and wait until it is well."""
    services.named(name).up()


def restart(name: str, away_s: float) -> None:
    """Stop a service in order, and start it again on the data that it has."""
    service = services.named(name)
    assert process.stop(name, grace=20), f"{name} did not run"
    time.sleep(away_s)
    service.begin()
    until(lambda: _well(service), 60, f"{name} being well again")


def _well(service: Any) -> bool:
    try:
        return bool(service.healthy())
    except OSError:
        return False


def start_all() -> None:
    """Start again whatever a test has killed, and the lab has on by itself."""
    for service in mistral.SERVICES:
        if service.auto and not process.running(service.name):
            service.up()


def boot_from_volume(name: str, host: str, **more: Any) -> str:
    """A tenant's server whose disk is a new volume; not waited for."""
    image, _, _ = world._seeds()
    disk = {
        "boot_index": 0,
        "uuid": image,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 1,
        "delete_on_termination": False,
    }
    return world.post_server(
        name, host, imageRef="", block_device_mapping_v2=[disk], **more
    )


def sql(database: str, statement: str, **values: str) -> None:
    """Change one row of a service's database: what stands in for something
    that the lab has not. `%(name)s` in the statement is a value.
    """
    code = (
        "import json, sys, pymysql\n"
        "where, statement, values = sys.argv[1:]\n"
        "with pymysql.connect(**json.loads(where)) as link:\n"
        "    with link.cursor() as one:\n"
        "        assert one.execute(statement, json.loads(values)) == 1\n"
        "    link.commit()\n"
    )
    where = {
        "host": settings.LISTEN,
        "port": settings.PORTS["mariadb"],
        "user": "lab",
        "password": settings.PASSWORD,
        "database": database,
    }
    python = str(settings.VENV / "bin" / "python")
    words = (json.dumps(where), statement, json.dumps(values))
    subprocess.run([python, "-c", code, *words], check=True)


def volumes(server_id: str) -> list[str]:
    """The volumes that Cinder says are attached to it."""
    path = "/volumes/detail?all_tenants=1"
    found = world.cloud("lab").block_storage.get(path).json()["volumes"]
    return sorted(
        volume["id"]
        for volume in found
        for attached in volume["attachments"]
        if attached["server_id"] == server_id and volume["status"] == "in-use"
    )


def addresses(server_id: str) -> list[str]:
    """Its fixed addresses, from Neutron."""
    ports = world.cloud("lab").network.ports(device_id=server_id)
    return sorted(ip["ip_address"] for p in ports for ip in p.fixed_ips)


def locked(server_id: str) -> tuple[bool, str | None]:
    """Whether it is locked, and why."""
    path = f"/servers/{server_id}"
    answer = world.cloud().compute.get(path, microversion=world.MICROVERSION)
    body = answer.json()["server"]
    return body["locked"], body.get("locked_reason")


def evacuations(server_id: str) -> list[dict[str, Any]]:
    """Nova's evacuation records of one server."""
    return world.migrations(
        instance_uuid=server_id, migration_type="evacuation"
    )
