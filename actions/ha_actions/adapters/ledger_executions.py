"""What runs in Mistral and has run, by its REST API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import requests

from ha_actions.adapters.ledger_wire import Api, Wire, body, check
from ha_actions.errors import Transient
from ha_actions.model.work import FlowWork, TaskWork

OURS = "ha.v1."
"""How the names of our workflows begin."""

ENDED = ("SUCCESS", "ERROR", "CANCELLED")


class MistralExecutions:
    """:class:`~ha_actions.ports.Executions` over Mistral's REST API.

    :param api: as the ledger's.
    """

    def __init__(self, api: Api) -> None:
        self._wire = Wire(api)

    def past_executions(self, before: float) -> list[str]:
        """Executions of our workflows that ended before a moment: some."""
        what = "list past executions"
        stamp = datetime.fromtimestamp(before, timezone.utc)
        answer = self._wire.send(
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
        check(answer, what)
        found = body(answer, what).get("executions", [])
        # Mistral finds the text anywhere in a name
        return [
            str(one["id"])
            for one in found
            if str(one.get("workflow_name", "")).startswith(OURS)
        ]

    def forget_execution(self, execution: str) -> bool:
        """Delete one that has ended; False if it has not. Gone: True."""
        state = self._wire.execution(execution, "state")
        if state not in ("", *ENDED):
            return False
        if state:
            path = f"/executions/{quote(execution, safe='')}"
            answer = self._wire.send("DELETE", path)
            if answer.status_code != 404:
                check(answer, f"delete execution {execution}")
        return True

    def at_work(self) -> list[FlowWork]:
        """Executions of our workflows that somebody has started, and that
        neither ended nor were paused; without their tasks."""
        fields = (
            "id,workflow_name,state,updated_at,project_id,input,"
            "task_execution_id"
        )
        answer = self._wire.send(
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
        answer = self._wire.send("PUT", path, {"state": "CANCELLED"})
        check(answer, f"cancel execution {execution}", changing=True)

    def _rows_of(self, path: str, key: str) -> list[dict[str, Any]]:
        fields = {
            "tasks": "id,name,state,updated_at",
            "action_executions": "id,state",
            "executions": "id,workflow_name,state,updated_at",
        }
        answer = self._wire.send("GET", path, params={"fields": fields[key]})
        return _rows(answer, key, f"read {path}")


def _rows(
    answer: requests.Response, key: str, what: str
) -> list[dict[str, Any]]:
    """The list in an answer; each row has a state.

    :raises Transient: it is not there, or not whole.
    """
    check(answer, what)
    found = body(answer, what)
    rows = found.get(key)
    if (
        not isinstance(rows, list)
        or found.get("next")
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
