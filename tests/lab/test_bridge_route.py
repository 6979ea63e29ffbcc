"""A stock Aodh starts workflows through the bridge: `trust+https://`, TLS, the
trust's token, Mistral. The pack's plug-in in Aodh has no part in it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.lab_full

NOTHING = """
version: '2.0'
lab.bridged:
  input: [alarm: null]
  tasks:
    nothing: {action: std.noop}
"""
FLOW = "lab.bridged"


@pytest.fixture
def bus(full: ModuleType) -> ModuleType:
    """Aodh's side of the lab."""
    import bus

    return bus


@pytest.fixture
def bridge(full: ModuleType, tmp_path: Path) -> Iterator[str]:
    """A bridge as a process of its own; its address."""
    import control
    from rig import process, settings
    from rig.services import mistral

    file = tmp_path / "bridge.yaml"
    file.write_text(
        json.dumps(
            {
                "secret": settings.SECRET,
                "username": "aodh",  # of the lab's service users
                "password": settings.PASSWORD,
                "keystone": settings.KEYSTONE_URL,
                "mistral": settings.api_url("mistral"),
                "workflows": [control.FLOW, FLOW],
                "operator_projects": [full.cloud("lab").current_project_id],
            }
        )
    )
    file.chmod(0o600)
    with socket.socket() as free:
        free.bind((settings.LISTEN, 0))
        port = free.getsockname()[1]
    tls = settings.DATA / "bmc"
    log = (tmp_path / "bridge.log").open("wb")
    python = sys.executable
    one = subprocess.Popen(
        [
            python,
            str(settings.PLUGINS / "bridge.py"),
            str(port),
            str(tls / "cert.pem"),
            str(tls / "key.pem"),
        ],
        env=process.environment(
            "bridge", mistral.ENV | {"HA_BRIDGE_FILE": str(file)}
        ),
        stdout=log,
        stderr=log,
    )
    try:
        full.until(lambda: _listens(port), 30, "the bridge")
        yield f"trust+https://{settings.LISTEN}:{port}/start"
    finally:
        one.kill()
        one.wait()
        log.close()
        print((tmp_path / "bridge.log").read_text()[-2000:])


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def runs(workflow: str, cloud: str) -> list[dict[str, Any]]:
    """Executions of a workflow that this cloud's user sees as his own."""
    import control

    path = f"/executions?workflow_name={workflow}&fields=id,project_id"
    found: list[dict[str, Any]] = control.call("GET", path, cloud).json()[
        "executions"
    ]
    return found


@pytest.fixture
def workflows(full: ModuleType) -> Iterator[None]:
    """A workflow that does nothing, the operator's and the tenant's."""
    import control

    text = {"data": NOTHING, "headers": {"content-type": "text/plain"}}
    for cloud in ("lab", "lab-tenant"):
        control.call("DELETE", f"/workflows/{FLOW}", cloud)
        made = control.call("POST", "/workflows", cloud, **text)
        assert made.status_code == 201, made.text
    yield
    for cloud in ("lab", "lab-tenant"):
        for run in runs(FLOW, cloud):
            control.call("DELETE", f"/executions/{run['id']}", cloud)
        control.call("DELETE", f"/workflows/{FLOW}", cloud)


def test_a_stock_aodh_starts_each_incident_once(
    full: ModuleType,
    bus: ModuleType,
    bridge: str,
    workflows: None,
    figure: Any,
) -> None:
    """The operator's alarm, five times one incident; the tenant's, with his
    own rights; and his attempt at the operator's workflow.
    """
    import control

    mine = full.cloud("lab").current_project_id
    his = str(full.cloud("lab-tenant").current_project_id)
    action = f"{bridge}/{FLOW}?alarm=alarm"
    bus.alarm("mine", "x.op", action, project_id="")
    bus.alarm("his", "x.tenant", action, cloud="lab-tenant")
    bus.alarm(
        "too-much",
        "x.bad",
        f"{bridge}/{control.FLOW}?alarm=alarm",
        cloud="lab-tenant",
    )
    incident = str(uuid.uuid4())
    wanted = bus.operators_id(incident, FLOW)
    publisher, began = bus.Publisher(), time.time()
    for _ in range(5):
        publisher.event("x.op", incident=incident)
    bus.until(lambda: bus.exists(wanted), 30, "the execution", 0.05)
    figure(f"event -> execution by the bridge: {time.time() - began:.2f} s")
    for kind in ("x.tenant", "x.bad"):
        publisher.event(
            kind, project_id=his, host="host1", incident=incident, server="s"
        )
    bus.until(lambda: runs(FLOW, "lab-tenant"), 30, "his execution", 0.1)
    time.sleep(2)  # doubles, and what must not come, would have come by now
    assert [r["project_id"] for r in runs(FLOW, "lab-tenant")] == [his]
    seen = runs(FLOW, "lab")  # an admin sees everybody's
    assert [r["id"] for r in seen if r["project_id"] == mine] == [wanted]
    assert len(seen) == 2
    assert runs(control.FLOW, "lab-tenant") == []
    assert control.incidents() == []
