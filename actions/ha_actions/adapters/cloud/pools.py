"""Octavia's pools. It locks a whole load balancer for each change: 409.

A load balancer in ERROR answers the same 409 for ever, so its status is read
before each wait.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import requests

from ha_actions.adapters.cloud import values
from ha_actions.adapters.cloud.errors import explain, text_of
from ha_actions.adapters.cloud.http import Api
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
        made = [
            values.member(pool, body)
            for pool, bodies in zip(pools, found, strict=True)
            for body in bodies
        ]
        if all(member.subnet for member in made):
            return made
        vips = self._vip_subnets()
        return [
            m if m.subnet else replace(m, subnet=vips.get(m.lb, ""))
            for m in made
        ]

    def _vip_subnets(self) -> dict[str, str]:
        """Load balancer id -> where its members without a subnet are.

        Source: Octavia's API: without ``subnet_id`` a member is reached
        through the subnet of the VIP.
        """
        found = self._api.listing(
            "load_balancer", "/lbaas/loadbalancers", "loadbalancers"
        )
        return {b["id"]: b.get("vip_subnet_id") or "" for b in found}

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

    def add(self, lb: str, new: Sequence[Member], claim: Claim) -> None:
        """New members; who is at that address and port already is kept."""
        for pool in dict.fromkeys(member.pool for member in new):
            mine = [member for member in new if member.pool == pool]
            answer = self._change(
                functools.partial(self._put_new, pool, mine, claim),
                lb,
                f"add members to pool {pool}",
                claim,
            )
            if answer is not None and answer.status_code == 409:
                raise Transient(
                    "conflict",
                    f"Somebody else changes the members of pool {pool}; they "
                    "are looked at again before anything is sent.",
                )

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
        return self._put(pool["id"], wanted, claim)

    def _put_new(
        self, pool: str, new: Sequence[Member], claim: Claim
    ) -> requests.Response | None:
        """One batch of those that the pool has not: what is sent of a member
        that it has would change it.
        """
        known = {
            (body["address"], body["protocol_port"])
            for body in self._of({"id": pool})
        }
        wanted = [
            _new(one) for one in new if (one.address, one.port) not in known
        ]
        return self._put(pool, wanted, claim)

    def _put(
        self, pool: str, wanted: list[Body], claim: Claim
    ) -> requests.Response | None:
        if not wanted:
            return None
        return self._api.change(
            "PUT",
            "load_balancer",
            f"/lbaas/pools/{pool}/members",
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


def _new(member: Member) -> Body:
    body = {
        "name": member.name,
        "address": member.address,
        "protocol_port": member.port,
        "weight": member.weight,
        "backup": member.backup,
        "subnet_id": member.subnet,
        "monitor_address": member.monitor_address,
        "monitor_port": member.monitor_port,
    }
    sure = ("weight", "backup")
    return {key: v for key, v in body.items() if key in sure or v}


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
