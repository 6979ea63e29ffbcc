"""All that `ha-pack install` puts in place, as files for one's own hands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ha_actions.adapters.ledger import entry
from ha_actions.errors import BadInput

from ha_installer import files
from ha_installer.catalogue import Thing
from ha_installer.into_mistral import POLICY

SCRIPT = "install.sh"

SIGNS = {"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
"""An alarm's operators as the command line writes them.
Source: aodhclient 3.12, utils.py, OP_LOOKUP."""


def write(folder: str, things: list[Thing]) -> list[str]:
    """Write them; their names, the script that uses them last.

    :raises BadInput: the folder cannot be made or written.
    """
    return _write(folder, dict(_texts(things)), "installation")


def write_examples(folder: str) -> list[str]:
    """Write what an operator edits and drops in; their names.

    :raises BadInput: the folder cannot be made or written, or has one of
        them: nobody's edited file is replaced.
    """
    texts = files.examples()
    for name in texts:
        if (Path(folder) / name).exists():
            raise BadInput(
                "no_file",
                f"{Path(folder) / name} is there already; name a new folder.",
            )
    return _write(folder, texts, "example")


def _write(folder: str, texts: dict[str, str], what: str) -> list[str]:
    where = Path(folder)
    for name, text in texts.items():
        place = where / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(
                "no_file",
                f"The folder {folder} cannot be made: {error.strerror}; name "
                "another place.",
            ) from error
        files.write(str(place), text, what)
    return list(texts)


def _texts(things: list[Thing]) -> Iterator[tuple[str, str]]:
    commands = []
    for thing in things:
        if thing.kind == "workbook":
            yield f"{thing.name}.yaml", thing.body
            commands.append(_words("workbook create", f"{thing.name}.yaml"))
        elif thing.kind == "policy":
            made = entry(POLICY, {"text": thing.body})
            made["variables"] = json.dumps(made["variables"])
            yield f"{POLICY}.json", json.dumps(made, indent=1) + "\n"
            commands.append(_words("workflow env create", f"{POLICY}.json"))
        elif thing.kind == "cron trigger":
            body = json.loads(thing.body)
            commands.append(
                _words(
                    "cron trigger create",
                    thing.name,
                    str(body["workflow_name"]),
                    "--pattern",
                    str(body["pattern"]),
                )
            )
        elif thing.kind == "alarm":
            yield f"alarm-{thing.name}.json", thing.body + "\n"
            commands.append(_alarm(json.loads(thing.body)))
    yield SCRIPT, "\n".join([_HEAD, *commands, ""])


_HEAD = """#!/bin/sh
# What `ha-pack install` does, by hand, in this order, as the operator's
# user and project. What exists already: `update` instead of `create`.
# `ha-pack check` then says what is missing.
set -eu
cd "$(dirname "$0")\""""


def _alarm(body: dict[str, Any]) -> str:
    rule = body.get("event_rule", {})
    query = ";".join(
        f"{q['field']}{SIGNS[q.get('op') or 'eq']}"
        f"{q.get('type') or 'string'}::{q['value']}"
        for q in rule.get("query", [])
    )
    words = ["--name", str(body["name"]), "--type", str(body["type"])]
    words += ["--event-type", str(rule.get("event_type", "*"))]
    words += ["--query", query] if query else []
    for action in body.get("alarm_actions", []):
        words += ["--alarm-action", str(action)]
    words += ["--repeat-actions", str(body.get("repeat_actions", False))]
    if "project_id" in body:
        words += ["--project-id", str(body["project_id"])]
    words += ["--description", str(body["description"])]
    return _words("alarm create", *words)


def _words(verb: str, *words: str) -> str:
    return f"openstack {verb} {' '.join(shlex.quote(w) for w in words)}"
