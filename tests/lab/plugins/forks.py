"""A program that is loaded once and forked for each order that comes by its
door, a Unix socket (rig/process.py sends them).

An order is one line of JSON, {"argv": [...], "log": path}; the answer is the
pid of the fork, which by then leads a session of its own and writes to that
log.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import threading


def serve(door, main):
    """Take orders for ever; in each fork, run `main` and end with it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(door)
    # a long path would not fit in a socket's address
    os.chdir(os.path.dirname(door))
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(os.path.basename(door))
    listening.listen()
    os.chdir("..")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    # a fork has only the thread that forked: nothing may hold a lock
    assert threading.active_count() == 1, threading.enumerate()
    while True:
        line, _ = listening.accept()
        with line:
            order = line.makefile().readline()
            if not order or os.fork():
                continue
            listening.close()
            _become(**json.loads(order))
            line.sendall(f"{os.getpid()}\n".encode())
        sys.exit(main())


def _become(argv, log):
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(out, stream)
    os.close(out)
    sys.argv = argv
