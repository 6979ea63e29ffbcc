"""memcached: checked tokens and Keystone's cache."""

from __future__ import annotations

import os

from rig import settings
from rig.service import Service, tcp

PORT = settings.PORTS["memcached"]

SERVICES = [
    Service(
        name="memcached",
        argv=[
            "memcached",
            "-l",
            settings.LISTEN,
            "-p",
            str(PORT),
            "-U",
            "0",
            "-m",
            "64",
        ]
        + (["-u", "root"] if os.geteuid() == 0 else []),
        healthy=tcp(PORT),
        port=PORT,
    )
]
