"""sushy-tools' Redfish emulator over machines with exact faults.

usage: redfish_peer.py CONFIG TRUTH_PORT MACHINES.json

The Redfish side is the emulator's own; only the driver below it, which waits
at random and knows no fault, is replaced.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import flask
from sushy_tools import error
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems import fakedriver

sys.path.insert(0, str(Path(__file__).parents[1]))

from fences.machine import Machine, serve_truth

MACHINES = {
    name: Machine(**faults)
    for name, faults in json.loads(Path(sys.argv[3]).read_text()).items()
}
WORDS = {"on": "On", "off": "Off"}


class Driver(fakedriver.FakeDriver):  # type: ignore[misc]
    """Power by our machines, everything else by the emulator."""

    def __init__(self) -> None:
        self._systems = {
            one["uuid"]: dict(one)
            for one in self._config["SUSHY_EMULATOR_FAKE_SYSTEMS"]
        }
        self._by_name = {s["name"]: u for u, s in self._systems.items()}

    def _update_if_needed(self, system: Any) -> Any:
        return system

    def get_power_state(self, identity: str) -> Any:
        word = self._machine(identity).says()
        return WORDS.get(word, word)

    def set_power_state(self, identity: str, state: str) -> None:
        machine = self._machine(identity)
        if state != "ForceOff":
            return
        if machine.get("refuse"):
            raise error.FishyError("no", machine.get("refuse"))
        machine.cut()

    def _machine(self, identity: str) -> Machine:
        return MACHINES[self._get(identity)["name"]]


fakedriver.FakeDriver = Driver


@emulator.app.before_request  # type: ignore[untyped-decorator]
def break_it() -> Any:
    """Answer everything of a broken BMC with its status."""
    for uuid, system in emulator.app.systems._systems.items():
        broken = MACHINES[system["name"]].get("broken")
        if broken and uuid in flask.request.path:
            return flask.make_response({"error": {}}, broken)
    return None


if __name__ == "__main__":
    serve_truth(MACHINES, int(sys.argv[2]))
    sys.argv[1:] = ["--config", sys.argv[1]]
    emulator.main()
