"""From a stock Aodh to Mistral: a small WSGI app behind ``trust+https://``.

An alarm's action is ``trust+https://BRIDGE/start/WORKFLOW?PARAMETERS``, with
the parameters of ``trust+mistral://``. Aodh posts the alarm's body with the
token of its trust; the token is passed on, so the execution has the rights of
the alarm's owner and no others. Credentials of its own the bridge uses only to
ask Keystone whose token it is: a tenant's trust token may not ask that itself.

Run it under any WSGI server as ``ha_alarms.bridge:application``; the file
named by ``HA_BRIDGE_FILE`` (``bridge.example.yaml``) has the settings.
"""

from __future__ import annotations

import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

import cachetools
import requests
from ha_alarms.bridge_file import BridgeFile, from_file
from ha_alarms.delivery import (
    Delivery,
    End,
    Patience,
    Told,
    executions_url,
)
from ha_alarms.target import Target, read_target
from keystoneauth1 import exceptions as auth_errors
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

LOG = logging.getLogger(__name__)
DEFAULT_PATH = "/etc/mistral-ha-pack/bridge.yaml"
VARIABLE = "HA_BRIDGE_FILE"
PREFIX = "/start/"
PROJECTS = 10_000
TOKEN = re.compile(r"[!-~]{1,4096}")
REASONS = {
    200: "OK",
    201: "Created",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    413: "Content Too Large",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
STATUS = {
    End.STARTED: 201,
    End.KNOWN: 200,
    End.DROPPED: 422,
    End.LIMITED: 429,
    End.REFUSED: 502,
    End.LOST: 503,
}
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class _Bad(Exception):
    """The request is wrong: a status and one sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Rate:
    """How often each project may ask: a bucket that fills steadily."""

    def __init__(
        self, per_minute: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._full = float(per_minute)
        self._now = now
        self._lock = threading.Lock()
        self._left: cachetools.LRUCache[str, tuple[float, float]] = (
            cachetools.LRUCache(PROJECTS)
        )

    def admit(self, project: str) -> bool:
        """Whether this one may ask now; then it has asked."""
        with self._lock:
            now = self._now()
            left, at = self._left.get(project, (self._full, now))
            left = min(self._full, left + (now - at) * self._full / 60)
            self._left[project] = (left - 1 if left >= 1 else left, now)
            return left >= 1


class TokenDoor:
    """Keystone and Mistral by the token that came with the alarm."""

    def __init__(
        self, file: BridgeFile, token: str, asker: Session | None = None
    ) -> None:
        self._file = file
        self._token = token
        self._asker = asker
        self._project = ""

    def project(self) -> str:
        """Of the token, as Keystone says.

        Source: measured on Keystone 29: who is no admin gets 403 when a
        trust's token asks for itself.

        :raises Unauthorized: Keystone does not know it, or it has no project.
        """
        if not self._project:
            answer = requests.get(
                f"{self._file.keystone.rstrip('/')}/auth/tokens",
                headers={
                    "X-Auth-Token": self._who_asks(),
                    "X-Subject-Token": self._token,
                },
                params={"nocatalog": ""},
                timeout=self._file.timeout_s,
                verify=self._file.cacert or True,
                allow_redirects=False,
            )
            if self._asker and answer.status_code in (401, 403):
                self._asker.invalidate()
                LOG.error(
                    "Keystone refuses the bridge's own user %s (%s); give "
                    "it the role `service`.",
                    self._file.username,
                    answer.status_code,
                )
                raise auth_errors.ServiceUnavailable("not the alarm's fault")
            if answer.status_code in (401, 403, 404):
                raise auth_errors.Unauthorized("Keystone does not know it")
            if answer.status_code != 200:
                raise auth_errors.from_response(answer, "GET", "auth/tokens")
            self._project = _project_of(answer)
        return self._project

    def _who_asks(self) -> str:
        if self._asker is None:
            return self._token
        return str(self._asker.get_token())

    def post(self, request: dict[str, Any]) -> requests.Response:
        """To Mistral, as the token's owner."""
        return requests.post(
            executions_url(self._file.mistral),
            json=request,
            headers={"X-Auth-Token": self._token},
            timeout=self._file.timeout_s,
            verify=self._file.cacert or True,
            allow_redirects=False,
        )


def _project_of(answer: requests.Response) -> str:
    try:
        return str(answer.json()["token"]["project"]["id"])
    except (ValueError, KeyError, TypeError):
        raise auth_errors.Unauthorized("no project") from None


def _login(file: BridgeFile) -> Session | None:
    """The bridge's own way to Keystone; nothing is sent yet."""
    if not file.username:
        return None
    who = Password(
        auth_url=file.keystone,
        username=file.username,
        password=file.password,
        project_name=file.project,
        user_domain_name=file.domain,
        project_domain_name=file.domain,
    )
    ca = file.cacert or True
    return Session(auth=who, verify=ca, timeout=file.timeout_s)


class Bridge:
    """The WSGI application."""

    def __init__(
        self, file: BridgeFile, delivery: Delivery | None = None
    ) -> None:
        """
        :param delivery: for tests.
        """
        self._file = file
        self._rate = Rate(file.per_minute)
        self._asker = _login(file)
        self._delivery = delivery or Delivery(
            file.secret,
            file.operator_projects,
            Patience(file.deadline_s),
        )

    def __call__(
        self, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        """One alarm; whatever comes in, one JSON object goes out."""
        try:
            status, said = self._answer(environ)
        except _Bad as bad:
            status, said = bad.status, {"error": str(bad)}
            LOG.warning("Refused (%s): %s.", bad.status, bad)
        body = json.dumps(said).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        if status == 429:
            headers.append(("Retry-After", "60"))
        start_response(f"{status} {REASONS[status]}", headers)
        return [body]

    def _answer(self, environ: dict[str, Any]) -> tuple[int, dict[str, str]]:
        target = self._target(environ)
        token = environ.get("HTTP_X_AUTH_TOKEN", "")
        if not TOKEN.fullmatch(str(token)):
            raise _Bad(
                401, "no token came with it; the action is trust+https://..."
            )
        alarm = _body(environ, self._file.max_body)
        door = TokenDoor(self._file, token, self._asker)
        told = self._delivery.deliver(alarm, target, door, self._admit)
        loud = LOG.info if told.end in (End.STARTED, End.KNOWN) else LOG.error
        loud("%s: %s, %s.", target.workflow, told.end.value, told.text)
        return _status(told), {
            "end": told.end.value,
            "text": told.text,
            "execution": told.execution,
        }

    def _admit(self, project: str) -> bool:
        """The operator's own alarms are not limited: a storm is theirs."""
        return project in self._file.operator_projects or self._rate.admit(
            project
        )

    def _target(self, environ: dict[str, Any]) -> Target:
        path = str(environ.get("PATH_INFO", ""))
        if not path.startswith(PREFIX):
            raise _Bad(404, f"the address is {PREFIX}WORKFLOW?PARAMETERS")
        if environ.get("REQUEST_METHOD") != "POST":
            raise _Bad(405, "only POST starts a workflow")
        try:
            target = read_target(
                path.removeprefix(PREFIX), str(environ.get("QUERY_STRING", ""))
            )
        except ValueError as error:
            raise _Bad(400, str(error)) from error
        allowed = self._file.workflows
        if not any(fnmatchcase(target.workflow, name) for name in allowed):
            raise _Bad(
                403,
                f"workflow {target.workflow!r} is not among the bridge's "
                "`workflows`",
            )
        return target


def _status(told: Told) -> int:
    if told.end is End.REFUSED and told.status in (401, 403, 404):
        return told.status
    return STATUS[told.end]


def _body(environ: dict[str, Any], most: int) -> Any:
    """The JSON of the body, of at most that many bytes."""
    text = str(environ.get("CONTENT_LENGTH") or "")
    if not text:
        raise _Bad(411, "the body's length is not given")
    if not (text.isascii() and text.isdigit()):
        raise _Bad(400, "the body's length is no number")
    if len(text) > 12 or int(text) > most:
        raise _Bad(413, f"the body is longer than {most} bytes")
    raw = environ["wsgi.input"].read(int(text))
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise _Bad(400, "the body is not JSON") from None


def __getattr__(name: str) -> Any:
    """``application`` is made when a server asks for it: a wrong file stops
    the server's start with one sentence, and importing reads no file."""
    if name != "application":
        raise AttributeError(name)
    path = os.environ.get(VARIABLE) or DEFAULT_PATH
    globals()[name] = made = Bridge(from_file(path))
    return made
