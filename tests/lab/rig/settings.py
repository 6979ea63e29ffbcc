"""Every name, port and path of the lab, in one place.

Guarantee: nothing here writes or uses the network; the state folder is the
only place the lab writes to. The lab has two sizes, `small` and `full`, and
`full` may have Heat; which one is up is said in the state folder, so that
every process of it agrees.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
# Labs side by side: HA_LAB=2 is the second, beside the first's folder and
# ports; what is installed they share.
NUMBER = int(os.environ.get("HA_LAB") or 1)
FIRST = Path(os.environ.get("HA_LAB_DIR") or HOME / ".state").resolve()
STATE = FIRST if NUMBER == 1 else FIRST.with_name(f"{FIRST.name}-{NUMBER}")

# Written by `up --full`, removed by `down`.
PROFILE = STATE / "profile"
SIZE = PROFILE.read_text().strip() if PROFILE.exists() else "small"
FULL = SIZE != "small"
HEAT = SIZE == "full, with Heat"

VENV = FIRST / "venv"
BIN = VENV / "bin"
ETC = STATE / "etc"
LOG = STATE / "log"
RUN = STATE / "run"
# Each size has databases of its own: changing between them makes nothing anew.
DATA = STATE / ("data" + "-full" * FULL + "-heat" * HEAT)
HOSTS_DIR = DATA / "hosts"
PLUGINS = HOME / "plugins"
REQUIREMENTS = HOME / "requirements.txt"

# The full lab's own: more services in the same venv; Mistral and the pack in
# another, as on an operator's controller.
MORE_REQUIREMENTS = HOME / "requirements-full.txt"
MISTRAL_REQUIREMENTS = HOME / "requirements-mistral.txt"
MISTRAL_VENV = FIRST / "venv-mistral"
MISTRAL_BIN = MISTRAL_VENV / "bin"
AODH_REQUIREMENTS = HOME / "requirements-aodh.txt"
AODH_VENV = FIRST / "venv-aodh"
AODH_BIN = AODH_VENV / "bin"
HEAT_REQUIREMENTS = HOME / "requirements-heat.txt"
CLIENT_REQUIREMENTS = HOME / "requirements-clients.txt"
CLIENT_VENV = FIRST / "venv-clients"
CHECKOUT = HOME.parent.parent
PACK = ETC / "pack"

# Written last by the first `up`; while it is missing, the databases are made
# anew.
MADE = DATA / "made.json"

CLOUDS_YAML = STATE / "clouds.yaml"
NOVA_CALLS = LOG / "nova-calls.log"
BMC_ACTIONS = LOG / "bmc-actions.jsonl"

# Rack -> its hosts; in the full lab each rack is an aggregate with the
# metadata `rack`.
RACKS = {"rack1": ("host1", "host2"), "rack2": ("host3", "host4")}
# MiB that must be available before the first start: about what it uses.
MEMORY_MIB = 5000 if FULL else 2500
HOSTS = (
    tuple(host for rack in RACKS.values() for host in rack)
    if FULL
    else ("host1", "host2", "host3")
)
LISTEN = "127.0.0.1"
FIRST_BASE = int(os.environ.get("HA_LAB_PORT_BASE") or 21500)
BASE = FIRST_BASE + 50 * (NUMBER - 1)

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
    "cinder",
    "mistral",
    "octavia",
    "reach",
    "aodh",
    "ipmi",
    "heat",
)
PORTS = {name: BASE + offset for offset, name in enumerate(PORT_NAMES)}

# Fixed throwaway credentials: every server listens on loopback alone.
PASSWORD = "lab"
BMC_USER = "admin"
BMC_PASSWORD = "lab"
REGION = "RegionOne"
# The pack's: execution ids of alarms and of ha-watch come of it.
SECRET = "lab"

DATABASES = (
    "keystone",
    "placement",
    "glance",
    "neutron",
    "nova",
    "nova_api",
    "nova_cell0",
    *(("cinder", "mistral", "octavia", "aodh") if FULL else ()),
    *(("heat",) if HEAT else ()),
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
    *(
        (
            ("cinder", "block-storage", "/v3"),
            ("mistral", "workflowv2", "/v2"),
            ("octavia", "load-balancer", ""),
            ("aodh", "alarming", ""),
        )
        if FULL
        else ()
    ),
    *((("heat", "orchestration", "/v1/%(project_id)s"),) if HEAT else ()),
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


def address(host: str) -> str:
    """A host's own loopback address: where its link answers (full lab)."""
    return f"127.0.0.{11 + HOSTS.index(host)}"


REACHABLE = f"127.{64 + BASE // 50 % 128}.0"
"""First three numbers of the tenants' network whose addresses are this
machine's: what guests serve there can be asked. Each lab has its own."""


CONTROL = "127.0.0.10"
"""An address on the hosts' network that answers whatever host is gone."""


def system_uuid(host: str) -> str:
    """The Redfish identity of a host: the same in every lab."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{host}.lab.invalid"))


def versions() -> dict[str, str]:
    """What the tables of the databases depend on."""
    more = (
        {
            "more": MORE_REQUIREMENTS.read_text(),
            "mistral": MISTRAL_REQUIREMENTS.read_text(),
            "aodh": AODH_REQUIREMENTS.read_text(),
            "apis": " ".join(name for name, _, _ in APIS),
            "heat": HEAT_REQUIREMENTS.read_text() if HEAT else "",
        }
        if FULL
        else {}
    )
    return more | {"requirements": REQUIREMENTS.read_text()}


def fingerprint() -> dict[str, str]:
    """What the databases of a made lab depend on; a difference means that they
    are made anew.
    """
    return versions() | {"base": str(BASE), "state": str(STATE)}
