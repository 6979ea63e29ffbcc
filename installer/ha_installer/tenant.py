"""A tenant's own view: his servers, his alarms, his workflows' runs.

By his own credentials and the services' REST APIs; what he may not see or do
is refused by the services, and said here in his words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ha_actions.codec import nearest
from ha_actions.deciders.policy_tags import (
    TAG_PROTECTION,
    TAG_REPLACES,
    TAGS,
    Level,
    listen,
    strangers,
)
from ha_actions.errors import BadInput, HaError
from ha_alarms.target import Target, write_action

from ha_installer.rest import Rest

T = TypeVar("T")

EVENTS = {
    "host_down": "its host is taken for dead",
    "host_fenced": "its host is proven dead: its volumes are free to take",
    "recovering": "its rescue begins",
    "recovered": "it is back",
    "recovery_failed": "its rescue did not end well",
    "recovery_held": "its rescue waits for the operator",
    "left_alone": "it is left as it was",
}
"""What a tenant's alarm may wait for; ``compute.instance.`` stands before."""
PREFIX = "compute.instance."
LAST = 50
"""Executions that are looked at."""


@dataclass(frozen=True)
class Who:
    """Whose credentials these are, as Keystone says."""

    project: str = ""
    app_credential: bool = False
    trust: bool = False


@dataclass(frozen=True)
class Wanted:
    """An alarm to make."""

    target: Target
    on: str = "host_down"
    server: str = ""
    """Its id; empty: every server of the project."""
    bridge: str = ""
    """Address of the operator's bridge; empty: the notifier plug-in."""

    @property
    def name(self) -> str:
        """The same for the same wish: a second time is an update."""
        tail = f"-{self.server}" if self.server else ""
        return f"ha-{self.target.workflow}-{self.on}{tail}"

    def body(self) -> dict[str, Any]:
        """What Aodh's API takes."""
        query = []
        if self.server:
            query = [
                {
                    "field": "traits.instance_id",
                    "op": "eq",
                    "type": "string",
                    "value": self.server,
                }
            ]
        return {
            "name": self.name,
            "description": f"{self.target.workflow} when a server's "
            f"{EVENTS.get(self.on, self.on)}",
            "type": "event",
            "enabled": True,
            "repeat_actions": True,
            "event_rule": {
                "event_type": PREFIX + self.on,
                "query": query,
            },
            "alarm_actions": [self.action()],
        }

    def action(self) -> str:
        """The notifier's, or the bridge's behind ``trust+https``."""
        action = write_action(self.target)
        if not self.bridge:
            return action
        rest = action.partition("://")[2]
        return f"trust+{self.bridge.rstrip('/')}/start/{rest}"


class Tenant:
    """One project of one cloud, as its own user."""

    def __init__(
        self, nova: Rest, mistral: Rest, aodh: Rest | None, who: Who
    ) -> None:
        self.nova = nova
        self.mistral = mistral
        self._aodh = aodh
        self.who = who

    # -- servers ----------------------------------------------------------
    def servers(self) -> list[dict[str, Any]]:
        """Every server of the project, page by page."""
        found: list[dict[str, Any]] = []
        marker: dict[str, str] = {}
        while True:
            page = self.nova.call(
                "GET", "/servers/detail", params={"limit": 500, **marker}
            )["servers"]
            found += page
            if len(page) < 500:
                return found
            marker = {"marker": page[-1]["id"]}

    def server(self, name: str) -> dict[str, Any]:
        """One by id or name.

        :raises BadInput: none of that name, or several.
        """
        everybody = self.servers()
        found = [s for s in everybody if name in (s["id"], s["name"])]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(s["id"] for s in found)
            raise BadInput(
                "ambiguous", f"Several servers are named {name!r}: {ids}."
            )
        names = [s["name"] for s in everybody]
        raise BadInput(
            "no_server",
            f"Your project has no server {name!r}{nearest(name, names)}.",
        )

    def tag(self, server: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Set its tags; those that it has stay."""
        _told(
            lambda: self.nova.call(
                "POST",
                f"/servers/{server['id']}/metadata",
                json={"metadata": dict(tags)},
            ),
            f"tag {server['name']}",
        )

    def untag(self, server: Mapping[str, Any], key: str) -> None:
        """Take one key away; none is no error."""
        self.nova.ask(
            "DELETE", f"/servers/{server['id']}/metadata/{key}", none_at=404
        )

    def actions(self, server: str) -> list[dict[str, Any]]:
        """What Nova was asked to do with it, newest first."""
        body = self.nova.find(f"/servers/{server}/os-instance-actions")
        return list((body or {}).get("instanceActions", []))

    # -- alarms -----------------------------------------------------------
    @property
    def aodh(self) -> Rest:
        """:raises BadInput: this cloud has none."""
        if self._aodh is None:
            raise BadInput(
                "no_aodh",
                "This cloud has no Aodh, so nothing can start a workflow of "
                "yours; servers tagged pet or cattle need none.",
            )
        return self._aodh

    @property
    def has_aodh(self) -> bool:
        """Whether this cloud has one."""
        return self._aodh is not None

    def alarms(self) -> list[dict[str, Any]]:
        """The project's, that were made for the pack's events."""
        found = self.aodh.ask("GET", "/v2/alarms") or []
        return [
            a
            for a in found
            if str(a.get("event_rule", {}).get("event_type", "")).startswith(
                PREFIX
            )
        ]

    def make_alarm(self, name: str, body: Mapping[str, Any]) -> bool:
        """Make it, or update the one of that name; whether it is new.

        :raises BadInput: these credentials, or this cloud, cannot.
        """
        if self.who.app_credential or self.who.trust:
            raise BadInput(
                "application_credential",
                "Keystone lets no application credential and no trust make "
                "the trust that an alarm acts by; log in with a password.",
            )
        mine = [a for a in self.alarms() if a["name"] == name]
        if not mine:
            _told(
                lambda: self.aodh.ask("POST", "/v2/alarms", json=dict(body)),
                "make an alarm",
            )
            return True
        where = f"/v2/alarms/{mine[0]['alarm_id']}"
        # keep the alarm's own fields, but not the old action: a new trust
        whole = {**mine[0], **body}
        _told(
            lambda: self.aodh.ask("PUT", where, json=whole), "change the alarm"
        )
        return False

    def drop_alarm(self, name: str) -> None:
        """Every one of that name; its trust goes with it."""
        for alarm in self.alarms():
            if alarm["name"] == name:
                where = f"/v2/alarms/{alarm['alarm_id']}"
                self.aodh.ask("DELETE", where, none_at=404)

    # -- workflows --------------------------------------------------------
    def workflow_inputs(self, name: str) -> dict[str, bool]:
        """Input -> whether it must be given.

        :raises BadInput: there is no such workflow.
        """
        found = self.mistral.find(f"/workflows/{name}")
        if found is None:
            raise BadInput(
                "no_workflow",
                f"Your project sees no workflow {name!r} in Mistral; make it "
                "first: openstack workflow create FILE.",
            )
        text = str(found.get("input") or "")
        parts = [p.strip() for p in text.split(",") if p.strip()]
        return {p.partition("=")[0]: "=" not in p for p in parts}

    def runs(self) -> list[dict[str, Any]]:
        """The last executions that alarms have started, newest first.

        Each: id, workflow, state, reason, at, event, traits.
        """
        body = self.mistral.call(
            "GET",
            "/executions",
            params={
                "sort_keys": "created_at",
                "sort_dirs": "desc",
                "limit": LAST,
                "fields": "id,workflow_name,state,state_info,description,"
                "params,created_at",
            },
        )
        found = []
        for one in body.get("executions", []):
            if _json(one.get("description")).get("triggered_by") != "aodh":
                continue
            event = _json(_json(one.get("params")).get("env")).get("event")
            event = _json(event)
            found.append(
                {
                    "id": one["id"],
                    "workflow": one.get("workflow_name", ""),
                    "state": one.get("state", ""),
                    "reason": str(one.get("state_info") or "")[:200],
                    "at": one.get("created_at", ""),
                    "event": event.get("type", ""),
                    "traits": _json(event.get("traits")),
                }
            )
        return found


def read_tags(pairs: Mapping[str, str]) -> dict[str, str]:
    """Tags by their names, with or without ``ha:``; checked by the policy's
    own table.

    :raises BadInput: no such tag, or a value that it does not take.
    """
    tags = {}
    for key, value in pairs.items():
        full = key if key.startswith("ha:") else f"ha:{key}"
        tag = TAGS.get(full)
        if tag is None:
            raise BadInput(
                "no_tag",
                f"There is no tag {full!r}{nearest(full, TAGS)}; the tags are "
                f"{', '.join(TAGS)}.",
            )
        wrong = tag.wrong(value)
        if wrong:
            raise BadInput("bad_tag", f"{full}: {value!r} {wrong}.")
        tags[full] = value
    return tags


def standing(server: Mapping[str, Any]) -> tuple[str, list[str]]:
    """A server's own protection tag (empty: none), and what is wrong with
    its tags. The operator's rules may decide where it has none."""
    level = Level((("server metadata", server.get("metadata", {})),))
    said = listen(
        TAGS[TAG_PROTECTION], level, TAGS[TAG_PROTECTION].values
    ).value
    warnings = [
        w
        for tag in TAGS.values()
        for w in listen(tag, level, TAGS[TAG_PROTECTION].values).warnings
    ]
    return said, [*warnings, *strangers(level)]


def replaced(servers: list[dict[str, Any]]) -> dict[str, str]:
    """Old server's id -> the new one's."""
    return {
        s["metadata"][TAG_REPLACES]: s["id"]
        for s in servers
        if TAG_REPLACES in s.get("metadata", {})
    }


def _told(call: Callable[[], T], what: str) -> T:
    """Do it; a refusal is told in the words of who is a tenant.

    :raises BadInput: with what to do about it.
    """
    try:
        return call()
    except HaError as error:
        said = error.message.lower()
        if "quota" in said or "exceed" in said:
            cure = "your project's quota is used up: delete one, or ask for "
            cure += "more"
        elif "unsupported action" in said:
            cure = "this cloud's Aodh has no trust+mistral; ask the operator "
            cure += "for the address of his bridge, and give it as --bridge"
        elif error.code == "forbidden":
            cure = "your user lacks a role in this project (member, as a rule)"
        else:
            raise
        raise BadInput(
            error.code, f"Cannot {what}: {cure}. ({error.message})"
        ) from error


def _json(value: Any) -> dict[str, Any]:
    """A mapping that Mistral gives as it is, or as text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}
