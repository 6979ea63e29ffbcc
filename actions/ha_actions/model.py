"""The values that everything else speaks of: frozen, JSON-able, stdlib only.

Times (``*_at``, ``until``) are seconds since the epoch, UTC; durations end in
``_s``. A three-valued answer is an enum, never ``bool | None``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Word(str, Enum):
    """An enum whose value is the word that people and JSON see."""

    def __str__(self) -> str:
        return str(self.value)


class Says(Word):
    """A witness's answer to "is this host alive?"."""

    ALIVE = "alive"
    DEAD = "dead"
    SILENT = "silent"
    """Could not tell. Never counts as dead."""


class Ruling(Word):
    """What the testimonies add up to."""

    DOWN = "DOWN"
    ALIVE = "ALIVE"
    UNCERTAIN = "UNCERTAIN"


class Power(Word):
    """What a fence reads; anything not plainly On or Off is UNKNOWN."""

    ON = "ON"
    OFF = "OFF"
    UNKNOWN = "UNKNOWN"


class Evidence(Word):
    """The class of a proof: what makes sure that the host cannot write."""

    POWER = "power"
    STORAGE = "storage"
    NETWORK = "network"
    OPERATOR = "operator"


class Protection(Word):
    """What the owner chose for the day the host dies."""

    PET = "pet"
    CATTLE = "cattle"
    IGNORE = "ignore"
    CUSTOM = "custom"


class Priority(Word):
    """A guest's wave."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Requires(Word):
    """What must be held before a step may act."""

    VERDICT = "verdict"
    PROOF = "proof"


class Result(Word):
    """How a step ended for one guest."""

    DONE = "done"
    ALREADY = "already"
    """It was so before the step looked: a normal ending."""
    FAILED = "failed"
    DEFERRED = "deferred"
    """No host can take it now: tried again until capacity comes."""
    REFUSED = "refused"


class State(Word):
    """Where an incident is. Every incident ends CLOSED, HELD or DISMISSED."""

    OPEN = "open"
    HELD = "held"
    """Stopped by a safety rule or a failure; a person has been told."""
    CLOSED = "closed"
    DISMISSED = "dismissed"


class Mode(Word):
    """How far the pack may go by itself."""

    SHADOW = "shadow"
    ASK = "ask"
    ACT = "act"


class Start(Word):
    """Who starts an evacuated guest that ran before."""

    AUTO = "auto"
    CHECK = "check"


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
    boot: str = "image"
    """``image`` or ``volume``."""
    ephemeral_gb: int = 0
    volumes: tuple[str, ...] = ()
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Testimony:
    """What one witness said of one host, and when it looked."""

    witness: str
    host: str
    says: Says
    observed_at: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judge's ruling, with the testimonies that it stands on."""

    host: str
    ruling: Ruling
    reason: str
    at: float
    testimonies: tuple[Testimony, ...] = ()
    told: bool = False
    """Whether a person must look: nobody is sure, or the host lives and Nova
    does not see it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One power reading of one device, over a connection of its own."""

    device: str
    power: Power
    at: float
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The death certificate: the host can no longer write, since ``since``."""

    host: str
    incident: str
    evidence: Evidence
    rule: str
    since: float
    at: float
    readings: tuple[Reading, ...] = ()
    testimonies: tuple[Testimony, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A safety rule said no: a result, with a stable code and a reason."""

    code: str
    reason: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Leave to change the world until a moment, for one holder.

    Every world-changing verb of a port takes one and checks ``until`` right
    before it sends; so a run that was frozen and wakes late sends nothing.
    """

    incident: str
    subject: str
    """The stage or batch that is claimed."""
    holder: str
    number: int
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissal:
    """Why a start is not an incident of ours."""

    code: str
    reason: str
    host: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One suspected host failure: opened once, closed once."""

    id: str
    host: str
    opened_at: float
    opened_by: str
    """``alarm``, ``hand``, ``drill``, ``watch``."""
    request_id: str
    """Goes with every API call of the incident."""
    policy: str
    """Digest of the policy that it is pinned to."""
    reason: str = ""
    dry_run: bool = False
    event_at: float = 0.0
    key: str = ""
    """The trait ``incident`` of the event that opened it: what tenants know
    it by, for the id names the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the policy and the tags say of one guest, and who said so."""

    protection: Protection
    priority: Priority = Priority.MEDIUM
    group: str = ""
    after: str = ""
    probe: str = ""
    discard_local_disk: bool = False
    duplicates: bool = True
    restart_on_crash: bool = False
    fallback: bool = False
    """Of a pet that cannot be evacuated: recreate it, as cattle."""
    shared_disk: bool = False
    """Whether an image-backed disk is on storage that other hosts reach."""
    service_vm: str = ""
    """Why it belongs to a service (Octavia, ...) and not to a tenant."""
    why: dict[str, str] = field(default_factory=dict)
    """Key -> the object that decided it."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlace:
    """Where a server is in a Heat stack: this outlives the server."""

    project: str
    stack: str
    """Id of the root stack, which is updated."""
    stack_name: str
    nested: str
    """Id of the stack that has the resource: the root, or one inside it."""
    nested_name: str
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A guest as the plan found it: prior state, choice, its members."""

    guest: Guest
    choice: Choice
    members: tuple[Member, ...] = ()
    move: Migration | None = None
    """Nova was moving it when its host died."""
    balancer: str = ""
    """Of an amphora: the load balancer that it serves."""
    stack: StackPlace | None = None
    """Of a server that Heat made: where it is in its stack."""
    stack_unknown: str = ""
    """Why Heat does not tell whether it is in a stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Guests with the same next step, done by one action call."""

    id: str
    action: str
    requires: Requires
    guests: tuple[Planned, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Batches that may run side by side; waves run one after another."""

    name: str
    batches: tuple[Batch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """A guest that the plan does not touch, and why."""

    guest: str
    name: str
    protection: Protection
    code: str
    reason: str
    wanted: bool = True
    """Whether this is what its owner or the policy chose; a refusal that
    was foreseeable counts, for it is the policy's word."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be done, in order, and what will not, with reasons."""

    incident: str
    host: str
    waves: tuple[Wave, ...] = ()
    left_alone: tuple[LeftAlone, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one step ended for one guest."""

    guest: str
    name: str
    step: str
    result: Result
    reason: str
    code: str = ""
    host: str = ""
    """Where it is now, when known."""
    at: float = 0.0
    new_id: str = ""
    """Of cattle: the server that replaces it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the recovery check: before and after, compared."""

    guest: str
    name: str
    check: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestReport:
    """One guest's row in the report."""

    guest: str
    name: str
    protection: Protection
    did: str
    outcome: str
    as_chosen: bool
    """Whether it got what its policy says."""
    host: str = ""
    seconds: float = 0.0
    reason: str = ""
    steps: tuple[Outcome, ...] = ()
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()
    """What could not be taken of its tags, and what was taken instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was asked, decided, done and left, for people and for JSON."""

    incident: Incident
    state: State
    reason: str
    closed_at: float
    code: str = ""
    verdict: Verdict | None = None
    proof: Proof | None = None
    refusal: Refusal | None = None
    guests: tuple[GuestReport, ...] = ()
    stages: dict[str, float] = field(default_factory=dict)
    """Stage -> when it ended."""
    notes: tuple[str, ...] = ()
    """What is left over and goes by itself, or that nobody could look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, as it is told on the bus."""

    type: str
    """Such as ``compute.service.down``."""
    project: str = ""
    """Whose alarms see it; empty: the operator's alone."""
    traits: dict[str, str] = field(default_factory=dict)
    at: float
    id: str
    """The same id: the same event, published again."""
