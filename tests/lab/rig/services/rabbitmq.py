"""A private RabbitMQ node: own name, cookie, port mapper, folders and ports;
the system's one is never looked at.

The broker starts empty each time: a queue that a killed nova-compute left
behind holds casts that would be carried out at its return, which is wanted
within one run of the lab, never across two.
"""

from __future__ import annotations

import shutil
import socket

from rig import settings
from rig.service import Service, tcp

PORT = settings.PORTS["rabbitmq"]
EPMD = settings.PORTS["epmd"]
DIST = settings.PORTS["rabbitmq-dist"]
DATA = settings.DATA / "rabbitmq"
CONF = settings.ETC / "rabbitmq"


def configure() -> None:
    """One vhost, the default user, loopback only."""
    CONF.mkdir(parents=True, exist_ok=True)
    (CONF / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = {settings.LISTEN}:{PORT}\n"
        "default_vhost = nova\n"
        "vm_memory_high_watermark.absolute = 1GB\n"
        "disk_free_limit.absolute = 50MB\n"
        "log.console = true\n"
        "log.console.level = warning\n"
        "log.file = false\n"
    )
    (CONF / "enabled_plugins").write_text("[].\n")
    # The shell wrapper sources this file; an empty one keeps the system's
    # settings out.
    (CONF / "rabbitmq-env.conf").touch()


def empty() -> None:
    """Forget everything, and give Erlang a home with a cookie of the lab's
    own.
    """
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir(parents=True)
    cookie = DATA / ".erlang.cookie"
    cookie.write_text("HALABTHROWAWAYCOOKIE")
    cookie.chmod(0o400)


def answers() -> bool:
    """AMQP's own greeting: the port accepts a while before the broker is
    ready.
    """
    with socket.create_connection(
        (settings.LISTEN, PORT), timeout=3
    ) as connection:
        connection.settimeout(3)
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(1) == b"\x01"


ENV = {
    "HOME": str(DATA),
    "ERL_EPMD_PORT": str(EPMD),
    "ERL_EPMD_ADDRESS": settings.LISTEN,
    "RABBITMQ_NODENAME": "ha-lab@localhost",
    "RABBITMQ_BASE": str(DATA),
    "RABBITMQ_MNESIA_BASE": str(DATA / "mnesia"),
    "RABBITMQ_LOG_BASE": str(settings.LOG),
    "RABBITMQ_CONF_ENV_FILE": str(CONF / "rabbitmq-env.conf"),
    "RABBITMQ_CONFIG_FILE": str(CONF / "rabbitmq.conf"),
    "RABBITMQ_ADVANCED_CONFIG_FILE": str(CONF / "advanced.config"),
    "RABBITMQ_GENERATED_CONFIG_DIR": str(DATA / "config"),
    "RABBITMQ_ENABLED_PLUGINS_FILE": str(CONF / "enabled_plugins"),
    "RABBITMQ_PID_FILE": str(DATA / "pid"),
    "RABBITMQ_DIST_PORT": str(DIST),
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
        "-kernel inet_dist_use_interface {127,0,0,1} "
        "-start_epmd false +sbwt none"
    ),
    # Makes the wrapper exec the broker, so that the recorded process is the
    # broker itself.
    "RUNNING_UNDER_SYSTEMD": "1",
}

SERVICES = [
    Service(
        name="epmd",
        argv=["epmd", "-port", str(EPMD), "-address", settings.LISTEN],
        healthy=tcp(EPMD),
        port=EPMD,
        grace=2,
    ),
    Service(
        name="rabbitmq",
        # Not the command in sbin: that one changes to the system's user and
        # folders.
        argv=["/usr/lib/rabbitmq/bin/rabbitmq-server"],
        healthy=answers,
        port=PORT,
        more_ports=[DIST],
        after=["epmd"],
        env=ENV,
        before_start=empty,
        grace=10,
    ),
]
