"""What a Mistral process knows of itself: who it is, what it can, its clock.

Nothing here is a secret, and nothing is called: host name, version, the
actions that it has loaded, and a few of Mistral's own settings as this
process reads them.
"""

from __future__ import annotations

import inspect
import os
import socket
import time
from collections.abc import Mapping
from importlib import metadata
from typing import Any

SETTINGS = (
    ("DEFAULT", "scheduler_type"),
    ("action_heartbeat", "check_interval"),
    ("action_heartbeat", "max_missed_heartbeats"),
    ("action_heartbeat", "first_heartbeat_timeout"),
    ("scheduler", "pickup_job_after"),
    ("scheduler", "captured_job_timeout"),
    ("executor", "type"),
    ("engine", "execution_field_size_limit_kb"),
    ("execution_expiration_policy", "older_than"),
    ("execution_expiration_policy", "evaluation_interval"),
)
"""Group and name of what `ha-pack check` looks at."""


def here(role: str, classes: Mapping[str, type]) -> dict[str, Any]:
    """This process, as JSON.

    :param role: ``engine`` or ``executor``: whose name Mistral gave it.
    :param classes: the actions of ours that it has.
    """
    return {
        "host": socket.gethostname(),
        "name": _name(role),
        "pid": os.getpid(),
        "pack": version(),
        "now": time.time(),
        "actions": {name: inputs(cls) for name, cls in classes.items()},
        "settings": {
            f"{group}.{name}": value
            for group, name in SETTINGS
            if (value := _setting(group, name)) is not None
        },
    }


def inputs(cls: type) -> dict[str, list[str]]:
    """An action's inputs: those it needs, and those it may be given."""
    found = inspect.signature(cls).parameters.values()
    need = sorted(p.name for p in found if p.default is p.empty)
    may = sorted(p.name for p in found if p.default is not p.empty)
    return {"need": need, "may": may}


NO_NAMES = ("", "None", "0.0.0.0", "127.0.0.1", "localhost")  # noqa: S104
"""Mistral's defaults; many processes have them."""


def _name(role: str) -> str:
    """What Mistral's `[engine] host` or `[executor] host` calls it."""
    name = str(_setting(role, "host"))
    return socket.gethostname() if name in NO_NAMES else name


def version() -> str:
    """The installed pack's; empty when it runs from a bare checkout."""
    try:
        return metadata.version("mistral-ha-pack")
    except metadata.PackageNotFoundError:
        return ""


def _setting(group: str, name: str) -> Any:
    """Mistral's option as this process has it; None: it has none such."""
    try:
        from oslo_config import cfg
    except ImportError:  # not a Mistral process
        return None
    try:
        where = cfg.CONF if group == "DEFAULT" else getattr(cfg.CONF, group)
        return getattr(where, name)
    except (cfg.Error, AttributeError):  # not registered in this process
        return None
