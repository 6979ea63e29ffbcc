"""What of ours an operator's Mistral has, and how it is put there."""

from __future__ import annotations

import json
from typing import Any

import yaml
from ha_actions.adapters.ledger import DESCRIPTION
from ha_actions.errors import BadInput
from ha_actions.records import operator_acts
from ha_actions.records.incidents import Record

from ha_installer.catalogue import MAIN, TAG, TRIGGER, Thing, canonical
from ha_installer.diff import Change, Verb
from ha_installer.rest import Rest

SLOW_S = 300
"""Seconds for a workbook: Mistral checks each one against its schemas, and
needs up to a minute where the machine is busy (measured)."""
BOOKS = "/workbooks"
PLAIN = {"Content-Type": "text/plain"}
MINE = ("ha.v",)
"""How the names of our books and workflows begin."""
POLICY = "ha.policy"


class IntoMistral:
    """The pack's things in one Mistral, for the caller's project."""

    def __init__(self, rest: Rest, record: Record) -> None:
        self._rest = rest
        self._record = record

    # -- looking -----------------------------------------------------------
    def there(self) -> list[Thing]:
        """Everything of ours, and what stands at a name of ours."""
        return [
            *self._books(),
            *self._flows(),
            *self._triggers(),
            *self._policy(),
        ]

    def _books(self) -> list[Thing]:
        found = self._listed("workbooks", "name,tags,definition")
        return [
            Thing("workbook", b["name"], b["definition"], _tagged(b))
            for b in found
        ]

    def _flows(self) -> list[Thing]:
        found = self._listed("workflows", "name,tags,definition")
        return [
            Thing("workflow", f["name"], _spec(f), _tagged(f)) for f in found
        ]

    def _listed(self, what: str, fields: str) -> list[dict[str, Any]]:
        """Those of this project; others' public ones are not meant."""
        found = self._rest.call(
            "GET",
            f"/{what}",
            params={
                "name": f"has:{MINE[0]}",
                "fields": f"{fields},scope,namespace",
            },
            timeout=SLOW_S,
        ).get(what, [])
        return [
            one
            for one in found
            if str(one["name"]).startswith(MINE)
            and one.get("scope") != "public"
            and not one.get("namespace")
        ]

    def _triggers(self) -> list[Thing]:
        found = self._rest.call("GET", "/cron_triggers")["cron_triggers"]
        things = []
        for one in found:
            name = str(one["name"])
            if name != TRIGGER and not name.startswith(f"{TAG}."):
                continue
            body = {
                "workflow_name": one.get("workflow_name"),
                "pattern": one.get("pattern"),
                "workflow_input": _json(one.get("workflow_input")),
            }
            things.append(Thing("cron trigger", name, canonical(body)))
        return things

    def _policy(self) -> list[Thing]:
        entry = self._record.ledger.read(POLICY)
        if entry is None:
            return []
        return [Thing("policy", POLICY, str(entry.get("text", "")))]

    def entries(self) -> list[str]:
        """Names of all entries of the ledger; ours by their description."""
        found = self._rest.call(
            "GET",
            "/environments",
            params={"fields": "name,description", "name": "has:ha."},
        ).get("environments", [])
        return sorted(
            str(one["name"])
            for one in found
            if str(one["name"]).startswith("ha.")
            and one.get("description") == DESCRIPTION
        )

    # -- doing -------------------------------------------------------------
    def apply(self, change: Change) -> None:
        """One change. Repeating it is harmless.

        :raises BadInput: Mistral refuses; the sentence has its reason.
        """
        thing = change.thing
        gone = change.verb is Verb.DELETE
        if thing.kind == "policy":
            if not gone:
                operator_acts.set_policy(self._record, thing.body)
        elif thing.kind == "workbook":
            if gone:
                self._delete("workbooks", thing)
            else:
                new = change.verb is Verb.CREATE
                self.put_book(thing.body, new=new)
        elif thing.kind == "workflow":
            if gone:
                self._delete("workflows", thing)
        elif thing.kind == "cron trigger":
            self._trigger(change)
        else:
            raise BadInput("kind", f"Mistral has no {thing.kind}.")

    def put_book(self, text: str, *, new: bool = False) -> None:
        """Replace a workbook and its workflows, all in one transaction.

        There is no moment without a working workflow: executions that run
        keep the definition that they began with.

        ``new``: none was there a moment ago. Mistral checks the whole text,
        which takes it seconds, before it says that there is none, or one.
        """
        send: dict[str, Any] = {
            "headers": PLAIN,
            "timeout": SLOW_S,
            "data": text.encode(),
        }
        likely, otherwise, no = (
            ("POST", "PUT", 409) if new else ("PUT", "POST", 404)
        )
        if self._rest.ask(likely, BOOKS, none_at=no, **send) is None:
            self._rest.ask(otherwise, BOOKS, **send)

    def _delete(self, what: str, thing: Thing) -> None:
        self._rest.ask("DELETE", f"/{what}/{thing.name}", none_at=404)

    def _trigger(self, change: Change) -> None:
        """Mistral has no update of a cron trigger: delete, then create."""
        name = change.thing.name
        if change.verb is not Verb.CREATE:
            self._rest.ask("DELETE", f"/cron_triggers/{name}", none_at=404)
        if change.verb is Verb.DELETE:
            return
        body = json.loads(change.thing.body)
        body["workflow_input"] = json.dumps(body["workflow_input"])
        self._rest.ask("POST", "/cron_triggers", json={"name": name, **body})

    def forget(self, names: list[str]) -> None:
        """Delete entries of the ledger."""
        for name in names:
            self._record.ledger.delete(name)


def _tagged(one: dict[str, Any]) -> bool:
    return TAG in (one.get("tags") or [])


def _spec(flow: dict[str, Any]) -> str:
    """A workflow's meaning: Mistral stores a piece of the book's text."""
    name = str(flow["name"]).removeprefix(f"{MAIN}.")
    try:
        raw = yaml.safe_load(flow["definition"])
        return canonical(raw.get(name, raw))
    except (yaml.YAMLError, AttributeError, KeyError, TypeError):
        return str(flow.get("definition"))


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value or {}
