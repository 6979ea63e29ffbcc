"""What amphorae would report of their members, from what really runs.

Once a second: a member whose guest runs is ONLINE (DRAINING with weight 0),
any other is ERROR. The reports go through the driver-agent's socket, which is
Octavia's own door for them.
"""

import time

from octavia_lib.api.drivers import driver_lib, exceptions
from rig import hosts, settings
from rig.errors import LabError
from rig.rest import Cloud
from rig.services.octavia import SOCKETS

AGAIN_S = 3
UNHEARD = (
    exceptions.DriverAgentNotFound,
    exceptions.DriverAgentTimeout,
    exceptions.UpdateStatusError,
)


def running():
    """Ids of all servers that really run."""
    return {
        one for host in settings.HOSTS for one in hosts.guests_running(host)
    }


def members(cloud):
    """(id, address, weight, reported state) of every member."""
    pools = cloud("octavia", "GET", "/v2/lbaas/pools")["pools"]
    for pool in pools:
        path = f"/v2/lbaas/pools/{pool['id']}/members"
        yield from cloud("octavia", "GET", path)["members"]


class Owners:
    """Whose an address is, by Neutron; asked when other servers run than at
    the last look, and else now and then, for it is asked a lot.
    """

    def __init__(self):
        self._seen, self._asked = None, 0.0
        self._found = {}

    def __call__(self, cloud, alive):
        """Address -> server id."""
        now = time.monotonic()
        if alive != self._seen or now - self._asked > AGAIN_S:
            fields = "fields=device_id&fields=fixed_ips"
            ports = cloud("neutron", "GET", f"/v2.0/ports?{fields}")["ports"]
            self._seen, self._asked = alive, now
            self._found = {
                ip["ip_address"]: port["device_id"]
                for port in ports
                for ip in port["fixed_ips"]
            }
        return self._found


def look(cloud, agent, owners):
    """Report what has changed."""
    found = list(members(cloud))
    if not found:
        return
    alive = running()
    who = owners(cloud, alive)
    news = []
    for one in found:
        if who.get(one["address"]) not in alive:
            state = "ERROR"
        else:
            state = "ONLINE" if one["weight"] else "DRAINING"
        if one["operating_status"] != state:
            news.append({"id": one["id"], "operating_status": state})
    if news:
        agent.update_loadbalancer_status({"members": news})


def main():
    """For ever; a lab that is not well yet is no news."""
    sockets = {
        f"{kind}_socket": str(SOCKETS / f"{kind}.sock")
        for kind in ("status", "stats", "get")
    }
    cloud, agent = Cloud(), driver_lib.DriverLibrary(**sockets)
    owners = Owners()
    while True:
        try:
            look(cloud, agent, owners)
        except (OSError, LabError, *UNHEARD):
            cloud = Cloud()
        time.sleep(1)


if __name__ == "__main__":
    main()
