"""What a failing answer, or none, means: one place for all services."""

from __future__ import annotations

from typing import Any

import openstack.exceptions as sdk_errors
import requests
import urllib3.exceptions as wire_errors
from keystoneauth1 import exceptions as auth_errors

from ha_actions.errors import Failed, HaError, Refused, Transient

NAMES = {
    "compute": "Nova",
    "network": "Neutron",
    "image": "Glance",
    "block_storage": "Cinder",
    "load_balancer": "Octavia",
    "placement": "Placement",
    "orchestration": "Heat",
}

OURS = (
    requests.RequestException,
    auth_errors.ClientException,
    sdk_errors.SDKException,
)


def explain(answer: requests.Response, service: str, what: str) -> HaError:
    """What a status of 400 and above means, where nothing special is known."""
    status, text = answer.status_code, text_of(answer)
    name = NAMES[service]
    if status in (401, 403):
        return forbidden(name, what, text)
    if status == 429 or status >= 500:
        return Transient(
            "api",
            f"{name} cannot {what} now ({status}).",
            status=status,
            retry_after_s=retry_after(answer),
        )
    if status == 406:
        return Failed(
            "too_old",
            f"{name} does not know the API version of {what}; this pack "
            "needs OpenStack 2025.1 or newer.",
            status=status,
        )
    code = {404: "not_found", 409: "conflict"}.get(status, "rejected")
    return Failed(
        code, f"{name} refuses to {what} ({status}): {text}", status=status
    )


MOST_S = 60.0
"""Longer than that nobody's word keeps us waiting."""


def retry_after(answer: requests.Response) -> float:
    """Seconds that a busy service asks us to wait; 0.0: it does not say.

    Source: RFC 9110, Retry-After; its form as a date is not used by
    OpenStack's rate limiters, and counts as not said.
    """
    text = str(answer.headers.get("Retry-After", ""))
    return min(float(text), MOST_S) if text.isdigit() else 0.0


_NOVA_SAYS = (
    ("is still in use", "in_use"),
    ("No valid host", "no_valid_host"),
    ("Quota exceeded", "quota"),
    ("evacuation migration records remain", "not_cleaned"),
)


def check_nova(answer: requests.Response, what: str) -> None:
    """:raises HaError: Nova said no; the code is one of the port's."""
    if answer.status_code < 400:
        return
    text = text_of(answer)
    for sign, code in _NOVA_SAYS:
        if sign in text:
            raise Failed(
                code,
                f"Nova refuses to {what}: {text}",
                status=answer.status_code,
            )
    raise explain(answer, "compute", what)


def forbidden(name: str, what: str, text: str = "") -> Refused:
    """The credentials do not suffice."""
    return Refused(
        "forbidden",
        f"{name} does not let us {what}; give the executor's user the role "
        "admin, and see the service's policy."
        + (f" ({text})" if text else ""),
    )


def text_of(answer: requests.Response) -> str:
    """The sentence in an error body, at most 300 characters."""
    try:
        body = answer.json()
    except ValueError:
        return answer.reason or ""
    if isinstance(body, dict):
        for key in ("faultstring", "message"):
            if isinstance(body.get(key), str):
                return str(body[key])[:300]
        for inner in body.values():
            if isinstance(inner, dict) and "message" in inner:
                return str(inner["message"])[:300]
    return answer.reason or ""


def never_sent(error: BaseException) -> bool:
    """Whether a failure came before the request could leave this machine."""
    todo: list[Any] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, _BEFORE):
            return True
        reason = getattr(one, "reason", None)
        todo += [one.__cause__, one.__context__, reason, *one.args]
    return False


_BEFORE = (
    requests.exceptions.SSLError,
    requests.ConnectTimeout,
    wire_errors.NewConnectionError,
    wire_errors.ConnectTimeoutError,
    auth_errors.SSLError,
    auth_errors.EndpointNotFound,
    auth_errors.Unauthorized,
    auth_errors.MissingAuthPlugin,
)


def unsent(service: str, path: str, error: Exception) -> HaError:
    """Nothing left this machine, or it was a read."""
    name = NAMES[service]
    if isinstance(error, (auth_errors.Unauthorized, auth_errors.Forbidden)):
        return forbidden("Keystone", f"call {name}")
    return Transient(
        "api",
        f"{name} could not be asked for {path} ({type(error).__name__}); "
        "check that its API is up and reachable from the executor.",
    )
