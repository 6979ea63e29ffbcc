"""The executors' fence file: which devices a host has, and in what order.

::

    HOST or PATTERN:
      - kind: redfish ...            a level of one device
      - any: [{kind: ...}, ...]      a level of which one device is enough
      - all: [{kind: ...}, ...]      a level that needs all of its devices

A host's own entry counts before any pattern; two patterns that fit one host
are an error. In a pattern's values ``{host}`` is the host's name and
``{short}`` the name up to its first dot. A value ``env:NAME``, ``file:PATH``
or ``barbican:UUID`` is a reference to a secret that is read when it is needed.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib.metadata
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ha_actions.codec import nearest
from ha_actions.errors import BadInput
from ha_actions.fencing.level import AllOf
from ha_actions.ports import Clock, Fence

Entry = dict[str, Any]
Vault = Callable[[str], str]
"""Id of a secret -> the secret."""


def fences_of(
    path: str, clock: Clock, host: str, vault: Vault | None = None
) -> Sequence[Fence]:
    """A host's devices, in the order of the fence file.

    The file is read anew each time: a changed password counts at once.

    :param vault: reads ``barbican:UUID``.
    :raises BadInput: the file or the host's entry is wrong.
    :raises Transient: the vault does not answer.
    """
    if not path:
        return []
    where = Path(path)
    name, entries = _entries_of(where, _read(where), host)
    made: list[Fence] = []
    for entry in entries:
        made += _level(where, name, host, entry, clock, vault)
    return made


def check(path: str, clock: Clock) -> None:
    """Read every entry once, so that a typo is found before the night.

    :raises BadInput: the first thing that is wrong.
    """
    where = Path(path)
    for name, entries in _read(where).items():
        host = "any-host" if is_pattern(name) else name
        for entry in entries:
            _level(where, name, host, entry, clock, lambda id: f"secret {id}")


def hosts_of(path: str) -> list[str]:
    """Hosts that the file names one by one; patterns are not among them."""
    return [n for n in _read(Path(path)) if not is_pattern(n)] if path else []


def is_pattern(name: str) -> bool:
    """Whether an entry is for every host whose name fits it."""
    return any(sign in name for sign in "*?[")


def private(path: Path) -> None:
    """Make sure that nobody else can read a file of secrets.

    :raises BadInput: others may, or it cannot be looked at.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise unreadable(path, error) from error
    if mode & 0o077:
        raise bad(
            f"{path} holds passwords and others may read it (mode "
            f"{mode:03o}); chmod 600 it."
        )


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file that is a mapping; no message shows its text.

    :raises BadInput: it is not, or cannot be read.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error
    except yaml.YAMLError as error:
        # The mark alone: the text around it may be a password.
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise bad(f"{path} is not YAML{line}; correct it.") from error
    if not isinstance(data, dict):
        raise bad(f"{path} must be a mapping of keys to values.")
    return data


@functools.lru_cache(maxsize=64)
def load(group: str, name: str, where: str) -> Callable[..., Any]:
    """The class behind an entry point.

    :raises BadInput: it is not installed.
    """
    found = importlib.metadata.entry_points(group=group)
    known = {point.name: point for point in found}
    if name not in known:
        raise bad(
            f"{where}: {name!r} is not installed{nearest(name, known)}; "
            f"there is {', '.join(sorted(known)) or 'none'}."
        )
    loaded: Callable[..., Any] = known[name].load()
    return loaded


def unreadable(path: Path, error: Exception) -> BadInput:
    """The error of a file that cannot be read."""
    why = getattr(error, "strerror", None) or "not UTF-8"
    return bad(f"{path} cannot be read ({why}); see executor.example.yaml.")


def bad(message: str) -> BadInput:
    """An error in a file of the executor's."""
    return BadInput("executor_file", message)


def secret(text: str, where: str, vault: Vault | None = None) -> str:
    """The value that ``env:NAME``, ``file:PATH`` or ``barbican:UUID`` is for.

    :raises BadInput: there is no such variable, the file is not private, or
        there is no such secret.
    """
    kind, colon, rest = text.partition(":")
    if not colon:
        return text
    if kind == "env":
        if rest not in os.environ:
            raise bad(f"{where}: the environment has no variable {rest}.")
        return os.environ[rest]
    if kind == "file" and not rest.startswith("//"):  # that is a URL
        path = Path(rest)
        private(path)
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise unreadable(path, error) from error
    if kind == "barbican" and vault is not None:
        return vault(rest)
    return text


def _read(path: Path) -> dict[str, list[Entry]]:
    private(path)
    data = read_yaml(path)
    for host, entries in data.items():
        if (
            not isinstance(host, str)
            or not isinstance(entries, list)
            or not all(isinstance(entry, dict) for entry in entries)
        ):
            raise bad(
                f"{path}: {host} must be a list of devices, each with its "
                "`kind`."
            )
    return data


def _entries_of(
    path: Path, data: Mapping[str, list[Entry]], host: str
) -> tuple[str, list[Entry]]:
    if host in data:
        return host, data[host]
    fits = [
        name
        for name in data
        if is_pattern(name) and fnmatch.fnmatchcase(host, name)
    ]
    if len(fits) > 1:
        raise bad(
            f"{path}: {host} fits {' and '.join(fits)}; give it an entry of "
            "its own, or let one pattern fit."
        )
    return (fits[0], data[fits[0]]) if fits else (host, [])


def _level(
    path: Path,
    name: str,
    host: str,
    entry: Entry,
    clock: Clock,
    vault: Vault | None,
) -> list[Fence]:
    """The fences of one level of the ladder."""
    word = next((w for w in ("any", "all") if w in entry), "")
    if not word:
        return [_device(path, name, host, entry, clock, vault)]
    its = entry[word]
    if len(entry) > 1 or not isinstance(its, list) or not its:
        raise bad(f"{path}: {name}: {word} must be a list of devices alone.")
    for one in its:
        if not isinstance(one, dict) or "kind" not in one:
            raise bad(f"{path}: {name}: {word}: each device needs its `kind`.")
    made = [_device(path, name, host, one, clock, vault) for one in its]
    if word == "any" or len(made) == 1:
        return made
    try:
        return [AllOf(made, clock)]
    except BadInput as error:
        raise bad(f"{path}: {name}: {error.message}") from error


def _device(
    path: Path,
    name: str,
    host: str,
    entry: Entry,
    clock: Clock,
    vault: Vault | None,
) -> Fence:
    settings = dict(entry)
    kind = str(settings.pop("kind", None))
    cls = load("ha_actions.fences", kind, f"{path}: {name}: kind")
    where = f"{path}: {name}: {kind}"
    if is_pattern(name):
        if kind != "rehearsal" and not any(
            "{host}" in text or "{short}" in text for text in _texts(settings)
        ):
            raise bad(
                f"{where}: nothing in it says {{host}} or {{short}}, so all "
                "the hosts of the pattern would share one device."
            )
        settings = _each_text(settings, lambda text: _named(text, host))
    settings = _each_text(settings, lambda text: secret(text, where, vault))
    made: Fence = cls(host, settings, clock)
    return made


def _named(text: str, host: str) -> str:
    short = host.partition(".")[0]
    return text.replace("{host}", host).replace("{short}", short)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _each_text(one, change) for key, one in value.items()}
    if isinstance(value, list):
        return [_each_text(one, change) for one in value]
    return value
