"""The bridge's own file: where to, for whom, and how much."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "list[str]": (list,),
}


@dataclass(frozen=True)
class BridgeFile:
    """The file's keys; ``bridge.example.yaml`` explains each."""

    secret: str
    keystone: str
    mistral: str
    workflows: list[str]
    operator_projects: list[str] = field(default_factory=list)
    cacert: str = ""
    username: str = ""
    password: str = ""
    project: str = "service"
    domain: str = "Default"
    per_minute: int = 60
    max_body: int = 262_144
    timeout_s: float = 5.0
    deadline_s: float = 20.0


def from_file(path: str) -> BridgeFile:
    """Read strictly.

    :raises ValueError: one sentence: the file cannot be read, others may
        read it, or a key is unknown, missing or of the wrong kind.
    """
    where = Path(path)
    try:
        mode = where.stat().st_mode
        raw = yaml.safe_load(where.read_text("utf-8"))
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); set HA_BRIDGE_FILE "
            "or copy bridge.example.yaml there."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML.") from error
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise ValueError(
            f"{path} holds a secret and others may read it; give it mode 640 "
            "or 600."
        )
    if not isinstance(raw, dict):
        raise ValueError(f"{path} is not a mapping of keys.")
    return _checked(path, raw)


def _checked(path: str, raw: Any) -> BridgeFile:
    known = {f.name: f for f in fields(BridgeFile)}
    for key, value in raw.items():
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise ValueError(f"{path}: the key {key!r} is unknown{hint}")
        kind = str(known[key].type)
        items = value if isinstance(value, list) else []
        if (
            not isinstance(value, TYPES[kind])
            or isinstance(value, bool)
            or not all(isinstance(item, str) for item in items)
        ):
            raise ValueError(f"{path}: {key} is no {kind}.")
        if kind in ("int", "float") and raw[key] <= 0:
            raise ValueError(f"{path}: {key} is not above 0.")
    for key in ("secret", "keystone", "mistral", "workflows"):
        if not raw.get(key):
            raise ValueError(f"{path}: {key} is missing.")
    if raw["secret"] == "change-me":  # noqa: S105
        raise ValueError(
            f"{path}: secret is still the example's; put in the executors' "
            "`namespace`."
        )
    if bool(raw.get("username")) != bool(raw.get("password")):
        raise ValueError(f"{path}: username and password go together.")
    return BridgeFile(**raw)
