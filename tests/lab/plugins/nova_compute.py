"""nova-compute that also finds the lab's driver (Nova loads drivers from its
own package alone), loaded once and forked for each host: `nova_compute.py
DOOR`.

What a start costs is mostly the loading of Nova. A fork has it behind it;
from its configuration on, each is a process like any other.
"""

from nova import monkey_patch

monkey_patch.patch(
    backend="threading"
)  # before anything else of Nova, as its own launcher does

import pathlib  # noqa: E402
import sys  # noqa: E402

import forks  # noqa: E402
import nova.virt  # noqa: E402
import os_vif  # noqa: E402
from nova.cmd import compute  # noqa: E402
from nova.servicegroup import api as heartbeats  # noqa: E402

nova.virt.__path__.append(
    str(pathlib.Path(__file__).resolve().parent / "labnova_virt")
)

# what nova-compute itself loads late
import nova.compute.manager  # noqa: E402
import nova.virt.guests_on_disk  # noqa: E402
import oslo_messaging._drivers.impl_rabbit  # noqa: E402, F401

os_vif.initialize()
# The first heartbeat, as all others, after report_interval; Nova waits longer.
heartbeats.INITIAL_REPORTING_DELAY = 1
forks.serve(sys.argv[1], compute.main)
