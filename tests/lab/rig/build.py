"""Installs what the lab runs on: Debian packages and its venvs. A second
build does nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from rig import pack, settings
from rig.errors import LabError
from rig.progress import say

DEBIAN = {
    "rabbitmq-server": "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "mariadb-server-core": "/usr/sbin/mariadbd",
    "mariadb-client-core": "/usr/bin/mariadb",
    "memcached": "/usr/bin/memcached",
    "erlang-base": "/usr/bin/epmd",
    # how the pack's IPMI fence asks
    **({"ipmitool": "/usr/bin/ipmitool"} if settings.FULL else {}),
    # a watch whose clock is wrong
    **({"faketime": "/usr/bin/faketime"} if settings.FULL else {}),
}
STAMP = settings.VENV / "lab-requirements.sha256"
POLICY = Path("/usr/sbin/policy-rc.d")


def build() -> bool:
    """Both installs side by side: one waits for the disk, the other for the
    network. True when the pack in a venv is another than before.
    """
    settings.STATE.mkdir(parents=True, exist_ok=True)
    settings.LOG.mkdir(parents=True, exist_ok=True)
    failures: list[LabError] = []

    def attempt() -> None:
        try:
            packages(DEBIAN)
        except LabError as error:
            failures.append(error)

    beside = threading.Thread(target=attempt)
    beside.start()
    changed = False
    try:
        venv()
        if settings.FULL:
            more_services()
            if settings.HEAT:
                heat()
            clients()
            # both, whatever the first says
            changed = any([pack.install(one) for one in pack_venvs()])
    finally:
        beside.join()
    if failures:
        raise failures[0]
    return changed


def packages(wanted: Mapping[str, str]) -> None:
    """Install the missing Debian packages (root), or say in one sentence which
    are missing. `wanted`: package -> a file of it.
    """
    missing = [
        name for name, file in wanted.items() if not Path(file).exists()
    ]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise LabError(
            f"Install these Debian packages first: {' '.join(missing)}."
        )
    say(f"installing {', '.join(missing)}")
    made_policy = not POLICY.exists()
    if made_policy:
        # Debian starts a daemon when it is installed; ours are private, and
        # the system's must not run because of us.
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        install = [
            "apt-get",
            "install",
            "-y",
            "-q",
            "--no-install-recommends",
            *missing,
        ]
        if _logged(install, "apt"):
            _logged(["apt-get", "update", "-q"], "apt")
            if _logged(install, "apt"):
                raise LabError(
                    f"apt-get could not install {' '.join(missing)}: "
                    "see `lab logs apt`."
                )
    finally:
        if made_policy:
            POLICY.unlink(missing_ok=True)
    say("Debian packages installed")


def venv() -> None:
    """One venv for every service, the emulator and the tests; made again when
    requirements.txt is another.
    """
    _venv(settings.VENV, [settings.REQUIREMENTS], STAMP)


def more_services() -> None:
    """What the full lab adds to that venv."""
    _venv(
        settings.VENV,
        [settings.REQUIREMENTS, settings.MORE_REQUIREMENTS],
        settings.VENV / "lab-requirements-full.sha256",
        fresh=False,
    )


def heat() -> None:
    """What HEAT=1 adds to it."""
    _venv(
        settings.VENV,
        [
            settings.REQUIREMENTS,
            settings.MORE_REQUIREMENTS,
            settings.HEAT_REQUIREMENTS,
        ],
        settings.VENV / "lab-requirements-heat.sha256",
        fresh=False,
    )


def clients() -> None:
    """The venv of the `openstack` command, for people and drills."""
    where = settings.CLIENT_VENV
    stamp = where / "lab-requirements.sha256"
    _venv(where, [settings.CLIENT_REQUIREMENTS], stamp)


def pack_venvs() -> list[Path]:
    """The venvs in which the pack is installed: Mistral's and Aodh's."""
    made = {
        settings.MISTRAL_VENV: settings.MISTRAL_REQUIREMENTS,
        settings.AODH_VENV: settings.AODH_REQUIREMENTS,
    }
    for where, wanted in made.items():
        _venv(where, [wanted], where / "lab-requirements.sha256")
    return list(made)


def _venv(
    where: Path, wanted: list[Path], stamp: Path, *, fresh: bool = True
) -> None:
    """Make the venv (or, not fresh, add to it) unless the stamp says that
    these very files were installed.
    """
    base = interpreter()
    text = b"".join(path.read_bytes() for path in wanted)
    text += b"the system's" * (base == str(SYSTEMS))
    digest = hashlib.sha256(text).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    say(f"making {where.name}: {wanted[-1].name}")
    uv = _uv()
    python = str(where / "bin" / "python")
    if fresh:
        shutil.rmtree(where, ignore_errors=True)
        _must(
            [uv, "venv", "-q", "--python", base, str(where)]
            if uv
            else [sys.executable, "-m", "venv", str(where)]
        )
    install = (
        [uv, "pip", "install", "-q", "--compile-bytecode", "--python", python]
        if uv
        else [python, "-m", "pip", "install", "-q"]
    )
    for path in wanted:
        install += ["-r", str(path)]
    _must(install)
    stamp.write_text(digest)
    say(f"{where.name} made")


def interpreter() -> str:
    """The Python of the services: the distribution's own, when it is of the
    version that runs this. It is built with profile-guided optimisation, which
    most that were built by hand lack: a third less processor time for plain
    Python, a sixth less in Neutron's API (measured).
    """
    return str(SYSTEMS) if _version(SYSTEMS) == _version() else sys.executable


SYSTEMS = Path("/usr/bin/python3")


def _version(python: Path = Path(sys.executable)) -> str | None:
    """Its version, as 3.11; None when it does not run."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [str(python), "-c", code], capture_output=True, text=True
        )
    except OSError:
        return None
    return done.stdout.strip() or None


def _uv() -> str | None:
    """uv from the path or, by pip, in a small venv of its own; None when it
    cannot be had: pip does it then.
    """
    found = shutil.which("uv")
    if found:
        return found
    home = settings.FIRST / "uv"
    if not (home / "bin" / "uv").exists():
        shutil.rmtree(home, ignore_errors=True)
        _must([sys.executable, "-m", "venv", str(home)])
        if _logged(
            [str(home / "bin" / "python"), "-m", "pip", "install", "-q", "uv"],
            "venv",
        ):
            say("uv could not be had; pip will take a few minutes longer")
            return None
    return str(home / "bin" / "uv")


def _must(argv: list[str]) -> None:
    if _logged(argv, "venv"):
        raise LabError(
            f"`{Path(argv[0]).name} {argv[1]}` failed: see `lab logs venv`."
        )


def _logged(argv: list[str], log: str) -> int:
    """Run with its output in log/LOG.out; returns the exit code."""
    env = os.environ | {
        "DEBIAN_FRONTEND": "noninteractive",
        "TMPDIR": tempfile.gettempdir(),
    }
    with (settings.LOG / f"{log}.out").open("ab") as out:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
        ).returncode
