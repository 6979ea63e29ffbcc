"""How the ledger's adapters talk to Mistral: statuses become our errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

import requests
from keystoneauth1 import exceptions as auth_errors

from ha_actions.errors import (
    Failed,
    HaError,
    NoAnswer,
    Refused,
    Transient,
)

TIMEOUT_S = (5, 30)
"""Seconds for the connection, and for the answer; an entry of 0.9 MB takes
well under one."""


class Api(Protocol):
    """Mistral's v2 API: paths are relative to it, statuses do not raise."""

    def get(self, path: str, **kwargs: Any) -> requests.Response: ...
    def post(self, path: str, **kwargs: Any) -> requests.Response: ...
    def put(self, path: str, **kwargs: Any) -> requests.Response: ...
    def delete(self, path: str, **kwargs: Any) -> requests.Response: ...


class Wire:
    """One API of Mistral's."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The answer, whatever its status.

        :raises Transient: it was not sent, or nothing was asked to change.
        :raises NoAnswer: a change was sent, and nobody answered.
        """
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

    def execution(self, execution: str, field: str) -> str:
        """One field of an execution, ``""`` if there is none."""
        what = f"read execution {execution}"
        answer = self.send("GET", f"/executions/{quote(execution, safe='')}")
        if answer.status_code == 404:
            return ""
        check(answer, what)
        return str(body(answer, what).get(field) or "")


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


def body(answer: requests.Response, what: str) -> dict[str, Any]:
    """The answer's JSON object.

    :raises Transient: it is none.
    """
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Transient(
            "ledger",
            f"Mistral's answer to {what!r} is not JSON; is its endpoint in "
            "the catalog right?",
        )
    return found


def check(
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
