"""The ledger in Mistral's own environments.

An environment's name is unique in its project, in the database: that makes
``create`` an atomic claim, whichever API server is asked. An update has no
compare-and-set, so what is contended is created, never written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ha_actions.adapters.ledger_wire import Api, Wire, body, check
from ha_actions.errors import BadInput, Failed, Refused

DESCRIPTION = "mistral-ha-pack: do not edit by hand"
"""On every entry of ours; what lacks it is somebody else's."""

NAME_MAX = 200
"""Source: mistral.db.v2.sqlalchemy.models.Environment.name."""


class MistralLedger:
    """:class:`~ha_actions.ports.Ledger` over Mistral's REST API.

    :param api: a keystoneauth adapter made with ``raise_exc=False`` and
        ``connect_retries=0`` (a repeated POST could take its own first answer
        for somebody else's claim), or anything of that shape.
    """

    def __init__(self, api: Api) -> None:
        self._wire = Wire(api)

    def create(self, name: str, value: Mapping[str, Any]) -> bool:
        """Make an entry; False, and nothing changed, if there is one.

        :raises NoAnswer: it may have been made; read it and look whose it is.
        """
        answer = self._wire.send("POST", "/environments", entry(name, value))
        if answer.status_code == 409:
            return False
        check(answer, f"create {name}", changing=True)
        return True

    def read(self, name: str) -> dict[str, Any] | None:
        """An entry's value, or None."""
        answer = self._wire.send("GET", _path(name))
        if answer.status_code == 404:
            return None
        check(answer, f"read {name}")
        return _value(name, body(answer, f"read {name}"))

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Make or replace an entry."""
        body = entry(name, value)
        answer = self._wire.send("PUT", "/environments", body)
        if answer.status_code == 404:
            answer = self._wire.send("POST", "/environments", body)
        if answer.status_code == 409:  # made by another in between
            answer = self._wire.send("PUT", "/environments", body)
        check(answer, f"write {name}", changing=True)

    def delete(self, name: str) -> None:
        """Remove an entry; no error if there is none."""
        answer = self._wire.send("DELETE", _path(name))
        if answer.status_code != 404:
            check(answer, f"delete {name}", changing=True)

    def names(self, prefix: str) -> list[str]:
        """Names that start with the prefix, sorted."""
        found: set[str] = set()
        since, more = "", True
        while more:
            page, since, more = self._names_page(prefix, since)
            if more and found.issuperset(page):
                raise Failed(
                    "ledger",
                    f"More entries {prefix}* were made within one second "
                    "than Mistral lists at once; raise its [api] max_limit.",
                )
            found.update(page)
        return sorted(name for name in found if name.startswith(prefix))

    def _names_page(
        self, prefix: str, since: str
    ) -> tuple[list[str], str, bool]:
        """Names made since then, when the last of them was made, and whether
        there are more.

        Mistral lists ``[api] max_limit`` rows at once, and no more; the
        marker in its ``next`` does not work for environments (seen on 23.0:
        it wants an id and looks for a name). So a page begins with the
        second in which the one before it ended.
        """
        params = {
            "fields": "name,created_at",
            "name": f"has:{prefix}",
            "sort_keys": "created_at",
        }
        if since:
            params["created_at"] = f"gte:{since}"
        answer = self._wire.send("GET", "/environments", params=params)
        what = f"list {prefix}*"
        check(answer, what)
        found = body(answer, what)
        rows = found.get("environments", [])
        last = str(rows[-1].get("created_at", "")) if rows else ""
        names = [str(row.get("name")) for row in rows]
        return names, last, bool(found.get("next"))

    def execution_state(self, execution: str) -> str:
        """Mistral's word for an execution, ``""`` if there is none."""
        return self._wire.execution(execution, "state")

    def execution_project(self, execution: str) -> str:
        """The project that owns it, ``""`` if the reader cannot see it."""
        return self._wire.execution(execution, "project_id")


def _path(name: str) -> str:
    return f"/environments/{quote(name, safe='')}"


def entry(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an environment that holds a value of ours.

    :raises BadInput: the name is too long.
    """
    if not 0 < len(name) <= NAME_MAX:
        raise BadInput(
            "malformed",
            f"A ledger entry's name has 1 to {NAME_MAX} characters; "
            f"{name[:40]!r}... has {len(name)}.",
        )
    return {
        "name": name,
        "description": DESCRIPTION,
        # Private: an update of a public one is open to every project.
        "scope": "private",
        "variables": {"json": _inert(json.dumps(value, sort_keys=True))},
    }


def _inert(text: str) -> str:
    """JSON text in which Mistral finds no expression to evaluate.

    ``%`` and ``{{`` occur only inside JSON strings, where they may be escaped.
    """
    return text.replace("%", "\\u0025").replace("{{", "\\u007b\\u007b")


def _value(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    if entry.get("scope") == "public":
        raise Refused(
            "public_entry",
            f"The Mistral environment {name} is public, so any project "
            "could have written it; find out who made it and delete it.",
        )
    variables = entry.get("variables")
    try:
        if isinstance(variables, str):
            variables = json.loads(variables)
        value = json.loads(variables["json"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(name) from error
    if not isinstance(value, dict):
        raise _unreadable(name)
    return value


def _unreadable(name: str) -> Failed:
    return Failed(
        "ledger",
        f"The Mistral environment {name} is not an entry of the ledger; "
        "it was edited by hand: restore it, or delete it.",
    )
