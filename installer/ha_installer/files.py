"""The files that come with the pack, and those that a person names."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from ha_actions.errors import BadInput


def workbook_text() -> str:
    """The shipped workbook ``ha.v1``."""
    return _shipped("ha_installer.workbooks", "ha.v1.yaml")


def policy_text(path: str | None = None) -> str:
    """The policy file of that path; else the shipped example.

    :raises BadInput: it cannot be read.
    """
    if path:
        return read(path, "policy")
    return _shipped("ha_installer", "policy.example.yaml")


def drill_text() -> str:
    """The rehearsal's scenario."""
    return _shipped("ha_installer", "drill.yaml")


def read(path: str, what: str) -> str:
    """A named file's text.

    :param what: what kind of file it should be, for the sentence.
    :raises BadInput: it is not there, or it is not UTF-8 text.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise BadInput(
            "no_file", f"The {what} file {path} cannot be read: {why}."
        ) from error


def write(path: str, text: str, what: str) -> None:
    """Write a named file, replacing it.

    :raises BadInput: it cannot be written.
    """
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(
            "no_file",
            f"The {what} file {path} cannot be written: {error.strerror}; "
            "name another place.",
        ) from error


def _shipped(package: str, name: str) -> str:
    return (resources.files(package) / name).read_text(encoding="utf-8")
