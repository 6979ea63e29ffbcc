"""``ports.Cloud`` over the simulated world.

Counts the API calls that the real adapter would make for each verb, and
passes every change through the world's one hook before its claim is looked
at: a frozen executor that wakes late must be refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from ha_actions.errors import Failed, NoAnswer, Refused, Transient
from ha_actions.model import (
    Aggregate,
    Claim,
    Guest,
    Host,
    Member,
    Migration,
)
from ha_actions.model.likeness import PLAIN, Likeness
from ha_actions.model.server import Deed
from ha_actions.sim.balancers import SimBalancers
from ha_actions.sim.belongings import SimBelongings
from ha_actions.sim.handover import SimHandover
from ha_actions.sim.nova import Nova
from ha_actions.sim.single import Single
from ha_actions.sim.things import SimBalancer, SimGuest, SimPool, uid
from ha_actions.sim.world import SLOW_S, World

LOCK_S = 1.5
"""How long a load balancer is immutable after a change.

Source: measured on Octavia, 0.5 to 2 s on a loaded machine.
"""
LOCK_POLL_S = 1.0
LOCK_WAIT_S = 120.0
"""The adapter's own deadline for a 409 "immutable"."""

AGENT_DOWN_S = 75.0  # Source: neutron.conf agent_down_time, the default
AGGREGATES_S = 300.0  # how long the adapter keeps them
GUESTS_ON_CALLS = 3  # servers/detail, ports, os-server-groups
GUESTS_EXTRA_CALLS = 1  # ports of all of them in one call
GUESTS_MOST_CALLS = 2  # more than two ids are read as lists
RECREATE_CALLS = 2  # the old server's user data, then the POST
WEIGHTS_EXTRA_CALLS = 1  # provisioning_status, to tell ERROR from a lock


class SimCloud(SimBalancers, SimBelongings, SimHandover):
    """One incident's cloud; ``request_id`` goes with its calls."""

    def __init__(self, world: World, request_id: str = "") -> None:
        self.world = world
        self.request_id = request_id
        self.nova = Nova(world)
        self.single = Single(world)

    # -- reading ---------------------------------------------------------
    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[Host]:
        """Every nova-compute, with its aggregates' names."""
        now, read = self.world.clock.now(), self.world.hosts_read
        at, kept = read.get(self.request_id, (0.0, []))
        if not 0 <= now - at < max_age_s:
            self._call("nova", "hosts", 1)
            kept = self._hosts()
            read[self.request_id] = (now, kept)
        if brief:
            return [replace(host, aggregates=()) for host in kept]
        self._read_aggregates()
        return list(kept)

    def _hosts(self) -> list[Host]:
        with self.world.lock:
            groups: dict[str, list[str]] = {}
            for aggregate in self.world.aggregates.values():
                for name in aggregate.hosts:
                    groups.setdefault(name, []).append(aggregate.name)
            return [
                Host(
                    name=h.name,
                    service_id=h.service_id,
                    up=self.world.up(h),
                    enabled=h.enabled,
                    forced_down=h.forced_down,
                    disabled_reason=h.disabled_reason,
                    updated_at=self.world.updated_at(h),
                    zone=h.zone,
                    aggregates=tuple(groups.get(h.name, ())),
                )
                for h in self.world.hosts.values()
                if h.listed
            ]

    def aggregates(self) -> list[Aggregate]:
        """Every host aggregate with its metadata."""
        self._read_aggregates()
        return list(self.world.aggregates.values())

    def _read_aggregates(self) -> None:
        """The adapter keeps them for a minute, one adapter an incident."""
        now, read = self.world.clock.now(), self.world.aggregates_read
        if now - read.get(self.request_id, -AGGREGATES_S) >= AGGREGATES_S:
            self._call("nova", "aggregates", 1)
            read[self.request_id] = now

    def guests_on(self, host: str, *, brief: bool = False) -> list[Guest]:
        """Every guest that Nova's database places on the host."""
        self._call("nova", "guests_on", 1 if brief else GUESTS_ON_CALLS)
        with self.world.lock:
            return [
                g.value() for g in self.world.guests.values() if g.host == host
            ]

    def network_agents(self, host: str) -> list[bool]:
        """One agent a host; Neutron gives it up AGENT_DOWN_S after."""
        self._call("neutron", "network_agents", 1)
        ended = self.world.host(host).agent_ended_at
        return [not ended or self.world.clock.now() < ended + AGENT_DOWN_S]

    def guests(
        self, ids: Iterable[str], *, brief: bool = False, since: float = 0.0
    ) -> dict[str, Guest]:
        """These guests, wherever they are; a deleted one is missing."""
        wanted = list(ids)
        if not wanted:
            return {}
        most = 1 if since and len(wanted) > 1 else GUESTS_MOST_CALLS
        self._call(
            "nova",
            "guests",
            min(len(wanted), most) + (0 if brief else GUESTS_EXTRA_CALLS),
        )
        with self.world.lock:
            known = self.world.guests
            return {i: known[i].value() for i in wanted if i in known}

    def guests_of(self, project: str) -> list[Guest]:
        """Every server of a project, on whatever host."""
        self._call("nova", "guests_of", GUESTS_ON_CALLS)
        with self.world.lock:
            known = self.world.guests.values()
            return [g.value() for g in known if g.project == project]

    def evacuations(self, source: str) -> list[Migration]:
        """Evacuation records from a host, newest last."""
        self._call("nova", "evacuations", 1)
        with self.world.lock:
            return [
                m.value() for m in self.world.migrations if m.source == source
            ]

    def moves(self, host: str) -> list[Migration]:
        """Open moves from or to a host that are not evacuations."""
        self._call("nova", "moves", 1)
        return [m for m in self.world.moves if host in (m.source, m.dest)]

    def evacuation_asked(self, guest: str, since: float) -> bool:
        """Whether Nova has an evacuate action of the guest since then."""
        self._call("nova", "evacuation_asked", 1)
        with self.world.lock:
            found = self.world.guests.get(guest)
            return found is not None and any(
                at >= since for at in found.asked_at
            )

    def copies(self, owners: Mapping[str, str]) -> dict[str, Guest]:
        """Old guest id -> the server made in its place, by its tag."""
        self._call("nova", "copies", 1)
        with self.world.lock:
            return {
                g.metadata["ha:replaces"]: g.value()
                for g in self.world.guests.values()
                if (old := g.metadata.get("ha:replaces", "")) in owners
                and f"ha:replaces:{old}" in g.tags
                and g.value().project == owners[old]
            }

    def members(self) -> list[Member]:
        """Every member of every pool."""
        pools = self.world.pools.values()
        self._call("octavia", "members", 1 + len(pools))
        with self.world.lock:
            return [
                replace(m, status=self.world.member_status(pool, m.id))
                for pool in pools
                for m in pool.members.values()
            ]

    # -- changing --------------------------------------------------------
    def mark_down(self, host: Host, reason: str, claim: Claim) -> Host:
        """Force the service down, disable it, say why: one PUT."""

        def put() -> None:
            record = self.world.host(host.name)
            record.forced_down, record.enabled = True, False
            record.disabled_reason = reason
            record.put_at = self.world.clock.now()

        self._change("nova", "mark_down", host.name, host.name, claim, put)
        return next(h for h in self._hosts() if h.name == host.name)

    def lift_down(self, host: Host, claim: Claim) -> None:
        """Take forced_down off."""

        def lift() -> None:
            record = self.world.host(host.name)
            self.world.lift_down(record)
            self.world.let_in(record)

        self._change(
            "nova",
            "lift_down",
            host.name,
            host.name,
            claim,
            lift,
        )

    def set_service(
        self, host: Host, *, enabled: bool, reason: str, claim: Claim
    ) -> None:
        """Enable the service, or disable it with a reason."""

        def put() -> None:
            record = self.world.host(host.name)
            record.enabled = enabled
            record.disabled_reason = "" if enabled else reason
            record.put_at = self.world.clock.now()

        self._change("nova", "set_service", host.name, host.name, claim, put)

    def evacuate(
        self, guest: str, *, keep_off: bool, claim: Claim, host: str = ""
    ) -> None:
        """Ask Nova once to rebuild it elsewhere."""
        name, here = self._where(guest)
        self._change(
            "nova",
            "evacuate",
            name,
            here,
            claim,
            lambda: self.nova.evacuate(guest, keep_off, host),
        )

    def reset_state(self, guest: str, state: str, claim: Claim) -> None:
        """Set vm_state to ``active`` or ``error`` in Nova's database."""
        name, host = self._where(guest)
        self._change(
            "nova",
            "reset_state",
            name,
            host,
            claim,
            lambda: self.nova.reset_state(guest, state),
        )

    def set_power(self, guest: str, verb: str, claim: Claim) -> None:
        """``start``, ``stop``, ``pause``, ``suspend`` a guest."""
        name, host = self._where(guest)
        self._change(
            "nova",
            "set_power",
            name,
            host,
            claim,
            lambda: self.single.set_power(guest, verb),
        )

    def migrate(self, guest: str, claim: Claim) -> None:
        """Ask Nova once to move it, cold, to another host."""
        name, host = self._where(guest)
        self._change(
            "nova",
            "migrate",
            name,
            host,
            claim,
            lambda: self.single.migrate(guest),
        )

    def confirm_migrate(self, guest: str, claim: Claim) -> None:
        """Agree to a cold migration that is done."""
        name, host = self._where(guest)
        self._change(
            "nova",
            "confirm_migrate",
            name,
            host,
            claim,
            lambda: self.single.confirm(guest),
        )

    def migrations(self, guest: str) -> list[Migration]:
        """Every migration record of one server."""
        self._call("nova", "migrations", 1)
        with self.world.lock:
            return [
                m.value() for m in self.world.migrations if m.guest == guest
            ]

    def deeds(self, guest: str) -> list[Deed]:
        """What was asked of one server, and by whom."""
        self._call("nova", "deeds", 1)
        with self.world.lock:
            found = self.world.guests.get(guest)
            return list(found.deeds) if found else []

    def lacks(self, guest: Guest, *, new_ports: bool = True) -> str:
        """What a copy of it would lack."""
        self._call("nova", "lacks", 4)
        known = self.world.guests.get(guest.id)
        return known.cannot_copy if known else ""

    def recreate(
        self,
        guest: Guest,
        metadata: Mapping[str, str],
        claim: Claim,
        like: Likeness = PLAIN,
    ) -> str:
        """Create a server like this one, with new ports; its id."""
        known = self.world.guests.get(guest.id)
        if known is not None and known.cannot_copy:
            raise Refused(
                "cannot_copy",
                f"Server {guest.name} cannot be recreated: "
                f"{known.cannot_copy} cannot be copied.",
            )
        if guest.boot == "volume" and not like.disks:
            raise Refused(
                "cannot_copy",
                f"Server {guest.name} cannot be recreated: nothing is known "
                "that it could boot from.",
            )
        made: list[SimGuest] = []
        self._change(
            "nova",
            "recreate",
            guest.name,
            guest.host,
            claim,
            lambda: made.append(self.nova.create(guest, dict(metadata), like)),
            calls=RECREATE_CALLS,
        )
        return made[0].id

    def delete(self, guest: str, claim: Claim) -> None:
        """Delete a server; no error if it is gone."""
        name, host = self._where(guest)
        self._change(
            "nova",
            "delete",
            name,
            host,
            claim,
            lambda: self.nova.delete(guest),
        )

    def set_weights(
        self, lb: str, weights: Mapping[str, int], claim: Claim
    ) -> None:
        """Member id -> weight: one batch PUT for each pool."""
        balancer = self._balancer(lb)
        pools = [
            p
            for p in self.world.pools.values()
            if p.lb is balancer and set(p.members) & set(weights)
        ]
        for pool in pools:
            self._change_lb(
                balancer,
                "set_weights",
                pool.name,
                claim,
                lambda pool=pool: _weigh(pool, weights),  # type: ignore[misc]
            )

    def add_members(
        self, lb: str, new: Sequence[Member], claim: Claim
    ) -> None:
        """New members of one load balancer: one batch PUT for each pool."""
        balancer = self._balancer(lb)
        for pool_id in dict.fromkeys(m.pool for m in new):
            pool = self.world.pools.get(pool_id)
            if pool is None:
                raise Failed("not_found", f"Pool {pool_id} is gone (404).")
            known = {(m.address, m.port) for m in pool.members.values()}
            mine = {
                uid("member", f"{pool.id}/{m.address}"): m
                for m in new
                if m.pool == pool_id and (m.address, m.port) not in known
            }
            if mine:
                self._change_lb(
                    balancer,
                    "add_members",
                    pool.name,
                    claim,
                    partial(_enter, pool, mine),
                )

    def remove_member(self, member: Member, claim: Claim) -> None:
        """Remove a member; no error if it is gone."""
        pool = self.world.pools.get(member.pool)
        if pool is None or member.id not in pool.members:
            return
        self._change_lb(
            pool.lb,
            "remove_member",
            pool.name,
            claim,
            lambda: pool.members.pop(member.id, None) and None,
        )

    # -- inside ------------------------------------------------------------
    def _where(self, guest: str) -> tuple[str, str]:
        found = self.world.guests.get(guest)
        return (found.name, found.host) if found else (guest, "")

    def _balancer(self, lb: str) -> SimBalancer:
        found = self.world.balancers.get(lb)
        if found is None:
            raise Failed("not_found", f"Load balancer {lb} is gone (404).")
        return found

    def _call(self, service: str, verb: str, calls: int) -> None:
        """Count, and meet the service's present mood."""
        self.world.calls[verb] += calls
        mood = self.world.api.get(service)
        if mood is None:
            return
        if mood == "slow":
            self.world.clock.sleep(SLOW_S)
            return
        if mood == "down":
            raise Transient(
                "unreachable",
                f"The API of {service} does not answer; is it up?",
            )
        left = int(mood.split()[1]) - 1
        if left > 0:
            self.world.api[service] = f"errors {left}"
        else:
            del self.world.api[service]
        raise Transient(
            "http_503", f"The API of {service} answered 503 to {verb}."
        )

    def _change(
        self,
        service: str,
        verb: str,
        subject: str,
        host: str,
        claim: Claim,
        do: Callable[[], object],
        calls: int = 1,
    ) -> None:
        number = self.world.before_change(verb)
        check_claim(self.world, claim, verb)
        self._call(service, verb, calls)
        with self.world.lock:
            lost = self.world.lost_answers.pop((verb, subject), "")
            if lost != "undone":
                self.world.record(number, verb, subject, host, claim.incident)
                do()
        if lost:
            raise NoAnswer(
                "no_answer",
                f"{verb} of {subject} was sent; {service} never answered.",
            )
        self.world.after_change(number, verb)

    def _change_lb(
        self,
        lb: SimBalancer,
        verb: str,
        subject: str,
        claim: Claim,
        do: Callable[[], object],
    ) -> None:
        clock = self.world.clock
        until = clock.now() + LOCK_WAIT_S
        while not lb.error and clock.now() < lb.immutable_until:
            if clock.now() >= until:
                raise Transient(
                    "immutable",
                    f"Load balancer {lb.name} stayed immutable (409) for "
                    f"{LOCK_WAIT_S:.0f} s.",
                )
            self._call("octavia", verb, 1)
            clock.sleep(LOCK_POLL_S)
        if lb.error:
            self._call("octavia", verb, 1 + WEIGHTS_EXTRA_CALLS)
            raise Failed(
                "lb_error",
                f"Load balancer {lb.name} is in ERROR: it takes no change "
                "until it is failed over.",
            )

        def put() -> None:
            lb.immutable_until = clock.now() + LOCK_S
            do()

        self._change("octavia", verb, subject, "", claim, put)


def check_claim(world: World, claim: Claim, verb: str) -> None:
    """The last look before anything is sent.

    :raises Refused: ``superseded``, when the claim is over.
    """
    if world.clock.now() > claim.until:
        raise Refused(
            "superseded",
            f"The claim {claim.number} on {claim.subject} of incident "
            f"{claim.incident} is over; {verb} was not sent.",
        )


def _weigh(pool: SimPool, weights: Mapping[str, int]) -> None:
    for member_id, weight in weights.items():
        if member_id in pool.members:
            old = pool.members[member_id]
            pool.members[member_id] = replace(old, weight=weight)


def _enter(pool: SimPool, new: Mapping[str, Member]) -> None:
    for member_id, member in new.items():
        pool.members[member_id] = replace(member, id=member_id)
