"""Which alarms of ours Aodh has, for those who look whether one is gone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import requests
from keystoneauth1 import adapter
from keystoneauth1 import exceptions as auth_errors

from ha_actions.errors import Refused, Transient

TAG = "ha-pack-managed"
"""How the description of each alarm of ours begins."""
TIMEOUT_S = 30


def of(aodh: adapter.Adapter) -> Callable[[Collection[str]], Collection[str]]:
    """Asks the Aodh of a cloud: which of these names it has, enabled.

    Alarms without a project are an admin's to list; a role that may list
    those of all projects asks for each by its name.

    :param aodh: its API; no status raises.
    """

    def known(names: Collection[str]) -> Collection[str]:
        """Empty where there is no Aodh and none is asked for.

        :raises Transient: it is not there, or does not answer.
        :raises Refused: ``forbidden``: our user may not list them.
        """
        if not names:
            return ()
        try:
            found = _list(aodh, [*_query("project_id", "")])
        except Refused:
            found = [
                alarm
                for name in sorted(names)
                for alarm in _list(
                    aodh,
                    [*_query("all_projects", "true"), *_query("name", name)],
                )
            ]
        found += _list(aodh, [])
        return {
            str(alarm["name"])
            for alarm in found
            if alarm.get("enabled")
            and alarm["name"] in names
            and str(alarm.get("description") or "").startswith(TAG)
        }

    return known


def _query(field: str, value: str) -> tuple[tuple[str, str], ...]:
    return ("q.field", field), ("q.op", "eq"), ("q.value", value)


def _list(aodh: Any, params: list[tuple[str, str]]) -> list[dict[str, Any]]:
    try:
        answer = aodh.get("/v2/alarms", params=params, timeout=TIMEOUT_S)
        found = answer.json() if answer.status_code == 200 else None
    except (
        requests.RequestException,
        auth_errors.ClientException,
        ValueError,
    ) as error:
        raise Transient(
            "aodh", f"Aodh did not answer ({type(error).__name__})."
        ) from error
    if answer.status_code in (401, 403):
        raise Refused(
            "forbidden",
            "Aodh does not let the executors' user list alarms of other "
            "projects, so reconcile cannot see whether ours are there; add "
            "its role to telemetry:get_alarms:all_projects in Aodh's "
            "policy.yaml.",
        )
    if not isinstance(found, list):
        raise Transient(
            "aodh", f"Aodh answers {answer.status_code} to a list of alarms."
        )
    return found
