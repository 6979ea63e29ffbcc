"""The IPMI door of one host's BMC: `ipmi.py HOST`, by pyghmi's server side on
the host's own loopback address. A process a host, since a server that is made
to be late must not delay another's answers.
"""

import sys
import time
import uuid

import power
from pyghmi.ipmi import bmc
from pyghmi.ipmi.private import serversession
from rig import hosts, settings

REFUSED = 0xD5
"""IPMI completion code: not supported in the present state."""
GONE_S = 10
"""A BMC later than this is as good as silent to any IPMI client."""

_answer_open = serversession.ServerSession.create_open_session_response


def negotiate(self, request):
    """Refuse what pyghmi's server does not speak (it has SHA1 alone), as a
    real BMC does, so that the client asks again with what it does.
    """
    if len(request) > 12 and request[12] != 1:
        self.clientsessionid = request[4:8]
        self.managedsessionid = bytes(4)
        return bytearray([request[0], 0x04, 0, 0]) + self.clientsessionid
    return _answer_open(self, request)


class Controller(bmc.Bmc):
    """Chassis power of a lab host, and its GUID."""

    def __init__(self, host):
        self.host = host
        guid = uuid.UUID(settings.system_uuid(host))
        super().__init__(
            {settings.BMC_USER: settings.BMC_PASSWORD},
            port=settings.PORTS["ipmi"],
            address=settings.address(host),
            bmcuuid=guid,
        )

    def sessionless_data(self, data, sockaddr):
        """Whoever asks first: no answer while it is dead or silent."""
        if not self._gone():
            super().sessionless_data(data, sockaddr)

    def handle_raw_request(self, request, session):
        """The same within a session."""
        if not self._gone():
            super().handle_raw_request(request, session)

    def _gone(self):
        wrong = hosts.faults(self.host)
        if wrong.get("drop") or wrong.get("latency", 0) >= GONE_S:
            power.note(self.host, "dropped a request")
            return True
        return False

    def get_system_guid(self):
        """The same identity as over Redfish."""
        return self.uuid

    def get_power_state(self):
        """A host in transition is still what it was."""
        self._be_late()
        state = power.reads(self.host)
        return "on" if state in ("On", "PoweringOff") else "off"

    def power_off(self):
        """Chassis power off: at once."""
        return self._order("off", True, False)

    def power_on(self):
        """Chassis power on."""
        return self._order("on", False, True)

    def power_cycle(self):
        """Off, then on."""
        return self._order("cycle", True, True)

    power_reset = power_cycle

    def _order(self, word, off, on):
        self._be_late()
        try:
            power.order(self.host, f"ipmi {word}", off, on)
        except power.Refuses:
            return REFUSED
        return 0

    def _be_late(self):
        time.sleep(hosts.faults(self.host).get("latency", 0))

    def is_active(self):
        """Whether its console could be shown: there is none."""
        return False


if __name__ == "__main__":
    serversession.ServerSession.create_open_session_response = negotiate
    Controller(sys.argv[1]).listen()
