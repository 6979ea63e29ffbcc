"""Heat stacks on the full lab with HEAT=1: a stack replaces the cattle that
it has lost, by one update, keeps what did not die, and is left alone where an
update would do anything else.
"""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest
from many import PET
from test_pets import rows
from test_pools import Pool

pytestmark = pytest.mark.lab_heat

HOST = "host1"
CATTLE = {"ha:protection": "cattle"}
RECOVERY_S = 600


def server(metadata: dict[str, str], **more: Any) -> dict[str, Any]:
    """A server as a resource of a stack."""
    return {
        "type": "OS::Nova::Server",
        "properties": {
            "image": "tiny",
            "flavor": "tiny",
            "networks": [{"network": "lab"}],
            "metadata": metadata,
            **more,
        },
    }


def shop(pool: str) -> dict[str, Any]:
    """Two servers, one of them a group's: a stack inside the stack."""
    member = {
        "pool": pool,
        "address": {"get_attr": ["web", "first_address"]},
        "protocol_port": 80,
        "weight": 3,
        "subnet": "lab",
    }
    group = {"count": 1, "resource_def": server(CATTLE)}
    return {
        "web": server(CATTLE),
        "member": {"type": "OS::Octavia::PoolMember", "properties": member},
        "herd": {"type": "OS::Heat::ResourceGroup", "properties": group},
        "kept": {"type": "OS::Heat::RandomString"},
    }


PORTED = {
    "port": {"type": "OS::Neutron::Port", "properties": {"network": "lab"}},
    "web": server(CATTLE, networks=[{"port": {"get_resource": "port"}}]),
}
"""Its address outlives the server."""
WIDE = {"web": server(CATTLE), "kept": {"type": "OS::Heat::RandomString"}}
BROKEN = {
    "web": server(CATTLE),
    "never": {
        "type": "OS::Heat::TestResource",
        "depends_on": "web",
        "properties": {"fail": True},
    },
}
DESK = {"db": server(PET)}


def template(resources: dict[str, Any]) -> dict[str, Any]:
    return {"heat_template_version": "2018-08-31", "resources": resources}


class Heat:
    """The tenant's stacks, by Heat's API."""

    def __init__(self, lab: ModuleType) -> None:
        self._lab = lab
        self._api = lab.cloud("lab-tenant").orchestration

    def make(
        self, name: str, resources: dict[str, Any], files: Any = ()
    ) -> Any:
        """Begin to create it; `files`: its own types, by name."""
        return self._api.create_stack(
            name=name,
            template=template(resources),
            files={one: json.dumps(template(files[one])) for one in files},
        )

    def status(self, stack: Any) -> str:
        return str(self._api.get_stack(stack.id).status)

    def wait(self, stack: Any, status: str, seconds: float = 240) -> None:
        self._lab.until(
            lambda: self.status(stack) == status,
            seconds,
            lambda: f"{stack.name} being {status}: {self.status(stack)}",
        )

    def resources(self, stack: Any) -> dict[str, str]:
        """Resource name -> physical id, of the stack and those inside it."""
        answer = self._api.get(
            f"/stacks/{stack.name}/{stack.id}/resources",
            params={"nested_depth": 5},
        )
        return {
            one["resource_name"]: one["physical_resource_id"]
            for one in answer.json()["resources"]
        }

    def updates(self, stack: Any) -> int:
        """How many updates of it were begun."""
        answer = self._api.get(
            f"/stacks/{stack.name}/{stack.id}/events",
            params={"resource_name": stack.name},
        )
        rows = answer.json()["events"]
        return sum(
            (one["resource_name"], one["resource_status"])
            == (stack.name, "UPDATE_IN_PROGRESS")
            for one in rows
        )

    def mark(self, stack: Any, resource: str, *, ill: bool) -> None:
        answer = self._api.patch(
            f"/stacks/{stack.name}/{stack.id}/resources/{resource}",
            json={"mark_unhealthy": ill, "resource_status_reason": "mine"},
        )
        assert answer.status_code == 200, answer.text

    def update(self, stack: Any) -> None:
        answer = self._api.patch(f"/stacks/{stack.name}/{stack.id}", json={})
        assert answer.status_code == 202, answer.text


def alone_in_service(lab: ModuleType, host: str, *, alone: bool) -> None:
    """Only this host takes new servers: a tenant may not choose one."""
    compute = lab.cloud("lab").compute
    for other in set(lab.hosts()) - {host}:
        service = lab.compute_service(other)["id"]
        change = compute.disable_service if alone else compute.enable_service
        change(service)


def assert_replaced(
    lab: ModuleType, before: dict[str, str], after: dict[str, str], name: str
) -> Any:
    """Its resource is another server, which runs once, elsewhere."""
    assert after[name] != before[name], name
    assert lab.server(before[name]) is None
    new = lab.server(after[name])
    assert new is not None and new["status"] == "ACTIVE", new
    assert new["host"] != HOST
    assert lab.copies_running(after[name]) == [new["host"]]
    return new


def test_stacks_get_back_what_they_have_lost(full: ModuleType) -> None:
    """One host dies with servers of five stacks, each for itself."""
    import control as ctl

    lab, heat = full, Heat(full)
    pool = Pool(lab)
    alone_in_service(lab, HOST, alone=True)
    made = {
        "shop": heat.make("shop", shop(pool.id)),
        "ported": heat.make("ported", PORTED),
        "wide": heat.make("wide", WIDE),
        "broken": heat.make("broken", BROKEN),
        "desk": heat.make("desk", DESK),
    }
    for name, stack in made.items():
        ends = "CREATE_FAILED" if name == "broken" else "CREATE_COMPLETE"
        heat.wait(stack, ends)
    alone_in_service(lab, HOST, alone=False)
    before = {name: heat.resources(one) for name, one in made.items()}
    address = ctl.addresses(before["ported"]["web"])
    heat.mark(made["wide"], "kept", ill=True)

    lab.pull_plug(HOST)
    output = ctl.wait(ctl.by_alarm(HOST), RECOVERY_S)

    print(output["summary"])
    after = {name: heat.resources(one) for name, one in made.items()}
    told = rows(ctl.report(output["incident"]))
    for row in told.values():
        print(row["name"], row["outcome"], row["reason"])

    # all that the stack has lost, by one update, and its member with it
    assert heat.status(made["shop"]) == "UPDATE_COMPLETE"
    assert heat.updates(made["shop"]) == 1
    assert_replaced(lab, before["shop"], after["shop"], "web")
    assert_replaced(lab, before["shop"], after["shop"], "0")
    assert after["shop"]["kept"] == before["shop"]["kept"]
    serves = ctl.addresses(after["shop"]["web"])
    lab.until(
        lambda: (
            {a: w for a, (w, _) in pool.members().items()} == {serves[0]: 3}
        ),
        30,
        lambda: f"the new server in the pool: {pool.members()}",
    )

    # a port of its own goes to the new server
    assert_replaced(lab, before["ported"], after["ported"], "web")
    assert after["ported"]["port"] == before["ported"]["port"]
    assert ctl.addresses(after["ported"]["web"]) == address

    # left alone: the update would do more, or the stack is not well
    for name, says in (("wide", "kept"), ("broken", "CREATE_FAILED")):
        assert after[name] == before[name]
        assert heat.updates(made[name]) == 0
        old = lab.server(before[name]["web"])
        assert old["host"] == HOST
        assert says in told[old["name"]]["reason"], told[old["name"]]
    assert output["state"] == "held", output

    # a pet comes back as itself, and its stack still means it
    assert after["desk"] == before["desk"]
    db = lab.server(after["desk"]["db"])
    assert (db["status"], db["host"] != HOST) == ("ACTIVE", True)
    checked = {f["check"]: f["ok"] for f in told[db["name"]]["findings"]}
    assert checked["stack"] is True

    # once its owner has seen to it, a resume goes on
    heat.mark(made["wide"], "kept", ill=False)
    again = ctl.ha_pack("incident", "resume", output["incident"])[1]
    ctl.wait(again["execution"], RECOVERY_S)
    now = heat.resources(made["wide"])
    assert_replaced(lab, before["wide"], now, "web")
    assert now["kept"] == before["wide"]["kept"]


def healing_alarm(stack: str, group: str, pool: str) -> str:
    """Aodh's own kind: a member of the pool in ERROR has its member of the
    group marked and the stack updated, under a trust of the tenant's.
    """
    import bus

    rule = {
        "pool_id": pool,
        "stack_id": stack,
        "autoscaling_group_id": group,
    }
    body = {
        "name": "heals",
        "type": "loadbalancer_member_health",
        "loadbalancer_member_health_rule": rule,
        "alarm_actions": ["trust+heat://"],
    }
    answer = bus.api("POST", "/v2/alarms", "lab-tenant", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["alarm_id"])


def test_a_stack_that_its_own_alarm_heals_is_not_updated_twice(
    full: ModuleType,
) -> None:
    """Aodh's `trust+heat` has the member of the group, a stack inside the
    stack, made anew; Heat is at work on it when our turn comes.
    """
    import bus
    import control as ctl

    lab, heat, pool = full, Heat(full), Pool(full)
    member = {
        "pool": pool.id,
        "address": {"get_attr": ["web", "first_address"]},
        "protocol_port": 80,
        "subnet": "lab",
    }
    inside = {
        "web": server(CATTLE),
        "member": {"type": "OS::Octavia::PoolMember", "properties": member},
    }
    sizes = dict.fromkeys(("min_size", "max_size", "desired_capacity"), 1)
    group = {
        "type": "OS::Heat::AutoScalingGroup",
        "properties": {**sizes, "resource": {"type": "member.yaml"}},
    }
    alone_in_service(lab, HOST, alone=True)
    stack = heat.make("healed", {"group": group}, {"member.yaml": inside})
    heat.wait(stack, "CREATE_COMPLETE")
    alone_in_service(lab, HOST, alone=False)
    before = heat.resources(stack)
    pool.monitor()
    alarm = healing_alarm(stack.id, before["group"], pool.id)

    def is_ok() -> bool:
        return bool(
            bus.api("GET", f"/v2/alarms/{alarm}").json()["state"] == "ok"
        )

    lab.until(is_ok, 60, lambda: f"the alarm being ok: {pool.members()}")
    for host in set(lab.hosts()) - {HOST}:
        lab.spawn_delay(host, 40)
    lab.pull_plug(HOST)
    lab.wait_host(HOST, "down", 30)
    lab.until(
        lambda: heat.updates(stack) == 1,
        60,
        lambda: f"Aodh updating the stack: {bus.fired(alarm)}",
    )

    output = ctl.wait(ctl.by_alarm(HOST), RECOVERY_S)

    print(output["summary"])
    told = rows(ctl.report(output["incident"]))
    assert output["state"] == "closed", (output, told)
    assert heat.updates(stack) == 1
    assert heat.status(stack) == "UPDATE_COMPLETE"
    after = heat.resources(stack)
    assert_replaced(lab, before, after, "web")
    assert after["group"] == before["group"]
    found = lab.cloud("lab").compute.servers(all_projects=True)
    assert len(list(found)) == 1, "nothing was made beside the stack"
