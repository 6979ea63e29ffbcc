"""The Redfish emulator: one process that is the BMC of every host."""

from __future__ import annotations

from rig import settings
from rig.service import Service, tcp

PORT = settings.PORTS["bmc"]
FILES = settings.DATA / "bmc"

SERVICES = [
    Service(
        name="bmc",
        argv=[str(settings.BIN / "python"), str(settings.PLUGINS / "bmc.py")],
        healthy=tcp(PORT),
        port=PORT,
        grace=2,
    )
]
