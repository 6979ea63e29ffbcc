"""MariaDB with a data folder and port of its own, tuned for tests: nothing is
ever flushed to the disk.
"""

from __future__ import annotations

import os
import subprocess

from rig import settings
from rig.errors import LabError
from rig.process import environment
from rig.service import Service, listens

PORT = settings.PORTS["mariadb"]
DATA = settings.DATA / "mariadb"
INIT = settings.ETC / "mariadb-init.sql"
AS_ROOT = ["--user=root"] if os.geteuid() == 0 else []


def configure() -> None:
    """The databases and their one user are made by the server itself at each
    start, so no client is needed.
    """
    lines = [
        f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3;"
        for name in settings.DATABASES
    ]
    for where in ("127.0.0.1", "localhost"):
        lines.append(
            f"CREATE USER IF NOT EXISTS lab@'{where}' "
            f"IDENTIFIED BY '{settings.PASSWORD}';"
        )
        lines.append(f"GRANT ALL ON *.* TO lab@'{where}';")
    INIT.write_text("\n".join(lines) + "\n")


def make_data() -> None:
    """Make the data folder, once; a half-made one (interrupted) went with the
    rest of the half-made lab.
    """
    if DATA.exists():
        return
    argv = [
        "mariadb-install-db",
        "--no-defaults",
        *AS_ROOT,
        f"--datadir={DATA}",
        "--skip-test-db",
    ]
    argv += [
        "--auth-root-authentication-method=normal",
        "--innodb-flush-method=nosync",
        "--innodb-doublewrite=0",
    ]
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        env=environment("mariadb-install"),
    )
    if done.returncode:
        (settings.LOG / "mariadb.out").write_text(done.stdout + done.stderr)
        raise LabError("mariadb-install-db failed: see `lab logs mariadb`.")


SERVICES = [
    Service(
        name="mariadb",
        argv=[
            "mariadbd",
            "--no-defaults",
            *AS_ROOT,
            f"--datadir={DATA}",
            # relative to the data folder: a long path would not fit in a
            # socket's address
            "--socket=lab.sock",
            f"--bind-address={settings.LISTEN}",
            f"--port={PORT}",
            f"--pid-file={DATA}/lab.pid",
            f"--init-file={INIT}",
            "--max-connections=2000",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--performance-schema=off",
            "--character-set-server=utf8mb3",
            "--innodb-buffer-pool-size=256M",
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-flush-method=nosync",
            "--innodb-doublewrite=0",
        ],
        healthy=lambda: listens(PORT),
        port=PORT,
        after=["tables"],
        before_start=make_data,
        grace=30,
    )
]
