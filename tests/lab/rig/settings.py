"""Every name, port and path of the lab, in one place.

Guarantee: nothing here touches the disk or the network; the state folder is
the only place the lab writes to.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
STATE = Path(os.environ.get("HA_LAB_DIR") or HOME / ".state").resolve()

VENV = STATE / "venv"
BIN = VENV / "bin"
ETC = STATE / "etc"
LOG = STATE / "log"
RUN = STATE / "run"
DATA = STATE / "data"
HOSTS_DIR = DATA / "hosts"
PLUGINS = HOME / "plugins"
REQUIREMENTS = HOME / "requirements.txt"

# Written last by the first `up`; while it is missing, the databases are made
# anew.
MADE = DATA / "made.json"

CLOUDS_YAML = STATE / "clouds.yaml"
NOVA_CALLS = LOG / "nova-calls.log"
BMC_ACTIONS = LOG / "bmc-actions.jsonl"

HOSTS = ("host1", "host2", "host3")
LISTEN = "127.0.0.1"
BASE = int(os.environ.get("HA_LAB_PORT_BASE") or 21500)

# In the order of the offsets: append, never reorder, since the catalogue of a
# made lab holds these ports.
PORT_NAMES = (
    "keystone",
    "placement",
    "glance",
    "neutron",
    "nova-api",
    "bmc",
    "mariadb",
    "memcached",
    "rabbitmq",
    "rabbitmq-dist",
    "epmd",
)
PORTS = {name: BASE + offset for offset, name in enumerate(PORT_NAMES)}

# Fixed throwaway credentials: every server listens on loopback alone.
PASSWORD = "lab"
BMC_USER = "admin"
BMC_PASSWORD = "lab"
REGION = "RegionOne"

DATABASES = (
    "keystone",
    "placement",
    "glance",
    "neutron",
    "nova",
    "nova_api",
    "nova_cell0",
)

KEYSTONE_URL = f"http://{LISTEN}:{PORTS['keystone']}/v3"
MEMCACHED = f"{LISTEN}:{PORTS['memcached']}"
TRANSPORT_URL = f"rabbit://guest:guest@{LISTEN}:{PORTS['rabbitmq']}/nova"

# The public face of each API: (name of the service, type in the catalogue,
# path behind the port).
APIS = (
    ("placement", "placement", ""),
    ("glance", "image", ""),
    ("neutron", "network", ""),
    ("nova", "compute", "/v2.1"),
)


def api_url(service: str) -> str:
    """Where the named API of `APIS` answers."""
    path = next(path for name, _, path in APIS if name == service)
    port = PORTS["nova-api" if service == "nova" else service]
    return f"http://{LISTEN}:{port}{path}"


def db_url(database: str) -> str:
    """The SQLAlchemy address of one of `DATABASES`."""
    return f"mysql+pymysql://lab:{PASSWORD}@{LISTEN}:{PORTS['mariadb']}/{database}?charset=utf8mb4"


def host_dir(host: str) -> Path:
    """The state_path of a host's nova-compute: its identity, its guests, its
    power.
    """
    return HOSTS_DIR / host


def system_uuid(host: str) -> str:
    """The Redfish identity of a host: the same in every lab."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{host}.lab.invalid"))


def fingerprint() -> dict[str, str]:
    """What the databases of a made lab depend on; a difference means that they
    are made anew.
    """
    return {
        "requirements": REQUIREMENTS.read_text(),
        "base": str(BASE),
        "state": str(STATE),
    }
