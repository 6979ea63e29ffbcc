"""Pages to people: a webhook, and Alertmanager's v2 API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import requests
from ha_actions.errors import HaError, Transient
from ha_alarms.watch_ports import Page, Pager

TIMEOUT_S = 10
ALERT_S = 300.0
"""How long an alert stands that nobody repeats: a watch that died cannot
take it back."""
SEVERITY = {"held": "critical", "unprotected": "critical", "sick": "warning"}


class Webhook:
    """One POST of JSON for each page that is new; repeats are left out.

    :param ca: CA file; empty: the system's.
    """

    def __init__(self, url: str, ca: str = "") -> None:
        self._url = url
        self._verify: bool | str = ca or True

    def page(self, page: Page) -> None:
        """Send it, unless it was sent.

        :raises Transient: it did not arrive.
        """
        if page.again or page.over:
            return
        body = {
            "code": page.code,
            "subject": page.subject,
            "text": page.text,
            "incident": page.incident,
            "at": _iso(page.at),
        }
        _post("the webhook", self._url, body, self._verify)


class Alertmanager:
    """Alerts named ``HaPack``: raised, kept up, and taken back.

    Source: Alertmanager's API v2: alerts with equal labels are one; an alert
    is over when its ``endsAt`` has passed.
    """

    def __init__(self, url: str, ca: str = "") -> None:
        self._url = f"{url.rstrip('/')}/api/v2/alerts"
        self._verify: bool | str = ca or True

    def page(self, page: Page) -> None:
        """Send it, for a while, or take it back.

        :raises Transient: it did not arrive.
        """
        labels = {
            "alertname": "HaPack",
            "code": page.code,
            "host": page.subject,
            "severity": SEVERITY.get(page.code, "warning"),
        }
        if page.incident:
            labels["incident"] = page.incident
        ends = page.at if page.over else page.at + ALERT_S
        alert = {
            "labels": labels,
            "annotations": {"summary": page.text} if page.text else {},
            "endsAt": _iso(ends),
        }
        _post("Alertmanager", self._url, [alert], self._verify)


class All:
    """Every pager; one that fails does not keep the page from the others."""

    def __init__(self, pagers: Sequence[Pager]) -> None:
        self._pagers = pagers

    def page(self, page: Page) -> None:
        """Send it to all.

        :raises Transient: the first that failed.
        """
        failed: list[HaError] = []
        for pager in self._pagers:
            try:
                pager.page(page)
            except HaError as error:
                failed.append(error)
        if failed:
            raise failed[0]


def _post(what: str, url: str, body: Any, verify: bool | str) -> None:
    try:
        answer = requests.post(
            url, json=body, timeout=TIMEOUT_S, verify=verify
        )
    except requests.RequestException as error:
        # its text names the url, which may hold a token
        raise Transient(
            "page", f"{what} did not answer ({type(error).__name__})."
        ) from None
    if answer.status_code >= 300:
        raise Transient("page", f"{what} answered {answer.status_code}.")


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat()
