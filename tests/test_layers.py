"""Who may import whom. A rule that a test holds is a rule that stays."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ACTIONS = ROOT / "actions" / "ha_actions"

VALUES = {"model", "errors", "settings", "codec"}
DECIDERS = {
    *("intake", "judge", "policy", "plan", "evacuation", "report"),
    *(
        "prospects",
        "around",
        "recovery_check",
        "explain",
        "order",
        "membership",
        "returning",
        "consent",
    ),
    *("moving", "snapshot", "targets"),
}
DECIDERS |= {"foresight", "packing", "outlook", "tidings"}
DECIDERS |= {"server_failure", "stack_repair"}
CORE = {"model", "errors", "settings"}
RULES: dict[str, tuple[set[str], set[str]]] = {
    # first word of a module -> what of ours, and whose else, it may import
    "model": (CORE, set()),
    "errors": (CORE, set()),
    "settings": (CORE, set()),
    "codec": ({"errors"}, set()),
    **dict.fromkeys(DECIDERS, (VALUES | DECIDERS, set())),
    "policy": (VALUES | DECIDERS, {"yaml", "yaql"}),
    "ports": ({"model"}, set()),
    "proof": (CORE | {"ports"}, set()),
    "probe": (CORE | {"ports"}, set()),
    "incidents": (VALUES | {"ports"}, set()),
    "untold": (VALUES | {"ports"}, set()),
    "cloud": (
        VALUES | {"ports", "cloud"},
        {"openstack", "keystoneauth1", "requests", "urllib3"},
    ),
    "alarm_names": ({"errors"}, {"keystoneauth1", "requests"}),
    "record_store": ({"errors"}, set()),
    "ledger": (VALUES | {"ports"}, {"keystoneauth1", "requests"}),
    "network": (VALUES | {"ports", "network"}, set()),
    "clock": (VALUES | {"ports"}, set()),
    "bus": (
        VALUES | {"ports"},
        {"oslo_messaging", "oslo_config", "kombu", "amqp"},
    ),
    "barbican": (
        VALUES | {"ports"},
        {"openstack", "keystoneauth1", "requests"},
    ),
    "gauges": (VALUES | {"ports"}, {"prometheus_client"}),
    "journal": (VALUES | {"ports"}, {"oslo_log"}),
    "command": ({"errors"}, set()),
    "level": (VALUES | {"ports"}, set()),
    "fence_file": (
        VALUES | {"ports", "level"},
        {"yaml"},
    ),
    "device": (VALUES | {"ports"}, set()),
    "clusterlabs": (VALUES | {"ports", "command", "device"}, set()),
    "fences": (
        VALUES | {"ports", "command", "device", "clusterlabs"},
        {"sushy", "openstack", "keystoneauth1", "cryptography"},
    ),
    "testimony": (VALUES | {"ports"}, set()),
    "reach": (VALUES | {"ports", "testimony"}, set()),
    "witnesses": (
        VALUES | {"ports", "reach", "testimony", "fence_file"},
        {"tooz"},
    ),
}
SIM_VENDORS = {"yaml", "yaql"}  # it reads scenarios and the real workbook
READS_NO_CLOCK = {"time", "os", "random", "socket", "subprocess", "pathlib"}


def imports(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it, by their full names."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            whole = node.module == "ha_actions"
            found |= (
                {f"{node.module}.{alias.name}" for alias in node.names}
                if whole
                else {str(node.module)}
            )
    return found


def ours(path: Path) -> set[str]:
    """Parts of the pack that it imports: ``model``, ``steps.verify``."""
    return {
        name.removeprefix("ha_actions.")
        for name in imports(path)
        if name.startswith("ha_actions")
    }


def vendors(path: Path) -> set[str]:
    """Top-level packages that are neither Python's nor ours."""
    tops = {name.split(".")[0] for name in imports(path)}
    mine = {"ha_actions", "ha_alarms", "ha_installer"}
    return tops - mine - set(sys.stdlib_module_names)


def family(path: Path) -> str:
    """``cloud_http.py`` is of ``cloud``, ``fences/redfish.py`` of fences."""
    top = path.relative_to(ACTIONS).parts[0].removesuffix(".py")
    return next((f for f in RULES if top == f or top.startswith(f + "_")), top)


def files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


RULED = [f for f in files("actions") if family(f) in RULES]


@pytest.mark.parametrize(
    "path", RULED, ids=lambda p: str(p.relative_to(ACTIONS))
)
def test_a_layer_imports_only_what_is_below_it(path: Path) -> None:
    allowed, libraries = RULES[family(path)]
    parts = {name.split(".")[0] for name in ours(path)}
    above = {
        part
        for part in parts
        if not any(part == a or part.startswith(f"{a}_") for a in allowed)
    }
    assert above == set()
    assert vendors(path) <= libraries


def test_every_ruled_layer_is_there() -> None:
    assert {family(path) for path in RULED} == set(RULES)


def test_a_fence_or_witness_never_imports_another() -> None:
    for path in files("actions/ha_actions/fences"):
        assert not any(n.startswith("fences") for n in ours(path)), path
    for path in files("actions/ha_actions/witnesses"):
        assert not any(n.startswith("witnesses") for n in ours(path)), path


@pytest.mark.parametrize(
    "path",
    [f for f in RULED if family(f) in DECIDERS],
    ids=lambda p: str(p.relative_to(ACTIONS)),
)
def test_a_decider_reads_no_clock_and_no_file(path: Path) -> None:
    """``now`` is an argument, and so is everything else."""
    assert not {n.split(".")[0] for n in imports(path)} & READS_NO_CLOCK
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("open", "print", "input"), called
            assert not called.endswith((".now", ".today", ".utcnow")), called


def test_only_the_action_module_imports_mistral_lib() -> None:
    found = {
        path.name
        for path in files("actions", "alarms", "workbooks")
        if any(
            n.startswith(("mistral_lib", "mistral.")) for n in imports(path)
        )
    }
    assert found == {"action.py"}


def test_the_simulator_uses_no_vendor_library() -> None:
    for path in files("actions/ha_actions/sim"):
        assert vendors(path) <= SIM_VENDORS, path


def test_nothing_but_the_installer_imports_the_installer_or_the_sim() -> None:
    for path in files("actions", "alarms"):
        assert not any(n.startswith("ha_installer") for n in imports(path))
        if "sim" not in path.relative_to(ROOT).parts:
            assert not any(n.startswith("sim") for n in ours(path)), path


def is_of_the_watch(path: Path) -> bool:
    """``ha-watch`` and ``ha-beat`` are processes of their own."""
    return path.name.startswith(("watch", "beat"))


def test_the_watch_decides_without_a_clock_or_a_port() -> None:
    path = ROOT / "alarms" / "ha_alarms" / "watching.py"
    assert ours(path) == {"judge", "model", "incidents"}
    assert not {n.split(".")[0] for n in imports(path)} & READS_NO_CLOCK


def test_what_loads_inside_aodh_imports_nothing_of_ours() -> None:
    for path in files("alarms"):
        if is_of_the_watch(path):
            continue
        assert not any(
            n.startswith(("ha_actions", "ha_installer")) for n in imports(path)
        ), path


IN_AODH = {
    "start": set(),
    "target": set(),
    "delivery": {"cachetools", "keystoneauth1", "requests", "tenacity"},
    "bridge_file": {"yaml"},
    "bridge": {"cachetools", "keystoneauth1", "requests"},
    "notifier": {"aodh", "cachetools", "oslo_config", "oslo_log", "requests"},
}
"""Modules that load in Aodh or a bridge, and whose else they may import."""


@pytest.mark.parametrize("name", IN_AODH)
def test_the_way_from_aodh_needs_only_what_aodh_has(name: str) -> None:
    path = ROOT / "alarms" / "ha_alarms" / f"{name}.py"
    assert vendors(path) <= IN_AODH[name]
    mine = {n for n in imports(path) if n.startswith("ha_")}
    assert {n.split(".")[1] for n in mine} <= IN_AODH.keys()
    assert {n.split(".")[0] for n in mine} <= {"ha_alarms"}


@pytest.mark.parametrize("folder", ["actions", "alarms", "workbooks"])
def test_what_services_load_is_python_310(folder: str) -> None:
    for path in files(folder):
        ast.parse(path.read_text(), str(path), feature_version=(3, 10))


def test_time_is_slept_only_by_the_real_clock() -> None:
    for path in files("actions", "alarms", "installer"):
        if path.name != "clock.py":
            assert "time.sleep(" not in path.read_text(), path


def broad(path: Path) -> list[int]:
    """Lines that catch everything."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or {"Exception", "BaseException"}
            & set(ast.unparse(node.type).strip("()").split(", "))
        )
    ]


def test_only_the_action_module_catches_everything() -> None:
    found = {path.name for path in files("actions") if broad(path)}
    found -= {"clock.py"}  # sim: carries errors between virtual threads
    assert found <= {"action.py"}
