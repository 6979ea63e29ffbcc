"""The Redfish door of the lab's BMCs: sushy-tools over a driver that really
cuts and really lies (power.py). Real Redfish code answers on the wire.
"""

import socket
import ssl
import time

import flask
import power
from rig import hosts, settings
from rig.services.bmc import FILES, PORT
from sushy_tools import error
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems import fakedriver
from tls import certificate, password_file
from werkzeug.serving import make_server

OFF_ORDERS = {
    "ForceOff",
    "GracefulShutdown",
}  # "On" switches on, "Nmi" nothing; any other order is off, then on
HOST_OF = {settings.system_uuid(host): host for host in settings.HOSTS}


class LabDriver(fakedriver.FakeDriver):
    """Power of a system = power of a lab host."""

    def __init__(self):
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
        return power.reads(self._get(identity)["name"])

    def set_power_state(self, identity, order):
        """Carry an order out, late when told so."""
        host = self._get(identity)["name"]
        off = order not in ("On", "Nmi")
        on = order != "Nmi" and order not in OFF_ORDERS
        try:
            power.order(host, order, off, on)
        except power.Refuses as refusal:
            raise error.FishyError(str(refusal), refusal.status) from None


def _system(uuid, host):
    mac = "52:54:00:00:00:%02x" % (settings.HOSTS.index(host) + 1)
    return {
        "uuid": uuid,
        "name": host,
        "power_state": "On",
        "nics": [{"mac": mac, "ip": settings.LISTEN}],
    }


def misbehave():
    """Before each request: be late, or be gone."""
    host = next(
        (host for uuid, host in HOST_OF.items() if uuid in flask.request.path),
        None,
    )
    wrong = hosts.faults(host) if host else {}
    if wrong.get("drop"):
        power.note(host, "dropped a request")
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
