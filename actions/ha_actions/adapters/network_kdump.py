"""Hears kernels that dump a crash: the messages of ``fence_kdump_send``.

A message is 8 bytes over UDP: a magic word and a version, in the sender's
byte order. It is repeated until the dump has ended. It is not signed: who can
send from a host's address can claim its dump, so it is one witness of several
and delays a fence for a bounded time at most.
Source: ClusterLabs/fence-agents, agents/kdump/message.h and options.h.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import threading

from ha_actions.errors import BadInput, Transient
from ha_actions.ports import Clock

PORT = 7410
MAGIC, VERSION = 0x1B302A40, 1
MESSAGES = frozenset(
    struct.pack(f"{order}II", MAGIC, VERSION) for order in "<>"
)
FRESH_S = 25.0
"""A dump of which nothing was heard for so long has ended: the sender's
interval is 10 s by default, and one message may be lost."""
KEPT = 4096
"""So many addresses are remembered: anybody may send."""


class KdumpListener:
    """One UDP socket for the whole process, opened when it is first needed.

    :param address: ``IP`` or ``IP:PORT`` to bind to; ``[IPv6]:PORT``.
    :raises BadInput: it is none.
    """

    def __init__(self, address: str, clock: Clock) -> None:
        self._bind = _split(address)
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._news = threading.Condition()
        self._socket: socket.socket | None = None

    def dumped_at(self, address: str, wait_s: float) -> float:
        """When the address was last heard to dump; 0.0: not lately.

        Waits up to ``wait_s`` for a message of its, unless one is fresh.

        :raises Transient: the address cannot be bound.
        """
        wanted = _addresses_of(address)
        with self._news:
            self._open()
            self._news.wait_for(lambda: self._latest(wanted) > 0, wait_s)
            return self._latest(wanted)

    def close(self) -> None:
        """Hear nothing any more."""
        with self._news:
            if self._socket is not None:
                self._socket.close()
            self._socket = None

    def _latest(self, wanted: frozenset[str]) -> float:
        at = max((self._heard.get(a, 0.0) for a in wanted), default=0.0)
        return at if self._clock.now() - at <= FRESH_S else 0.0

    def _open(self) -> None:
        if self._socket is not None:
            return
        host, port = self._bind
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.socket(family, socket.SOCK_DGRAM)
        try:
            made.bind((host, port))
        except OSError as error:
            made.close()
            raise Transient(
                "kdump",
                f"Dumps cannot be heard on {host}:{port} ({error.strerror}); "
                "one process of a machine can.",
            ) from error
        self._socket = made
        threading.Thread(
            target=self._listen, args=(made,), name="ha-kdump", daemon=True
        ).start()

    def _listen(self, made: socket.socket) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                message, (sender, *_) = made.recvfrom(64)
                if message in MESSAGES:
                    self._hear(_plain(sender))

    def _hear(self, sender: str) -> None:
        with self._news:
            if len(self._heard) >= KEPT:
                self._heard.clear()
            self._heard[sender] = self._clock.now()
            self._news.notify_all()


def _split(address: str) -> tuple[str, int]:
    """``IP``, ``IP:PORT``, ``[IPv6]:PORT`` -> address and port."""
    host, port = address, str(PORT)
    if address.startswith("[") or address.count(":") == 1:
        host, _, port = address.rpartition(":")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except ValueError:
        raise BadInput(
            "executor_file",
            f"kdump: {address!r} is no address to listen on; write IP, "
            "IP:PORT or [IPv6]:PORT.",
        ) from None


def _plain(address: str) -> str:
    """The address without a zone, and IPv4 as itself."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return str(mapped or ip)


def _addresses_of(name: str) -> frozenset[str]:
    """The addresses of a name or an address; none if it is unknown."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    except OSError:
        return frozenset()
    return frozenset(_plain(str(one[4][0])) for one in found)
