"""Starts and stops process groups, and touches none that is not the lab's.

Guarantees: a service runs in a session of its own; its record (pid, start
time, boot id) is on disk before start() returns; stop() signals only a group
whose leader is the recorded process, or processes that carry the lab's mark in
their environment.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rig import settings
from rig.errors import LabError

# Every process of the lab carries it, so that one whose record was lost (an
# interrupted start) is still found.
MARK = "HA_LAB_PROCESS"


@dataclass(frozen=True)
class Record:
    """One started leader. A pid alone proves nothing: pids are used again."""

    pid: int
    started: int
    boot: str


@dataclass(frozen=True)
class Proc:
    """A line of /proc that we need."""

    pid: int
    state: str
    pgrp: int
    started: int
    rss_kib: int

    @property
    def pss_kib(self) -> int:
        """Memory with shared pages divided among their users; the resident
        size when the kernel does not tell.
        """
        try:
            text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        except OSError:
            return self.rss_kib
        lines = (line.split() for line in text.splitlines())
        return next((int(x[1]) for x in lines if x[0] == "Pss:"), self.rss_kib)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def look(pid: int) -> Proc | None:
    """The process as it is now, or None; a zombie counts as gone."""
    try:
        raw = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = raw[raw.rindex(")") + 2 :].split()
    if fields[0] in "ZX":
        return None
    rss = int(fields[21]) * os.sysconf("SC_PAGE_SIZE") // 1024
    return Proc(pid, fields[0], int(fields[2]), int(fields[19]), rss)


def _all() -> list[Proc]:
    found = (look(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [proc for proc in found if proc]


def _marked(pid: int, name: str | None = None) -> bool:
    """Whether the process was started for this state folder (and this
    service).
    """
    wanted = (
        f"{MARK}={settings.STATE}:{name}"
        if name
        else f"{MARK}={settings.STATE}:"
    )
    try:
        environ = (
            Path(f"/proc/{pid}/environ")
            .read_bytes()
            .decode(errors="replace")
            .split("\0")
        )
    except OSError:
        return False
    return any(
        entry == wanted if name else entry.startswith(wanted)
        for entry in environ
    )


def _file(name: str) -> Path:
    return settings.RUN / f"{name}.json"


def _record(name: str) -> Record | None:
    try:
        return Record(**json.loads(_file(name).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _leader(record: Record) -> Proc | None:
    """The process that was recorded, if it lives."""
    if record.boot != _boot_id():
        return None
    found = look(record.pid)
    return found if found and found.started == record.started else None


def members(name: str) -> list[Proc]:
    """The living processes of a service, its leader first."""
    record = _record(name)
    if record is None or record.boot != _boot_id():
        return []
    group = [proc for proc in _all() if proc.pgrp == record.pid]
    if _leader(record):
        return sorted(group, key=lambda proc: proc.pid != record.pid)
    # The leader is gone: its number may be another program's by now, so each
    # one has to carry the mark.
    return [proc for proc in group if _marked(proc.pid, name)]


def running(name: str) -> bool:
    """Whether any process of the service lives."""
    record = _record(name)
    # the leader alone first: all of /proc takes thirty times as long
    return bool(record and _leader(record)) or bool(members(name))


def age(name: str) -> float:
    """Seconds since the service was started; 0 when it does not run.

    Source: proc(5), stat field 22 and uptime: both count from the boot.
    """
    record = _record(name)
    if record is None or not _leader(record):
        return 0.0
    up = float(Path("/proc/uptime").read_text().split()[0])
    return up - record.started / os.sysconf("SC_CLK_TCK")


def connected(name: str, port: int) -> bool:
    """Whether a process of the service holds a connection to that loopback
    port: a daemon without a port of its own is well when it has the broker.
    """
    sockets = _table("tcp", 2, port, "01")
    return any(sockets & _sockets(proc.pid) for proc in members(name))


def binds(name: str, port: int) -> bool:
    """Whether a process of the service holds that UDP port: there is nothing
    to connect to.
    """
    sockets = _table("udp", 1, port, "07")
    return any(sockets & _sockets(proc.pid) for proc in members(name))


def _table(kind: str, end: int, port: int, state: str) -> set[str]:
    """The inodes of the IPv4 sockets in that state with that port at their
    own (1) or far (2) end.

    Source: proc(5), /proc/net/tcp: 01 is established, 07 a bound UDP socket.
    """
    found = set()
    for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
        fields = line.split()
        at = int(fields[end].split(":")[1], 16)
        if fields[3] == state and at == port:
            found.add(fields[9])
    return found


def _sockets(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    found = set()
    try:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(file)
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        pass  # it has just ended, or has closed that one
    return found


def start(
    name: str,
    argv: Sequence[str],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    fork_of: str = "",
) -> None:
    """Start a service in its own session; its output goes to log/NAME.out.
    Already running: nothing happens.

    `fork_of`: a service that has the program loaded already and forks it.
    """
    if running(name):
        return
    settings.RUN.mkdir(parents=True, exist_ok=True)
    settings.LOG.mkdir(parents=True, exist_ok=True)
    log = settings.LOG / f"{name}.out"
    if fork_of:
        pid = _forked(fork_of, argv, log)
    else:
        with log.open("ab") as out:
            pid = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment(name, env),
                cwd=cwd or settings.STATE,
                start_new_session=True,
            ).pid
    proc = look(pid)
    if proc is None:
        raise LabError(
            f"{name} ended as soon as it was started: see `lab logs {name}`."
        )
    record = Record(pid, proc.started, _boot_id())
    temporary = _file(name).with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(record)))
    temporary.replace(_file(name))


def door(name: str) -> Path:
    """Where a service that forks takes its orders; plugins/forks.py."""
    return settings.RUN / f"{name}.sock"


def _forked(name: str, argv: Sequence[str], log: Path) -> int:
    """The pid of the new process, which leads a session of its own."""
    order = {"argv": list(argv), "log": str(log)}
    try:
        with answering(name) as line:
            line.sendall(json.dumps(order).encode() + b"\n")
            return int(line.makefile().readline())
    except (OSError, ValueError) as error:
        raise LabError(
            f"{name}, which forks {argv[0]}, does not answer ({error}): "
            f"`lab service {name} kill`, and then `start`."
        ) from error


def answering(name: str) -> socket.socket:
    """A connection to the door of a service that forks."""
    where = door(name)
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(20)
    folder = os.open(where.parent, os.O_PATH)
    try:
        # a long path would not fit in a socket's address
        line.connect(f"/proc/self/fd/{folder}/{where.name}")
    except OSError:
        line.close()
        raise
    finally:
        os.close(folder)
    return line


def environment(
    name: str, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What a process of the lab sees: the caller's environment less what could
    lead it astray.
    """
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("OS_", "PYTHON", "RABBITMQ_"))
    }
    kept |= {
        "LC_ALL": "C.UTF-8",
        "PATH": f"{settings.BIN}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
        "PYTHONPATH": f"{settings.PLUGINS}:{settings.HOME}",
        "PYTHONWARNINGS": "ignore",
        "HA_LAB": str(settings.NUMBER),
        "HA_LAB_DIR": str(settings.FIRST),
        "HA_LAB_PORT_BASE": str(settings.FIRST_BASE),
        MARK: f"{settings.STATE}:{name}",
    }
    return kept | dict(extra or {})


def signal_group(name: str, number: int) -> None:
    """Send a signal to each process of a service."""
    for proc in members(name):
        try:
            os.kill(proc.pid, number)
        except ProcessLookupError:
            continue


def stop(name: str, grace: float = 15.0) -> bool:
    """End a service: TERM, then KILL after `grace` seconds (0: KILL at once).
    True when something had to be ended.
    """
    was_running = running(name)
    if grace:
        signal_group(name, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while running(name):
        if time.monotonic() >= deadline:
            signal_group(name, signal.SIGKILL)
        time.sleep(0.05)
    _file(name).unlink(missing_ok=True)
    return was_running


def strays() -> list[int]:
    """Processes of this lab whose service has no living record: what an
    interrupted command left behind.
    """
    alive = [name for name in recorded() if running(name)]
    groups = {record.pid for name in alive if (record := _record(name))}
    own = os.getpid()
    marked = [
        proc.pid
        for proc in _all()
        if proc.pid != own and proc.pgrp not in groups and _marked(proc.pid)
    ]
    # a fork carries the mark of what forked it, whatever itself is
    told = [name for name in alive if not door(name).exists()]
    return [
        pid for pid in marked if not any(_marked(pid, name) for name in told)
    ]


def stop_strays() -> int:
    """Kill what strays() finds; returns how many."""
    ended = 0
    for pid in strays():
        try:
            os.kill(pid, signal.SIGKILL)
            ended += 1
        except ProcessLookupError:
            continue
    return ended


def recorded() -> list[str]:
    """The names of all services that have a record."""
    return sorted(path.stem for path in settings.RUN.glob("*.json"))
