"""The BMC of every host: one Redfish emulator for all, and in the full lab an
IPMI server for each, on the host's own address.
"""

from __future__ import annotations

from rig import hosts, process, settings
from rig.service import Service, tcp

PORT = settings.PORTS["bmc"]
FILES = settings.DATA / "bmc"
PYTHON = str(settings.BIN / "python")


def _forget() -> None:
    """What a BMC that ended in the middle of an order was about to do."""
    for host in settings.HOSTS:
        hosts.bmc_remember(host, "pending", None)


def _ipmi(host: str) -> Service:
    name = f"ipmi-{host}"
    return Service(
        name=name,
        argv=[PYTHON, str(settings.PLUGINS / "ipmi.py"), host],
        healthy=lambda: process.binds(name, settings.PORTS["ipmi"]),
        grace=2,
    )


SERVICES = [
    Service(
        name="bmc",
        argv=[PYTHON, str(settings.PLUGINS / "bmc.py")],
        healthy=tcp(PORT),
        port=PORT,
        before_start=_forget,
        grace=2,
    ),
    *([_ipmi(host) for host in settings.HOSTS] if settings.FULL else []),
]
