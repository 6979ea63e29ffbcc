"""A tenant's web tier without Heat: his own workflow replaces a custom server
by his trust alone, and can do nothing to another project's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from many import boot_all
from test_pools import Pool

pytestmark = pytest.mark.lab_full

ROOT = Path(__file__).parents[2]
FLOW = "web_pool"
CUSTOM = {"ha:protection": "custom"}
DOWN = "compute.instance.host_down"
FENCED = "compute.instance.host_fenced"
SERVED_S = 90
"""Seconds in which the new server must serve."""


@pytest.fixture
def workflow(full: ModuleType) -> Iterator[None]:
    """The shipped example in the tenant's project; all of his goes after."""
    import bus
    import control

    def call(method: str, path: str, **more: Any) -> Any:
        return control.call(method, path, cloud="lab-tenant", **more)

    text = (ROOT / "alarms" / "examples" / f"{FLOW}.yaml").read_text()
    kind = {"Content-Type": "text/plain"}
    call("DELETE", f"/workflows/{FLOW}")
    answer = call("POST", "/workflows", data=text, headers=kind)
    assert answer.status_code == 201, answer.text
    yield
    for alarm in bus.api("GET", "/v2/alarms", "lab-tenant").json():
        bus.api("DELETE", f"/v2/alarms/{alarm['alarm_id']}", "lab-tenant")
    for run in runs(control):
        call("DELETE", f"/executions/{run['id']}")
    call("DELETE", f"/workflows/{FLOW}")


def runs(ctl: ModuleType) -> list[dict[str, Any]]:
    """Executions of the workflow, as the tenant sees them."""
    query = {
        "workflow_name": FLOW,
        "fields": "id,state,state_info,input,project_id,params",
    }
    found: list[dict[str, Any]] = ctl.call(
        "GET", "/executions", cloud="lab-tenant", params=query
    ).json()["executions"]
    return found


def alarms(monkeypatch: pytest.MonkeyPatch, lab: ModuleType) -> None:
    """As docs/tenants.md types them."""
    from ha_installer import cli

    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(lab.CLOUDS_YAML))
    monkeypatch.setenv("OS_CLOUD", "lab-tenant")
    for event in ("host_down", "host_fenced"):
        words = ["tenant", "alarm", FLOW, "--on", event, "--server", "web-1"]
        assert cli.main([*words, "--input", "user_data="]) == 0


def replaced(lab: ModuleType, old: str) -> list[Any]:
    """Servers of the tenant that say they replace it."""
    mine = lab.cloud("lab-tenant").compute.servers()
    return [s for s in mine if s.metadata.get("ha:replaces") == old]


def test_a_tenants_workflow_replaces_a_web_server(
    full: ModuleType,
    ctl: ModuleType,
    w: ModuleType,
    run: Any,
    workflow: None,
    figure: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab = full
    run.start("watch", {"timing": w.TIMING})
    boot = partial(lab.post_server, metadata=CUSTOM)
    ids = boot_all(
        lab,
        {
            "old": partial(boot, "web-1", "host1"),
            "other": partial(boot, "web-2", "host2"),
            "alien": partial(boot, "alien", "host2", as_cloud="lab"),
            "disk": partial(boot, "disk", "host1", **data_volume(lab)),
        },
    )
    old, other, alien, disk = ids.values()
    was, there = ctl.addresses(old)[0], ctl.addresses(other)[0]
    pool = Pool(lab)
    pool.add("web-1", was, 5)
    pool.add("web-2", there, 1)
    pool.monitor()
    lab.until(
        lambda: {s for _, s in pool.members().values()} == {"ONLINE"},
        60,
        lambda: f"both members being ONLINE: {pool.members()}",
    )
    alarms(monkeypatch, lab)
    run.quiet_is_over()
    began = time.time()
    lab.pull_plug("host1")

    [new] = lab.until(
        lambda: replaced(lab, old),
        SERVED_S,
        lambda: f"the new server: {runs(ctl)}",
    )
    figure(f"power off -> new server asked for: {time.time() - began:.1f} s")
    lab.wait_server(new.id, 60, status="ACTIVE", not_on="host1")
    now = ctl.addresses(new.id)[0]
    wanted = {now: (5, "ONLINE"), there: (1, "ONLINE")}
    lab.until(
        lambda: pool.members() == wanted,
        SERVED_S,
        lambda: f"{wanted}: {pool.members()}, {runs(ctl)}",
    )
    lab.until(lambda: lab.server(old) is None, 60, "the old server's end")
    figure(f"power off -> the old server is gone: {time.time() - began:.1f} s")
    lab.until(
        lambda: {r["state"] for r in runs(ctl)} == {"SUCCESS"},
        60,
        lambda: f"both runs' end: {runs(ctl)}",
    )
    assert len(runs(ctl)) == 2
    assert len(replaced(lab, old)) == 1
    mine = lab.cloud("lab-tenant").current_project_id
    assert {r["project_id"] for r in runs(ctl)} == {mine}
    assert told(ctl, "/environments?fields=name", "environments") == []
    a_data_volume_comes_over(lab, ctl, disk)
    lab.until(
        lambda: [i["state"] for i in ctl.incidents()] == ["closed"],
        90,
        lambda: f"the incident being closed: {ctl.incidents()}",
    )
    another_projects_server_is_not_touched(ctl, alien)


def data_volume(lab: ModuleType) -> dict[str, Any]:
    """It boots from its image, and has a volume that outlives it."""
    boot = {"boot_index": 0, "uuid": lab._seeds()[0], "source_type": "image"}
    blank = {"boot_index": -1, "source_type": "blank", "volume_size": 1}
    more = {"destination_type": "volume", "delete_on_termination": False}
    local = {"destination_type": "local", "delete_on_termination": True}
    return {"block_device_mapping_v2": [boot | local, blank | more]}


def by_hand(
    ctl: ModuleType, name: str, server: str, kind: str, **more: Any
) -> Any:
    """One action as the tenant, with his own token; its answer."""
    event = {"type": kind, "traits": {"instance_id": server}}
    body = {
        "name": f"ha.own.{name}",
        "input": json.dumps({"server": server, "event": event, **more}),
    }
    answer = ctl.call(
        "POST", "/action_executions", cloud="lab-tenant", json=body
    )
    assert answer.status_code == 201, answer.text
    return json.loads(answer.json()["output"])["result"]


def a_data_volume_comes_over(
    lab: ModuleType, ctl: ModuleType, old: str
) -> None:
    """After the proof alone; the last step is repeated until it is done."""
    [volume] = ctl.volumes(old)
    refused = by_hand(ctl, "copy_server", old, DOWN, user_data="")
    assert refused["code"] == "not_fenced"
    made = by_hand(ctl, "copy_server", old, FENCED, user_data="")
    assert made["outcome"] == "done", made
    lab.wait_server(made["copy"], 60, status="ACTIVE")
    lab.until(
        lambda: by_hand(ctl, "retire_server", old, FENCED).get("outcome"),
        60,
        lambda: f"the old server's end: {lab.server(old)}",
        every=2,
    )
    lab.until(
        lambda: ctl.volumes(made["copy"]) == [volume],
        60,
        lambda: f"the volume: {ctl.volumes(made['copy'])}",
    )
    assert lab.server(old) is None


def told(ctl: ModuleType, path: str, key: str) -> list[Any]:
    """A listing of Mistral's, as the tenant sees it: names of ours."""
    found = ctl.call("GET", path, cloud="lab-tenant").json()[key]
    return [one["name"] for one in found if one["name"].startswith("ha.own")]


def another_projects_server_is_not_touched(
    ctl: ModuleType, alien: str
) -> None:
    """Each action by hand, with a server of the operator's project."""
    import world

    before = world.server(alien)
    for name in (
        "drain_members",
        "copy_server",
        "add_members",
        "retire_server",
    ):
        error = by_hand(ctl, name, alien, FENCED)
        assert error["code"] == "not_found", error
    assert world.server(alien) == before
