"""Who is brought back, how, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ha_actions.model.things import Guest, Member, Migration
from ha_actions.model.words import Priority, Protection, Requires, Result


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
    volumes: str = "anew"
    """Of cattle, what its copy gets in the place of its volumes: ``anew``,
    ``clone`` or ``refuse``."""
    keep_ports: bool = False
    """Of cattle: its copy gets the old server's ports, with their addresses.
    """
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
    parent: str = ""
    """The resource of the outer stack that is the nested one."""


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
