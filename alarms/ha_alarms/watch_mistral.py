"""Asks Mistral for an execution."""

from __future__ import annotations

from typing import Any

import requests
from ha_actions.errors import Refused, Transient
from ha_alarms.start import Start
from keystoneauth1 import exceptions as auth_errors

TIMEOUT_S = 20


class MistralStarter:
    """:class:`~ha_alarms.watch_ports.Starter` by Mistral's REST API.

    :param api: a keystoneauth adapter with ``raise_exc=False``.
    """

    def __init__(self, api: Any) -> None:
        self._api = api

    def start(self, start: Start) -> None:
        """POST it; Mistral answers with the one that has that id, if any.

        :raises Transient: not done, or nobody knows: asking again with the
            same id is safe.
        :raises Refused: Mistral says no.
        """
        try:
            answer = self._api.post(
                "/executions", json=start.request(), timeout=TIMEOUT_S
            )
        except (
            requests.RequestException,
            auth_errors.ClientException,
        ) as error:
            raise Transient(
                "mistral",
                f"Mistral did not answer ({type(error).__name__}); it is "
                "asked again.",
            ) from error
        status = answer.status_code
        if status < 400:
            return
        if status in (409, 429) or status >= 500:
            raise Transient("mistral", f"Mistral answers {status} now.")
        raise Refused(
            "mistral",
            f"Mistral refuses to start {start.workflow} ({status}); is the "
            "workbook installed, and is the cloud's project the operator's?",
            status=status,
        )
