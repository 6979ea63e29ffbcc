"""The BMCs of the lab's hosts: sushy-tools' Redfish over a driver that really
cuts and really lies.

Real Redfish code answers on the wire; only the driver below is the lab's.
Timing is exact, and what a BMC gets wrong is read from the host's `bmc.json`
at each request:

  latency       seconds before each answer
  off_delay     seconds from the order to its effect; on_delay likewise
  drop          close the connection, no answer
  refuse        answer an order with this HTTP status
  ignore        204, and nothing happens
  lie           204, nothing happens, and reads as ordered
  report        read this, whatever is true
  revive_after  On again by itself, seconds after Off
"""

import json
import socket
import ssl
import subprocess
import sys
import threading
import time

import flask
from rig import hosts, settings
from rig.services.bmc import FILES, PORT
from sushy_tools import error
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems import fakedriver
from tls import certificate, password_file
from werkzeug.serving import make_server

QUICK = 0.3
OFF_ORDERS = {
    "ForceOff",
    "GracefulShutdown",
}  # "On" switches on; any other order is off, then on
HOST_OF = {settings.system_uuid(host): host for host in settings.HOSTS}


class LabDriver(fakedriver.FakeDriver):
    """Power of a system = power of a lab host."""

    def __init__(self):
        self._pending = {}  # host -> "PoweringOff" | "PoweringOn"
        self._said = {}  # host -> what a lying BMC answers
        self._systems = {
            uuid: _system(uuid, host) for uuid, host in HOST_OF.items()
        }
        self._by_name = {host: uuid for uuid, host in HOST_OF.items()}

    def _update_if_needed(self, system):
        return system

    def _update(self, system, **changes):
        (self._get(system) if isinstance(system, str) else system).update(
            changes
        )

    def get_power_state(self, identity):
        """The truth, unless told otherwise."""
        host = self._get(identity)["name"]
        wrong = hosts.faults(host)
        if "report" in wrong:
            state = wrong["report"]
        elif wrong.get("lie") and host in self._said:
            state = self._said[host]
        else:
            state = self._pending.get(host) or hosts.power(host)
        note(host, f"reads {state}")
        return state

    def set_power_state(self, identity, order):
        """Carry an order out, late when told so."""
        host = self._get(identity)["name"]
        wrong = hosts.faults(host)
        note(host, f"order {order}")
        if wrong.get("refuse"):
            raise error.FishyError("this BMC refuses orders", wrong["refuse"])
        if order == "Nmi" or wrong.get("ignore"):
            return
        if wrong.get("lie"):
            self._said[host] = "Off" if order in OFF_ORDERS else "On"
            return
        self._said.pop(host, None)
        off = order in OFF_ORDERS
        if (off or order == "On") and hosts.power(host) == (
            "Off" if off else "On"
        ):
            return
        # Before the answer goes out, so that the next reading is already the
        # transition.
        self._pending[host] = "PoweringOn" if order == "On" else "PoweringOff"
        threading.Thread(
            target=self._carry_out, args=(host, order, wrong), daemon=True
        ).start()

    def _carry_out(self, host, order, wrong):
        try:
            if order != "On":
                time.sleep(wrong.get("off_delay", QUICK))
                hosts.cut(host)
                note(host, "is Off")
            self._pending.pop(host, None)
            if order not in OFF_ORDERS:
                self._switch_on(host, wrong.get("on_delay", QUICK))
            elif "revive_after" in wrong:
                self._switch_on(host, wrong["revive_after"])
        finally:
            self._pending.pop(host, None)

    def _switch_on(self, host, delay):
        time.sleep(delay)
        # By way of the command line, so that nova-compute is no child of this
        # process.
        subprocess.run(
            [
                sys.executable,
                str(settings.HOME / "lab"),
                "host",
                host,
                "return",
            ],
            check=False,
        )
        note(host, "is On")


def _system(uuid, host):
    mac = "52:54:00:00:00:%02x" % (settings.HOSTS.index(host) + 1)
    return {
        "uuid": uuid,
        "name": host,
        "power_state": "On",
        "nics": [{"mac": mac, "ip": settings.LISTEN}],
    }


def note(host, what):
    """One line of JSON for each thing that a BMC was asked or did."""
    line = (
        json.dumps({"at": round(time.time(), 3), "host": host, "what": what})
        + "\n"
    )
    with settings.BMC_ACTIONS.open("a") as log:
        log.write(line)


def misbehave():
    """Before each request: be late, or be gone."""
    host = next(
        (host for uuid, host in HOST_OF.items() if uuid in flask.request.path),
        None,
    )
    wrong = hosts.faults(host) if host else {}
    if wrong.get("drop"):
        note(host, "dropped a request")
        flask.request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return (
            "",
            503,
        )  # nobody reads it; without it the order would be carried out
    time.sleep(wrong.get("latency", 0))
    return None


def main():
    """Serve for ever."""
    fakedriver.FakeDriver = LabDriver
    FILES.mkdir(parents=True, exist_ok=True)
    app = emulator.app
    app.configure(
        extra_config={
            "SUSHY_EMULATOR_FAKE_DRIVER": True,
            "SUSHY_EMULATOR_FEATURE_SET": "minimum",
            "SUSHY_EMULATOR_AUTH_FILE": str(password_file(FILES)),
            "SUSHY_EMULATOR_STATE_DIR": str(FILES),
            "SUSHY_EMULATOR_FAKE_SYSTEMS": [],
        }
    )
    app.before_request(misbehave)
    assert app.systems  # made now, so that two first requests do not make two
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(FILES))
    make_server(
        settings.LISTEN, PORT, app, threaded=True, ssl_context=context
    ).serve_forever()


if __name__ == "__main__":
    main()
