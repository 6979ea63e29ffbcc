"""A host's network: `link.py FOLDER ADDRESS REACH_PORT [RELAYED_PORT ...]`.

Accepts (and closes) on the reach port; carries each relayed port to the same
port of 127.0.0.1. It answers for the host's running guests too
(guest_ports.py). After SIGUSR1 the host is isolated: every connection is
cut, and whoever asks anew hears nothing at all. A closed port would not do: a
refusal is an answer, which only a living machine gives. So nobody accepts any
more and the queues are filled, whereupon the kernel drops what comes. The
file `network` in FOLDER says `dark` then.
"""

import contextlib
import os
import signal
import socket
import sys
import threading

from guest_ports import GuestPorts

QUEUE = 8
dark = threading.Event()
carried = []


def listener(address, port):
    """Port of the host."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, port))
    made.listen(QUEUE)
    return made


def serve(listening, port, relayed):
    """Take what comes until it is dark."""
    while True:
        near, _ = listening.accept()
        if dark.is_set():
            carried.append(near)  # kept: closing it would be an answer
            return
        if not relayed:
            near.close()
            continue
        try:
            far = socket.create_connection(("127.0.0.1", port))
        except OSError:
            near.close()
            continue
        carried.extend((near, far))
        for one, other in ((near, far), (far, near)):
            threading.Thread(
                target=copy, args=(one, other), daemon=True
            ).start()


def copy(source, target):
    """One direction, to its end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def go_dark(listening, serving):
    """Cut all, stop accepting, fill the queues."""
    dark.set()
    for one in list(carried):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
    for one, thread in zip(listening, serving, strict=True):
        knock(one)  # the last that is taken: it ends the thread
        thread.join(5)
        while knock(one):
            pass


def knock(listening):
    """Whether one more connection found room in the queue."""
    filler = socket.socket()
    filler.settimeout(0.1)
    carried.append(filler)
    try:
        filler.connect(listening.getsockname())
    except OSError:
        return False
    return True


def main(folder, address, reach, *relayed):
    """Serve for ever."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    ports = [int(reach), *map(int, relayed)]
    listening = [listener(address, port) for port in ports]
    serving = [
        threading.Thread(
            target=serve, args=(one, ports[number], number > 0), daemon=True
        )
        for number, one in enumerate(listening)
    ]
    guests = threading.Thread(
        target=GuestPorts(folder).serve, args=(dark,), daemon=True
    )
    for thread in (*serving, guests):
        thread.start()
    signal.sigwait({signal.SIGUSR1})
    go_dark(listening, serving)
    with open(os.path.join(folder, "network"), "w") as note:
        note.write("dark")
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
