"""The simulated world: hosts and guests as they really are.

Guarantees: whatever is asked of it, it keeps apart what really runs
(``SimHost.domains``) and what Nova believes; every copy that runs beside
another one of the same guest, or on the same volume, is written down in
``corruption`` and stays there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ha_actions.errors import Failed
from ha_actions.model import Aggregate, Event, FloatingIp, Host, Migration
from ha_actions.sim.clock import FreeClock, TurnClock
from ha_actions.sim.things import (
    PAUSED,
    RUNNING,
    STOPPED,
    Change,
    SimBalancer,
    SimGuest,
    SimHost,
    SimMigration,
    SimPool,
    SimStack,
)

REPORT_INTERVAL_S = 10.0
"""Source: nova.conf report_interval, the default."""
SERVICE_DOWN_S = 60.0
"""Source: nova.conf service_down_time, the default."""
BOOT_S = 30.0
"""From power on to a network answer and a started nova-compute."""
REAP_S = 60.0
"""A guest deleted while its host was down goes so long after its return.

Source: measured on Nova 34.
"""
SLOW_S = 5.0
"""How long one call of a slow API takes."""

OPEN_AT_SOURCE = ("accepted", "pre-migrating", "done")
"""Evacuations that the source's nova-compute has not cleaned up after.

Source: nova/compute/manager.py, _destroy_evacuated_instances.
"""

Hook = Callable[[int, str], None]


class World:
    """Everything there is; the ports of the simulator look at it."""

    def __init__(self, clock: TurnClock | FreeClock) -> None:
        self.clock = clock
        self.lock = clock.lock
        self.hosts: dict[str, SimHost] = {}
        self.guests: dict[str, SimGuest] = {}
        """By id: what Nova's database holds."""
        self.gone: dict[str, SimGuest] = {}
        """Deleted ones, by id."""
        self.by_address: dict[str, str] = {}
        """Fixed address -> guest id."""
        self.migrations: list[SimMigration] = []
        """Evacuations."""
        self.moves: list[Migration] = []
        """Open live migrations, cold ones and resizes, as they were left."""
        self.aggregates: dict[str, Aggregate] = {}
        self.balancers: dict[str, SimBalancer] = {}
        self.pools: dict[str, SimPool] = {}
        self.stacks: dict[str, SimStack] = {}
        """Heat's, by id; none: the cloud has no Heat."""
        self.weights: dict[str, int] = {}
        """Member id -> its weight when the world began."""
        self.volumes: dict[str, str] = {}
        self.macs: dict[str, str] = {}
        """Port -> the MAC that it got when it was let go."""
        self.made_of: dict[str, tuple[str, str]] = {}
        """Volume -> ``image``, ``snapshot`` or ``volume``, and its id."""
        self.clones: dict[tuple[str, str], str] = {}
        """Incident and old volume -> its clone."""
        self.volumes_full: set[str] = set()
        """Projects whose quota of volumes is used up."""
        self.floating: dict[str, FloatingIp] = {}
        self.api: dict[str, str] = {}
        """Service -> ``down``, ``slow`` or ``errors N``; absent: fine."""
        self.no_host = False
        self.control_lost = False
        """Whether the executor's own side of the network is broken."""
        self.quota_full: set[str] = set()
        self.lost_answers: dict[tuple[str, str], str] = {}
        self.aggregates_read: dict[str, float] = {}
        self.hosts_read: dict[str, tuple[float, list[Host]]] = {}
        """Request id -> the last answer, and when it came."""
        self.moments: dict[str, list[Callable[[], None]]] = {}
        """What waits for the first time that something happens."""
        self.beats = False
        """Whether every host keeps a beat."""
        self.events: list[Event] = []
        """All that was published on the bus, in order."""
        self.listener: Callable[[Event], None] = lambda event: None
        """Who hears each of them."""
        self.corruption: list[str] = []
        self.wrecks: list[str] = []
        self.early: list[str] = []
        """Hosts that were let in while something of theirs was not clean."""
        self.calls: Counter[str] = Counter()
        self.changes: list[Change] = []
        self.before: Hook | None = None
        self.after: Hook | None = None
        self.attempted = 0
        """World-changing calls that were tried: what an injection counts."""

    # -- finding ---------------------------------------------------------
    def host(self, name: str) -> SimHost:
        """A host by name; the loader has checked that it exists."""
        return self.hosts[name]

    def everybody(self) -> list[SimGuest]:
        """Every guest that is or was; those that exist first."""
        return [*self.guests.values(), *self.gone.values()]

    def named(self, name: str) -> SimGuest:
        """The guest of a name that the scenario gave.

        Once it was recreated there may be two; the older is meant.
        """
        return next(g for g in self.everybody() if g.name == name)

    def running_on(self, guest_id: str) -> list[str]:
        """Hosts on which a copy really runs: more than one is disaster."""
        return [
            h.name
            for h in self.hosts.values()
            if h.domains.get(guest_id) == RUNNING
        ]

    def up(self, host: SimHost) -> bool:
        """What Nova computes: recent heartbeat, and not forced down."""
        if host.forced_down:
            return False
        return self.clock.now() - self.last_beat(host) <= SERVICE_DOWN_S

    def last_beat(self, host: SimHost) -> float:
        """When its last heartbeat reached the database."""
        if not host.beats:
            return host.last_beat
        age = self.clock.now() - host.beats_since
        return host.beats_since + age // REPORT_INTERVAL_S * REPORT_INTERVAL_S

    def updated_at(self, host: SimHost) -> float:
        """What os-services shows: every PUT moves it, too."""
        return max(self.last_beat(host), host.put_at)

    def flying(self, guest_id: str) -> list[SimMigration]:
        """Evacuations of the guest that may still act."""
        return [
            m
            for m in self.migrations
            if m.guest == guest_id and m.value().in_flight
        ]

    # -- calls that change -----------------------------------------------
    def before_change(self, name: str) -> int:
        """Every world-changing call passes here first; its number.

        The hook may kill or freeze the caller: before its claim is looked
        at, as a frozen process would be.
        """
        with self.lock:
            self.attempted += 1
            number = self.attempted
        if self.before is not None:
            self.before(number, name)
        return number

    def after_change(self, number: int, name: str) -> None:
        """The call was done; the hook may kill or freeze the caller."""
        self.clock.settle()
        if self.after is not None:
            self.after(number, name)

    def record(
        self, number: int, name: str, subject: str, host: str, incident: str
    ) -> None:
        """Write down a call that passed its claim and was sent."""
        self.happened(name)
        source, now = self.hosts.get(host), self.clock.now()
        self.changes.append(
            Change(
                number,
                now,
                name,
                subject,
                host,
                incident,
                now - source.power_at if source and source.power else 0.0,
            )
        )

    def happened(self, moment: str) -> None:
        """Set off what waited for the first such moment."""
        for fire in self.moments.pop(moment, ()):
            fire()

    def block(self, host: SimHost, device: str, until: float) -> None:
        """It can write nothing until then; when that ends, it can again."""
        host.blocked[device] = until
        if until != float("inf"):
            self.clock.at(until, lambda: self._unblocked(host))

    def can_write(self, host: SimHost) -> bool:
        """Whether nothing cuts it off from storage and network now."""
        now = self.clock.now()
        return all(until <= now for until in host.blocked.values())

    def _unblocked(self, host: SimHost) -> None:
        """A guest that was evacuated meanwhile, and runs here, writes."""
        if not self.can_write(host):
            return
        for guest_id in host.domains:
            where = self.running_on(guest_id)
            if host.name in where and len(where) > 1:
                guest = self.guests.get(guest_id) or self.gone[guest_id]
                hosts = ", ".join(where)
                self.corruption.append(f"{guest.name} writes from {hosts}")

    # -- what really runs --------------------------------------------------
    def run(self, host: SimHost, guest_id: str, state: str = RUNNING) -> None:
        """A domain comes to be in that state on the host."""
        others = [
            name
            for name in self.running_on(guest_id)
            if self.can_write(self.hosts[name])
        ]
        host.domains[guest_id] = state
        guest = self.guests.get(guest_id) or self.gone.get(guest_id)
        if state != RUNNING or guest is None:
            return
        guest.running_since = self.clock.now()
        if [h for h in others if h != host.name]:
            hosts = ", ".join([*others, host.name])
            self.corruption.append(f"{guest.name} runs on {hosts} at once")
        for other in self.guests.values() if guest.volumes else ():
            if other is guest or not set(other.volumes) & set(guest.volumes):
                continue
            if self.running_on(other.id):
                self.corruption.append(
                    f"{guest.name} and {other.name} write one volume"
                )

    def power(self, host: SimHost, on: bool) -> None:
        """The electricity: off kills all at once, on boots in BOOT_S."""
        if on == host.power:
            return
        host.power, host.power_at = on, self.clock.now()
        host.boots += 1
        if on:
            self._boot(host)
        else:
            self._lose_memory(host)
            host.kernel = "off"
            self.refresh(host)

    def panic(self, host: SimHost) -> None:
        """The kernel stops: nothing runs, and the BMC still reads On."""
        host.boots += 1
        host.kernel = "panic"
        self._lose_memory(host)
        self.refresh(host)

    def set(self, host: SimHost, **facts: bool | str) -> None:
        """Change network, storage, broker, compute or kernel."""
        for name, value in facts.items():
            setattr(host, name, value)
        if not host.compute:
            host.fresh = True
        self.refresh(host)

    def refresh(self, host: SimHost) -> None:
        """See whether its nova-compute came or went, and what follows."""
        works, now = host.works, self.clock.now()
        if host.reports:
            host.agent_ended_at = 0.0
        else:
            host.agent_ended_at = host.agent_ended_at or now
        if host.keeps_beat:
            host.beat_ended_at = 0.0
        else:
            host.beat_ended_at = host.beat_ended_at or now
        if host.beats and not works:
            host.last_beat = self.last_beat(host)
            host.beats = False
        elif works and not host.beats:
            host.beats = True
            host.beats_since = now
            self._return(host)

    def start_clean(self, host: SimHost) -> None:
        """First day of a host: it beats since the scenario's start."""
        host.beats_since = host.last_beat = self.clock.now()

    def _lose_memory(self, host: SimHost) -> None:
        for guest_id, state in host.domains.items():
            if state == RUNNING:
                host.was_running.add(guest_id)
            host.domains[guest_id] = STOPPED
        host.spawning.clear()
        host.fresh = True

    def _boot(self, host: SimHost) -> None:
        host.kernel = "boot"
        boots = host.boots

        def booted() -> None:
            if host.boots == boots and host.power:
                host.kernel = "ok"
                self.refresh(host)

        self.clock.at(self.clock.now() + BOOT_S, booted)

    def _return(self, host: SimHost) -> None:
        """A nova-compute is heard again.

        One that was started anew cleans up first: evacuated guests are
        destroyed and their records completed; a guest that Nova still has
        here and that does not run is shown as stopped. One that was only cut
        off cleans nothing. Then the casts that waited are carried out.
        """
        if host.fresh:
            host.fresh = False
            self._init_host(host)
        casts, host.queue = host.queue, []
        for cast in casts:
            cast()

    def _init_host(self, host: SimHost) -> None:
        for record in self.migrations:
            if record.source == host.name and record.status in OPEN_AT_SOURCE:
                host.domains.pop(record.guest, None)
                if record.status == "done":
                    record.status = "completed"
        for guest_id in list(host.domains):
            if guest_id in self.gone:
                self._reap(host, guest_id)
            elif self.guests[guest_id].host == host.name:
                self._settle_returned(host, self.guests[guest_id])
        host.was_running.clear()

    def _settle_returned(self, host: SimHost, guest: SimGuest) -> None:
        state = host.domains.get(guest.id)
        if state is None or state == RUNNING or state == PAUSED:
            return
        if host.resume_guests and guest.id in host.was_running:
            self.run(host, guest.id)
        elif guest.vm_state == "active" and not guest.task_state:
            guest.vm_state, guest.power = "stopped", "shutdown"

    def _reap(self, host: SimHost, guest_id: str) -> None:
        def reap() -> None:
            host.domains.pop(guest_id, None)

        self.clock.at(self.clock.now() + REAP_S, reap)

    # -- the operator's hand -----------------------------------------------
    def lift(self, host: SimHost) -> None:
        """Take forced_down off, and enable.

        :raises Failed: ``not_cleaned``.
        """
        self.lift_down(host)
        host.enabled, host.disabled_reason = True, ""

    def let_in(self, host: SimHost) -> None:
        """The pack lets it in: written down if that is too early."""
        for m in self.migrations:
            if m.source == host.name and m.value().in_flight:
                self.early.append(f"{host.name}: an evacuation was under way")
        for guest_id in host.domains:
            guest = self.guests.get(guest_id)
            if guest is not None and guest.host != host.name:
                self.early.append(f"{host.name} still had {guest.name}")

    def lift_down(self, host: SimHost) -> None:
        """Take forced_down off.

        :raises Failed: ``not_cleaned``: evacuations from it are done, and
            its nova-compute has not cleaned up. One in flight is no hindrance.
            Source: nova/api/openstack/compute/services.py,
            _check_for_evacuations.
        """
        for m in self.migrations:
            if m.source == host.name and m.status == "done":
                raise Failed(
                    "not_cleaned",
                    f"forced_down of {host.name} cannot be lifted: Nova has "
                    "evacuations of it that are not completed.",
                )
        host.forced_down, host.put_at = False, self.clock.now()

    def cast(self, host: SimHost, work: Callable[[], None]) -> None:
        """Send work to a nova-compute; it waits if that does not listen."""
        if host.works:
            work()
        else:
            host.queue.append(work)

    # -- what answers --------------------------------------------------------
    def answering(self, address: str) -> SimGuest | None:
        """The guest that answers at an address now, if any."""
        guest = self.guests.get(self.by_address.get(address, ""))
        return guest if guest is not None and self.serves(guest) else None

    def serves(self, guest: SimGuest) -> bool:
        """Whether its service answers: runs, reached, and long enough."""
        if not guest.answers:
            return False
        if self.clock.now() - guest.running_since < guest.ready_s:
            return False
        for name in self.running_on(guest.id):
            host = self.hosts[name]
            if host.network and host.storage and host.kernel != "panic":
                return True
        return False

    def member_status(self, pool: SimPool, member_id: str) -> str:
        """Octavia's operating_status of a member."""
        member = pool.members[member_id]
        if member.weight == 0:
            return "DRAINING"
        if not pool.monitor:
            return "NO_MONITOR"
        guest = self.answering(member.address)
        return "ONLINE" if guest is not None else "ERROR"
