"""The pack as an operator gets it: a wheel of this checkout in Mistral's venv.

A second install of the same sources does nothing.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from rig import settings
from rig.errors import LabError
from rig.progress import say

SOURCES = (
    "setup.py",
    "pyproject.toml",
    "README.md",
    "actions",
    "alarms",
    "installer",
    "workbooks",
)
_NOT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")


def install(venv: Path) -> bool:
    """Build the wheel and install it in `venv`; True when it is a new one."""
    digest, stamp = _digest(), venv / "lab-pack.sha256"
    if stamp.exists() and stamp.read_text() == digest:
        return False
    work = settings.FIRST / "wheel"
    shutil.rmtree(work, ignore_errors=True)
    for name in SOURCES:  # a copy: a build leaves files beside its sources
        source, target = settings.CHECKOUT / name, work / "src" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=_NOT)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    python = str(venv / "bin" / "python")
    build = ["-m", "build", "--wheel", "--no-isolation", "-o", str(work)]
    _must([python, *build, str(work / "src")])
    wheel = next(work.glob("*.whl"))
    pip = [python, "-m", "pip", "install", "-q", "--no-deps"]
    _must([*pip, "--force-reinstall", str(wheel)])
    stamp.write_text(digest)
    say(f"{wheel.name} installed in {venv.name}")
    return True


def _must(argv: list[str]) -> None:
    with (settings.LOG / "pack.out").open("ab") as out:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    if done.returncode:
        raise LabError(
            f"`python {' '.join(argv[1:3])}` of the pack's wheel failed: see "
            "`lab logs pack`."
        )


def _digest() -> str:
    digest = hashlib.sha256()
    for name in SOURCES:
        root = settings.CHECKOUT / name
        files = [root] if root.is_file() else sorted(root.rglob("*"))
        for path in files:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()
