"""What docs/install.md says that the executors' user needs is enough: a user
with just these roles and rules brings a dead host's servers back.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from many import PET, boot_all
from test_pets import rows
from test_pools import Pool

pytestmark = pytest.mark.lab_full

DOC = Path(__file__).parents[2] / "docs" / "install.md"
ROLE = "ha-operator"
ROLES = ("member", ROLE, "load-balancer_admin")
CLOUD = "lab-least"
POLICY = "policy.yaml"
RULES_OF = {
    "Nova": "nova.policies",
    "Neutron": "neutron.conf.policies",
    "Placement": "placement.policies",
    "Cinder": "cinder.policies",
    "Glance": "glance.policies",
    "Aodh": "aodh.api.policies",
}
"""Service of the page -> where its default rules are."""


def listed() -> dict[str, list[str]]:
    """Service -> names of rules, as the page lists them."""
    text = DOC.read_text().split("## 3.")[1].split("## 4.")[0]
    table = text.split("| service | rules |")[1]
    found: dict[str, list[str]] = {}
    for names, cell in re.findall(r"^\| ([^|]+) \| (`[^|]+) \|", table, re.M):
        for name in names.split(", "):
            found[name] = re.findall(r"`([^`]+)`", cell)
    assert found.keys() >= RULES_OF.keys()
    return {name: found[name] for name in RULES_OF}


def defaults(module: str) -> dict[str, str]:
    """Rule -> its default, by the service's own code."""
    from rig import settings

    code = (
        "import importlib, json, sys\n"
        f"rules = importlib.import_module({module!r}).list_rules()\n"
        "json.dump({r.name: r.check_str for r in rules}, sys.stdout)\n"
    )
    aodh = module.startswith("aodh")
    venv = settings.AODH_VENV if aodh else settings.VENV
    python = str(venv / "bin" / "python")
    done = subprocess.run(
        [python, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout[done.stdout.index("{") :])
    return found


def policy_yaml(service: str, names: list[str]) -> str:
    """`or role:ha-operator` at each default."""
    known = defaults(RULES_OF[service])
    unknown = set(names) - known.keys()
    assert not unknown, f"{service} has no rules {unknown}"
    lines = {
        name: f"role:{ROLE}"
        if known[name] == "!"
        else f"({known[name]}) or role:{ROLE}"
        for name in names
    }
    return json.dumps(lines, indent=1)


def user(lab: ModuleType) -> None:
    """`ha-pack`, with these roles in the operator's project."""
    from rig import settings

    keystone = lab.cloud("lab").identity
    project = lab.cloud("lab").current_project_id
    who = keystone.find_user("ha-pack") or keystone.create_user(
        name="ha-pack", password=settings.PASSWORD, domain_id="default"
    )
    for name in ROLES:
        role = keystone.find_role(name) or keystone.create_role(name=name)
        keystone.assign_project_role_to_user(project, who, role)


@pytest.fixture
def least(full: ModuleType, ctl: ModuleType) -> Iterator[None]:
    """The executors work as that user, and as before afterwards."""
    from rig import clouds, settings
    from rig.services import aodh, mistral

    user(full)
    files = []
    for service, names in listed().items():
        etc = settings.ETC / service.lower()
        path = (aodh.CONF.parent if service == "Aodh" else etc) / POLICY
        path.write_text(policy_yaml(service, names))
        files.append(path)
    before = settings.CLOUDS_YAML.read_text()
    settings.CLOUDS_YAML.write_text(
        before
        + clouds._CLOUD.format(
            cloud=CLOUD,
            region=settings.REGION,
            url=settings.KEYSTONE_URL,
            user="ha-pack",
            password=settings.PASSWORD,
            project="admin",
        )
    )
    executor = json.loads(mistral.EXECUTOR_FILE.read_text())
    try:
        mistral._write(mistral.EXECUTOR_FILE, executor | {"cloud": CLOUD})
        again(ctl)
        yield
    finally:
        mistral._write(mistral.EXECUTOR_FILE, executor)
        settings.CLOUDS_YAML.write_text(before)
        for path in files:
            path.unlink()
        again(ctl)


def again(ctl: ModuleType) -> None:
    """Executors read their file when they begin."""
    from rig.services import mistral

    for name in mistral.EXECUTORS:
        ctl.restart(f"mistral-{name}", 0)


def test_no_more_than_the_listed_roles_are_needed(
    full: ModuleType, ctl: ModuleType, least: None
) -> None:
    lab = full
    posts = {
        name: partial(lab.post_server, name, "host1", metadata=PET)
        for name in ("runs", "off", "paused", "locked")
    }
    posts["herd"] = partial(
        lab.post_server, "herd", "host1", metadata={"ha:protection": "cattle"}
    )
    posts["disk"] = partial(
        ctl.boot_from_volume, "disk", "host1", metadata=PET
    )
    ids = boot_all(lab, posts)
    compute = lab.cloud("lab-tenant").compute
    compute.stop_server(ids["off"])
    compute.pause_server(ids["paused"])
    compute.lock_server(ids["locked"])
    lab.wait_server(ids["off"], 60, status="SHUTOFF")
    lab.wait_server(ids["paused"], 60, status="PAUSED")
    pool = Pool(lab)
    [address] = ctl.addresses(ids["runs"])
    pool.add("runs", address, 5)

    _, lines = ctl.ha_pack(
        "check", "--no-probe", "--executors", "executor1,executor2"
    )
    for line in lines["lines"]:
        if line["check"].startswith("executors read"):
            print(line["check"], line["state"], line["means"])
            assert line["state"] == "ok", line

    mark = lab.call_mark()
    lab.pull_plug("host1")
    output = ctl.wait(ctl.by_alarm("host1"), 300)
    refused = [c for c in lab.calls_since(mark) if c.status == 403]
    assert refused == []
    found = rows(ctl.report(output["incident"]))
    told = {name: (r["outcome"], r["reason"]) for name, r in found.items()}
    print(told)
    assert told.pop("herd")[0] == "refused", told
    assert {outcome for outcome, _ in told.values()} == {"recovered"}, told
    for name, status in {
        "runs": "ACTIVE",
        "off": "SHUTOFF",
        "paused": "PAUSED",
        "locked": "ACTIVE",
        "disk": "ACTIVE",
    }.items():
        lab.wait_server(ids[name], 30, status=status, not_on="host1")
    assert ctl.locked(ids["locked"])[0]
    assert pool.members()[address][0] == 5
