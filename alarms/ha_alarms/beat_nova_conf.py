"""What a host's own nova.conf says that no API of Nova's shows."""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Iterator
from pathlib import Path

from ha_actions.witnesses.tooz_beat import RESUMES

_TRUE = ("true", "1", "on", "yes")
"""Source: oslo.config, types.Boolean; anything else that it takes is false."""


def resumes_guests(paths: Iterable[str]) -> bool | None:
    """Whether the host starts its guests by itself when it boots.

    :param paths: nova.conf files and folders of them, in the order in which
        nova-compute reads them: the last that says something counts.
    :returns: None if there is no such file, or one cannot be read: then
        nobody knows.
    """
    found: str | None = None
    files = list(_files(paths))
    for path in files:
        parser = configparser.RawConfigParser(
            strict=False, allow_no_value=True, default_section="\0"
        )
        try:
            parser.read_string(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, configparser.Error):
            return None
        found = parser.get("DEFAULT", RESUMES, fallback=None) or found
    if not files:
        return None
    return (found or "").strip().strip("\"'").lower() in _TRUE


def _files(paths: Iterable[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(path.glob("*.conf"))
        elif path.exists():
            yield path
