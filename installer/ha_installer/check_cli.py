"""`ha-pack check`: before the night it matters. Nothing is cut."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from ha_actions.adapters.clock import SystemClock
from ha_actions.codec import from_json, to_json
from ha_actions.deciders import policy
from ha_actions.errors import BadInput, HaError
from ha_actions.executor_file import (
    DEFAULT_PATH,
    VARIABLE,
    ExecutorFile,
    vault_of,
)
from ha_actions.fencing import fence_file, fence_health
from ha_actions.ports import Clock, Fence
from ha_actions.settings import Fencing

from ha_installer import catalogue, check_cloud, clouds, tables
from ha_installer.health import State


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `check`, and of `check fences`."""
    parser.add_argument(
        "--cloud", metavar="NAME", help="a cloud of clouds.yaml"
    )
    parser.add_argument(
        "--executors",
        metavar="NAMES",
        default="",
        help="all executors by name ([executor] host), with commas: who "
        "does not answer is named",
    )
    parser.add_argument(
        "--cron",
        metavar="PATTERN",
        default=catalogue.EVERY_MINUTE,
        help="what `install` was told",
    )
    parser.add_argument(
        "--no-probe",
        action="store_true",
        help="send nothing: no probe alarm, event or execution",
    )
    parser.set_defaults(run=whole)
    verbs = parser.add_subparsers(dest="sub", metavar="fences")
    help_ = "ask every host's devices, without a cut; 1 if one would fail"
    one = verbs.add_parser("fences", help=help_, description=help_)
    one.add_argument(
        "--executor-file", metavar="FILE", help="else the usual place"
    )
    one.add_argument(
        "--host",
        metavar="HOST",
        action="append",
        default=[],
        help="this host only; needed for hosts that only a pattern names",
    )
    one.add_argument(
        "--cloud",
        metavar="NAME",
        help="all hosts of this cloud of clouds.yaml, and its policy",
    )
    one.set_defaults(run=fences)


def whole(options: argparse.Namespace) -> int:
    """Every line: ok, wrong or unknown, its meaning, its cure; 1 if one is
    wrong."""
    scope = check_cloud.Scope(
        expect=[n for n in options.executors.split(",") if n],
        pattern=options.cron,
        send=not options.no_probe,
    )
    found = []
    for line in check_cloud.lines(clouds.site(options.cloud), scope):
        found.append(line)
        if not options.json:
            print(f"{line.state!s:8}{line.check}: {line.means}")
            if line.cure:
                print(f"        -> {line.cure}")
    bad = sum(line.state is State.WRONG for line in found)
    dim = sum(line.state is State.UNKNOWN for line in found)
    if options.json:
        value = {"good": not bad, "lines": to_json(found)}
        json.dump(value, sys.stdout, indent=2)
        print()
    else:
        print(
            f"{len(found) - bad - dim} ok, {bad} wrong, {dim} unknown. "
            "`ha-pack check fences` asks the devices themselves."
        )
    return int(bool(bad))


def fences(options: argparse.Namespace) -> int:
    """The table of devices; 1 if a host could not be fenced tonight."""
    where = Path(
        options.executor_file or os.environ.get(VARIABLE) or DEFAULT_PATH
    )
    its = from_json(ExecutorFile, fence_file.read_yaml(where), str(where))
    path = its.fences
    if not path:
        raise BadInput("no_fences", f"{where} names no fence file.")
    clock = SystemClock()
    vault = vault_of(its.cloud, clock)
    rules = _rules(options.cloud)
    hosts = _hosts(options, path)
    named = fence_file.hosts_of(path)  # a file that is none: at once
    known, wrong = _known(path, hosts, clock, vault)
    found = [*wrong, *fence_health.look_over(known, clock)]
    bad = {
        **{h.host: "see its entry in the fence file" for h in wrong},
        **fence_health.unfenceable(known, found, rules.accept, rules.devices),
    }
    stale = [
        name
        for name in named
        if options.cloud and not options.host and name not in hosts
    ]
    if options.json:
        value = {
            "devices": to_json(found),
            "unfenceable": bad,
            "not_in_the_cloud": stale,
        }
        json.dump(value, sys.stdout, indent=2)
        print()
    else:
        print(_table(found) if found else "no device")
        for host, why in bad.items():
            print(f"{host} could not be fenced tonight: {why}")
        for name in stale:
            print(f"{name} is in the fence file, and no host of the cloud")
    return int(bool(bad) or not known)


def _known(
    path: str, hosts: Sequence[str], clock: Clock, vault: fence_file.Vault
) -> tuple[dict[str, Sequence[Fence]], list[fence_health.Health]]:
    """Host -> its devices; and a line of each host whose entry is wrong."""
    known: dict[str, Sequence[Fence]] = {}
    wrong = []
    for host in hosts:
        try:
            known[host] = fence_file.fences_of(path, clock, host, vault)
        except HaError as error:
            wrong.append(
                fence_health.Health(
                    host=host,
                    device="-",
                    evidence="-",
                    ok=False,
                    detail=error.message,
                )
            )
    return known, wrong


def _rules(cloud: str | None) -> Fencing:
    """The policy in force, if a cloud is asked; else the defaults."""
    if not cloud:
        return Fencing()
    return policy.load(clouds.site(cloud).record.policy_text()).fencing


def _hosts(options: argparse.Namespace, path: str) -> list[str]:
    if options.host:
        return list(dict.fromkeys(options.host))
    named = fence_file.hosts_of(path)
    if options.cloud:
        there = clouds.site(options.cloud).cloud().hosts()
        named = [h.name for h in there]
    if not named:
        raise BadInput(
            "no_hosts",
            f"{path} names hosts by patterns alone; say --host or --cloud.",
        )
    return named


def _table(found: Sequence[fence_health.Health]) -> str:
    rows = [
        (
            h.host,
            h.device,
            h.evidence,
            "ok" if h.ok else "BAD",
            h.power or "-",
            _day(h.certificate_until),
            f"{h.seconds:.1f}",
            h.detail or h.remark or h.identity,
        )
        for h in found
    ]
    head = ("host", "device", "evidence", "", "power", "cert until", "s", "")
    return tables.table(head, rows)


def _day(at: float | None) -> str:
    if at is None:
        return "-"
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d")
