"""A wheel holds all that each process needs, without the checkout."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
EXECUTOR = ("ha_actions", "ha_alarms")
"""Packages that services load: they may still run Python 3.10."""

LOOK = """
import importlib, importlib.metadata as metadata, importlib.resources, json
import pkgutil, sys
import ha_actions, ha_alarms, ha_installer, ha_installer.workbooks

dist = metadata.distribution("mistral-ha-pack")
points = {}
for point in dist.entry_points:
    # Aodh's classes are there only where Aodh is
    here = point.group != "aodh.notifier"
    module = point.load().__module__ if here else point.module
    points.setdefault(point.group, {})[point.name] = module
book = importlib.resources.files("ha_installer.workbooks") / "ha.v1.yaml"
print(json.dumps({
    "version": dist.version,
    "at": [m.__file__ for m in (ha_actions, ha_alarms, ha_installer)],
    "points": points,
    "book": book.read_text(),
    "data": sorted(
        f.name for f in importlib.resources.files("ha_installer").iterdir()
    ),
}))
"""


def run(*command: str, **more: Any) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, **more
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def target(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("target")
    pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check")
    run(*pip, "install", "--no-deps", "--target", str(folder), str(wheel))
    return folder


@pytest.fixture(scope="module")
def seen(target: Path) -> Any:
    """What a process sees that has only the wheel."""
    out = run(
        sys.executable, "-c", LOOK, cwd=target, env={"PYTHONPATH": str(target)}
    )
    return json.loads(out)


def test_everything_comes_from_the_wheel(seen: Any, target: Path) -> None:
    assert seen["version"]
    assert all(Path(at).is_relative_to(target) for at in seen["at"])


def test_every_action_fence_and_witness_loads(seen: Any) -> None:
    points = seen["points"]
    steps = ROOT / "actions" / "ha_actions" / "steps"
    files = {p.stem for p in steps.glob("*.py")} - {"__init__"}
    own = {n for n in points["mistral.actions"] if n.startswith("ha.own.")}
    assert len(own) == 4
    assert set(points["mistral.actions"]) - own == {f"ha.{n}" for n in files}
    for name, module in points["mistral.actions"].items():
        short = name.removeprefix("ha.")
        place = short if name in own else f"steps.{short}"
        assert module == f"ha_actions.{place}"
    for kind in ("fences", "witnesses"):
        folder = ROOT / "actions" / "ha_actions" / kind
        files = {p.stem for p in folder.glob("*.py")} - {"__init__"}
        assert set(points[f"ha_actions.{kind}"]) == files
    assert "ha-pack" in points["console_scripts"]
    assert points["aodh.notifier"] == {"trust+mistral": "ha_alarms.notifier"}


def test_the_workbook_is_in_it(seen: Any) -> None:
    assert seen["book"] == (ROOT / "workbooks" / "ha.v1.yaml").read_text()


def test_the_installers_data_files_are_in_it(seen: Any) -> None:
    folder = ROOT / "installer" / "ha_installer"
    data = {
        p.name
        for p in folder.iterdir()
        if p.is_file() and p.suffix in (".j2", ".yaml", ".html")
    }
    assert data <= set(seen["data"])


def test_every_module_is_in_it(target: Path) -> None:
    for name, folder in (
        ("ha_actions", "actions"),
        ("ha_alarms", "alarms"),
        ("ha_installer", "installer"),
    ):
        source = ROOT / folder / name
        wanted = {p.relative_to(source) for p in source.rglob("*.py")}
        got = {
            p.relative_to(target / name) for p in (target / name).rglob("*.py")
        }
        assert wanted <= got, wanted - got


def test_no_tests_and_no_lab_are_in_it(target: Path) -> None:
    tops = {p.name for p in target.iterdir() if p.is_dir()}
    assert "tests" not in tops
    assert {t for t in tops if not t.endswith(".dist-info")} <= {
        "ha_actions",
        "ha_alarms",
        "ha_installer",
        "bin",
    }


def test_what_services_load_is_python_310(target: Path) -> None:
    files = [p for name in EXECUTOR for p in (target / name).rglob("*.py")]
    assert files
    for path in files:
        ast.parse(path.read_text(), str(path), feature_version=(3, 10))
