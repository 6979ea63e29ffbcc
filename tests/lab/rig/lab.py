"""The lab as a whole: up and down."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rig import (
    build,
    clouds,
    graph,
    hosts,
    process,
    services,
    settings,
    tables,
)
from rig.errors import LabError
from rig.progress import say
from rig.readiness import must_be_up, ready
from rig.service import Service, listens


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One `lab` command that changes the lab at a time; the lock goes with the
    process, however it ends.
    """
    if " " in str(settings.STATE):
        raise LabError(
            "The state folder's path holds a space, which MariaDB's "
            "installer cannot take: set HA_LAB_DIR."
        )
    settings.STATE.mkdir(parents=True, exist_ok=True)
    with (settings.STATE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(
                "Another `lab` command is at work in this state folder: "
                "wait for it or end it."
            ) from None
        yield


def build_only() -> None:
    """Install what is missing."""
    with alone():
        build.build()
    say("everything is installed")


def up() -> None:
    """From whatever there is to a lab that is well: builds, makes the
    databases once, starts, seeds, waits.
    """
    with alone():
        process.stop_strays()
        check_memory(_available_mib())
        check_ports()
        if build.build():
            _stop_pack()
        if _made() != settings.fingerprint():
            _forget()
        for host in settings.HOSTS:
            hosts.end_darkness(host)
        _folders()
        services.configure()
        clouds.write()
        setups = [] if settings.MADE.exists() else services.SETUPS
        steps = [graph.Step("tables", tables.make)]
        steps += [
            graph.Step(setup.name, setup.run, setup.after)
            for setup in setups
            if not setup.tables
        ]
        steps += [
            graph.Step(service.name, service.up, service.after)
            for service in services.SERVICES
            if service.auto
        ]
        steps.append(
            graph.Step(
                "hosts ready",
                ready,
                [service.name for service in services.SERVICES],
            )
        )
        steps += [
            graph.Step(setup.name, setup.run, setup.after)
            for setup in services.FINISH
        ]
        graph.run(steps)
        settings.MADE.write_text(json.dumps(settings.fingerprint()))
    say("the lab is up")


def _stop_pack() -> None:
    """Mistral finds actions when it starts, and Aodh its notifiers: a new
    wheel needs new processes.
    """
    for name in process.recorded():
        if name.startswith(("mistral-", "aodh")):
            process.stop(name)


def choose(full: bool, heat: bool) -> bool:
    """Note down which size `up` is for; True when that is a change, so that
    the command has to begin anew.
    """
    if heat and not full:
        raise LabError("Heat is an option of the full lab: `lab up --full`.")
    wanted = "full, with Heat" if heat else "full" if full else "small"
    if wanted == settings.SIZE:
        return False
    if any(process.running(name) for name in process.recorded()):
        raise LabError(
            f"A lab is up, and it is {settings.SIZE}, not {wanted}: "
            "`lab down` first."
        )
    with alone():
        settings.PROFILE.write_text(wanted)
    return True


def _made() -> Any:
    try:
        return json.loads(settings.MADE.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _forget() -> None:
    """Half-made or outdated databases are worth nothing: begin anew."""
    if settings.DATA.exists():
        stop_all()
        shutil.rmtree(settings.DATA)


def _folders() -> None:
    for folder in (
        settings.DATA,
        settings.ETC,
        settings.LOG,
        settings.RUN,
        settings.HOSTS_DIR,
        settings.DATA / "lock",
    ):
        folder.mkdir(parents=True, exist_ok=True)
    (settings.DATA / "nova" / "instances").mkdir(parents=True, exist_ok=True)


def check_ports() -> None:
    """LabError when a port that a service still has to take is another
    program's.
    """
    for service in services.SERVICES:
        if process.running(service.name):
            continue
        for port in [service.port, *service.more_ports]:
            if port and listens(port):
                raise LabError(
                    f"Port {port} ({service.name}) is taken by another "
                    "program: stop it, or set HA_LAB_PORT_BASE."
                )


def _available_mib() -> int:
    text = Path("/proc/meminfo").read_text()
    fields = dict(line.split(":", 1) for line in text.splitlines())
    return int(fields["MemAvailable"].split()[0]) // 1024


def check_memory(free: int) -> None:
    """LabError when a lab of which nothing runs yet would not fit in so many
    MiB.
    """
    if any(process.running(name) for name in process.recorded()):
        return
    if free < settings.MEMORY_MIB:
        other = ", or take the small one, `lab up`" if settings.FULL else ""
        raise LabError(
            f"The {settings.SIZE} lab needs {settings.MEMORY_MIB} MiB of "
            f"memory and {free} are available: end other programs{other}."
        )


def service(name: str, verb: str) -> None:
    """Stop, start or kill -9 one service, whatever leans on it."""
    must_be_up()
    found = services.named(name)
    if verb == "start":
        found.up()
    elif not process.stop(name, found.grace if verb == "stop" else 0):
        raise LabError(f"{name} does not run: `lab service {name} start`.")
    say(f"{name} " + {"start": "runs", "stop": "is stopped"}.get(verb, "died"))


def down() -> None:
    """Stop everything that the lab started, and nothing else."""
    with alone():
        stop_all()
        settings.PROFILE.unlink(missing_ok=True)
    say("the lab is down")


def stop_all() -> None:
    """Hosts first, so that none is asked for anything while the rest goes;
    then what others lean on.
    """
    last = {"mariadb", "rabbitmq", "epmd", "memcached"}
    names = process.recorded()
    first = {"bmc"}
    for host in settings.HOSTS:
        first |= {hosts.compute_name(host), f"ipmi-{host}"}
    layers = [
        [name for name in names if name in first],
        [name for name in names if name not in first | last],
        [name for name in names if name in last],
    ]
    by_name = {service.name: service for service in services.SERVICES}
    for layer in layers:
        graph.run(
            [
                graph.Step(
                    f"{name} stopped", partial(_stop, by_name.get(name), name)
                )
                for name in layer
            ]
        )
    process.stop_strays()


def _stop(service: Service | None, name: str) -> None:
    process.stop(name, service.grace if service else 5)
