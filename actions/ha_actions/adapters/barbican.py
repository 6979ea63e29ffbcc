"""Secrets of the fence file that Barbican keeps: ``barbican:UUID``.

Barbican may be down in the very night: what was read once in this process is
used on, while it does not answer.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

import requests
from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from ha_actions.errors import BadInput, Transient
from ha_actions.ports import Clock

FRESH_S = 60.0
"""How long a secret is believed without asking: a changed one counts then."""
TIMEOUT_S = 5.0

_ID = re.compile(r"[0-9a-fA-F-]{36}")


class Barbican:
    """Reads payloads with the executor's own credentials.

    :param adapter: makes a keystoneauth adapter of the key-manager service,
        with ``raise_exc=False``; it is made when a secret is first read.
    """

    def __init__(self, adapter: Callable[[], Any], clock: Clock) -> None:
        self._make = adapter
        self._adapter: Any = None
        self._clock = clock
        self._kept: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def secret(self, id: str) -> str:
        """The payload, as text.

        :raises BadInput: it is no UUID, there is none, or we may not read it.
        :raises Transient: Barbican does not answer, and never has.
        """
        if not _ID.fullmatch(id):
            raise BadInput(
                "executor_file",
                f"barbican:{id} is no secret's UUID; `openstack secret list` "
                "shows them at the end of their href.",
            )
        with self._lock:
            at, kept = self._kept.get(id, (0.0, ""))
            if id in self._kept and self._clock.now() - at < FRESH_S:
                return kept
            try:
                value = self._read(id)
            except Transient:
                if id in self._kept:
                    return kept
                raise
            self._kept[id] = (self._clock.now(), value)
            return value

    def _read(self, id: str) -> str:
        try:
            if self._adapter is None:
                self._adapter = self._make()
            answer = self._adapter.get(
                f"/v1/secrets/{id}/payload",
                headers={"Accept": "text/plain"},
                timeout=TIMEOUT_S,
            )
        except (
            requests.RequestException,
            auth_errors.ClientException,
            sdk_errors.SDKException,
        ) as error:
            raise Transient(
                "barbican",
                f"Barbican could not be asked for the secret {id} "
                f"({type(error).__name__}).",
            ) from error
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Transient(
                "barbican",
                f"Barbican answered {answer.status_code} for the secret {id}.",
            )
        if answer.status_code != 200:
            raise BadInput(
                "executor_file",
                f"Barbican answers {answer.status_code} for the secret {id}: "
                "check its UUID, and that the executor's user may read it "
                "(role creator of its project, or an ACL).",
            )
        return str(answer.text).rstrip("\r\n")
