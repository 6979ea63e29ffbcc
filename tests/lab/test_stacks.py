"""Heat stacks on the full lab with HEAT=1: a stack replaces the cattle that
it has lost, by one update, and keeps what did not die.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.lab_heat


def _template() -> dict[str, Any]:
    """Two servers, one of them a group's: a stack inside the stack."""
    server = {
        "type": "OS::Nova::Server",
        "properties": {
            "image": "tiny",
            "flavor": "tiny",
            "networks": [{"network": "lab"}],
            "metadata": {"ha:protection": "cattle"},
        },
    }
    group = {
        "type": "OS::Heat::ResourceGroup",
        "properties": {"count": 1, "resource_def": server},
    }
    salt = {"type": "OS::Heat::RandomString"}
    return {
        "heat_template_version": "2018-08-31",
        "resources": {"web": server, "herd": group, "kept": salt},
    }


def _resources(heat: Any, stack: Any) -> dict[str, str]:
    """Resource name -> physical id, of the stack and those inside it."""
    answer = heat.get(
        f"/stacks/{stack.name}/{stack.id}/resources",
        params={"nested_depth": 5},
    )
    return {
        one["resource_name"]: one["physical_resource_id"]
        for one in answer.json()["resources"]
    }


def _status(heat: Any, stack: Any) -> str:
    return str(heat.get_stack(stack.id).status)


def test_a_stack_replaces_what_it_has_lost(full: ModuleType) -> None:
    import control as ctl

    lab = full
    heat = lab.cloud("lab-tenant").orchestration
    stack = heat.create_stack(name="shop", template=_template())
    lab.until(
        lambda: _status(heat, stack) == "CREATE_COMPLETE",
        180,
        lambda: f"the stack being made: {_status(heat, stack)}",
    )
    before = _resources(heat, stack)
    host = lab.server(before["web"])["host"]
    here = {
        name
        for name in ("web", "0")
        if lab.server(before[name])["host"] == host
    }
    lab.pull_plug(host)
    output = ctl.wait(ctl.start({"alarm": ctl.alarm(host)}), 600)
    assert output["state"] == "closed", output
    assert _status(heat, stack) == "UPDATE_COMPLETE"
    after = _resources(heat, stack)
    replaced = {name for name in before if before[name] != after[name]}
    assert replaced == here
    for name in here:
        assert lab.server(before[name]) is None
        new = lab.server(after[name])
        assert new is not None and new["status"] == "ACTIVE"
        assert new["host"] != host
