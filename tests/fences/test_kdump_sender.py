"""The crash-dump listener against the program that a dumping host runs."""

from __future__ import annotations

import socket
import subprocess

import pytest
from ha_actions.adapters.clock import SystemClock
from ha_actions.adapters.network_kdump import KdumpListener

pytestmark = pytest.mark.fences

SENDER = "/usr/libexec/fence-agents/fence_kdump_send"
HERE = "127.0.0.1"


def test_the_real_sender() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((HERE, 0))
        port = int(one.getsockname()[1])
    listener = KdumpListener(f"{HERE}:{port}", SystemClock())
    try:
        assert listener.dumped_at(HERE, 0) == 0.0
        sending = subprocess.Popen(
            [SENDER, "-p", str(port), "-i", "1", "-c", "3", HERE]
        )
        try:
            assert listener.dumped_at(HERE, 20) > 0
        finally:
            sending.wait(30)
    finally:
        listener.close()
