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


def examples() -> dict[str, str]:
    """What an operator edits and drops in: name -> text."""
    names = ("policy", "executor", "fences", "bridge")
    found = {
        f"{name}.example.yaml": _shipped(
            "ha_installer", f"{name}.example.yaml"
        )
        for name in names
    }
    alarms = resources.files("ha_installer.alarms")
    for folder in ("settings", "systemd", "examples"):
        for file in sorted((alarms / folder).iterdir(), key=lambda f: f.name):
            if file.is_file():
                found[f"{folder}/{file.name}"] = file.read_text("utf-8")
    return found


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
