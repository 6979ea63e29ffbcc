"""Octavia's pools. It locks a whole load balancer for each change: 409.

A load balancer in ERROR answers the same 409 for ever, so its status is read
before each wait.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import requests

from ha_actions import cloud_values as values
from ha_actions.cloud_errors import explain, text_of
from ha_actions.cloud_http import Api
from ha_actions.errors import Failed, Transient
from ha_actions.model import Claim, Member
from ha_actions.ports import Clock

DEADLINE_S = 180.0
"""Seconds to wait for one load balancer's lock; a change takes an amphora
seconds, unless the amphora itself was on the dead host."""

PAUSE_S = 1.0

Body = dict[str, Any]


class Pools:
    """The load-balancer verbs of :class:`~ha_actions.ports.Cloud`."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    def members(self) -> list[Member]:
        """Every member of every pool; none where there is no Octavia."""
        if not self._api.offers("load_balancer"):
            return []
        pools = [pool for pool in self._pools({}) if pool.get("members")]
        jobs = [functools.partial(self._of, pool) for pool in pools]
        found = self._clock.together(jobs, 8)
        return [
            values.member(pool, body)
            for pool, bodies in zip(pools, found, strict=True)
            for body in bodies
        ]

    def set_weights(
        self, lb: str, weights: Mapping[str, int], claim: Claim
    ) -> None:
        """Member id -> weight; what has its weight already is not sent."""
        for pool in self._pools({"loadbalancer_id": lb}):
            named = {body["id"] for body in pool.get("members") or ()}
            if named.isdisjoint(weights):
                continue
            self._change(
                functools.partial(self._put_weights, pool, weights, claim),
                lb,
                f"set weights in pool {pool['id']}",
                claim,
            )

    def add(self, like: Member, address: str, claim: Claim) -> str:
        """A member like this one at another address; its id."""
        body = {
            "name": like.name,
            "address": address,
            "protocol_port": like.port,
            "weight": like.weight,
            "backup": like.backup,
            "subnet_id": like.subnet or None,
            "monitor_port": like.monitor_port or None,
        }
        sent = {key: v for key, v in body.items() if v not in (None, "")}
        path = f"/lbaas/pools/{like.pool}/members"
        answer = self._change(
            lambda: self._api.change(
                "POST", "load_balancer", path, {"member": sent}, claim
            ),
            like.lb,
            f"add a member to pool {like.pool}",
            claim,
        )
        if answer is None or answer.status_code == 409:  # it is there already
            return self._find(like, address)
        return str(answer.json()["member"]["id"])

    def remove(self, member: Member, claim: Claim) -> None:
        """Remove a member; no error if it is gone."""
        path = f"/lbaas/pools/{member.pool}/members/{member.id}"
        self._change(
            lambda: self._api.change(
                "DELETE", "load_balancer", path, None, claim
            ),
            member.lb,
            f"remove member {member.id}",
            claim,
            gone_is_fine=True,
        )

    def _pools(self, query: Mapping[str, str]) -> list[Body]:
        return self._api.listing(
            "load_balancer", "/lbaas/pools", "pools", query
        )

    def _of(self, pool: Mapping[str, Any]) -> list[Body]:
        path = f"/lbaas/pools/{pool['id']}/members"
        return self._api.listing("load_balancer", path, "members")

    def _find(self, like: Member, address: str) -> str:
        for body in self._of({"id": like.pool}):
            if (body["address"], body["protocol_port"]) == (
                address,
                like.port,
            ):
                return str(body["id"])
        raise Transient(
            "conflict",
            f"Octavia says that pool {like.pool} has a member at {address}, "
            "and does not list it.",
        )

    def _put_weights(
        self,
        pool: Mapping[str, Any],
        weights: Mapping[str, int],
        claim: Claim,
    ) -> requests.Response | None:
        """One batch. What it leaves out, Octavia sets to a default, so the
        members are read just before and sent whole.
        """
        wanted = [
            _whole(body, weights[body["id"]])
            for body in self._of(pool)
            if body["id"] in weights
            and body.get("weight") != weights[body["id"]]
        ]
        if not wanted:
            return None
        return self._api.change(
            "PUT",
            "load_balancer",
            f"/lbaas/pools/{pool['id']}/members",
            {"members": wanted},
            claim,
            # Without it every other member of the pool is deleted.
            params={"additive_only": "true"},
        )

    def _change(
        self,
        send: Any,
        lb: str,
        what: str,
        claim: Claim,
        *,
        gone_is_fine: bool = False,
    ) -> requests.Response | None:
        """Send until the load balancer is not locked; 409 for a duplicate."""
        until = min(self._clock.now() + DEADLINE_S, claim.until)
        while True:
            answer: requests.Response | None = send()
            if answer is None or answer.status_code < 400:
                return answer
            text = text_of(answer)
            if answer.status_code == 404 and gone_is_fine:
                return answer
            if answer.status_code == 409 and "already" in text:
                return answer
            if answer.status_code == 403 and "uota" in text:
                raise Failed("quota", f"Octavia refuses to {what}: {text}")
            if answer.status_code != 409 or "immutable" not in text:
                raise explain(answer, "load_balancer", what)
            self._refuse_error(lb, what)
            if self._clock.now() + PAUSE_S > until:
                raise Transient(
                    "lb_busy",
                    f"Load balancer {lb} stayed locked by another change; "
                    f"Octavia could not {what}.",
                )
            self._clock.sleep(PAUSE_S)

    def _refuse_error(self, lb: str, what: str) -> None:
        found = self._api.get("load_balancer", f"/lbaas/loadbalancers/{lb}")
        status = (
            (found or {}).get("loadbalancer", {}).get("provisioning_status")
        )
        if status == "ERROR":
            raise Failed(
                "lb_error",
                f"Octavia cannot {what}: load balancer {lb} is in ERROR; "
                "fail it over (openstack loadbalancer failover).",
            )


def _whole(body: Mapping[str, Any], weight: int) -> Body:
    keys = (
        "name",
        "address",
        "protocol_port",
        "admin_state_up",
        "backup",
        "subnet_id",
        "monitor_address",
        "monitor_port",
        "tags",
    )
    kept = {key: body[key] for key in keys if body.get(key) is not None}
    return {**kept, "weight": weight}
