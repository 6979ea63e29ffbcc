"""What of ours an operator's Aodh has, and how it is put there.

By Aodh's REST API over the cloud's own session: aodhclient would add a
second way to authenticate for four calls.
"""

from __future__ import annotations

import json
from typing import Any

from ha_actions.errors import BadInput

from ha_installer.catalogue import TAG, Thing, canonical
from ha_installer.diff import Change, Verb
from ha_installer.rest import Rest


class IntoAodh:
    """The pack's alarms in one Aodh."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def there(self, wanted: list[Thing]) -> list[Thing]:
        """Alarms of ours, and those that stand at a name of ours.

        Of each only what its definition sets is compared: Aodh adds fields.
        """
        want = {t.name: json.loads(t.body) for t in wanted}
        things = []
        for one in self.all():
            name = str(one["name"])
            ours = str(one.get("description") or "").startswith(TAG)
            if ours or name in want:
                seen = _like(want.get(name, {}), one)
                things.append(Thing("alarm", name, canonical(seen), ours))
        return things

    def all(self) -> list[dict[str, Any]]:
        """Every alarm that the caller may see: his, and without project."""
        mine = self._list([])
        seen = {a["alarm_id"] for a in mine}
        nobody = self._list(
            [("q.field", "project_id"), ("q.op", "eq"), ("q.value", "")]
        )
        return [*mine, *(a for a in nobody if a["alarm_id"] not in seen)]

    def _list(self, params: list[tuple[str, str]]) -> list[dict[str, Any]]:
        found = self._rest.ask("GET", "/v2/alarms", params=params)
        return found if isinstance(found, list) else []

    def apply(self, change: Change) -> None:
        """One change. Repeating it is harmless: alarms are found by name.

        :raises BadInput: Aodh refuses; the sentence has its reason.
        """
        ids = [
            str(a["alarm_id"])
            for a in self.all()
            if a["name"] == change.thing.name
            and str(a.get("description") or "").startswith(TAG)
        ]
        if change.verb is Verb.DELETE:
            for id in ids:
                self._rest.ask("DELETE", f"/v2/alarms/{id}", none_at=404)
            return
        body = json.loads(change.thing.body)
        if not ids:
            self._rest.ask("POST", "/v2/alarms", json=body)
            return
        whole = self._rest.find(f"/v2/alarms/{ids[0]}")
        if whole is None:
            raise BadInput(
                "gone", f"The alarm {change.thing.name} has just gone; again."
            )
        self._rest.ask("PUT", f"/v2/alarms/{ids[0]}", json={**whole, **body})


def _like(want: Any, seen: Any) -> Any:
    """What was seen, of what is wanted; a list as a whole."""
    if isinstance(want, dict) and isinstance(seen, dict):
        return {k: _like(want[k], seen.get(k)) for k in want}
    if isinstance(want, list) and isinstance(seen, list):
        if len(want) != len(seen):
            return seen
        return [_like(a, b) for a, b in zip(want, seen, strict=True)]
    return seen
