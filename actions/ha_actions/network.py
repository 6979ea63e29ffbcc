"""Plain TCP and HTTP from the executor to hosts and guests.

Nothing here follows a redirect, uses a proxy, sends a credential or reads
more than a status line: an address of a tenant's must not become a way in.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import socket

from ha_actions.errors import Transient
from ha_actions.network_kdump import KdumpListener
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
