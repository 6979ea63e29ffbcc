"""What the lab says, in one sentence, when it cannot: cheap, without a lab."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[1] / "lab"
Ended = subprocess.CompletedProcess[str]


def run(where: Path, *argv: str, base: int = 0, path: str = "") -> Ended:
    """A Python command on a state folder of its own."""
    env = os.environ | {"HA_LAB_DIR": str(where), "PYTHONPATH": str(HOME)}
    env |= {"HA_LAB_PORT_BASE": str(base)} if base else {}
    env |= {"PATH": path} if path else {}
    return subprocess.run(
        [sys.executable, *argv],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def lab(where: Path, *words: str, base: int = 0) -> Ended:
    """`tests/lab/lab WORDS` as a person types it."""
    return run(where, str(HOME / "lab"), *words, base=base)


def refused(done: Ended) -> str:
    """The one sentence of a command that could not."""
    assert done.returncode == 1, done
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("lab: ")
    return line


@pytest.mark.parametrize("words", [["up"], ["up", "--full"]])
def test_a_taken_port(tmp_path: Path, words: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        said = refused(lab(tmp_path, *words, base=taken))
    assert f"Port {taken} (keystone) is taken by another program" in said
    assert "HA_LAB_PORT_BASE" in said
    assert not (tmp_path / "venv").exists(), (
        "told before anything is installed"
    )


def test_too_little_memory(tmp_path: Path) -> None:
    code = (
        "from rig import lab\n"
        "from rig.errors import LabError\n"
        "lab.check_memory(10_000)\n"
        "try: lab.check_memory(100)\n"
        "except LabError as error: print(error)\n"
    )
    said = run(tmp_path, "-c", code).stdout
    assert "needs 2500 MiB of memory and 100 are available" in said


def test_a_missing_package(tmp_path: Path) -> None:
    code = (
        "from rig import build\n"
        "from rig.errors import LabError\n"
        "build.packages({'python3': '/usr/bin/env'})\n"
        "try: build.packages({'no-such': '/no/such'})\n"
        "except LabError as error: print(error)\n"
    )
    said = run(tmp_path, "-c", code, path="/no/apt").stdout
    assert said.strip() == "Install these Debian packages first: no-such."


def test_what_an_interrupted_start_left_is_stopped(tmp_path: Path) -> None:
    code = (
        "from rig import process\n"
        "process.start('thing', ['/bin/sleep', '600'])\n"
        "(found,) = process.members('thing')\n"
        "process._file('thing').unlink()\n"
        "print(found.pid)\n"
    )
    pid = int(run(tmp_path, "-c", code).stdout)
    os.kill(pid, 0)
    try:
        assert lab(tmp_path, "down").returncode == 0
        assert not alive(pid)
    finally:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_down_without_a_lab_is_no_error(tmp_path: Path) -> None:
    assert lab(tmp_path, "down").returncode == 0


@pytest.mark.parametrize("words", [["reset"], ["host", "host1", "kill"]])
def test_a_lab_that_is_not_up(tmp_path: Path, words: list[str]) -> None:
    assert "The lab is not up: run `lab up`." in refused(lab(tmp_path, *words))


def test_a_command_while_another_is_at_work(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = refused(lab(tmp_path, "down"))
    assert "Another `lab` command is at work" in said


def test_a_folder_with_a_space(tmp_path: Path) -> None:
    said = refused(lab(tmp_path / "my lab", "up"))
    assert "HA_LAB_DIR" in said


def stub(path: Path, log: Path, status: int) -> None:
    """A command that writes down how it was called."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "{path.name}$HA_LAB $*" >> {log}\n')
    with path.open("a") as more:
        more.write(f'case "$*" in down) exit 0;; *) exit {status};; esac\n')
    path.chmod(0o755)


UP = "lab1 up --full"  # the other is started by the drills' own worker
DOWNS = ["lab1 down", "lab2 down"]
DRILLS = ["python -u -m pytest"]


@pytest.mark.parametrize(
    ("up", "drills", "calls"),
    [
        (0, 0, [UP, *DRILLS, *DOWNS]),
        (0, 1, [UP, *DRILLS, *DOWNS]),
        (1, 0, [UP, *DOWNS]),
    ],
)
def test_make_takes_its_labs_down_however_it_ends(
    tmp_path: Path, up: int, drills: int, calls: list[str]
) -> None:
    log = tmp_path / "log"
    stub(tmp_path / "lab", log, up)
    stub(tmp_path / "venv" / "bin" / "python", log, drills)
    ready = tmp_path / "venv" / ".ready"
    ready.touch()
    os.utime(ready, (2**32, 2**32))  # newer than setup.py: nothing installed
    own = [f"LAB={tmp_path / 'lab'}", f"VENV={tmp_path / 'venv'}"]
    done = subprocess.run(
        ["make", "-s", "test-lab", "LABS=2", *own],
        cwd=HOME.parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode == 0) == (up == drills == 0), done
    lines = log.read_text().splitlines()
    assert len(lines) == len(calls), lines
    # both are taken down side by side
    lines = [*lines[: -len(DOWNS)], *sorted(lines[-len(DOWNS) :])]
    for line, begins in zip(lines, calls, strict=True):
        assert line.startswith(begins)
