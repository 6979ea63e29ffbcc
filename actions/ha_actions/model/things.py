"""What a cloud holds, as we see it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A compute host by its exact Nova service name, as Nova sees it."""

    name: str
    service_id: str
    up: bool
    enabled: bool = True
    forced_down: bool = False
    disabled_reason: str = ""
    updated_at: float = 0.0
    """Moves with each heartbeat, and with every PUT, ours too."""
    zone: str = "nova"
    aggregates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """A host aggregate; its metadata is where operators tag racks."""

    name: str
    hosts: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One fixed address of a guest."""

    id: str
    network: str
    subnet: str = ""
    address: str = ""
    mac: str = ""
    host: str = ""
    """The host it is bound to."""
    status: str = "ACTIVE"
    kind: str = "normal"
    """Neutron's vnic_type."""
    security_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A server group that a guest belongs to."""

    id: str
    policy: str = "anti-affinity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """Our value of a tenant VM: what Nova's database says of it.

    ``vm_state`` is Nova's word (active, stopped, paused, ...), ``power`` its
    last known power (running, shutdown, paused, nostate, crashed, suspended).
    """

    id: str
    name: str
    project: str
    host: str
    vm_state: str = "active"
    task_state: str = ""
    power: str = "running"
    locked: bool = False
    locked_reason: str = ""
    tags: tuple[str, ...] = ()
    """Nova's server tags; ours are in ``metadata``."""
    metadata: dict[str, str] = field(default_factory=dict)
    flavor: str = ""
    flavor_specs: dict[str, str] = field(default_factory=dict)
    image: str = ""
    """Image id; empty when the guest boots from a volume."""
    image_properties: dict[str, str] = field(default_factory=dict)
    operators_image: bool = False
    """Whether those are the operator's word; else a tenant's."""
    boot: str = "image"
    """``image`` or ``volume``."""
    ephemeral_gb: int = 0
    volumes: tuple[str, ...] = ()
    lasting: tuple[str, ...] = ()
    """Those of its volumes that Nova does not delete with it."""
    ports: tuple[Port, ...] = ()
    group: Group | None = None
    zone: str = ""
    launched: bool = True
    created_at: float = 0.0
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a load-balancer pool."""

    id: str
    pool: str
    """Pool id."""
    pool_name: str = ""
    lb: str = ""
    """Load balancer id: the unit that Octavia locks."""
    address: str = ""
    subnet: str = ""
    port: int = 80
    weight: int = 1
    backup: bool = False
    monitor_address: str = ""
    monitor_port: int = 0
    status: str = "NO_MONITOR"
    """Octavia's operating_status: ONLINE, ERROR, DRAINING, OFFLINE, ..."""
    name: str = ""
    project: str = ""
    early: bool = False
    """Its pool is tagged to be drained on suspicion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatingIp:
    """A floating IP and the port that it serves."""

    id: str
    address: str
    port: str = ""
    """Id of the port; empty: it serves none."""
    fixed: str = ""
    """The port's address behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A volume at a guest, as Cinder knows it."""

    volume: str
    guest: str
    device: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """A volume of Cinder's."""

    id: str
    status: str = "in-use"
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a guest has; kept before its rescue, and compared after it.

    ``floating`` and ``attachments`` are None where nobody answered.
    """

    guest: str
    name: str
    vm_state: str
    power: str
    locked: bool = False
    locked_reason: str = ""
    tags: tuple[str, ...] = ()
    metadata: str = ""
    """A digest: tenants may keep anything in it."""
    group: str = ""
    ports: tuple[Port, ...] = ()
    floating: tuple[FloatingIp, ...] | None = ()
    attachments: tuple[Attachment, ...] | None = ()
    members: tuple[Member, ...] = ()


@dataclass(frozen=True, slots=True)
class Fix:
    """Something that a rescue has lost, to be put back.

    ``kind`` is ``lock`` (of a server: its reason), ``server tags``,
    ``security groups`` (of a port) or ``floating ip`` (the port that it
    served, and that port's address).
    """

    kind: str
    target: str
    """Id of the server, port or floating IP."""
    value: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amphora:
    """A server that Octavia runs for one of its load balancers."""

    id: str
    compute: str
    """Its server's id; Octavia, not a name, says whose it is."""
    lb: str
    """Id of the load balancer; empty for a spare one."""
    status: str = "ALLOCATED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One record of Nova's; of an evacuation, the truth about a POST."""

    id: str
    guest: str
    source: str
    dest: str = ""
    status: str = "accepted"
    created_at: float = 0.0
    kind: str = "evacuation"
    """Or ``live-migration``, ``migration`` (cold), ``resize``."""

    @property
    def in_flight(self) -> bool:
        """Whether Nova may still act on it; an unknown word counts as yes."""
        return self.status not in TERMINAL_MIGRATIONS


TERMINAL_MIGRATIONS = frozenset(
    {
        "done",
        "completed",
        "failed",
        "error",
        "cancelled",
        "reverted",
        "confirmed",
    }
)
