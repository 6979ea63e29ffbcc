"""The command line of the lab."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rig import hosts, lab, readiness, reset, settings
from rig.errors import LabError
from rig.progress import say

HOST_VERBS = ("kill", "power-off", "isolate", "return")
SERVICE_VERBS = ("stop", "start", "kill")


def parser() -> argparse.ArgumentParser:
    """All commands."""
    top = argparse.ArgumentParser(
        prog="lab",
        description="A real OpenStack control plane, pretended hosts.",
    )
    commands = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND"
    )
    commands.add_parser("build", help="install what it needs")
    up = commands.add_parser(
        "up", help="build if needed, start everything, wait until it is well"
    )
    up.add_argument(
        "--full",
        action="store_true",
        help="four hosts in two racks, all services, the pack installed",
    )
    commands.add_parser("down", help="stop everything that it started")
    commands.add_parser(
        "reset",
        help="the seeded state: no servers, all hosts and services well",
    )
    commands.add_parser(
        "status", help="pid, memory, port and health of each service"
    )
    logs = commands.add_parser("logs", help="the end of a service's log")
    logs.add_argument("service", nargs="?")
    logs.add_argument("-n", "--lines", type=int, default=60)
    host = commands.add_parser("host", help="strike a host, or let it return")
    host.add_argument("name", choices=settings.HOSTS)
    host.add_argument("verb", choices=HOST_VERBS)
    service = commands.add_parser(
        "service", help="stop, start or kill -9 one service"
    )
    service.add_argument("name", help="as `lab status` calls it")
    service.add_argument("verb", choices=SERVICE_VERBS)
    bmc = commands.add_parser(
        "bmc", help="make a host's BMC misbehave, or well again"
    )
    bmc.add_argument("name", choices=settings.HOSTS)
    bmc.add_argument("mood", choices=list(hosts.MOODS))
    guests = commands.add_parser("guests", help="what really runs where")
    guests.add_argument("--json", action="store_true")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; a failure is one sentence and exit code 1."""
    signal.signal(signal.SIGTERM, _interrupt)
    asked = parser().parse_args(argv)
    try:
        return _run(asked)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `lab status | head`
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print(
            "lab: interrupted; `lab down` stops what runs, `lab up` goes on.",
            file=sys.stderr,
        )
        return 130


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _run(asked: argparse.Namespace) -> int:
    plain = {
        "build": lab.build_only,
        "up": lab.up,
        "down": lab.down,
        "reset": reset.reset,
    }
    heat = os.environ.get("HEAT", "") in ("1", "yes", "true")
    if asked.command == "up" and lab.choose(asked.full, heat):
        # settings were read for the other size
        os.execv(sys.executable, [sys.executable, *sys.argv])  # noqa: S606
    if asked.command in plain:
        plain[asked.command]()
        return 0
    if asked.command == "status":
        return _status()
    if asked.command == "logs":
        return _logs(asked.service, asked.lines)
    if asked.command == "host":
        return _host(asked.name, asked.verb)
    if asked.command == "service":
        lab.service(asked.name, asked.verb)
        return 0
    if asked.command == "bmc":
        hosts.mood(asked.name, asked.mood)
        return 0
    return _guests(asked.json)


def _status() -> int:
    rows = readiness.status()
    width = max(len(row["name"]) for row in rows)
    print(f"{'service':{width}} {'pid':>8} {'MiB':>6} {'port':>6}  healthy")
    for row in rows:
        cells = [str(row[key] or "-") for key in ("pid", "mib", "port")]
        print(
            f"{row['name']:{width}} {cells[0]:>8} {cells[1]:>6} "
            f"{cells[2]:>6}  {row['healthy']}"
        )
    print(f"{'all':{width}} {'':8} {sum(row['mib'] for row in rows):6}")
    return 1 if any(row["healthy"] == "NO" for row in rows) else 0


def _logs(service: str | None, lines: int) -> int:
    files = sorted(path for path in settings.LOG.glob("*") if path.is_file())
    if not service:
        print("\n".join(path.stem for path in files))
        return 0
    found = [
        path for path in files if path.stem == service and path.stat().st_size
    ]
    if not found:
        raise LabError(
            f"There is no log of {service!r}: `lab logs` lists them."
        )
    for path in found:
        print(f"==> {path}")
        print(_tail(path, lines))
    return 0


def _tail(path: Path, lines: int) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 400 * lines))
        return "\n".join(
            file.read().decode(errors="replace").splitlines()[-lines:]
        )


def _host(name: str, verb: str) -> int:
    readiness.must_be_up()
    if verb == "kill":
        hosts.kill(name)
    elif verb == "power-off":
        hosts.cut(name)
    elif verb == "isolate":
        hosts.isolate(name)
    else:
        hosts.energise(name)
    say(
        f"{name}: power {hosts.power(name)}, "
        f"{len(hosts.guests_running(name))} guests running"
    )
    return 0


def _guests(as_json: bool) -> int:
    found: dict[str, Any] = {
        host: hosts.guests_running(host) for host in settings.HOSTS
    }
    if as_json:
        print(json.dumps(found, indent=1))
        return 0
    for host, running in found.items():
        print(f"{host} ({hosts.power(host)}): {len(running)} running")
        for uuid, name in running.items():
            print(f"  {uuid}  {name}")
    return 0
