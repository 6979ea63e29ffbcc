"""The ledger in Mistral's own environments.

An environment's name is unique in its project, in the database: that makes
``create`` an atomic claim, whichever API server is asked. An update has no
compare-and-set, so what is contended is created, never written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Protocol
from urllib.parse import quote

import requests
from keystoneauth1 import exceptions as auth_errors

from ha_actions.errors import (
    BadInput,
    Failed,
    HaError,
    NoAnswer,
    Refused,
    Transient,
)
from ha_actions.model.work import FlowWork, TaskWork

TIMEOUT_S = (5, 30)
"""For the connection, and for the answer."""
"""Seconds for one answer; an entry of 0.9 MB takes well under one."""

DESCRIPTION = "mistral-ha-pack: do not edit by hand"
"""On every entry of ours; what lacks it is somebody else's."""

OURS = "ha.v1."
"""How the names of our workflows begin."""

ENDED = ("SUCCESS", "ERROR", "CANCELLED")

NAME_MAX = 200
"""Source: mistral.db.v2.sqlalchemy.models.Environment.name."""


class Api(Protocol):
    """Mistral's v2 API: paths are relative to it, statuses do not raise."""

    def get(self, path: str, **kwargs: Any) -> requests.Response: ...
    def post(self, path: str, **kwargs: Any) -> requests.Response: ...
    def put(self, path: str, **kwargs: Any) -> requests.Response: ...
    def delete(self, path: str, **kwargs: Any) -> requests.Response: ...


class MistralLedger:
    """:class:`~ha_actions.ports.Ledger` over Mistral's REST API.

    :param api: a keystoneauth adapter made with ``raise_exc=False`` and
        ``connect_retries=0`` (a repeated POST could take its own first answer
        for somebody else's claim), or anything of that shape.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    def create(self, name: str, value: Mapping[str, Any]) -> bool:
        """Make an entry; False, and nothing changed, if there is one.

        :raises NoAnswer: it may have been made; read it and look whose it is.
        """
        answer = self._send("POST", "/environments", entry(name, value))
        if answer.status_code == 409:
            return False
        _check(answer, f"create {name}", changing=True)
        return True

    def read(self, name: str) -> dict[str, Any] | None:
        """An entry's value, or None."""
        answer = self._send("GET", _path(name))
        if answer.status_code == 404:
            return None
        _check(answer, f"read {name}")
        return _value(name, _body(answer, f"read {name}"))

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Make or replace an entry."""
        body = entry(name, value)
        answer = self._send("PUT", "/environments", body)
        if answer.status_code == 404:
            answer = self._send("POST", "/environments", body)
        if answer.status_code == 409:  # made by another in between
            answer = self._send("PUT", "/environments", body)
        _check(answer, f"write {name}", changing=True)

    def delete(self, name: str) -> None:
        """Remove an entry; no error if there is none."""
        answer = self._send("DELETE", _path(name))
        if answer.status_code != 404:
            _check(answer, f"delete {name}", changing=True)

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
        answer = self._send("GET", "/environments", params=params)
        what = f"list {prefix}*"
        _check(answer, what)
        body = _body(answer, what)
        rows = body.get("environments", [])
        last = str(rows[-1].get("created_at", "")) if rows else ""
        names = [str(row.get("name")) for row in rows]
        return names, last, bool(body.get("next"))

    def execution_state(self, execution: str) -> str:
        """Mistral's word for an execution, ``""`` if there is none."""
        return self._execution(execution, "state")

    def execution_project(self, execution: str) -> str:
        """The project that owns it, ``""`` if the reader cannot see it."""
        return self._execution(execution, "project_id")

    def past_executions(self, before: float) -> list[str]:
        """Executions of our workflows that ended before a moment: some."""
        what = "list past executions"
        stamp = datetime.fromtimestamp(before, timezone.utc)
        answer = self._send(
            "GET",
            "/executions",
            params={
                "fields": "id,workflow_name",
                "limit": "50",
                "workflow_name": f"has:{OURS}",
                "state": "in:SUCCESS,ERROR,CANCELLED",
                "updated_at": f"lt:{stamp:%Y-%m-%d %H:%M:%S}",
            },
        )
        _check(answer, what)
        found = _body(answer, what).get("executions", [])
        # Mistral finds the text anywhere in a name
        return [
            str(one["id"])
            for one in found
            if str(one.get("workflow_name", "")).startswith(OURS)
        ]

    def forget_execution(self, execution: str) -> bool:
        """Delete one that has ended; False if it has not. Gone: True."""
        state = self.execution_state(execution)
        if state not in ("", *ENDED):
            return False
        if state:
            path = f"/executions/{quote(execution, safe='')}"
            answer = self._send("DELETE", path)
            if answer.status_code != 404:
                _check(answer, f"delete execution {execution}")
        return True

    def at_work(self) -> list[FlowWork]:
        """Executions of our workflows that somebody has started, and that
        neither ended nor were paused; without their tasks."""
        fields = (
            "id,workflow_name,state,updated_at,project_id,input,"
            "task_execution_id"
        )
        answer = self._send(
            "GET",
            "/executions",
            params={
                "fields": fields,
                "workflow_name": f"has:{OURS}",
                "state": "in:RUNNING,IDLE",
            },
        )
        what = "list executions at work"
        return [
            _flow(one)
            for one in _rows(answer, "executions", what)
            if str(one.get("workflow_name", "")).startswith(OURS)
            and not one.get("task_execution_id")
        ]

    def whole(self, flow: FlowWork) -> FlowWork:
        """One of them with its tasks, read from the top down."""
        found = self._rows_of(f"/executions/{flow.id}/tasks", "tasks")
        live = [one for one in found if one["state"] not in ENDED]
        tasks = tuple(self._task(one) for one in live)
        return replace(flow, tasks=tasks, ended=len(found) - len(live))

    def _task(self, one: Mapping[str, Any]) -> TaskWork:
        path = f"/tasks/{one['id']}"
        actions = self._rows_of(
            f"{path}/action_executions", "action_executions"
        )
        subs = self._rows_of(f"{path}/workflow_executions", "executions")
        flows = [_flow(sub) for sub in subs]
        return TaskWork(
            id=str(one["id"]),
            name=str(one["name"]),
            state=str(one["state"]),
            moved=str(one.get("updated_at") or ""),
            actions=tuple(str(a["state"]) for a in actions),
            flows=tuple(
                sub if sub.state in ENDED else self.whole(sub) for sub in flows
            ),
        )

    def cancel_execution(self, execution: str) -> None:
        """Ask Mistral to end it and what it started, as CANCELLED."""
        path = f"/executions/{quote(execution, safe='')}"
        answer = self._send("PUT", path, {"state": "CANCELLED"})
        _check(answer, f"cancel execution {execution}", changing=True)

    def _rows_of(self, path: str, key: str) -> list[dict[str, Any]]:
        fields = {
            "tasks": "id,name,state,updated_at",
            "action_executions": "id,state",
            "executions": "id,workflow_name,state,updated_at",
        }
        answer = self._send("GET", path, params={"fields": fields[key]})
        return _rows(answer, key, f"read {path}")

    def _execution(self, execution: str, field: str) -> str:
        what = f"read execution {execution}"
        answer = self._send("GET", f"/executions/{quote(execution, safe='')}")
        if answer.status_code == 404:
            return ""
        _check(answer, what)
        return str(_body(answer, what).get(field) or "")

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> requests.Response:
        more: dict[str, Any] = {"timeout": TIMEOUT_S}
        if body is not None:
            more["json"] = body
        if params is not None:
            more["params"] = params
        verb = getattr(self._api, method.lower())
        try:
            return verb(path, **more)  # type: ignore[no-any-return]
        except _NEVER_SENT as error:
            raise _silent(Transient, method, path) from error
        except (
            requests.RequestException,
            auth_errors.ClientException,
        ) as error:
            kind = Transient if method == "GET" else NoAnswer
            raise _silent(kind, method, path) from error


_NEVER_SENT = (
    requests.ConnectTimeout,
    auth_errors.UnknownConnectionError,
    auth_errors.EndpointNotFound,
    auth_errors.AuthorizationFailure,
    auth_errors.Unauthorized,
)


def _silent(kind: type[HaError], method: str, path: str) -> HaError:
    return kind(
        "ledger",
        f"Mistral did not answer {method} {path}; check that its API is up "
        "and that the executor may reach it.",
    )


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


def _body(answer: requests.Response, what: str) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Transient(
            "ledger",
            f"Mistral's answer to {what!r} is not JSON; is its endpoint in "
            "the catalog right?",
        )
    return body


def _rows(
    answer: requests.Response, key: str, what: str
) -> list[dict[str, Any]]:
    """The list in an answer; each row has a state.

    :raises Transient: it is not there, or not whole.
    """
    _check(answer, what)
    body = _body(answer, what)
    rows = body.get(key)
    if (
        not isinstance(rows, list)
        or body.get("next")
        or not all(isinstance(r, dict) and r.get("state") for r in rows)
    ):
        raise Transient("ledger", f"Mistral's answer to {what!r} is not whole")
    return rows


def _flow(one: Mapping[str, Any]) -> FlowWork:
    inputs = one.get("input") or {}
    return FlowWork(
        id=str(one["id"]),
        workflow=str(one["workflow_name"]),
        state=str(one["state"]),
        moved=str(one.get("updated_at") or ""),
        project=str(one.get("project_id") or ""),
        inputs=json.loads(inputs) if isinstance(inputs, str) else inputs,
    )


def _check(
    answer: requests.Response, what: str, *, changing: bool = False
) -> None:
    """:raises HaError: the status is not a success."""
    status = answer.status_code
    if status < 400:
        return
    facts = {"status": status}
    if status in (401, 403):
        raise Refused(
            "forbidden",
            f"Mistral does not let us {what} ({status}); give the executor's "
            "user the role member in its own project.",
            **facts,
        )
    if status == 429 or (status >= 500 and not changing):
        raise Transient("ledger", f"Mistral cannot {what} now.", **facts)
    if status >= 500:
        raise NoAnswer(
            "ledger", f"Mistral failed ({status}) to {what}.", **facts
        )
    raise Failed("ledger", f"Mistral refuses to {what} ({status}).", **facts)
