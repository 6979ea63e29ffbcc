"""Starting and stopping the peers: on loopback, on free ports, as any user."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
START_S = 60.0
USER, PASSWORD = "admin", "secret"
SBIN = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def missing(*programs: str) -> list[str]:
    """Those that are not installed on this machine."""
    return [p for p in programs if shutil.which(p, path=SBIN) is None]


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def started(
    argv: Sequence[str], log: Path, **more: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own group, ended with all that it started."""
    with (
        log.open("wb") as out,
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            **more,
        ) as process,
    ):
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def truth(port: int, name: str) -> bool:
    """Whether the machine runs, by the peer's own word."""
    there = f"http://127.0.0.1:{port}/{name}"
    with urllib.request.urlopen(there, timeout=5) as answer:
        return bool(answer.read() == b"on")


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until something listens there.

    :raises RuntimeError: it ended, or did not come up.
    """
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"the peer did not start: {log.read_text()[-2000:]}")


@dataclass(frozen=True)
class Redfish:
    """A running emulator: where it is, and how its machines are called."""

    port: int
    truth_port: int
    ca: str
    ids: Mapping[str, str]

    def entry(self, name: str, **more: Any) -> dict[str, Any]:
        """Settings of our own back end."""
        return {
            "address": f"https://127.0.0.1:{self.port}",
            "system": self.ids[name],
            "username": USER,
            "password": PASSWORD,
            "verify": self.ca,
            "identity": name,
            **more,
        }

    def driver_info(self, name: str, **more: Any) -> dict[str, Any]:
        """Of an Ironic node."""
        return {
            "redfish_address": f"https://127.0.0.1:{self.port}",
            "redfish_system_id": f"/redfish/v1/Systems/{self.ids[name]}",
            "redfish_username": USER,
            "redfish_password": PASSWORD,
            "redfish_verify_ca": self.ca,
            "redfish_auth_type": "basic",
            **more,
        }

    def agent(self, name: str) -> dict[str, Any]:
        """Settings for fence_redfish."""
        return {
            "agent": "fence_redfish",
            "target": {"systems_uri": f"/redfish/v1/Systems/{self.ids[name]}"},
            "options": {
                "ip": "127.0.0.1",
                "ipport": self.port,
                "username": USER,
                "password": PASSWORD,
                "ssl_insecure": 1,
                "power_timeout": 1,
            },
        }


@contextmanager
def redfish(
    folder: Path, machines: Mapping[str, Mapping[str, Any]]
) -> Iterator[Redfish]:
    """One emulator with these machines, over TLS, with a password."""
    import bcrypt

    port, truth_port = free_port(), free_port()
    certificate(folder)
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
    (folder / "state").mkdir()
    ids = {name: str(uuid.uuid4()) for name in machines}
    systems = [
        {
            "uuid": ids[name],
            "name": name,
            "power_state": "On",
            "external_notifier": False,
            "nics": [],
        }
        for name in machines
    ]
    config = folder / "emulator.conf"
    config.write_text(
        "SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'\n"
        f"SUSHY_EMULATOR_LISTEN_PORT = {port}\n"
        f"SUSHY_EMULATOR_SSL_CERT = {str(folder / 'cert.pem')!r}\n"
        f"SUSHY_EMULATOR_SSL_KEY = {str(folder / 'key.pem')!r}\n"
        f"SUSHY_EMULATOR_AUTH_FILE = {str(folder / 'htpasswd')!r}\n"
        f"SUSHY_EMULATOR_STATE_DIR = {str(folder / 'state')!r}\n"
        "SUSHY_EMULATOR_FAKE_DRIVER = True\n"
        "SUSHY_EMULATOR_FEATURE_SET = 'minimum'\n"
        f"SUSHY_EMULATOR_FAKE_SYSTEMS = {systems!r}\n"
    )
    plan = folder / "machines.json"
    plan.write_text(json.dumps(machines))
    log = folder / "redfish.log"
    script = str(HERE / "redfish_peer.py")
    argv = [sys.executable, script, str(config), str(truth_port), str(plan)]
    with started(argv, log) as process:
        wait_for(port, process, log)
        yield Redfish(port, truth_port, str(folder / "cert.pem"), ids)


@dataclass(frozen=True)
class Ipmi:
    """Running BMCs, by name."""

    ports: Mapping[str, int]
    truth_ports: Mapping[str, int] = field(default_factory=dict)

    def entry(self, name: str, **more: Any) -> dict[str, Any]:
        return {
            "address": "127.0.0.1",
            "port": self.ports[name],
            "username": USER,
            "password": PASSWORD,
            "cipher": "3",
            **more,
        }

    def agent(self, name: str) -> dict[str, Any]:
        return {
            "agent": "fence_ipmilan",
            "target": {"ip": "127.0.0.1", "ipport": str(self.ports[name])},
            "options": {
                "username": USER,
                "password": PASSWORD,
                "lanplus": 1,
                "cipher": 3,
                "power_timeout": 1,
                "power_wait": 0,
            },
        }


@contextmanager
def ipmi(
    folder: Path, machines: Mapping[str, Mapping[str, Any]]
) -> Iterator[Ipmi]:
    """One process with a BMC for each machine; one that is slow has its own.

    A slow answer blocks the whole process.
    """
    ports = {name: free_port(socket.SOCK_DGRAM) for name in machines}
    groups: dict[str, dict[str, Any]] = {}
    for name, faults in machines.items():
        group = name if faults.get("latency") else "quick"
        groups.setdefault(group, {})[name] = {**faults, "port": ports[name]}
    truths: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        for group, its in groups.items():
            truth_port = free_port()
            truths |= dict.fromkeys(its, truth_port)
            plan = folder / f"{group}.json"
            plan.write_text(json.dumps(its))
            log = folder / f"{group}.log"
            script = str(HERE / "ipmi_peer.py")
            argv = [sys.executable, script, str(truth_port), str(plan)]
            process = stack.enter_context(started(argv, log))
            wait_for(truth_port, process, log)
        yield Ipmi(ports, truths)


CHASSIS = """#!/bin/sh
# ipmi_sim asks: get power | set power 0|1 | set shutdown 1 | check ...
op=$1; shift
case $op in
get) for what in "$@"; do
       if [ "$what" = power ]; then echo "power:$(cat says)"
       else echo "$what:0"; fi
     done ;;
set) while [ $# -ge 2 ]; do
       if [ "$1" = power ]; then
         if [ ! -e ignore ]; then
           echo "$2" > says
           [ -e lies ] || echo "$2" > truth
         fi
       fi
       shift 2
     done ;;
esac
exit 0
"""
LAN = """name "{name}"
set_working_mc 0x20
startlan 1
  addr 127.0.0.1 {port}
  priv_limit admin
  allowed_auths_callback none md2 md5 straight
  allowed_auths_user none md2 md5 straight
  allowed_auths_operator none md2 md5 straight
  allowed_auths_admin none md2 md5 straight
  guid a123456789abcdefa123456789abcdef
endlan
chassis_control "{chassis}"
user 1 true "" "test" user 10 none md2 md5 straight
user 2 true "admin" "secret" admin 10 none md2 md5 straight
"""
COMMANDS = """mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""


@contextmanager
def ipmi_sim(folder: Path, name: str, fault: str = "") -> Iterator[Ipmi]:
    """OpenIPMI's own simulator: another implementation of the protocol.

    :param fault: ``ignore`` or ``lies``.
    """
    port = free_port(socket.SOCK_DGRAM)
    (folder / "says").write_text("1\n")
    (folder / "truth").write_text("1\n")
    if fault:
        (folder / fault).touch()
    chassis = folder / "chassis"
    chassis.write_text(CHASSIS.replace("\nop=", f"\ncd '{folder}'\nop=", 1))
    chassis.chmod(0o755)
    (folder / "lan.conf").write_text(
        LAN.format(name=name, port=port, chassis=chassis)
    )
    (folder / "sim.emu").write_text(COMMANDS)
    (folder / "state").mkdir()
    argv = ["ipmi_sim", "-c", "lan.conf", "-f", "sim.emu", "-s", "state", "-n"]
    log = folder / "sim.log"
    with started(argv, log, cwd=folder) as process:
        time.sleep(1.0)
        if process.poll() is not None:
            raise RuntimeError(f"ipmi_sim ended: {log.read_text()[-500:]}")
        yield Ipmi({name: port})


def certificate(folder: Path, days: int = 30) -> None:
    """A self-signed certificate for 127.0.0.1: cert.pem and key.pem."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([address]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
