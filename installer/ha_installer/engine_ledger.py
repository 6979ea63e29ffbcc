"""The ledger in the embedded engine's own database: its environments."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ha_actions.errors import BadInput, Failed

NAME_MAX = 200
"""Characters of a name. Source: mistral 23.0.0, ``models.Environment``."""
VALUE_MAX = 900_000
"""Characters of JSON; Mistral refuses values beyond 1 MB."""


class EngineLedger:
    """:class:`ha_actions.ports.Ledger` over Mistral's environments.

    ``create`` rests on the unique (name, project) of Mistral's own table.
    A value is kept as one string, so that no ``<% %>`` in it is evaluated.

    :param enter: gives the calling thread a Mistral context.
    """

    def __init__(self, enter: Callable[[], None]) -> None:
        self._enter = enter

    def create(self, name: str, value: Mapping[str, Any]) -> bool:
        """Make an entry; False, and nothing changed, if there is one."""
        from mistral import exceptions

        values = _packed(name, value)
        try:
            self._db().create_environment(values)
        except exceptions.DBDuplicateEntryError:
            return False
        return True

    def read(self, name: str) -> dict[str, Any] | None:
        """An entry's value, or None."""
        db = self._db()
        with db.transaction(read_only=True):
            found = db.load_environment(name)
            return None if found is None else _unpacked(name, found)

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Make or replace an entry."""
        self._db().create_or_update_environment(name, _packed(name, value))

    def delete(self, name: str) -> None:
        """Remove an entry; no error if there is none."""
        from mistral import exceptions

        try:
            self._db().delete_environment(name)
        except exceptions.DBEntityNotFoundError:
            return

    def names(self, prefix: str) -> list[str]:
        """Names that start with the prefix, sorted."""
        # anywhere in the name, and `_` is any character: fewer, not all
        rows = self._db().get_environments(
            fields=("name",), name={"has": prefix}
        )
        return sorted(r[0] for r in rows if r[0].startswith(prefix))

    def execution_state(self, execution: str) -> str:
        """Mistral's word for an execution, ``""`` if there is none."""
        return self._execution(execution, "state")

    def execution_project(self, execution: str) -> str:
        """The project that owns it; without Keystone all have the same."""
        return self._execution(execution, "project_id")

    def _execution(self, execution: str, field: str) -> str:
        found = self._db().get_workflow_executions(
            id=execution, fields=("id", field)
        )
        return str(getattr(found[0], field)) if found else ""

    def _db(self) -> Any:
        from mistral.db.v2 import api

        self._enter()
        return api


def _packed(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    if not name or len(name) > NAME_MAX:
        raise BadInput(
            "ledger_name",
            f"A ledger name must have 1 to {NAME_MAX} characters; "
            f"`{name[:40]}...` has {len(name)}.",
        )
    text = json.dumps(value)
    if len(text) > VALUE_MAX:
        raise BadInput(
            "ledger_value",
            f"The ledger entry {name} has {len(text)} characters, more than "
            f"{VALUE_MAX}; keep less in one entry.",
        )
    return {
        "name": name,
        "description": "kept by mistral-ha-pack",
        "scope": "private",
        "variables": {"json": text},
    }


def _unpacked(name: str, found: Any) -> dict[str, Any]:
    try:
        value = json.loads(found.variables["json"])
    except (KeyError, TypeError, ValueError) as e:
        raise Failed(
            "ledger_foreign",
            f"The Mistral environment {name} was not written by the pack; "
            "look who did, and rename it.",
        ) from e
    return dict(value)
