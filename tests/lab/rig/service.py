"""What a service of the lab is, and how the lab tells that it is well."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rig import process, rest, settings
from rig.errors import Hopeless
from rig.waiting import cancelled, eventually


@dataclass(frozen=True)
class Service:
    """A long-running process. `after` names the steps and services that have
    to be done before it is started.

    `started` is what `up` waits for when that is less than being healthy. One
    that is not `auto` is started by `lab service` alone, and `reset` stops it.
    """

    name: str
    argv: Sequence[str]
    healthy: Callable[[], bool]
    port: int | None = None
    more_ports: Sequence[int] = ()
    after: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    started: Callable[[], bool] | None = None
    before_start: Callable[[], None] | None = None
    grace: float = 15.0
    deadline: float = 120.0
    auto: bool = True
    fork_of: str = ""
    """The service that has the program loaded, and forks it."""

    def begin(self) -> None:
        """Start it; a service that runs already is left alone."""
        process.start(self.name, self.argv, self.env, fork_of=self.fork_of)

    def up(self) -> None:
        """Start it (when it does not run) and wait until it is well."""
        if not process.running(self.name):
            if self.before_start:
                self.before_start()
            self.begin()
        eventually(
            f"{self.name} being healthy", self._check, self.deadline, every=0.5
        )

    def _check(self) -> bool:
        if not process.running(self.name):
            raise Hopeless(
                f"{self.name} has ended by itself: see `lab logs {self.name}`."
            )
        return (self.started or self.healthy)()


@dataclass(frozen=True)
class Setup:
    """Something done once, when the databases are made: a command of the venv,
    or a function.
    """

    name: str
    commands: Sequence[Sequence[str]] = ()
    call: Callable[[], None] | None = None
    after: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    tables: bool = False
    """It makes empty tables, which are the same in every lab: tables.py."""

    def run(self) -> None:
        """Do it; the output of commands is in log/setup-NAME.out."""
        if self.call:
            self.call()
        log = "setup-" + self.name.replace(" ", "-")
        for argv in self.commands:
            _one_shot(log, argv, process.environment(log, self.env))


def _one_shot(log: str, argv: Sequence[str], env: dict[str, str]) -> None:
    with (settings.LOG / f"{log}.out").open("ab") as out:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
        )
        while child.poll() is None:
            if cancelled.wait(0.1):
                child.kill()
                child.wait()
                return
    if child.returncode:
        raise Hopeless(
            f"`{' '.join(argv[-2:])}` failed: see `lab logs {log}`."
        )


# One login for all polls of a command.
_cloud = rest.Cloud()


def listens(port: int) -> bool:
    """Whether anything accepts connections on a loopback port."""
    try:
        with socket.create_connection((settings.LISTEN, port), timeout=2):
            return True
    except OSError:
        return False


def tcp(port: int) -> Callable[[], bool]:
    """Healthy: the port accepts."""
    return lambda: listens(port)


def http(port: int, path: str = "/") -> Callable[[], bool]:
    """Healthy: an HTTP answer below 500 (401 is an answer too)."""
    return lambda: (
        rest.send(
            "GET", f"http://{settings.LISTEN}:{port}{path}", timeout=20
        ).status
        < 500
    )


def nova_says_up(binary: str, host: str) -> Callable[[], bool]:
    """Healthy: Nova's own list calls the service up."""

    def check() -> bool:
        rows = _cloud.compute_services()
        return any(
            row["binary"] == binary
            and row["host"] == host
            and row["state"] == "up"
            for row in rows
        )

    return check
