"""Which alarms of ours Aodh has, for those who look whether one is gone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import requests
from keystoneauth1 import adapter
from keystoneauth1 import exceptions as auth_errors

from ha_actions.errors import Transient

TAG = "ha-pack-managed"
"""How the description of each alarm of ours begins."""
TIMEOUT_S = 30


def of(config: Any) -> Callable[[], Collection[str]]:
    """Asks the Aodh of a cloud; where there is none, it raises too.

    :param config: a region of ``clouds.yaml``.
    """
    aodh = adapter.Adapter(
        config.get_session(),
        service_type="alarm",
        interface=config.get_interface("alarm"),
        region_name=config.get_region_name("alarm"),
        endpoint_override=config.get_endpoint("alarm"),
        raise_exc=False,
        connect_retries=0,
    )

    def names() -> Collection[str]:
        """:raises Transient: it is not there, or does not answer."""
        found = _list(aodh, []) + _list(
            aodh, [("q.field", "project_id"), ("q.op", "eq"), ("q.value", "")]
        )
        return {
            str(alarm["name"])
            for alarm in found
            if alarm.get("enabled")
            and str(alarm.get("description") or "").startswith(TAG)
        }

    return names


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
    if not isinstance(found, list):
        raise Transient(
            "aodh", f"Aodh answers {answer.status_code} to a list of alarms."
        )
    return found
