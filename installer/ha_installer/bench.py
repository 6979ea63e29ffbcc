"""The figures of docs/performance.md, measured here and now.

``python -m ha_installer.bench``: each run is a process of its own, so that
times and peak memory are that run's alone.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from ha_actions.sim.scenario import Scenario, load

from ha_installer import files, tables

PETS = 10
MANY = 500
HOSTS = 1000
PACKAGES = ("mistral-ha-pack", "mistral", "SQLAlchemy", "yaql", "openstacksdk")


def loss(pets: int, cattle: int) -> Scenario:
    """One host of eight dies with so many guests on it."""
    hosts = "\n".join(f"    c{n}: {{}}" for n in range(1, 9))
    guests = []
    if pets:
        guests.append(
            "    pet: {on: c1, protection: pet, boot: volume, "
            f"count: {pets}}}"
        )
    if cattle:
        guests.append(
            f"    cow: {{on: c1, protection: cattle, count: {cattle}}}"
        )
    text = (
        "why: to measure\n"
        "policy: {limits: {hosts_down_percent: 20, cloud_down_percent: 20}}\n"
        f"world:\n  hosts:\n{hosts}\n  guests:\n" + "\n".join(guests) + "\n"
        "script:\n"
        "  - {at: 10, do: power c1 off}\n"
        "  - {at: 70, do: alarm host_down c1}\n"
    )
    return load(text, files.policy_text(), "bench")


def overhead(pets: int, cattle: int) -> dict[str, Any]:
    """Engine time from the alarm to the closed incident; time is simulated.

    :returns: ``{wall_s, cpu_s, peak_mb, closed}``.
    """
    from ha_installer.engine import EmbeddedEngine
    from ha_installer.play_engine import Show, play_on

    marks: dict[str, tuple[float, float]] = {}

    def live(entry: dict[str, Any]) -> None:
        text, now = entry["text"], (time.monotonic(), time.process_time())
        if text.startswith("alarm"):
            marks["alarm"] = now
        if text.startswith(("closed", "held")):
            marks["end"] = now

    with EmbeddedEngine() as engine:
        engine.load(files.workbook_text())
        played = play_on(engine, loss(pets, cattle), Show(live=live))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "wall_s": round(marks["end"][0] - marks["alarm"][0], 2),
        "cpu_s": round(marks["end"][1] - marks["alarm"][1], 2),
        "peak_mb": round(peak),
        "closed": played.ok
        and [i["state"] for i in played.incidents] == ["closed"],
    }


def api_calls(pets: int) -> dict[str, int]:
    """API calls of a recovery of so many pets, by verb, in the simulator."""
    from ha_installer.simulate import in_memory

    played = in_memory(loss(pets, 0))
    return {
        verb: n
        for verb, n in sorted(played.api_calls.items())
        if verb != "bmc"
    }


def whatif() -> dict[str, Any]:
    """A cloud of 1,000 hosts and 10,000 guests: every guest is foreseen.

    Once as if each host died alone, and once as if a tenth of them died
    together.

    :returns: ``{wall_s, peak_mb, guests}``.
    """
    from ha_installer import sight

    groups = "".join(
        f"    g{n}: {{on: c{n}, protection: pet, boot: volume, "
        f"metadata: {{'ha:group': a, 'ha:after': b}}, count: 10}}\n"
        for n in range(HOSTS)
    )
    hosts = "".join(f"    c{n}: {{slots: 12}}\n" for n in range(HOSTS))
    text = (
        f"why: to measure\nworld:\n  hosts:\n{hosts}  guests:\n{groups}"
        "script: [{at: 10, do: reconcile}]\n"
    )
    view = sight.simulated(load(text, files.policy_text(), "bench"))
    began = time.monotonic()
    alone = sight.alone(view, "tenant")
    together = view.whatif([f"c{n}" for n in range(HOSTS // 10)])
    took = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "wall_s": round(took, 1),
        "peak_mb": round(peak),
        "guests": len(alone.guests) + len(together.guests),
    }


def drill_s() -> float:
    """Seconds of a whole `ha-pack drill`, warm: the second of two."""
    took = 0.0
    with tempfile.TemporaryDirectory() as folder:
        report = str(Path(folder) / "drill-report.html")
        for _ in range(2):
            began = time.monotonic()
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "ha_installer.cli",
                    "drill",
                    "--report",
                    report,
                ],
                check=True,
                stdout=subprocess.DEVNULL,
            )
            took = time.monotonic() - began
    return took


def main() -> int:
    """Measure all and print a table; 1 if a figure is not reached."""
    if sys.argv[1:] == ["whatif"]:
        print(json.dumps(whatif()))
        return 0
    if len(sys.argv) == 3:  # a run of its own, started below
        print(json.dumps(overhead(int(sys.argv[1]), int(sys.argv[2]))))
        return 0
    print(_machine())
    rows: list[tuple[str, str, str, bool]] = []
    took = drill_s()
    rows.append(
        ("drill, warm, whole command", f"{took:.1f} s", "20 s", took < 20)
    )
    for what, pets, cattle in (
        (f"{MANY} pets", MANY, 0),
        (f"{MANY} cattle", 0, MANY),
    ):
        run = _alone(str(pets), str(cattle))
        if not run["closed"]:
            print(f"{what}: the run did not end closed", file=sys.stderr)
            return 1
        took, peak = run["wall_s"], run["peak_mb"]
        rows.append((f"alarm to closed, {what}", f"{took} s", "5 s", took < 5))
        rows.append((f"its CPU time, {what}", f"{run['cpu_s']} s", "", True))
        rows.append(
            (f"its peak memory, {what}", f"{peak} MB", "400 MB", peak < 400)
        )
    seen = _alone("whatif")
    what = f"whatif, {HOSTS} hosts, {HOSTS * 10} guests"
    took, peak = seen["wall_s"], seen["peak_mb"]
    rows.append((what, f"{took} s", "10 s", took < 10))
    rows.append(
        (f"its peak memory, {what}", f"{peak} MB", "500 MB", peak < 500)
    )
    rows += _watch()
    calls = sum(api_calls(PETS).values())
    most = 3 * PETS + 10
    rows.append(
        (f"API calls for {PETS} pets", str(calls), str(most), calls <= most)
    )
    print(
        tables.table(
            ("what", "measured", "reach", ""),
            [(w, m, r, "" if ok else "MISSED") for w, m, r, ok in rows],
        )
    )
    return 0 if all(ok for *_, ok in rows) else 1


def _watch() -> list[tuple[str, str, str, bool]]:
    """One round of ha-watch."""
    seen = _alone(str(HOSTS), module="bench_watch")
    what = f"a round of ha-watch, {HOSTS} hosts"
    cpu, peak, calls = seen["cpu_s"], seen["peak_mb"], seen["calls"]
    return [
        (f"{what}: CPU", f"{cpu} s", "0.3 s", cpu < 0.3),
        (f"{what}: os-services calls", f"{calls:g}", "1", calls == 1),
        (f"{what}: peak memory", f"{peak} MB", "150 MB", peak < 150),
    ]


def _alone(*arguments: str, module: str = "bench") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", f"ha_installer.{module}", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _machine() -> str:
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in PACKAGES
    )
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return (
        f"{platform.machine()}, {os.cpu_count()} CPUs, "
        f"{pages * size / 2**30:.0f} GB, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}; "
        f"{versions}"
    )


if __name__ == "__main__":
    sys.exit(main())
