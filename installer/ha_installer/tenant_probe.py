"""Does an alarm of this tenant reach a workflow of his? Tried for real.

Tenants cannot publish on the bus, but they can make Nova publish: a change of
a server's metadata is told as ``compute.instance.update``. A passing alarm on
it starts a passing workflow that does nothing, by the same notifier, trust
and Mistral as the real one. What it does not prove is that the operator
publishes ``host_down``: that is his ``ha-pack check``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.errors import BadInput
from ha_actions.ports import Clock
from ha_alarms.target import Target

from ha_installer.tenant import PREFIX, Tenant, Wanted

WORKFLOW = "ha_tenant_probe"
TEXT = f"""---
version: '2.0'
{WORKFLOW}:
  description: Made and taken away by `ha-pack tenant alarm --probe`.
  input: [server]
  tasks:
    reached: {{action: std.noop}}
"""
KEY = "ha-pack-probe"
"""Metadata that is changed for it, and taken away again."""
WAIT_S = 150.0
"""Aodh's cache keeps a new alarm unknown for up to 60 s; and as much again
for a queue."""
TOUCH_S = 10.0
POLL_S = 1.0


@dataclass(frozen=True)
class Reached:
    """How the probe ended."""

    ok: bool
    seconds: float
    """From the change that got through to the execution, about; else 0."""
    waited_s: float
    state: str = ""


def probe(tenant: Tenant, server: str, bridge: str, clock: Clock) -> Reached:
    """Try it on one server, by name or id; everything is taken away again.

    :raises BadInput: the alarm, or the workflow, cannot be made.
    """
    there = tenant.server(server)
    wanted = Wanted(
        Target(WORKFLOW, traits={"server": "instance_id"}),
        on="update",
        server=there["id"],
        bridge=bridge,
    )
    before = {run["id"] for run in _mine(tenant)}
    try:
        _make_workflow(tenant)
        tenant.make_alarm(wanted.name, wanted.body())
        return _wait(tenant, there, before, clock)
    finally:
        tenant.drop_alarm(wanted.name)
        tenant.untag(there, KEY)
        for run in _mine(tenant):
            if run["id"] not in before:
                tenant.mistral.ask(
                    "DELETE", f"/executions/{run['id']}", none_at=404
                )
        tenant.mistral.ask("DELETE", f"/workflows/{WORKFLOW}", none_at=404)


def _wait(
    tenant: Tenant, server: dict[str, Any], before: set[str], clock: Clock
) -> Reached:
    began = touched = clock.now()
    tenant.tag(server, {KEY: f"{began:.0f}"})
    while clock.now() - began < WAIT_S:
        clock.sleep(POLL_S)
        new = [r for r in _mine(tenant) if r["id"] not in before]
        now = clock.now()
        if new:
            return Reached(True, now - touched, now - began, new[0]["state"])
        if now - touched >= TOUCH_S:
            touched = now
            tenant.tag(server, {KEY: f"{now:.0f}"})
    return Reached(False, 0.0, clock.now() - began)


def _mine(tenant: Tenant) -> list[dict[str, Any]]:
    return [r for r in tenant.runs() if r["workflow"] == WORKFLOW]


def _make_workflow(tenant: Tenant) -> None:
    if tenant.mistral.find(f"/workflows/{WORKFLOW}") is not None:
        return
    try:
        tenant.mistral.ask(
            "POST",
            "/workflows",
            data=TEXT,
            headers={"Content-Type": "text/plain"},
        )
    except BadInput as error:
        raise BadInput(
            error.code, f"The probe's workflow cannot be made: {error.message}"
        ) from error


def sentence(reached: Reached, on: str) -> str:
    """The end of it, and what to do."""
    if reached.ok:
        return (
            f"It would fire: a change of the server reached a workflow of "
            f"yours about {reached.seconds:.0f} s later."
        )
    return (
        f"Nothing arrived within {reached.waited_s:.0f} s. Either this cloud "
        "does not publish servers' changes (ask the operator: tier 1), or "
        f"its Aodh cannot reach Mistral; {PREFIX}{on} may still arrive: the "
        "operator's `ha-pack check` tells."
    )
