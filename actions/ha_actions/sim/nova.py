"""What Nova does with a guest, stage by stage, as measured on Nova 34.

The instance-state matrix of evacuations, the scheduler, builds with their
limited parallelism, and casts that wait for a dead host.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ha_actions.deciders.policy_tags import TAG_REPLACES
from ha_actions.errors import Failed
from ha_actions.model import Guest, Port
from ha_actions.model.likeness import Likeness
from ha_actions.sim.handover import (
    furnish,
    must_be_free,
    release,
    take_ports,
)
from ha_actions.sim.things import (
    PAUSED,
    RUNNING,
    STOPPED,
    SimGuest,
    SimHost,
    SimMigration,
    uid,
)
from ha_actions.sim.world import World

SCHEDULE_S = 0.8
"""From the POST to a destination."""
SPAWN_S = 2.4
"""From there to ACTIVE, on a destination with a free build slot."""
BUILDS = 4
"""Builds that one destination does side by side."""
FLICKER_S = 0.3
"""Below microversion 2.95 a stopped server runs so long, then stops."""
POWER_S = 1.0
"""start, stop, pause, suspend on a live host."""

EVACUABLE = ("active", "stopped", "error")
NO_HOST = "No valid host was found. There are not enough hosts available."


class Nova:
    """Nova's part of the world; callers hold the world's lock."""

    def __init__(self, world: World) -> None:
        self.world = world

    def guest(self, guest_id: str) -> SimGuest:
        """A guest that the database holds.

        :raises Failed: ``not_found``.
        """
        found = self.world.guests.get(guest_id)
        if found is None:
            raise Failed(
                "not_found", f"Instance {guest_id} could not be found (404)."
            )
        return found

    # -- evacuate --------------------------------------------------------
    def evacuate(
        self, guest_id: str, keep_off: bool, host: str = ""
    ) -> SimMigration:
        """Accept or refuse, as the API does; the work follows by itself."""
        guest, now = self.guest(guest_id), self.world.clock.now()
        self._may_evacuate(guest, host)
        stopped = guest.vm_state == "stopped"
        before = self._live_flights(guest)
        record = SimMigration(
            id=uid("migration", str(len(self.world.migrations))),
            guest=guest_id,
            source=guest.host,
            created_at=now,
            dest=host,
        )
        self.world.migrations.append(record)
        guest.asked_at.append(now)
        guest.task_state = "rebuilding"
        if before:
            self._wreck(guest, [*before, record])
        if guest.cast_lost:
            guest.cast_lost, record.lost = False, True
            return record
        self.world.clock.at(
            now + SCHEDULE_S,
            lambda: self._schedule(guest, record, keep_off, stopped),
        )
        return record

    def _may_evacuate(self, guest: SimGuest, host: str) -> None:
        """:raises Failed: Nova says no; what it looks at first comes first.

        Source: nova 34, compute/api.py, evacuate and its decorators, and
        api/openstack/compute/evacuate.py; played again by the lab's
        conformance set.
        """
        if host and host not in self.world.hosts:
            raise Failed("not_found", f"Compute host {host} not found (404).")
        if host == guest.host:  # also neither: a shelved one is on no host
            raise Failed(
                "rejected", "The target host can't be the same one (400)."
            )
        if guest.shares:
            raise Failed(
                "conflict",
                "Feature not supported with instances that have shares (409).",
            )
        if any(p.kind.startswith("accelerator") for p in guest.ports):
            raise Failed(
                "rejected",
                "Feature not supported with Ports that have accelerators "
                "(400).",
            )
        if guest.vtpm:
            raise Failed(
                "rejected",
                "Operation 'evacuate' not supported for vTPM-enabled "
                f"instance ({guest.id}) (400).",
            )
        if guest.vm_state not in EVACUABLE:
            raise Failed(
                "conflict",
                f"Cannot 'evacuate' instance {guest.id} while it is in "
                f"vm_state {guest.vm_state} (409).",
            )
        source = self.world.hosts.get(guest.host)
        if source is None or self.world.up(source):
            raise Failed(
                "in_use",
                f"Compute service of {guest.host} is still in use (400).",
            )

    def _live_flights(self, guest: SimGuest) -> list[SimMigration]:
        """Evacuations that still run: not to a host that died since."""
        return [
            m
            for m in self.world.flying(guest.id)
            if not m.lost and (not m.dest or self.world.hosts[m.dest].works)
        ]

    def _wreck(self, guest: SimGuest, records: list[SimMigration]) -> None:
        """Two evacuations at once: accepted, and the guest is ruined.

        The first still builds a copy; Nova shows ERROR, on the old host.
        """
        guest.wrecked = True
        guest.fault = "Conflict updating instance: expected task_state"
        self.world.wrecks.append(
            f"{guest.name} was evacuated {len(records)} times at once"
        )

    def _schedule(
        self,
        guest: SimGuest,
        record: SimMigration,
        keep_off: bool,
        stopped: bool,
    ) -> None:
        if guest.id not in self.world.guests:
            record.status = "error"
            return
        dest = self.choose(guest, record.dest)
        if dest is None:
            record.status = "error"
            guest.vm_state, guest.task_state = "error", ""
            guest.fault = NO_HOST
            return
        record.dest, record.status = dest.name, "pre-migrating"
        self._build(
            dest, lambda: self._rebuilt(guest, record, keep_off, stopped)
        )

    def _rebuilt(
        self,
        guest: SimGuest,
        record: SimMigration,
        keep_off: bool,
        stopped: bool,
    ) -> None:
        dest = self.world.host(record.dest)
        if guest.id not in self.world.guests:
            record.status = "failed"
        elif guest.wrecked or guest.host != record.source:
            # a second rebuild, or one that waited while another moved it
            record.status = "failed"
            guest.vm_state, guest.task_state = "error", "rebuilding"
            on = set(self.world.running_on(guest.id)) - {record.source}
            if guest.host == record.source and not on:
                self.world.run(dest, guest.id)
        elif guest.spawn_fails > 0:
            guest.spawn_fails -= 1
            record.status = "failed"
            guest.vm_state, guest.task_state = "error", ""
            guest.fault = f"Failed to spawn on {dest.name}"
        else:
            self._landed(guest, dest, record, keep_off, stopped)

    def _landed(
        self,
        guest: SimGuest,
        dest: SimHost,
        record: SimMigration,
        keep_off: bool,
        stopped: bool,
    ) -> None:
        record.status = "done"
        guest.host, guest.task_state, guest.fault = dest.name, "", ""
        bound = guest.binds_to or dest.name
        guest.ports = tuple(replace(p, host=bound) for p in guest.ports)
        off = keep_off or stopped
        guest.vm_state = "stopped" if keep_off else "active"
        guest.power = "shutdown" if keep_off else "running"
        self.world.run(dest, guest.id, STOPPED if keep_off else RUNNING)
        if off and not keep_off:
            self.world.clock.at(
                self.world.clock.now() + FLICKER_S,
                lambda: self._settle(guest, dest, "stopped", STOPPED),
            )

    # -- the scheduler -----------------------------------------------------
    def choose(self, guest: SimGuest, only: str = "") -> SimHost | None:
        """The live host with the fewest guests that may take it, if any."""
        if self.world.no_host or guest.no_host:
            return None
        taken, wanted = self._group_hosts(guest)
        fits = [
            h
            for h in self.world.hosts.values()
            if h.enabled
            and self.world.up(h)
            and h.name != guest.host
            and only in ("", h.name)
            and (not guest.zone or h.zone == guest.zone)
            and self._load(h) < h.slots
            and h.name not in taken
            and (not wanted or h.name in wanted)
            and h.name not in self._apart(guest)
        ]
        for host in fits:
            if host.name == guest.lands_on:
                return host
        return min(fits, key=lambda h: (self._load(h), h.name), default=None)

    def _apart(self, guest: SimGuest) -> set[str]:
        """Hosts of those from which it was asked to stay away."""
        known = self.world.guests
        return {known[id].host for id in guest.away_from if id in known}

    def _load(self, host: SimHost) -> int:
        return len(host.domains) + host.reserved

    def _group_hosts(self, guest: SimGuest) -> tuple[set[str], set[str]]:
        """Hosts that its group forbids, and those that it demands."""
        if guest.group is None or guest.group.policy.startswith("soft"):
            return set(), set()
        group = guest.group.id
        used = {
            g.host
            for g in self.world.guests.values()
            if g is not guest and g.group is not None and g.group.id == group
        }
        for m in self.world.migrations:
            if m.guest == guest.id:
                continue  # its own request names the host already
            other = self.world.guests.get(m.guest)
            if m.dest and m.value().in_flight and other is not None:
                if other.group is not None and other.group.id == group:
                    used.add(m.dest)
        if guest.group.policy == "affinity":
            return set(), used
        return used, set()

    def _build(self, dest: SimHost, done: Callable[[], None]) -> None:
        """Queue a build: BUILDS at once, lost when the host loses memory."""
        dest.reserved += 1

        def begin() -> None:
            now = self.world.clock.now()
            slots = [t for t in dest.spawning if t > now]
            start = now if len(slots) < BUILDS else sorted(slots)[-BUILDS]
            end, boots = start + SPAWN_S, dest.boots
            dest.spawning = [*slots, end]

            def finish() -> None:
                dest.reserved -= 1
                if dest.boots == boots and dest.compute:
                    done()

            self.world.clock.at(end, finish)

        self.world.cast(dest, begin)

    # -- the rest ------------------------------------------------------------
    def reset_state(self, guest_id: str, state: str) -> None:
        """vm_state as asked, no task: the database alone."""
        guest = self.guest(guest_id)
        guest.vm_state, guest.task_state = state, ""
        if state == "active":
            guest.fault = ""

    def set_power(self, guest_id: str, verb: str) -> None:
        """start, stop, pause, suspend: a cast to the guest's host.

        :raises Failed: ``conflict`` for a wrong vm_state.
        """
        guest = self.guest(guest_id)
        needs, ends, real = {
            "start": (("stopped",), "active", RUNNING),
            "stop": (("active", "error"), "stopped", STOPPED),
            "pause": (("active",), "paused", PAUSED),
            "suspend": (("active",), "suspended", PAUSED),
        }[verb]
        if guest.vm_state not in needs or guest.task_state:
            raise Failed(
                "conflict",
                f"Cannot '{verb}' instance {guest_id} while it is in "
                f"vm_state {guest.vm_state}, task_state "
                f"{guest.task_state or 'None'} (409).",
            )
        host = self.world.host(guest.host)
        guest.task_state = f"powering-{verb}"
        self.world.cast(
            host,
            lambda: self.world.clock.at(
                self.world.clock.now() + POWER_S,
                lambda: self._settle(guest, host, ends, real),
            ),
        )

    def _settle(
        self, guest: SimGuest, host: SimHost, vm_state: str, real: str
    ) -> None:
        if guest.id not in host.domains or guest.host != host.name:
            return
        guest.vm_state, guest.task_state = vm_state, ""
        guest.power = {
            "active": "running",
            "stopped": "shutdown",
        }.get(vm_state, vm_state)
        self.world.run(host, guest.id, real)

    def create(
        self,
        like: Guest,
        metadata: dict[str, str],
        given: Likeness | None = None,
    ) -> SimGuest:
        """A server like that one, with ports of its own; it lands by itself.

        :param given: its volumes, and ports that it takes instead; None: a
            volume to boot from is made of whatever it was made of.
        :raises Failed: ``quota``, ``conflict``.
        """
        world = self.world
        if like.project in world.quota_full:
            raise Failed(
                "quota", f"Quota exceeded for project {like.project} (403)."
            )
        if given is not None:
            must_be_free(world, given)
        n = len(world.guests) + len(world.gone)
        guest_id = uid("guest", f"{like.name}/{n}")
        old = world.guests.get(like.id) or world.gone.get(like.id)
        new = SimGuest(
            id=guest_id,
            name=like.name,
            project=like.project,
            host="",
            vm_state="building",
            task_state="scheduling",
            power="nostate",
            metadata={**(old or like).metadata, **metadata},
            # what its owner makes has none of ours
            tags=(f"{TAG_REPLACES}:{like.id}",) if given is not None else (),
            flavor=like.flavor,
            flavor_specs=like.flavor_specs,
            image=like.image,
            image_properties=like.image_properties,
            operators_image=like.operators_image,
            boot=like.boot,
            ephemeral_gb=like.ephemeral_gb,
            group=like.group,
            zone=like.zone,
            created_at=world.clock.now(),
            launched=False,
        )
        if old is not None:
            new.answers, new.ready_s = old.answers, old.ready_s
            new.spawn_fails, new.no_host = old.spawn_fails, old.no_host
        if given is not None:
            new.away_from = given.away_from
            furnish(world, new, given.disks)
        elif like.boot == "volume":
            volume = uid("volume", f"{guest_id}/root")
            world.volumes[volume] = "in-use"
            new.volumes = (volume,)
        fresh = () if given is not None and given.ports else like.ports
        new.ports = tuple(
            Port(
                id=uid("port", f"{guest_id}/{i}"),
                network=p.network,
                subnet=p.subnet,
                address=f"10.2.{n // 250}.{n % 250 + 1}",
                mac=f"fa:16:3e:02:{n // 250:02x}:{n % 250:02x}",
            )
            for i, p in enumerate(fresh)
        )
        world.guests[guest_id] = new
        for port in new.ports:
            world.by_address[port.address] = guest_id
        if given is not None and given.ports:
            take_ports(world, new, given.ports)
        world.clock.at(
            world.clock.now() + SCHEDULE_S, lambda: self._place(new)
        )
        return new

    def _place(self, guest: SimGuest) -> None:
        if guest.id not in self.world.guests:
            return
        dest = self.choose(guest)
        if dest is None:
            guest.vm_state, guest.task_state = "error", ""
            guest.fault = NO_HOST
            return
        guest.task_state = "spawning"
        guest.host = dest.name
        self._build(dest, lambda: self._built(guest, dest))

    def _built(self, guest: SimGuest, dest: SimHost) -> None:
        if guest.id not in self.world.guests:
            return
        if guest.spawn_fails > 0:
            guest.spawn_fails -= 1
            guest.vm_state, guest.task_state = "error", ""
            guest.fault = f"Failed to spawn on {dest.name}"
            return
        guest.vm_state, guest.task_state = "active", ""
        guest.power, guest.launched = "running", True
        guest.ports = tuple(replace(p, host=dest.name) for p in guest.ports)
        self.world.run(dest, guest.id)

    def migrate(self, guest: SimGuest, to: SimHost) -> None:
        """Nova has it on that host from now on; it runs if that lives."""
        for host in self.world.hosts.values():
            host.domains.pop(guest.id, None)
        guest.host = to.name
        guest.ports = tuple(replace(p, host=to.name) for p in guest.ports)
        guest.vm_state, guest.power = "active", "running"
        lives = to.power and to.kernel in ("ok", "hang")
        self.world.run(to, guest.id, RUNNING if lives else STOPPED)

    def delete(self, guest_id: str) -> None:
        """Gone from the database; from a live host at once, too."""
        guest = self.world.guests.pop(guest_id, None)
        if guest is None:
            return
        self.world.gone[guest_id] = guest
        for port in guest.ports:
            self.world.by_address.pop(port.address, None)
        release(self.world, guest)
        for host in self.world.hosts.values():
            if guest_id in host.domains and host.works:
                del host.domains[guest_id]
