"""Configuration as data: nested dictionaries to INI files, and the sections
that OpenStack services share.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rig import settings

Config = Mapping[str, Mapping[str, object]]


def write(path: Path, config: Config) -> None:
    """Write one INI file; a tuple with commas, a bool in lower case."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for section, options in config.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {_text(value)}" for key, value in options.items()]
    path.write_text("\n".join(lines) + "\n")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def user(name: str) -> dict[str, object]:
    """How a service logs in to Keystone."""
    return {
        "auth_url": settings.KEYSTONE_URL,
        "auth_type": "password",
        "username": name,
        "password": settings.PASSWORD,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }


def regional(name: str) -> dict[str, object]:
    """The same for calls to another service."""
    return user(name) | {"region_name": settings.REGION}


def authtoken(name: str) -> dict[str, object]:
    """[keystone_authtoken]; checked tokens are kept in memcached, else each
    call costs one of Keystone's.
    """
    return user(name) | {
        "www_authenticate_uri": settings.KEYSTONE_URL,
        "memcached_servers": settings.MEMCACHED,
        "service_token_roles": "service",
        "service_token_roles_required": True,
    }


def messaging() -> dict[str, Mapping[str, object]]:
    """Light queues on one broker, and notifications on (the default is none at
    all).
    """
    return {
        "oslo_messaging_notifications": {
            "driver": "messagingv2",
            "topics": "notifications",
        },
        "oslo_messaging_rabbit": {
            "heartbeat_timeout_threshold": 20,
            "rabbit_quorum_queue": False,
            "rabbit_ha_queues": False,
            # as real clouds have it: what is queued outlives the broker
            "amqp_durable_queues": True,
        },
        "oslo_concurrency": {"lock_path": settings.DATA / "lock"},
    }
