"""The pages are followed to the letter, by somebody who has nothing else.

Only the names of the reader's own cloud, hosts and servers are put in, by the
tables below; every other character is the page's.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from test_pools import Pool

pytestmark = pytest.mark.lab_full

DOCS = Path(__file__).parents[2] / "docs"
INSTALL = {
    "mycloud": "lab",
    "ex1,ex2": "executor1,executor2",
    "DIR": "pack",
}
TENANTS = {"OS_CLOUD=mine": "OS_CLOUD=lab-tenant"}
SERVERS = ("web-1", "web-2", "shop-1")
MOST_S = 500


def blocks(page: str, heading: str) -> list[str]:
    """The commands of a section, block by block, as they are printed."""
    text = (DOCS / page).read_text().split(f"\n## {heading}")[1]
    section = text.split("\n## ")[0]
    found = re.findall(r"^```\n(.*?)^```", section, re.S | re.M)
    assert found, f"{page}: {heading}"
    return found


def filled(text: str, table: dict[str, str]) -> str:
    """With the reader's own names."""
    for theirs, mine in table.items():
        assert theirs in text, theirs
        text = text.replace(theirs, mine)
    return text


@pytest.fixture(scope="module")
def programs(
    full_lab_up: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A fresh `pip install` of the wheel: where its commands are."""
    from rig import settings

    venv = tmp_path_factory.mktemp("reader") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    [wheel] = (settings.FIRST / "wheel").glob("*.whl")
    pip = [str(venv / "bin" / "pip"), "install", "-q"]
    # as section 1 says, the wheel for the name
    subprocess.run([*pip, f"{wheel}[operator]"], check=True)
    return venv / "bin"


@pytest.fixture
def shell(programs: Path, tmp_path: Path) -> Any:
    """Types a line, in a fresh folder, with those and the usual client."""
    from rig import settings
    from rig.services import mistral

    folder = tmp_path
    client = settings.CLIENT_VENV / "bin"
    base = {
        "PATH": f"{programs}:{client}:/usr/bin:/bin",
        "HOME": str(folder),
        "OS_CLIENT_CONFIG_FILE": str(settings.CLOUDS_YAML),
        "HA_EXECUTOR_FILE": str(mistral.EXECUTOR_FILE),
    }

    def type_in(text: str, status: int = 0, **env: str) -> str:
        keys, terminal = os.openpty()
        os.write(keys, b"yes\n")  # to whatever asks
        try:
            done = subprocess.run(
                ["bash", "-c", text],
                env=base | env,
                stdin=terminal,
                capture_output=True,
                text=True,
                timeout=MOST_S,
                cwd=folder,
            )
        finally:
            os.close(terminal)
            os.close(keys)
        print(f"$ {text}\n{done.stdout}{done.stderr}")
        assert done.returncode == status, (text, done.stdout, done.stderr)
        return done.stdout

    type_in.folder = folder  # type: ignore[attr-defined]
    return type_in


@pytest.fixture
def bare(full: ModuleType) -> None:
    """Nothing of the pack is in Mistral and Aodh; the next reset brings back
    what the lab has.
    """
    from rig.services import mistral

    mistral.ha_pack("remove", "--yes", "--open-incidents-too")


def test_install_md_ends_in_a_green_check(bare: None, shell: Any) -> None:
    """Section 2's files, then section 4, line by line."""
    from rig.services import mistral

    shell("ha-pack install --examples pack")
    named = re.findall(
        r"^\| `([\w.]+\.(?:conf|yaml))`",
        (DOCS / "install.md").read_text(),
        re.M,
    )
    there = {p.name for p in (shell.folder / "pack").rglob("*")}
    assert set(named) <= there
    [text] = blocks("install.md", "4. Install, and prove it")
    checked = ""
    for line in filled(text, INSTALL).splitlines():
        if "check" in line.split("#")[0] and "--executors" in line:
            checked = line.split("#")[0].strip()
            continue  # below, where it can be read
        shell(line)
        if line.startswith("cp "):  # "then edit it"
            path = shell.folder / "policy.yaml"
            given = yaml.safe_load(path.read_text()) | mistral.policy()
            path.write_text(json.dumps(given))
    assert checked
    lines = json.loads(shell(f"{checked} --json"))["lines"]
    states = {line["check"]: line["state"] for line in lines}
    assert "wrong" not in states.values()
    for line in lines:
        if line["state"] != "ok":
            print(line)
            assert line["means"], line


def test_tenants_md_ends_in_a_firing_alarm(
    full: ModuleType, shell: Any
) -> None:
    """Both stories of the page; the alarms' probe passes."""
    import bus
    import control

    lab = full
    ids = {name: lab.post_server(name, "host1") for name in SERVERS}
    # "boot it from a volume, else its disk is lost"
    ids["db-1"] = control.boot_from_volume("db-1", "host1")
    for id in ids.values():
        lab.wait_server(id, 120, status="ACTIVE")
    pool = Pool(lab)
    pool.add("shop-1", control.addresses(ids["shop-1"])[0], 1)
    first, *_ = blocks("tenants.md", "A database and a web tier")
    own, *_ = blocks("tenants.md", "A workflow of your own")
    try:
        told = shell("set -e\n" + filled(first, TENANTS))
        assert "db-1" in told
        told = shell("set -e\n" + own, OS_CLOUD="lab-tenant")
        alarms = bus.api("GET", "/v2/alarms", "lab-tenant").json()
        assert len(alarms) == 2
        assert {a["enabled"] for a in alarms} == {True}
        shell("ha-pack tenant status", OS_CLOUD="lab-tenant")
    finally:
        for alarm in bus.api("GET", "/v2/alarms", "lab-tenant").json():
            bus.api("DELETE", f"/v2/alarms/{alarm['alarm_id']}", "lab-tenant")
        control.call("DELETE", "/workflows/web_pool", cloud="lab-tenant")
    tags = lab.server(ids["shop-1"])["metadata"]
    assert tags == {"ha:protection": "custom"}
    assert os.environ.get("OS_CLOUD") != "lab-tenant"
