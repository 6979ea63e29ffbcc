"""Octavia's own servers: amphorae, and the failover of load balancers."""

from __future__ import annotations

from collections.abc import Iterable

from ha_actions.adapters.cloud.errors import explain, text_of
from ha_actions.adapters.cloud.http import Api
from ha_actions.errors import Failed
from ha_actions.model import Amphora, Claim


class Balancers:
    """The failover verbs of :class:`~ha_actions.ports.Cloud`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def amphorae(self) -> list[Amphora]:
        """Every amphora: one call; none where there is no Octavia.

        Other providers (OVN, ...) have none, and Octavia may be without
        this API: then nothing on the host is its amphora.
        """
        if not self._api.offers("load_balancer"):
            return []
        try:
            found = self._api.listing(
                "load_balancer", "/octavia/amphorae", "amphorae"
            )
        except Failed:
            return []
        return [
            Amphora(
                id=body["id"],
                compute=body.get("compute_id") or "",
                lb=body.get("loadbalancer_id") or "",
                status=body.get("status") or "",
            )
            for body in found
        ]

    def states(self, ids: Iterable[str]) -> dict[str, str]:
        """Load balancer id -> provisioning_status: one listing."""
        wanted = set(ids)
        found = self._api.listing(
            "load_balancer", "/lbaas/loadbalancers", "loadbalancers"
        )
        return {
            body["id"]: body.get("provisioning_status") or ""
            for body in found
            if body["id"] in wanted
        }

    def fail_over(self, lb: str, claim: Claim) -> None:
        """PUT one failover; Octavia sets PENDING_UPDATE before it answers.

        :raises Failed: ``conflict``, while another change of it runs.
        """
        path = f"/lbaas/loadbalancers/{lb}/failover"
        answer = self._api.change("PUT", "load_balancer", path, None, claim)
        if answer.status_code == 409:
            raise Failed(
                "conflict",
                f"Octavia changes load balancer {lb} already: "
                f"{text_of(answer)}",
            )
        if answer.status_code >= 400:
            raise explain(answer, "load_balancer", f"fail over {lb}")
