"""IPMI BMCs in Python (pyghmi's server side), one UDP port per machine.

usage: ipmi_peer.py TRUTH_PORT MACHINES.json   ({name: {port, ...faults}})
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fences.machine import Machine, serve_truth
from pyghmi.ipmi import bmc
from pyghmi.ipmi.private import serversession

MACHINES = {
    name: Machine(**faults)
    for name, faults in json.loads(Path(sys.argv[2]).read_text()).items()
}
REFUSED = 0xD5
"""IPMI completion code: not supported in the present state."""

_open = serversession.ServerSession.create_open_session_response


def _negotiate(self: Any, request: bytes) -> Any:
    """This server speaks SHA1 alone, so it must refuse other proposals."""
    if len(request) > 12 and request[12] != 1:
        self.clientsessionid = request[4:8]
        self.managedsessionid = bytes(4)
        refusal = bytearray([request[0], 0x04, 0, 0])
        return refusal + self.clientsessionid
    return _open(self, request)


serversession.ServerSession.create_open_session_response = _negotiate


class Controller(bmc.Bmc):  # type: ignore[misc]
    """A BMC of one machine."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(
            {"admin": "secret"}, port=machine.get("port"), address="127.0.0.1"
        )
        self.machine = machine

    def get_power_state(self) -> str:
        return self.machine.says()

    def power_off(self) -> int:
        if self.machine.get("refuse"):
            return REFUSED
        self.machine.cut()
        return 0

    def is_active(self) -> bool:
        return bool(self.machine.runs())


if __name__ == "__main__":
    made = [Controller(machine) for machine in MACHINES.values()]
    serve_truth(MACHINES, int(sys.argv[1]))
    made[0].listen()
