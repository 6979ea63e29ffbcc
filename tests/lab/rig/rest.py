"""A very small client of the lab's own APIs: enough to seed, wait and reset
without any installed package.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from rig import settings
from rig.errors import LabError

AGENT = "ha-lab-rig"


@dataclass(frozen=True)
class Answer:
    """What an API said."""

    status: int
    body: Any
    headers: dict[str, str]


def send(
    method: str,
    url: str,
    body: object = None,
    headers: dict[str, str] | None = None,
    timeout: float = 60,
) -> Answer:
    """One request. Any HTTP status is an answer; OSError means that nobody
    answered.
    """
    raw = (
        body
        if isinstance(body, bytes) or body is None
        else json.dumps(body).encode()
    )
    sent = {
        "User-Agent": AGENT,
        "Content-Type": "application/json",
        **(headers or {}),
    }
    request = urllib.request.Request(
        url, data=raw, method=method, headers=sent
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            status, text, got = reply.status, reply.read(), reply.headers
    except urllib.error.HTTPError as refusal:
        status, text, got = refusal.code, refusal.read(), refusal.headers
    try:
        parsed = json.loads(text) if text else None
    except ValueError:
        parsed = text.decode(errors="replace")
    return Answer(
        status, parsed, {key.lower(): value for key, value in got.items()}
    )


class Cloud:
    """The admin's view of the lab: `cloud("nova", "GET", "/servers")` answers
    the body, or raises LabError. He is admin of the tenant's project too.
    """

    def __init__(self, project: str = "admin") -> None:
        self._project = project
        self._token = ""
        self._project_id = ""

    def project_id(self) -> str:
        """The id of the project that the token is for."""
        self.token()
        return self._project_id

    def token(self) -> str:
        """A project-scoped admin token, taken once."""
        if not self._token:
            domain = {"name": "Default"}
            user = {
                "name": "admin",
                "domain": domain,
                "password": settings.PASSWORD,
            }
            auth = {
                "identity": {
                    "methods": ["password"],
                    "password": {"user": user},
                },
                "scope": {
                    "project": {"name": self._project, "domain": domain}
                },
            }
            answer = send(
                "POST", f"{settings.KEYSTONE_URL}/auth/tokens", {"auth": auth}
            )
            if answer.status != 201:
                raise LabError(
                    "keystone refused the lab's own admin login with "
                    f"{answer.status}: see `lab logs keystone`."
                )
            self._token = answer.headers["x-subject-token"]
            self._project_id = answer.body["token"]["project"]["id"]
        return self._token

    def ask(
        self,
        service: str,
        method: str,
        path: str,
        body: object = None,
        microversion: str = "",
    ) -> Answer:
        """One call with the admin's token, whatever the answer is."""
        base = (
            settings.KEYSTONE_URL
            if service == "keystone"
            else settings.api_url(service).split("/v1/%")[0]
        )
        headers = {"X-Auth-Token": self.token()}
        if microversion:
            kind = next(
                kind for name, kind, _ in settings.APIS if name == service
            )
            headers["OpenStack-API-Version"] = f"{kind} {microversion}"
        if isinstance(body, bytes):
            headers["Content-Type"] = "application/octet-stream"
        return send(method, base + path, body, headers)

    def __call__(
        self,
        service: str,
        method: str,
        path: str,
        body: object = None,
        microversion: str = "",
    ) -> Any:
        answer = self.ask(service, method, path, body, microversion)
        if answer.status >= 300:
            raise LabError(
                f"{service} answered {answer.status} to {method} {path}: "
                f"{answer.body}"
            )
        return answer.body

    def compute_services(self) -> list[dict[str, Any]]:
        """Nova's own list of its services."""
        services: list[dict[str, Any]] = self(
            "nova", "GET", "/os-services", microversion="2.94"
        )["services"]
        return services
