"""What the simulated world is made of: mutable, and only the world's.

Nothing here decides or keeps time. Two truths about each guest: ``domains``
of the hosts say what really runs where, :class:`SimGuest` what Nova's database
says.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from ha_actions.model import Group, Guest, Member, Migration, Port
from ha_actions.model.server import Deed

NAMESPACE = uuid.UUID("5f1f7a0e-0000-4000-8000-68612d73696d")

RUNNING, STOPPED, PAUSED = "running", "stopped", "paused"
"""What a domain really does; paused and suspended ones do not write."""

POWER_OF = {
    "active": "running",
    "stopped": "shutdown",
    "paused": "paused",
    "suspended": "suspended",
    "rescued": "running",
    "error": "running",
    "building": "nostate",
    "resized": "running",
    "shelved_offloaded": "shutdown",
}
"""Nova's power_state word for a settled guest of each vm_state."""


def uid(kind: str, name: str) -> str:
    """The same id for the same name in every run, and never the name."""
    return str(uuid.uuid5(NAMESPACE, f"{kind}/{name}"))


@dataclass(eq=False)
class SimHost:
    """A compute host; what Nova's record says is in the second half."""

    name: str
    address: str
    fences: tuple[str, ...] = ("redfish",)
    rack: str = ""
    zone: str = "nova"
    slots: int = 500
    """Guests that the scheduler puts on it at most."""
    local_store: bool = False
    resume_guests: bool = False
    """nova.conf resume_guests_state_on_host_boot."""
    power: bool = True
    power_at: float = 0.0
    """When the electricity last went or came."""
    kernel: str = "ok"
    """``ok``, ``boot``, ``panic``, ``hang``."""
    network: bool = True
    storage: bool = True
    broker: bool = True
    listed: bool = True
    """Whether Nova's answer has it: its cell's database answers."""
    compute: bool = True
    """Whether the nova-compute process runs."""
    moods: dict[str, str] = field(default_factory=dict)
    """Fence device -> how it behaves; absent: well."""
    dumps_until: float = 0.0
    """Until then its crashed kernel writes a dump, and says so."""
    blocked: dict[str, float] = field(default_factory=dict)
    """Device that cuts its storage or network off -> until when."""
    asked_off: set[str] = field(default_factory=set)
    """Devices that were asked to cut: one that lies says Off since."""
    boots: int = 0
    """Moves whenever the host loses its memory: work in it is gone."""
    fresh: bool = False
    """Whether its nova-compute, when heard again, was started anew."""
    domains: dict[str, str] = field(default_factory=dict)
    was_running: set[str] = field(default_factory=set)
    spawning: list[float] = field(default_factory=list)
    """When each of its parallel build slots is free again."""
    queue: list[Callable[[], None]] = field(default_factory=list)
    """Casts that wait in the broker for its nova-compute."""
    reserved: int = 0

    service_id: str = ""
    enabled: bool = True
    forced_down: bool = False
    disabled_reason: str = ""
    put_at: float = 0.0
    beats: bool = True
    beats_since: float = 0.0
    beat_ended_at: float = 0.0
    """Since when its ``ha-beat`` is silent, if it has one; 0.0: it beats."""
    last_beat: float = 0.0

    @property
    def answers(self) -> bool:
        """Whether a connection to it meets a kernel."""
        return (
            self.power
            and self.network
            and self.kernel not in ("boot", "panic")
        )

    agent_ended_at: float = 0.0
    """Since when its Neutron agent is silent; 0.0: it reports."""

    @property
    def reports(self) -> bool:
        """Whether its Neutron agent reaches the broker."""
        up = self.power and self.kernel == "ok"
        return up and self.network and self.broker

    @property
    def keeps_beat(self) -> bool:
        """Whether an ``ha-beat`` on it could beat: it looks at the storage
        first."""
        return (
            self.power
            and self.kernel == "ok"
            and self.network
            and self.storage
        )

    @property
    def works(self) -> bool:
        """Whether its nova-compute takes casts and sends heartbeats."""
        return (
            self.power
            and self.kernel == "ok"
            and self.network
            and self.broker
            and self.compute
        )


@dataclass(eq=False)
class SimGuest:
    """What Nova's database says of a guest, and how it will behave."""

    id: str
    name: str
    project: str
    host: str
    vm_state: str = "active"
    task_state: str = ""
    power: str = "running"
    locked: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    flavor: str = "m1.small"
    flavor_specs: dict[str, str] = field(default_factory=dict)
    image: str = ""
    image_properties: dict[str, str] = field(default_factory=dict)
    operators_image: bool = True
    boot: str = "image"
    ephemeral_gb: int = 0
    volumes: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()
    group: Group | None = None
    zone: str = ""
    launched: bool = True
    created_at: float = 0.0
    fault: str = ""
    answers: bool = True
    """Whether its service answers once it runs long enough."""
    ready_s: float = 5.0
    running_since: float = 0.0
    vtpm: bool = False
    shares: bool = False
    """Manila's shares are attached to it."""
    cannot_copy: str = ""
    locked_reason: str = ""
    tags: tuple[str, ...] = ()
    devices: dict[str, str] = field(default_factory=dict)
    """Volume id -> its device, where that is not the usual one."""
    left_attached: set[str] = field(default_factory=set)
    """Hosts on which Cinder has an attachment left."""
    binds_to: str = ""
    keeps_port: bool = False
    """Its port was made by its owner and outlives it."""
    away_from: tuple[str, ...] = ()
    """Servers whose hosts it asked Nova to avoid (DifferentHostFilter)."""
    cached: frozenset[str] = frozenset()
    """Ports that it was made with, as Nova remembers them."""
    goes_with: frozenset[str] = frozenset()
    """Its volumes that Nova deletes with it."""
    amphora_of: str = ""
    """Id of the load balancer that it serves."""
    lands_on: str = ""
    cast_lost: bool = False
    """Nova loses the message of its next evacuation."""
    spawn_fails: int = 0
    """How many of its next spawns fail on the destination."""
    no_host: bool = False
    wrecked: bool = False
    deeds: list[Deed] = field(default_factory=list)
    """Instance actions, as far as single servers need them."""
    said_power: str = ""
    """The power state that the event of its last failure told."""
    start_fails: int = 0
    """How often it crashes at once when it is started or rebooted."""
    asked_at: list[float] = field(default_factory=list)
    """When Nova accepted each evacuate action."""

    def value(self) -> Guest:
        """The frozen value that the port gives."""
        return Guest(
            id=self.id,
            name=self.name,
            project=self.project,
            host=self.host,
            vm_state=self.vm_state,
            task_state=self.task_state,
            power=self.power,
            locked=self.locked,
            locked_reason=self.locked_reason,
            tags=self.tags,
            metadata=self.metadata,
            flavor=self.flavor,
            flavor_specs=self.flavor_specs,
            image=self.image,
            image_properties=self.image_properties,
            operators_image=self.operators_image,
            boot=self.boot,
            ephemeral_gb=self.ephemeral_gb,
            volumes=self.volumes,
            lasting=tuple(v for v in self.volumes if v not in self.goes_with),
            ports=self.ports,
            group=self.group,
            zone=self.zone,
            launched=self.launched,
            created_at=self.created_at,
            fault=self.fault,
        )


@dataclass(eq=False)
class SimMigration:
    """One migration record."""

    id: str
    guest: str
    source: str
    created_at: float
    dest: str = ""
    status: str = "accepted"
    kind: str = "evacuation"
    lost: bool = False
    """Its message is gone: it stays accepted for ever."""

    def value(self) -> Migration:
        """The frozen value that the port gives."""
        return Migration(
            id=self.id,
            guest=self.guest,
            source=self.source,
            dest=self.dest,
            status=self.status,
            created_at=self.created_at,
            kind=self.kind,
        )


@dataclass(eq=False)
class SimBalancer:
    """A load balancer: the unit that Octavia locks."""

    id: str
    name: str
    immutable_until: float = 0.0
    error: bool = False
    failing_over: bool = False
    fails: int = 0
    """How many of its next failovers end in ERROR."""


@dataclass(eq=False)
class SimResource:
    """One server of a stack."""

    server: str
    """Its id in Nova."""
    status: str = "CREATE_COMPLETE"
    reason: str = ""
    nested: str = ""
    """Id of the stack inside the stack that has it; empty: the root."""
    whole: bool = False
    """Whether all of that nested stack was marked unhealthy."""

    @property
    def ill(self) -> bool:
        """Whether the next update makes it anew."""
        return self.status == "CHECK_FAILED"


@dataclass(eq=False)
class SimStack:
    """A Heat stack of servers, and the members of their pools."""

    id: str
    name: str
    project: str
    status: str = "CREATE_COMPLETE"
    reason: str = ""
    servers: dict[str, SimResource] = field(default_factory=dict)
    """Resource name, which is the guest's -> its server."""
    also_replaces: tuple[str, ...] = ()
    """Volumes that an update would replace, too."""
    own_ports: bool = False
    """Whether the ports of its servers are resources of their own."""
    fails: int = 0
    """How many of its next updates end in UPDATE_FAILED."""
    updates: int = 0


@dataclass(eq=False)
class SimPool:
    """A pool of one load balancer."""

    id: str
    name: str
    lb: SimBalancer
    protocol_port: int = 80
    monitor: bool = True
    project: str = "tenant"
    early: bool = False
    members: dict[str, Member] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """One world-changing call, as the world received it."""

    number: int
    at: float
    name: str
    subject: str
    host: str
    incident: str
    on_for_s: float
    """How long that host had had power then; 0: it had none."""
