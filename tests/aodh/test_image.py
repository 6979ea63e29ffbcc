"""deploy/Dockerfile's layer, laid on what a service's image has.

There are no containers here. So the image is a venv with Aodh's packages, and
the commands are the Dockerfile's own, read from it, in a shell.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.aodh

DOCKERFILE = Path(__file__).parents[2] / "deploy" / "Dockerfile"


def image(where: Path) -> Path:
    """A venv that has what the running one has, but for the pack."""
    subprocess.run([sys.executable, "-m", "venv", where], check=True)
    (there,) = where.glob("lib/python3*/site-packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        ours = path.name.startswith(("mistral_ha_pack", "__editable__"))
        if not ours and not (there / path.name).exists():
            (there / path.name).symlink_to(path)
    return where / "bin"


def layer(folder: Path, wheel: Path) -> str:
    """The commands of RUN, once COPY has been done."""
    text = DOCKERFILE.read_text().replace("\\\n", "")
    (copied,) = re.findall(r"^COPY dist/(\S+) /tmp/$", text, re.M)
    assert wheel.match(copied)
    shutil.copy(wheel, folder)
    (commands,) = re.findall(r"^RUN (.+)$", text, re.M)
    return commands.replace("/tmp/", f"{folder}/")


def frozen(bin: Path) -> list[str]:
    done = subprocess.run(
        [bin / "python3", "-m", "pip", "freeze"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_the_layer_adds_the_pack_and_replaces_nothing(
    tmp_path: Path, wheel: Path
) -> None:
    bin, work = image(tmp_path / "image"), tmp_path / "work"
    work.mkdir()
    before = frozen(bin)
    assert any(line.startswith("aodh==") for line in before)

    done = subprocess.run(
        ["sh", "-ec", layer(work, wheel)],
        cwd=work,
        env={"PATH": f"{bin}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    after = frozen(bin)
    assert set(before) <= set(after), "a package of the image was replaced"
    assert any(line.startswith("mistral-ha-pack ") for line in after)
    assert list(work.iterdir()) == []
