"""Octavia with no-op amphorae: its locks, states and API are real, no packet
flows. `pool-health` plays the amphorae's reports (full lab).
"""

from __future__ import annotations

import uuid
from pathlib import Path

from rig import ini, process, settings
from rig.rest import Cloud
from rig.service import Service, Setup
from rig.uwsgi import api
from rig.waiting import eventually

CONF = settings.ETC / "octavia" / "octavia.conf"
STATE = settings.DATA / "octavia"
# Relative to the working folder of the service: a long path would not fit in
# a socket's address.
SOCKETS = Path(STATE.relative_to(settings.STATE))
CA, CA_KEY = STATE / "ca.crt", STATE / "ca.key"

# The no-op drivers keep a file of fixed name in the folder for temporary
# files: two labs must not share it.
ENV = {"TMPDIR": str(STATE)}


def _drivers() -> dict[str, object]:
    kinds = (
        "amphora",
        "compute",
        "network",
        "image",
        "volume",
        "distributor",
    )
    return {f"{kind}_driver": f"{kind}_noop_driver" for kind in kinds}


def configure() -> None:
    """octavia.conf."""
    STATE.mkdir(parents=True, exist_ok=True)
    port = settings.PORTS["octavia"]
    messaging = ini.messaging()
    ini.write(
        CONF,
        {
            "DEFAULT": {"transport_url": settings.TRANSPORT_URL},
            "api_settings": {
                "bind_host": settings.LISTEN,
                "bind_port": port,
                "auth_strategy": "keystone",
                "enabled_provider_drivers": "octavia:no-op amphorae",
                "default_provider_driver": "octavia",
                "api_base_uri": f"http://{settings.LISTEN}:{port}",
                "allow_tls_terminated_listeners": False,
            },
            "database": {"connection": settings.db_url("octavia")},
            "health_manager": {
                "heartbeat_key": "insecure",
                "heartbeat_timeout": 3600,
                "health_check_interval": 3600,
                "controller_ip_port_list": f"{settings.LISTEN}:1",
            },
            "controller_worker": _drivers()
            | {
                "workers": 1,
                "amp_boot_network_list": uuid.UUID(int=1),
                "amp_image_tag": "amphora",
                "amp_flavor_id": "1",
                "loadbalancer_topology": "SINGLE",
                "client_ca": CA,
            },
            "certificates": {
                "cert_generator": "local_cert_generator",
                "cert_manager": "noop_cert_manager",
                "ca_certificate": CA,
                "ca_private_key": CA_KEY,
                "ca_private_key_passphrase": settings.PASSWORD,
                "server_certs_key_passphrase": "x" * 32,
            },
            "oslo_messaging": {"topic": "octavia_prov"},
            "driver_agent": {
                f"{kind}_socket_path": SOCKETS / f"{kind}.sock"
                for kind in ("status", "stats", "get")
            }
            | {"enabled_provider_agents": ""},
            "task_flow": {
                "engine": "serial",
                "max_workers": 1,
                "jobboard_enabled": False,
            },
            "keystone_authtoken": ini.authtoken("octavia"),
            "service_auth": ini.user("octavia"),
            "neutron": ini.regional("octavia"),
            **messaging,
        },
    )


_CA = """
import datetime, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as s
from cryptography.hazmat.primitives.asymmetric import rsa
cert, key_file, phrase = sys.argv[1:]
key = rsa.generate_private_key(65537, 2048)
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lab")])
now = datetime.datetime.now(datetime.timezone.utc)
made = (x509.CertificateBuilder().subject_name(name).issuer_name(name)
    .public_key(key.public_key()).serial_number(1).not_valid_before(now)
    .not_valid_after(now + datetime.timedelta(days=3650))
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    .sign(key, hashes.SHA256()))
open(cert, "wb").write(made.public_bytes(s.Encoding.PEM))
open(key_file, "wb").write(key.private_bytes(
    s.Encoding.PEM, s.PrivateFormat.PKCS8,
    s.BestAvailableEncryption(phrase.encode())))
"""

_cloud = Cloud()


def balancers_gone(asked: set[str]) -> bool:
    """One look: delete each load balancer with all that it has; true when
    there is none.
    """
    path = "/v2/lbaas/loadbalancers"
    found = _cloud("octavia", "GET", path)["loadbalancers"]
    for one in found:
        if one["id"] in asked:
            continue
        gone = f"{path}/{one['id']}?cascade=true"
        if _cloud.ask("octavia", "DELETE", gone).status < 400:
            asked.add(one["id"])
    return not found


def reset() -> None:
    """No load balancer."""
    asked: set[str] = set()
    eventually(
        "the deletion of all load balancers",
        lambda: balancers_gone(asked),
        60,
    )


def _running(name: str) -> bool:
    return process.running(name)


_FIRST = [
    "mariadb",
    "memcached",
    "rabbitmq",
    "octavia certificate",
    "keystone",
]


def _daemon(name: str, *argv: str) -> Service:
    return Service(
        name=name,
        argv=argv or (str(settings.BIN / name), f"--config-file={CONF}"),
        healthy=lambda: _running(name),
        after=[*_FIRST, "catalogue"],
        env=ENV,
        grace=5,
    )


SETUPS = [
    Setup(
        name="octavia certificate",
        commands=[
            [
                str(settings.BIN / "python"),
                "-c",
                _CA,
                str(CA),
                str(CA_KEY),
                settings.PASSWORD,
            ]
        ],
    ),
    Setup(
        name="octavia db",
        commands=[
            [
                str(settings.BIN / "octavia-db-manage"),
                f"--config-file={CONF}",
                "upgrade",
                "head",
            ]
        ],
        after=["mariadb"],
        env=ENV,
        tables=True,
    ),
]

SERVICES = [
    api(
        "octavia",
        "octavia.wsgi.api",
        threads=6,
        after=_FIRST,
        env=ENV,
        more=[f"--pyargv=--config-file {CONF}"],
    ),
    _daemon("octavia-worker"),
    _daemon("octavia-driver-agent"),
    _daemon(
        "pool-health",
        str(settings.BIN / "python"),
        str(settings.PLUGINS / "pool_health.py"),
    ),
]
