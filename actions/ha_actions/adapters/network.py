"""Plain TCP, ICMP and HTTP from the executor to hosts and guests.

Nothing here follows a redirect, uses a proxy, sends a credential or reads
more than a status line: an address of a tenant's must not become a way in.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import socket
import struct

from ha_actions.adapters.network_kdump import KdumpListener
from ha_actions.errors import BadInput, Transient
from ha_actions.ports import Reach

_KERNEL_ANSWERED = frozenset({errno.ECONNREFUSED, errno.ECONNRESET})


class PlainNetwork:
    """:class:`~ha_actions.ports.Network` over the machine's own sockets.

    :param kdump: hears crash dumps; None: nobody listens for them.
    """

    def __init__(self, kdump: KdumpListener | None = None) -> None:
        self._kdump = kdump

    def dumped_at(self, address: str, wait_s: float) -> float:
        """When a kernel there was last heard to dump.

        :raises Transient: nobody listens.
        """
        if self._kdump is None:
            raise Transient(
                "kdump",
                "This executor does not listen for crash dumps; set `kdump` "
                "in its file.",
            )
        return self._kdump.dumped_at(address, wait_s)

    def connect(self, address: str, port: int, timeout_s: float) -> Reach:
        """Try one TCP connection; any other error than refused: nothing."""
        try:
            made = socket.create_connection((address, port), timeout_s)
        except OSError as error:
            answered = error.errno in _KERNEL_ANSWERED
            return Reach.REFUSED if answered else Reach.NOTHING
        made.close()
        return Reach.OPEN

    def ping(self, address: str, timeout_s: float) -> Reach:
        """One ICMP echo over a datagram socket, which needs no root.

        :raises BadInput: ``no_ping``: Linux lets only the groups of
            net.ipv4.ping_group_range.

        Source: Linux, icmp(7): the kernel sets id and checksum, and gives
        the socket only the answers to its own.
        """
        v6 = ":" in address
        family = socket.AF_INET6 if v6 else socket.AF_INET
        kind = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
        ask, answer = (128, 129) if v6 else (8, 0)
        try:
            made = socket.socket(family, socket.SOCK_DGRAM, kind)
        except PermissionError as error:
            raise BadInput(
                "no_ping",
                "This machine lets our user send no ping; put its group into "
                "net.ipv4.ping_group_range, or ask tcp_reach instead.",
            ) from error
        except OSError:
            return Reach.NOTHING  # no such protocol here
        with made:
            made.settimeout(timeout_s)
            try:
                made.connect((address, 0))
                made.send(struct.pack("!BBHHH", ask, 0, 0, 0, 1) + b"ha")
                heard = made.recv(64)
            except OSError:
                return Reach.NOTHING
        return Reach.OPEN if heard[:1] == bytes([answer]) else Reach.NOTHING

    def http_status(
        self, address: str, port: int, path: str, timeout_s: float
    ) -> int:
        """Status of one GET; 0 when nothing that is HTTP answered."""
        made = http.client.HTTPConnection(address, port, timeout=timeout_s)
        with contextlib.closing(made):
            try:
                made.request("GET", path, headers={"Connection": "close"})
                return made.getresponse().status
            except (OSError, http.client.HTTPException, ValueError):
                return 0
