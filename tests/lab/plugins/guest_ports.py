"""What a host's running guests answer on their fixed addresses.

A guest says in its metadata what it serves, and how long after its start:
`lab:serves=tcp:5432 http:8080/health`, `lab:boot_s=8`. The virt driver writes
it into guests.json, with the addresses. A guest that does not run answers
nothing; an address that is not this machine's (all but loopback's) is left
out.
"""

import contextlib
import json
import os
import selectors
import socket
import time

RUNNING = 1  # Nova's number for a guest that runs
LOOK_S = 0.2
HEARD_S = 0.5


class GuestPorts:
    """The open ports of one host's guests."""

    def __init__(self, folder):
        self._path = os.path.join(folder, "guests.json")
        self._began = {}
        self._open = {}  # (address, port) -> its listening socket
        self._ready = selectors.DefaultSelector()

    def serve(self, dark):
        """Until it is dark: then nobody answers any more."""
        while not dark.is_set():
            self._follow(self._wanted(time.monotonic()))
            if not self._open:
                dark.wait(LOOK_S)
                continue
            for key, _ in self._ready.select(LOOK_S):
                with contextlib.suppress(OSError):
                    answer(key.fileobj, key.data)
        self._follow({})

    def _wanted(self, now):
        """(address, port) -> path of a page, or None for plain TCP."""
        try:
            with open(self._path) as source:
                guests = json.load(source)
        except FileNotFoundError:
            return {}
        up = {id for id, one in guests.items() if one["state"] == RUNNING}
        self._began = {id: self._began.get(id, now) for id in up}
        return {
            (address, port): path
            for id in up
            if now - self._began[id] >= float(guests[id].get("boot_s") or 0)
            for address in guests[id].get("addresses", ())
            for port, path in parsed(guests[id].get("serves", ""))
        }

    def _follow(self, wanted):
        for place in self._open.keys() - wanted.keys():
            made = self._open.pop(place)
            self._ready.unregister(made)
            made.close()
        for place in wanted.keys() - self._open.keys():
            # not here, or held by a copy on another host: tried again
            with contextlib.suppress(OSError):
                made = socket.create_server(place)
                self._ready.register(made, selectors.EVENT_READ, wanted[place])
                self._open[place] = made


def parsed(serves):
    """(port, path or None) of each word."""
    for word in serves.split():
        kind, _, rest = word.partition(":")
        port, _, path = rest.partition("/")
        yield int(port), f"/{path}" if kind == "http" else None


def answer(listening, path):
    """One caller: TCP is closed, HTTP gets 204, or 404 off the path."""
    caller, _ = listening.accept()
    with caller:
        if path is None:
            return
        caller.settimeout(HEARD_S)
        asked = caller.recv(4096).split(b" ")
        good = asked[1:2] == [path.encode()]
        status = b"204 No Content" if good else b"404 Not Found"
        caller.sendall(
            b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n"
        )
