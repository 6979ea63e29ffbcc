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
PORTS = VALUES | {"ports"}
OPENSTACK = {"openstack", "keystoneauth1", "requests"}
RULES: dict[str, tuple[set[str], set[str]]] = {
    # a folder or file -> what of ours, and whose else, it may import
    "model": ({"model"}, set()),
    "errors": (set(), set()),
    "settings": ({"model", "errors"}, set()),
    "codec": ({"errors"}, set()),
    "ports": ({"model"}, set()),
    "outside": (PORTS, set()),
    "deciders": (VALUES | {"deciders"}, set()),
    "deciders/policy": (VALUES | {"deciders"}, {"yaml", "yaql"}),
    "records": (PORTS | {"deciders", "records"}, set()),
    "asking": (PORTS | {"asking"}, set()),
    "fencing": (PORTS | {"outside", "records", "fencing"}, {"yaml"}),
    "fencing/proof": (
        PORTS | {"deciders/coverage", "fencing/level"},
        set(),
    ),
    "adapters": (PORTS | {"adapters/network"}, OPENSTACK),
    "adapters/ledger": (PORTS | {"adapters/ledger"}, OPENSTACK),
    "adapters/cloud": (PORTS | {"adapters/cloud"}, OPENSTACK | {"urllib3"}),
    "adapters/bus": (
        PORTS,
        {"oslo_messaging", "oslo_config", "kombu", "amqp"},
    ),
    "adapters/gauges": (PORTS, {"prometheus_client"}),
    "adapters/journal": (PORTS, {"oslo_log"}),
    "fences": (
        PORTS | {f"fencing/{m}" for m in ("command", "device", "clusterlabs")},
        OPENSTACK | {"sushy", "cryptography"},
    ),
    "witnesses": (PORTS | {"asking", "fencing/fence_file"}, {"tooz"}),
    "own": (
        PORTS | {"outside", "deciders", "records", "action", "own"},
        set(),
    ),
    "step_parts": (
        PORTS
        | {"outside", "deciders", "records", "asking", "fencing"}
        | {"action", "step_parts"},
        set(),
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
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            files = {name for name in names if is_module(name)}
            found |= files or {str(node.module)}
    return found


def is_module(name: str) -> bool:
    """Whether ``from package import name`` takes a file of ours."""
    place = ACTIONS.parent.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def ours(path: Path) -> set[str]:
    """Parts of the pack that it imports: ``model``, ``steps/verify``."""
    return {
        "/".join(name.split(".")[1:])
        for name in imports(path)
        if name.startswith("ha_actions.")
    }


def vendors(path: Path) -> set[str]:
    """Top-level packages that are neither Python's nor ours."""
    tops = {name.split(".")[0] for name in imports(path)}
    mine = {"ha_actions", "ha_alarms", "ha_installer"}
    return tops - mine - set(sys.stdlib_module_names)


def rule(path: Path) -> str:
    """The nearest rule: of the file, of its family, of its folder."""
    whole = path.relative_to(ACTIONS).with_suffix("").as_posix()
    found = [r for r in RULES if within(whole, r)]
    return max(found, key=len, default="")


def within(part: str, place: str) -> bool:
    """``adapters/network_kdump`` is of ``adapters/network``."""
    return part == place or part.startswith((f"{place}/", f"{place}_"))


def files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


RULED = [f for f in files("actions") if rule(f)]


@pytest.mark.parametrize(
    "path", RULED, ids=lambda p: str(p.relative_to(ACTIONS))
)
def test_a_layer_imports_only_what_is_below_it(path: Path) -> None:
    allowed, libraries = RULES[rule(path)]
    above = {
        part
        for part in ours(path)
        if not any(within(part, place) for place in allowed)
    }
    assert above == set()
    assert vendors(path) <= libraries


def test_every_rule_is_used() -> None:
    assert {rule(path) for path in RULED} == set(RULES)


def test_a_fence_or_witness_never_imports_another() -> None:
    for path in files("actions/ha_actions/fences"):
        assert not any(within(n, "fences") for n in ours(path)), path
    for path in files("actions/ha_actions/witnesses"):
        assert not any(within(n, "witnesses") for n in ours(path)), path


@pytest.mark.parametrize(
    "path",
    list(files("actions/ha_actions/deciders")),
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
            assert not any(within(n, "sim") for n in ours(path)), path


def is_of_the_watch(path: Path) -> bool:
    """``ha-watch`` and ``ha-beat`` are processes of their own."""
    return path.name.startswith(("watch", "beat"))


def test_the_watch_decides_without_a_clock_or_a_port() -> None:
    path = ROOT / "alarms" / "ha_alarms" / "watching.py"
    assert {n.split("/")[0] for n in ours(path)} == {
        "deciders",
        "model",
        "records",
    }
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
