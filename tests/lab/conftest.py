"""Fixtures of the lab's tests: the lab itself, started when it is not up, and
left running.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
FIGURE = "figure"
LONG = (
    "test_one_death",
    "test_docs",
    "test_twenty_mixed",
    "test_choices",
    "test_chain",
    "test_conformance",
    "test_trouble",
    "test_killed_in_the_middle",
    "test_cattle",
    "test_ten_servers",
)
"""Modules, and one drill of many, that take a minute and more: the longest
begin first, so that no lab waits for another's last one."""
TOGETHER = (
    "test_one_death",
    "test_docs",
    "test_conformance",
    "test_conformance_handover",
)
"""Modules whose tests look at what the first of them has made: on one lab."""


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers, so that strict markers accept them; with several
    labs side by side (`make test-lab LABS=2`) each worker has its own.
    """
    worker = getattr(config, "workerinput", None)
    if worker and "lab_" in (config.option.markexpr or ""):
        number = worker["workerid"].removeprefix("gw")
        os.environ["HA_LAB"] = str(int(number) + 1)
    for noisy in ("config.cloud_region", "resource", "proxy"):
        config.addinivalue_line(
            "filterwarnings", f"ignore:::openstack.{noisy}"
        )  # the SDK deprecates itself
    config.addinivalue_line(
        "markers",
        "lab: needs the real OpenStack lab (tests/lab): minutes",
    )
    config.addinivalue_line(
        "markers",
        "lab_full: needs the full lab, `lab up --full`; run only with "
        "-m lab_full",
    )
    config.addinivalue_line(
        "markers",
        "lab_core: the drills that are run at each change, of lab_full",
    )
    config.addinivalue_line(
        "markers",
        "lab_heat: needs Heat too, `HEAT=1 lab up --full`; run only with "
        "-m lab_heat",
    )


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """The full lab's drills run only when named; the longest come first."""
    items.sort(key=_when)
    for size in ("lab_full", "lab_heat"):
        if size in (config.option.markexpr or ""):
            continue
        kept = [i for i in items if not i.get_closest_marker(size)]
        config.hook.pytest_deselected(
            items=[i for i in items if i not in kept]
        )
        items[:] = kept


def _when(item: pytest.Item) -> int:
    names = (item.path.stem, getattr(item, "originalname", ""))
    return next((n for n, long in enumerate(LONG) if long in names), len(LONG))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Labs share the drills one by one, but for those of TOGETHER."""
    from xdist.scheduler import LoadScopeScheduling

    class OneByOne(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.split("::")[0]
            return module if Path(module).stem in TOGETHER else nodeid

    if "lab_" in (config.option.markexpr or ""):
        return OneByOne(config, log)
    return None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What was measured, in one place, passed or not."""
    found = [
        f"{report.nodeid.rpartition('::')[2]}: {text}"
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, text in getattr(report, "user_properties", ())
        if name == FIGURE and report.when == "call"
    ]
    if found:
        terminalreporter.section("measured")
        terminalreporter.write("\n".join([*found, ""]))


@pytest.fixture
def figure(
    record_property: Callable[[str, object], None],
) -> Callable[[str], None]:
    """Says one figure of a drill at the end of the run."""
    return partial(record_property, FIGURE)


@pytest.fixture(scope="session")
def lab_up() -> ModuleType:
    """The module `world` of a lab that is up; starts it when needed."""
    sys.path.insert(0, str(HERE))
    import world

    if not world.is_up():
        subprocess.run([sys.executable, str(HERE / "lab"), "up"], check=True)
    return world


@pytest.fixture
def lab(lab_up: ModuleType) -> Iterator[ModuleType]:
    """The same, reset before the test; what the test leaves can be looked at
    until the next one.
    """
    lab_up.reset()
    yield lab_up


@pytest.fixture(scope="session")
def full_lab_up() -> ModuleType:
    """`world` of a full lab that is up. The first has to be, for it installs
    what all share; the others start while its drills begin.
    """
    sys.path.insert(0, str(HERE))
    if os.environ.get("HA_LAB", "1") != "1":
        subprocess.run([str(HERE / "lab"), "up", "--full"], check=True)
    from rig import settings

    if not settings.FULL:
        pytest.exit("The full lab is not up: `tests/lab/lab up --full`.", 2)
    import world

    return world


@pytest.fixture
def full(full_lab_up: ModuleType) -> Iterator[ModuleType]:
    """A full lab, reset: no servers, no volumes, no incidents, armed."""
    import control

    control.start_all()
    full_lab_up.reset()
    yield full_lab_up
    control.start_all()


@pytest.fixture
def ctl(full: ModuleType) -> ModuleType:
    """The operator's side of the lab."""
    import control

    return control


@pytest.fixture
def w(full: ModuleType) -> ModuleType:
    """How watches are started, and what they say."""
    import watches

    return watches


@pytest.fixture
def run(w: ModuleType, tmp_path: Path) -> Iterator[Any]:
    """Watches that end with the test."""
    with w.running(tmp_path) as made:
        yield made
