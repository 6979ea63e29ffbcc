"""How every OpenStack API call is made, and what its failure means.

A read is retried when a retry may help. A change is sent once: whoever asked
decides, after looking, whether it is sent again. All calls carry the request
id of the connection (``X-OpenStack-Request-ID``). Bodies never reach a log:
server records hold user data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests

from ha_actions.adapters.cloud.errors import (
    NAMES,
    OURS,
    explain,
    never_sent,
    unsent,
)
from ha_actions.errors import Failed, NoAnswer, Refused, Transient
from ha_actions.model import Claim
from ha_actions.ports import Clock

READ_S = 60
"""Seconds for one answer: a page of 1000 servers takes Nova many seconds."""

CONNECT_S = 5
"""Seconds for a connection of a read: a lost SYN is repeated after 1 and 3 s.
Whoever drops our packets is known after that, not after READ_S."""

CHANGE_S = 90
"""Longer than Nova's own wait for a host that does not answer.
Source: oslo.messaging, rpc_response_timeout (60 s)."""

PAUSES_S = (1.0, 2.0)
"""Before the second and the third try of a read."""

Count = Callable[[str, str], None]
"""Called with method and ``service/path`` for each call that is sent."""

Params = Mapping[str, Any]


class Api:
    """The REST APIs of one cloud, over one SDK connection."""

    def __init__(
        self, conn: Any, clock: Clock, count: Count | None = None
    ) -> None:
        self.conn = conn
        self.clock = clock
        self.count = count
        self._offers: dict[str, bool] = {}

    def offers(self, service: str) -> bool:
        """Whether the catalog has the service."""
        if service not in self._offers:
            with_dash = service.replace("_", "-")
            try:
                found = bool(self.conn.has_service(with_dash))
            except OURS as error:
                raise unsent(service, "the catalog", error) from error
            self._offers[service] = found
        return self._offers[service]

    def get(
        self,
        service: str,
        path: str,
        params: Params | None = None,
        microversion: str = "",
    ) -> dict[str, Any] | None:
        """The answer's JSON object; None for 404."""
        for pause in (*PAUSES_S, None):
            try:
                return self._read(service, path, params, microversion)
            except Transient as error:
                if pause is None:
                    raise
                asked = float(error.facts.get("retry_after_s", 0.0))
                self.clock.sleep(max(pause, asked))
        raise AssertionError("unreachable")

    def listing(
        self,
        service: str,
        path: str,
        key: str,
        params: Params | None = None,
        microversion: str = "",
    ) -> list[dict[str, Any]]:
        """All pages of a collection; an absent collection is an error."""
        return list(self._pages(service, path, key, params, microversion))

    def _pages(
        self,
        service: str,
        path: str,
        key: str,
        params: Params | None,
        microversion: str,
    ) -> Iterator[dict[str, Any]]:
        asked = dict(params or {})
        while True:
            body = self.get(service, path, asked, microversion)
            if body is None or not isinstance(body.get(key), list):
                raise Failed(
                    "no_listing",
                    f"{NAMES[service]} has no {path}; check that the "
                    "catalog's endpoint is right.",
                )
            found = body[key]
            yield from found
            links = body.get(f"{key}_links") or []
            more = any(link.get("rel") == "next" for link in links)
            if not more or not found:
                return
            last = found[-1]
            # Migrations are paged by uuid, everything else by id.
            asked["marker"] = last.get("uuid") or last["id"]

    def change(
        self,
        method: str,
        service: str,
        path: str,
        body: Any,
        claim: Claim,
        *,
        params: Params | None = None,
        microversion: str = "",
        conn: Any = None,
    ) -> requests.Response:
        """Send a change once; the answer, of any status below 500.

        :raises Refused: ``superseded``: the claim is over, nothing was sent.
        :raises NoAnswer: sent, and nobody knows whether it was done.
        """
        try:
            proxy = getattr(conn or self.conn, service)
            # Before the check: a new token or a discovery takes time, and
            # their failure must not look like an unanswered change.
            proxy.get_endpoint()
            proxy.get_token()
        except OURS as error:
            raise unsent(service, path, error) from error
        check_claim(claim, self.clock)
        sent = dict(params=params, microversion=microversion)
        if body is not None:
            sent["json"] = body
        try:
            answer = self._send(proxy, method, service, path, CHANGE_S, **sent)
        except OURS as error:
            if never_sent(error):
                raise unsent(service, path, error) from error
            raise NoAnswer(
                "no_answer",
                f"{NAMES[service]} did not answer {method} {path}; it may "
                "have been done.",
            ) from error
        if answer.status_code >= 500:
            raise NoAnswer(
                "no_answer",
                f"{NAMES[service]} failed ({answer.status_code}) at "
                f"{method} {path}; it may have been done.",
                status=answer.status_code,
            )
        return answer

    def _read(
        self,
        service: str,
        path: str,
        params: Params | None,
        microversion: str,
    ) -> dict[str, Any] | None:
        sent = dict(params=params, microversion=microversion)
        try:
            proxy = getattr(self.conn, service)
            patience = (CONNECT_S, READ_S)
            answer = self._send(proxy, "GET", service, path, patience, **sent)
        except OURS as error:
            raise unsent(service, path, error) from error
        if answer.status_code == 404:
            return None
        if answer.status_code >= 400:
            raise explain(answer, service, f"GET {path}")
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Transient(
                "not_json",
                f"{NAMES[service]} answered GET {path} with something "
                "that is not JSON; a proxy in between may be failing.",
            )
        return body

    def _send(
        self,
        proxy: Any,
        method: str,
        service: str,
        path: str,
        timeout: float | tuple[float, float],
        **more: Any,
    ) -> requests.Response:
        if self.count is not None:
            self.count(method, f"{service}{path}")
        kept = {key: value for key, value in more.items() if value}
        if "json" in more:
            kept["json"] = more["json"]
        answer: requests.Response = proxy.request(
            path,
            method,
            connect_retries=0,
            status_code_retries=0,
            timeout=timeout,
            log=False,
            raise_exc=False,
            **kept,
        )
        return answer


def check_claim(claim: Claim, clock: Clock) -> None:
    """:raises Refused: ``superseded``: the claim is over."""
    if clock.now() > claim.until:
        raise Refused(
            "superseded",
            f"The claim on {claim.subject} ended before the change was "
            "sent; another attempt has it now.",
        )
