"""The network of each host of the full lab: a process that answers on the
host's own loopback address and carries its nova-compute to the broker.

Gone dark, the host is isolated: nobody answers for it and its heartbeats are
lost, while nova-compute and the guests run on.
"""

from __future__ import annotations

import socket
from pathlib import Path

from rig import settings
from rig.service import Service

REACH = settings.PORTS["reach"]
BROKER = settings.PORTS["rabbitmq"]


def transport_url(host: str) -> str:
    """The broker, by way of the host's link."""
    where = f"{settings.address(host)}:{BROKER}"
    return f"rabbit://guest:guest@{where}/nova"


def answers(address: str) -> bool:
    """Whether somebody accepts at the address's reach port."""
    try:
        with socket.create_connection((address, REACH), timeout=2):
            return True
    except OSError:
        return False


def argv(folder: Path, address: str, *ports: int) -> list[str]:
    """The command of a link that carries these ports of an address."""
    start = [str(settings.BIN / "python"), str(settings.PLUGINS / "link.py")]
    return [*start, str(folder), address, str(REACH), *map(str, ports)]


def _service(name: str, folder: Path, address: str, *ports: int) -> Service:
    return Service(
        name=name,
        argv=argv(folder, address, *ports),
        healthy=lambda: answers(address),
        before_start=lambda: (folder / "network").unlink(missing_ok=True),
        grace=0,
    )


def of(host: str) -> list[Service]:
    """The host's link; none in the small lab."""
    if not settings.FULL:
        return []
    return [
        _service(
            f"link-{host}",
            settings.host_dir(host),
            settings.address(host),
            BROKER,
        )
    ]


SERVICES = (
    [_service("link-control", settings.DATA, settings.CONTROL)]
    + [service for host in settings.HOSTS for service in of(host)]
    if settings.FULL
    else []
)
