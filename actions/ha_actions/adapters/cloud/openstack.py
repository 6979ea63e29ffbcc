"""The real cloud: Nova, Neutron, Glance, Cinder and Octavia by their APIs.

Reads cost a number of calls that depends on hosts and pools, not on guests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import requests

from ha_actions.adapters.cloud import values
from ha_actions.adapters.cloud.balancers import Balancers
from ha_actions.adapters.cloud.belongings import Belongings
from ha_actions.adapters.cloud.copy import Copier
from ha_actions.adapters.cloud.errors import check_nova
from ha_actions.adapters.cloud.handover import Handover
from ha_actions.adapters.cloud.http import Api, Count
from ha_actions.adapters.cloud.pools import Pools
from ha_actions.adapters.cloud.servers import Servers
from ha_actions.errors import NoAnswer
from ha_actions.model import (
    Aggregate,
    Amphora,
    Claim,
    Fix,
    FloatingIp,
    Guest,
    Host,
    Member,
    Migration,
    Port,
    Volume,
)
from ha_actions.model.likeness import PLAIN, Clone, Disk, Likeness
from ha_actions.model.server import Deed
from ha_actions.ports import Clock

START = "2.94"
"""Evacuated servers start again, if they ran."""

KEEP_OFF = "2.95"
"""Evacuated servers stay off. Source: nova, microversion 2.95."""

REASON_MAX = 255
"""Source: nova, services.disabled_reason."""


class OpenStackCloud:
    """:class:`~ha_actions.ports.Cloud` over openstacksdk.

    :param conn: an ``openstack.connection.Connection`` of a user with the
        role admin; its ``global_request_id`` goes with every call.
    :param count: told of each call that is sent.
    :param operators: projects whose images speak for the operator, beside
        that of the connection.

    One object serves one incident in one process.
    """

    def __init__(
        self,
        conn: Any,
        clock: Clock,
        count: Count | None = None,
        operators: Collection[str] = (),
    ) -> None:
        self._api = Api(conn, clock, count)
        self._clock = clock
        self._pools = Pools(self._api, clock)
        self._balancers = Balancers(self._api)
        self._copier = Copier(self._api)
        self._servers = Servers(
            self._api,
            clock,
            lambda p: p in operators or p == conn.current_project_id,
        )
        self._belongings = Belongings(self._api, clock)
        self._handover = Handover(self._api, clock)

    # -- hosts -----------------------------------------------------------
    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[Host]:
        """Every nova-compute; one whose cell does not answer is missing."""
        return self._servers.hosts(brief=brief, max_age_s=max_age_s)

    def aggregates(self) -> list[Aggregate]:
        """Every host aggregate; at most five minutes old."""
        return self._servers.aggregates()

    def mark_down(self, host: Host, reason: str, claim: Claim) -> Host:
        """One PUT: forced down, disabled, and why.

        Together, since disabling a dead host that Nova still believes up
        blocks until Nova gives up asking it.
        """
        body = {
            "forced_down": True,
            "status": "disabled",
            "disabled_reason": reason[:REASON_MAX],
        }
        what = f"force {host.name} down"
        answer = self._put_service(host, body, claim, what)
        try:
            return values.after_put(answer.json()["service"])
        except (KeyError, ValueError) as error:
            raise NoAnswer(
                "no_answer",
                f"Nova answered {what} with something else than a service; "
                "a proxy in between may be failing.",
            ) from error

    def lift_down(self, host: Host, claim: Claim) -> None:
        """One PUT; Nova refuses while evacuations are not cleaned up."""
        what = f"lift forced_down of {host.name}"
        self._put_service(host, {"forced_down": False}, claim, what)

    def set_service(
        self, host: Host, *, enabled: bool, reason: str, claim: Claim
    ) -> None:
        """One PUT; Nova takes no reason for an enabled service."""
        body = {"status": "enabled" if enabled else "disabled"}
        if reason and not enabled:
            body["disabled_reason"] = reason[:REASON_MAX]
        self._put_service(host, body, claim, f"set the service {host.name}")

    def _put_service(
        self, host: Host, body: Mapping[str, Any], claim: Claim, what: str
    ) -> requests.Response:
        answer = self._api.change(
            "PUT",
            "compute",
            f"/os-services/{host.service_id}",
            body,
            claim,
            microversion=values.LIST,
        )
        check_nova(answer, what)
        return answer

    # -- guests, reading -------------------------------------------------
    def guests_on(self, host: str, *, brief: bool = False) -> list[Guest]:
        """Every guest of the host, in three to five calls; brief: in one or
        two.

        :raises Transient: nothing is listed and Nova does not know the host
            either: its cell may be down, and no list means nothing then.
        """
        return self._servers.guests_on(host, brief=brief)

    def guests(
        self, ids: Iterable[str], *, brief: bool = False, since: float = 0.0
    ) -> dict[str, Guest]:
        """These guests; a deleted one is missing."""
        return self._servers.guests(ids, brief=brief, since=since)

    def copies(self, owners: Mapping[str, str]) -> dict[str, Guest]:
        """Old guest id -> the server made in its place, by its tag."""
        return self._servers.copies(owners)

    def guests_of(self, project: str) -> list[Guest]:
        """Every server of a project: as many calls as for one host."""
        return self._servers.of_project(project)

    def network_agents(self, host: str) -> list[bool]:
        """Whether each of Neutron's agents on it was heard of lately."""
        return self._servers.network_agents(host)

    def evacuations(self, source: str) -> list[Migration]:
        """Evacuation records from a host, newest last: one call."""
        return self._servers.evacuations(source)

    def moves(self, host: str) -> list[Migration]:
        """Open moves from or to a host, newest last: one call."""
        return self._servers.moves(host)

    def migrations(self, guest: str) -> list[Migration]:
        """Every migration record of one server, of any kind."""
        return self._servers.migrations(guest)

    def deeds(self, guest: str) -> list[Deed]:
        """What was asked of one server, and by whom."""
        return self._servers.deeds(guest)

    def evacuation_asked(self, guest: str, since: float) -> bool:
        """Whether Nova has recorded an evacuate action since then.

        Half a minute before ``since`` counts too: clocks differ.
        """
        return self._servers.evacuation_asked(guest, since)

    def volumes(self, ids: Iterable[str]) -> dict[str, Volume]:
        """These volumes; a deleted one is missing."""
        return self._belongings.volumes(ids)

    def floating_ips(
        self, ports: Iterable[str], ids: Iterable[str] = ()
    ) -> list[FloatingIp]:
        """Of these ports, and those with these ids."""
        return self._belongings.floating_ips(ports, ids)

    def allocated(self, host: str) -> frozenset[str] | None:
        """Ids of what Placement counts on the host: two calls."""
        return self._belongings.allocated(host)

    def ports_of(self, guests: Iterable[str]) -> dict[str, list[Port]]:
        """Guest id -> its ports, also of one that Nova has deleted."""
        return self._servers.ports_of(guests)

    # -- guests, changing ------------------------------------------------
    def evacuate(
        self, guest: str, *, keep_off: bool, claim: Claim, host: str = ""
    ) -> None:
        """POST one evacuation, once; see the port for the codes."""
        version = KEEP_OFF if keep_off else START
        to = {"host": host} if host else {}
        self._act(guest, {"evacuate": to}, "evacuate", claim, version)

    def reset_state(self, guest: str, state: str, claim: Claim) -> None:
        """Set vm_state to ``active`` or ``error``."""
        body = {"os-resetState": {"state": state}}
        self._act(guest, body, "reset", claim)

    def set_power(self, guest: str, verb: str, claim: Claim) -> None:
        """``start``, ``stop``, ``pause``, ``suspend`` or ``reboot`` it."""
        if verb == "reboot":
            self._act(guest, {"reboot": {"type": "HARD"}}, verb, claim)
            return
        key = f"os-{verb}" if verb in ("start", "stop") else verb
        self._act(guest, {key: None}, verb, claim)

    def migrate(self, guest: str, claim: Claim) -> None:
        """POST one cold migration, once; the scheduler chooses."""
        self._act(guest, {"migrate": None}, "migrate", claim)

    def confirm_migrate(self, guest: str, claim: Claim) -> None:
        """Agree to a cold migration that is done."""
        self._act(guest, {"confirmResize": None}, "confirm", claim)

    def lacks(self, guest: Guest, *, new_ports: bool = True) -> str:
        """What a copy of it would lack; up to five calls."""
        return self._copier.lacks(guest, new_ports=new_ports)

    def recreate(
        self,
        guest: Guest,
        metadata: Mapping[str, str],
        claim: Claim,
        like: Likeness = PLAIN,
    ) -> str:
        """A server like this one, in its owner's project; its id."""
        return self._copier.make(guest, metadata, claim, like)

    def disks(self, guest: Guest) -> list[Disk]:
        """Its volumes: two calls, and one for each volume."""
        return self._handover.disks(guest)

    def clones(
        self, volumes: Iterable[str], incident: str
    ) -> dict[str, Clone]:
        """Old volume -> its clone: one call."""
        return self._handover.clones(volumes, incident)

    def clone_volume(
        self, guest: Guest, disk: Disk, incident: str, claim: Claim
    ) -> None:
        """POST one clone, once, in the owner's project."""
        self._handover.clone(guest, disk, incident, claim)

    def attach(self, copy: Guest, disk: Disk, claim: Claim) -> None:
        """POST one attachment, once."""
        self._handover.attach(copy, disk, claim)

    def free_ports(
        self, guest: Guest, ports: Iterable[Port], claim: Claim
    ) -> None:
        """Let Neutron take them from the server; they are kept."""
        self._handover.free_ports(guest, ports, claim)

    def bind_ports(
        self, server: Guest, ports: Iterable[Port], claim: Claim
    ) -> None:
        """Give them to the server, on its host."""
        self._handover.bind_ports(server, ports, claim)

    def mend(self, guest: Guest, fix: Fix, claim: Claim) -> None:
        """Put back what the guest has lost."""
        self._belongings.mend(guest, fix, claim)

    def delete(self, guest: str, claim: Claim) -> None:
        """Delete a server; no error if it is gone."""
        answer = self._api.change(
            "DELETE",
            "compute",
            f"/servers/{guest}",
            None,
            claim,
            microversion=values.LIST,
        )
        if answer.status_code != 404:
            check_nova(answer, f"delete server {guest}")

    def _act(
        self,
        guest: str,
        body: Mapping[str, Any],
        verb: str,
        claim: Claim,
        microversion: str = values.LIST,
    ) -> None:
        answer = self._api.change(
            "POST",
            "compute",
            f"/servers/{guest}/action",
            body,
            claim,
            microversion=microversion,
        )
        check_nova(answer, f"{verb} server {guest}")

    # -- load balancers --------------------------------------------------
    def members(self) -> list[Member]:
        """Every member of every pool: one call, and one for each pool."""
        return self._pools.members()

    def set_weights(
        self, lb: str, weights: Mapping[str, int], claim: Claim
    ) -> None:
        """Member id -> weight: one batch for each pool that changes."""
        self._pools.set_weights(lb, weights, claim)

    def add_members(
        self, lb: str, new: Sequence[Member], claim: Claim
    ) -> None:
        """New members of one load balancer: one batch for each pool."""
        self._pools.add(lb, new, claim)

    def amphorae(self) -> list[Amphora]:
        """Every amphora; empty where there is no Octavia."""
        return self._balancers.amphorae()

    def balancer_states(self, ids: Iterable[str]) -> dict[str, str]:
        """Load balancer id -> provisioning_status: one call."""
        return self._balancers.states(ids)

    def fail_over(self, lb: str, claim: Claim) -> None:
        """PUT one failover, once."""
        self._balancers.fail_over(lb, claim)

    def remove_member(self, member: Member, claim: Claim) -> None:
        """Remove a member; no error if it is gone."""
        self._pools.remove(member, claim)
