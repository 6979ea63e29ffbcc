"""Pets in depth on the full lab: what is put back, who waits for room, moves
that a host's death cut short, and amphorae, which are left to Octavia.
"""

from __future__ import annotations

import json
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from many import PET, boot_all

pytestmark = pytest.mark.lab_full

RECOVERY_S = 240


def whole(report: dict[str, Any]) -> dict[str, Any]:
    """The report itself, in what `ha-pack incident show` prints."""
    found: dict[str, Any] = report.get("report") or report
    return found


def rows(report: dict[str, Any]) -> dict[str, Any]:
    """Server name -> its row in the incident's report."""
    return {row["name"]: row for row in whole(report)["guests"]}


def act(lab: ModuleType, id: str, body: dict[str, Any]) -> int:
    """One server action as the admin; its HTTP status."""
    answer = lab.cloud("lab").compute.post(
        f"/servers/{id}/action", json=body, microversion=lab.MICROVERSION
    )
    return int(answer.status_code)


def bigger_flavor(lab: ModuleType) -> str:
    """A flavor to resize to; made once."""
    compute = lab.cloud("lab").compute
    found = compute.find_flavor("tiny-2") or compute.create_flavor(
        name="tiny-2", ram=64, vcpus=1, disk=1
    )
    return str(found.id)


def test_what_a_pet_had_it_has_again(
    full: ModuleType, ctl: ModuleType
) -> None:
    """Rescued, tagged, locked with a reason, on two volumes' devices; and a
    resize that the death cut short before anything had left the host.
    """
    lab = full
    flavor = bigger_flavor(lab)
    post, disk = lab.post_server, ctl.boot_from_volume
    tags = ["gold", "prod"]
    ids = boot_all(
        lab,
        {
            "disk": partial(disk, "disk", "host1", metadata=PET),
            "rescued": partial(post, "rescued", "host1", metadata=PET),
            "tagged": partial(
                post, "tagged", "host1", metadata=PET, tags=tags
            ),
            "resizing": partial(disk, "resizing", "host1", metadata=PET),
        },
    )
    owner = lab.cloud("lab-tenant").compute
    owner.lock_server(ids["tagged"], locked_reason="mine")
    owner.rescue_server(ids["rescued"])
    lab.wait_server(ids["rescued"], 60, status="RESCUE")
    had = {name: ctl.addresses(id) for name, id in ids.items()}

    lab.pull_plug("host1")
    asked = act(lab, ids["resizing"], {"resize": {"flavorRef": flavor}})
    output = ctl.wait(ctl.by_alarm("host1"), RECOVERY_S)

    report = ctl.report(output["incident"])
    print(f"resize answered {asked}; {output['summary']}")
    for row in rows(report).values():
        print(row["name"], row["outcome"], row["reason"])
        for found in row["findings"]:
            print("   ", found["check"], found["ok"], found["detail"])
    assert output["state"] == "closed", output
    for name, id in ids.items():
        now = lab.server(id)
        assert (now["status"], now["task_state"]) == ("ACTIVE", None), now
        assert now["host"] != "host1"
        assert lab.copies_running(id) == [now["host"]]
        assert ctl.addresses(id) == had[name]
        assert len(ctl.evacuations(id)) == 1
    assert ctl.locked(ids["tagged"]) == (True, "mine")
    checks = {f["check"] for f in rows(report)["tagged"]["findings"]}
    assert {"server tags", "security groups", "lock"} <= checks
    owner.unlock_server(ids["tagged"])  # it is still its owner's lock
    lab.until(
        lambda: not ctl.locked(ids["tagged"])[0], 10, "its owner's unlock"
    )
    assert "Placement" in str(whole(report)["notes"])


def looked(ctl: ModuleType) -> list[str]:
    """The incidents that reconcile goes on with now, as the cron trigger
    starts it.
    """
    done = ctl.wait(ctl.start({}, "ha.v1.reconcile"), RECOVERY_S)
    found: list[str] = done["resumed"]
    return found


def minutes_go_by(ctl: ModuleType, host: str) -> None:
    """The host's incident has waited for room for two minutes longer, which
    is when the pack looks for it again.
    """
    name = f"{ctl.OPEN}{host}"
    found = ctl.call("GET", f"/environments/{name}").json()["variables"]
    entry = json.loads(json.loads(found)["json"])
    entry["held_at"] -= 120
    body = {"name": name, "variables": {"json": json.dumps(entry)}}
    answer = ctl.call("PUT", "/environments", json=body)
    assert answer.status_code == 200, answer.text


def test_no_room_is_deferred_until_there_is(
    full: ModuleType, ctl: ModuleType
) -> None:
    lab = full
    id = lab.boot("waits", "host1", metadata=PET)
    others = [h for h in lab.hosts() if h != "host1"]
    compute = lab.cloud("lab").compute
    for host in others:
        compute.disable_service(lab.compute_service(host)["id"])
    lab.pull_plug("host1")
    lab.wait_host("host1", "down", 30)

    output = ctl.wait(ctl.by_alarm("host1"), RECOVERY_S)

    held = ctl.report(output["incident"])
    row = rows(held)["waits"]
    assert output["state"] == "held", output
    assert row["outcome"] == "deferred", row
    for host in others:
        compute.enable_service(lab.compute_service(host)["id"])
    assert looked(ctl) == [], "it has only just looked for room"
    minutes_go_by(ctl, "host1")
    assert looked(ctl) == [output["incident"]]
    now = lab.server(id)
    assert (now["status"], now["task_state"]) == ("ACTIVE", None), now
    assert now["host"] in others
    assert lab.copies_running(id) == [now["host"]]
    assert len(ctl.evacuations(id)) == 2, "one without room, one with"
    assert rows(ctl.report(output["incident"]))["waits"]["as_chosen"]


def balancer_of(lab: ModuleType, ctl: ModuleType, server: str) -> str:
    """A load balancer of the tenant's whose amphora is this server.

    Octavia's no-op back end has no servers: one of Nova's stands in.
    """
    api = lab.cloud("lab-tenant").load_balancer
    subnet = lab.cloud("lab").network.find_subnet("lab")
    lb = api.create_load_balancer(name="stands-in", vip_subnet_id=subnet.id).id
    api.wait_for_load_balancer(lb, interval=0.2, wait=60)
    change = (
        "UPDATE amphora SET compute_id = %(server)s "
        "WHERE load_balancer_id = %(lb)s"
    )
    ctl.sql("octavia", change, server=server, lb=lb)
    return str(lb)


def amphorae_of(lab: ModuleType, lb: str) -> list[str]:
    """The servers that Octavia says carry it."""
    found = lab.cloud("lab").load_balancer.amphorae(loadbalancer_id=lb)
    return [a.compute_id for a in found]


def test_an_amphora_is_left_to_octavia(
    full: ModuleType, ctl: ModuleType
) -> None:
    lab = full
    # a pet by its tags, and with no name of Octavia's: Octavia's word counts
    id = lab.boot("stand-in", "host1", metadata=PET)
    other = lab.boot("pet", "host1", metadata=PET)
    lb = balancer_of(lab, ctl, id)
    lab.pull_plug("host1")
    lab.wait_host("host1", "down", 30)

    output = ctl.wait(ctl.by_alarm("host1"), RECOVERY_S)

    row = rows(ctl.report(output["incident"]))["stand-in"]
    print(output["summary"], row)
    assert ctl.evacuations(id) == []
    assert lab.server(id)["host"] == "host1"
    assert lab.server(other)["host"] != "host1"
    assert row["did"] == "fail over balancers"
    assert row["outcome"] == "recovered", row
    assert output["state"] == "closed", output
    assert id not in amphorae_of(lab, lb)
    api = lab.cloud("lab-tenant").load_balancer
    assert api.get_load_balancer(lb).provisioning_status == "ACTIVE"
