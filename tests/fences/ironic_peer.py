"""A standalone Ironic: its own venv, API and conductor, SQLite, no Keystone.

Its nodes are machines of the Redfish emulator. Its periodic sync is off (an
hour): what it says of a machine is what it saw when it was last asked to act.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from fences.peers import free_port, started, wait_for

WANTED = bool(os.environ.get("IRONIC"))
"""Whether the tier is asked for: it has an installation of its own."""
BIN = Path(sys.prefix) / "ironic" / "bin"
CLOUD = "ironic-peer"
READY_S = 60.0
CONFIG = """[DEFAULT]
auth_strategy = noauth
rpc_transport = none
host = here
my_ip = 127.0.0.1
state_path = {folder}
enabled_hardware_types = redfish
enabled_boot_interfaces = redfish-virtual-media
enabled_deploy_interfaces = direct
enabled_inspect_interfaces = no-inspect
enabled_management_interfaces = redfish
enabled_power_interfaces = redfish
enabled_vendor_interfaces = no-vendor
enabled_console_interfaces = no-console
enabled_raid_interfaces = no-raid
enabled_bios_interfaces = no-bios
enabled_firmware_interfaces = no-firmware
enabled_storage_interfaces = noop
enabled_network_interfaces = noop
default_network_interface = noop
[api]
host_ip = 127.0.0.1
port = {port}
[database]
connection = sqlite:///{folder}/ironic.db
[conductor]
workers_pool_size = 60
sync_power_state_interval = 3600
power_state_change_timeout = 10
[redfish]
connection_attempts = 1
connection_retry_interval = 1
[deploy]
http_root = {folder}/http
[pxe]
tftp_root = {folder}/tftp
[sensor_data]
send_sensor_data = False
[oslo_messaging_notifications]
driver = noop
"""
CHEAP = """# read by Python when it starts
import functools, hashlib
hashlib.pbkdf2_hmac = functools.lru_cache(None)(hashlib.pbkdf2_hmac)
"""
"""Ironic hashes the BMC's password anew for each call, by half a second of
CPU: of one password the hash stays the same."""


@contextmanager
def ironic(
    folder: Path, nodes: Mapping[str, Mapping[str, Any]]
) -> Iterator[dict[str, dict[str, Any]]]:
    """One Ironic with these nodes; name -> the entry of the fence file.

    :param nodes: name -> ``driver_info`` of the redfish hardware type.
    """
    port = free_port()
    for part in ("http", "tftp/master_images"):
        (folder / part).mkdir(parents=True)
    config = folder / "ironic.conf"
    config.write_text(CONFIG.format(folder=folder, port=port))
    log = folder / "ironic.log"
    options = ["--config-file", str(config)]
    schema = [str(BIN / "ironic-dbsync"), *options, "create_schema"]
    subprocess.run(schema, check=True, capture_output=True, timeout=120)
    (folder / "sitecustomize.py").write_text(CHEAP)
    with (
        started(
            [str(BIN / "ironic"), *options],
            log,
            env={**os.environ, "PYTHONPATH": str(folder)},
        ) as process,
        _cloud(folder, f"http://127.0.0.1:{port}"),
    ):
        wait_for(port, process, log)
        _enroll(nodes)
        yield {name: {"cloud": CLOUD, "node": name} for name in nodes}


@contextmanager
def _cloud(folder: Path, endpoint: str) -> Iterator[None]:
    """The cloud by which our back end finds it."""
    from ha_actions.fences.ironic import _connection

    variable = "OS_CLIENT_CONFIG_FILE"
    before = os.environ.get(variable)
    entry = {"auth_type": "none", "baremetal_endpoint_override": endpoint}
    clouds = folder / "clouds.yaml"
    clouds.write_text(yaml.safe_dump({"clouds": {CLOUD: entry}}))
    os.environ[variable] = str(clouds)
    _connection.cache_clear()
    try:
        yield
    finally:
        _connection.cache_clear()
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


def _enroll(nodes: Mapping[str, Mapping[str, Any]]) -> None:
    """Make the nodes, once a conductor has the hardware type."""
    import openstack

    api = openstack.connect(cloud=CLOUD).baremetal
    until = time.monotonic() + READY_S
    while "redfish" not in [d.name for d in api.drivers()]:
        if time.monotonic() > until:
            raise RuntimeError("no conductor has the redfish hardware type")
        time.sleep(0.3)
    for name, info in nodes.items():
        api.create_node(name=name, driver="redfish", driver_info=dict(info))
