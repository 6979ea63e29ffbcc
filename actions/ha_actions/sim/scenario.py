"""The scenario file: a world, a script, and the policy's differences.

A public interface (``docs/scenarios.md``): people send their incidents in it.
Strict: an unknown key, verb, host or guest is a ``BadInput`` that says where
and names the nearest known word.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from ha_actions.codec import from_json, nearest
from ha_actions.deciders.policy import load as load_policy
from ha_actions.errors import BadInput
from ha_actions.model import Protection
from ha_actions.sim.devices import CONTROL
from ha_actions.sim.verbs import Act, Names, parse

STATES = {
    "ACTIVE": "active",
    "SHUTOFF": "stopped",
    "PAUSED": "paused",
    "SUSPENDED": "suspended",
    "RESCUED": "rescued",
    "ERROR": "error",
    "BUILD": "building",
    "VERIFY_RESIZE": "resized",
    "SHELVED_OFFLOADED": "shelved_offloaded",
}
"""Nova's status, as people know it -> vm_state."""

MOVES = {
    "live-migration": "migrating",
    "migration": "resize_migrating",
    "resize": "resize_migrating",
    "arrived": "resize_finish",
}
"""Kind of move -> the task that Nova shows; ``arrived``: a resize whose
destination is the guest's host already."""

SHARED = "shared-store"
"""The aggregate of every host that is not ``local_store``."""
NETWORK, PORT = "tenant", 22


@dataclass(frozen=True)
class HostSpec:
    """A compute host; every key has a default."""

    fence: str = "redfish"
    """Names of its devices, with commas; ``none``: it has none."""
    rack: str = ""
    zone: str = "nova"
    aggregates: list[str] = field(default_factory=list)
    slots: int = 500
    local_store: bool = False
    resume_guests: bool = False
    disabled: str = ""
    """Its operator's own reason, if it begins disabled."""


@dataclass(frozen=True)
class GuestSpec:
    """A guest; only ``on`` is needed."""

    on: str
    protection: Protection | None = None
    """Becomes server metadata, as do the next six."""
    priority: str = ""
    group: str = ""
    after: str = ""
    probe: str = ""
    local_disk: str = ""
    duplicates: str = ""
    restart: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    state: str = "ACTIVE"
    task_state: str = ""
    moving: str = ""
    """``KIND HOST STATUS``: Nova's record of its move from ``on`` to there."""
    power: str = ""
    boot: str = "image"
    volumes: list[str] = field(default_factory=list)
    goes_with: list[str] = field(default_factory=list)
    """Volumes of its that Nova deletes with it; the others outlive it."""
    ephemeral_gb: int = 0
    project: str = "tenant"
    flavor: str = "m1.small"
    flavor_specs: dict[str, str] = field(default_factory=dict)
    image_properties: dict[str, str] = field(default_factory=dict)
    image_of: str = "operator"
    """Or ``tenant``: its properties are then the tenant's word."""
    server_group: str = ""
    member_of: list[str] = field(default_factory=list)
    weight: int = 1
    network: str = NETWORK
    port_kind: str = "normal"
    binds_to: str = ""
    """Neutron binds its port there, wherever it lands."""
    zone: str = ""
    locked: bool = False
    vtpm: bool = False
    shares: bool = False
    """It has Manila's shares, which no reader tells of."""
    answers: bool = True
    ready_s: float = 5.0
    cannot_copy: str = ""
    locked_reason: str = ""
    tags: list[str] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    floating_ip: str = ""
    keeps_port: bool = False
    amphora_of: str = ""
    """The load balancer (or pool) whose amphora it is."""
    lands_on: str = ""
    count: int = field(default=1, metadata={"low": 1, "high": 1000})
    """So many alike, named NAME-1, NAME-2, ..."""


@dataclass(frozen=True)
class PoolSpec:
    """A load-balancer pool; pools of one ``lb`` are locked together."""

    protocol_port: int = 80
    lb: str = ""
    monitor: bool = True
    project: str = "tenant"
    early: bool = False
    """It has the tag ``ha:drain=suspicion``."""


@dataclass(frozen=True)
class StackSpec:
    """A Heat stack."""

    servers: list[str]
    status: str = "CREATE_COMPLETE"
    also_replaces: list[str] = field(default_factory=list)
    """Volumes that Heat's preview says an update would replace, too."""
    own_ports: bool = False
    grouped: bool = False
    """Each server is in a stack inside the stack, a group's member."""


@dataclass(frozen=True)
class ServerGroupSpec:
    """A server group."""

    policy: str = "anti-affinity"


@dataclass(frozen=True)
class AggregateSpec:
    """A host aggregate."""

    hosts: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VolumeSpec:
    """A volume that a guest names, where its status is not in-use."""

    status: str = "in-use"
    made_of: str = ""
    """``image``, ``snapshot``, ``volume`` or ``blank``; left out: an image
    if a guest boots from it, else blank."""


@dataclass(frozen=True)
class WatchSpec:
    """The watches over the cloud, and what is between them and Mistral."""

    watches: int = field(default=0, metadata={"low": 0, "high": 9})
    aodh: bool = True
    """Whether an alarm on ``compute.service.down`` starts the workflow."""
    bus: bool = True
    beats: bool = False
    """Whether every host keeps a beat."""
    timing: dict[str, float] = field(default_factory=dict)
    """Keys of ``ha-watch``'s ``timing``."""


@dataclass(frozen=True)
class WorldSpec:
    """Everything there is when the script begins."""

    hosts: dict[str, HostSpec]
    guests: dict[str, GuestSpec] = field(default_factory=dict)
    pools: dict[str, PoolSpec] = field(default_factory=dict)
    groups: dict[str, ServerGroupSpec] = field(default_factory=dict)
    stacks: dict[str, StackSpec] = field(default_factory=dict)
    aggregates: dict[str, AggregateSpec] = field(default_factory=dict)
    volumes: dict[str, VolumeSpec] = field(default_factory=dict)
    watch: WatchSpec = field(default_factory=WatchSpec)


@dataclass(frozen=True)
class Line:
    """One line of the script; ``at`` in seconds since the start.

    With ``after`` it counts from the first such moment of the run.
    """

    do: str
    at: float = field(default=0.0, metadata={"low": 0, "high": 172800})
    after: str = ""


@dataclass(frozen=True)
class File:
    """The file as it is written."""

    why: str
    world: WorldSpec
    script: list[Line]
    policy: dict[str, Any] = field(default_factory=dict)
    armed: bool = True
    engine_only: str = ""
    """Why only the real engine can play it; empty: both can."""
    lasts: float = field(default=0.0, metadata={"low": 0, "high": 172800})
    """Play at least so long; 0: until everything has ended."""


@dataclass(frozen=True)
class Scenario:
    """A checked scenario, ready to be played any number of times."""

    name: str
    why: str
    world: WorldSpec
    script: tuple[Act, ...]
    """The lines that have a time, in order."""
    moments: tuple[Act, ...]
    """The lines that wait for a moment."""
    policy_text: str
    armed: bool = True
    engine_only: str = ""
    lasts: float = 0.0

    @property
    def in_memory_only(self) -> str:
        """Why the real engine cannot play it; empty: it can."""
        many = self.world.watch.watches
        return "its watches need a clock of turns" if many else ""

    @property
    def crashes(self) -> bool:
        """Whether its script kills an executor or an engine."""
        return any(
            act.verb.startswith(("crash-", "engine-"))
            for act in (*self.script, *self.moments)
        )


class _Loader(yaml.SafeLoader):  # type: ignore[misc, unused-ignore]
    """YAML in which `on`, `off`, `yes` and `no` are plain words.

    YAML 1.1 reads a guest's key `on` as true.
    """


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in known
        if tag != "tag:yaml.org,2002:bool" or first in "tTfF"
    ]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(text: str, policy_text: str, name: str = "scenario") -> Scenario:
    """Read a scenario; the policy is ``policy_text`` plus its differences.

    :param policy_text: the whole of policy.example.yaml.
    :raises BadInput: ``malformed``, with the place and the nearest word.
    """
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        what = getattr(error, "problem", None) or "it cannot be read"
        raise BadInput(
            "malformed", f"{name}{line} is not YAML: {what}."
        ) from error
    file = from_json(File, data, name)
    world = _spread(file.world)
    _check(world, name)
    names = Names(
        hosts=tuple(world.hosts),
        guests=tuple(world.guests),
        balancers=tuple({p.lb or n: 0 for n, p in world.pools.items()}),
        volumes=tuple(world.volumes),
        stacks=tuple(world.stacks),
        watches=tuple(f"w{n + 1}" for n in range(world.watch.watches)),
    )
    script = tuple(
        parse(line.at, line.after, line.do, names, f"{name}: script[{i}]")
        for i, line in enumerate(file.script)
    )
    merged = merge(
        merge(_parsed(policy_text), overlay(world)), dict(file.policy)
    )
    policy = yaml.safe_dump(merged, sort_keys=False)
    try:
        load_policy(policy)
    except BadInput as error:
        raise BadInput("malformed", f"{name}: {error.message}") from error
    return Scenario(
        name=name,
        why=file.why,
        world=world,
        script=tuple(
            sorted((a for a in script if not a.after), key=lambda a: a.at)
        ),
        moments=tuple(a for a in script if a.after),
        policy_text=policy,
        armed=file.armed,
        engine_only=file.engine_only,
        lasts=file.lasts,
    )


def overlay(world: WorldSpec) -> dict[str, Any]:
    """What every scenario's policy has, unless the file says otherwise."""
    over: dict[str, Any] = {
        "mode": "act",
        "witnesses": {
            "networks": {
                "mgmt": {
                    "hosts": {h: a for h, a in addresses(world).items()},
                    "port": PORT,
                    "control": CONTROL,
                }
            }
        },
        "recovery": {"instance_store": {SHARED: "shared"}},
        "probe_networks": [NETWORK],
    }
    if any(h.rack for h in world.hosts.values()):
        over["limits"] = {"domain": "rack"}
    return over


def addresses(world: WorldSpec) -> dict[str, str]:
    """Host -> its address on the network ``mgmt``."""
    return {
        name: f"10.0.{i // 250}.{i % 250 + 1}"
        for i, name in enumerate(world.hosts)
    }


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key; anything else replaces."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            merged[key] = merge(old, value)
        else:
            merged[key] = value
    return merged


@functools.lru_cache(maxsize=8)
def _parsed(policy_text: str) -> dict[str, Any]:
    return dict(yaml.safe_load(policy_text) or {})


def _spread(world: WorldSpec) -> WorldSpec:
    """``count: 40`` becomes forty guests."""
    guests: dict[str, GuestSpec] = {}
    for name, spec in world.guests.items():
        if spec.count == 1:
            guests[name] = spec
            continue
        for i in range(1, spec.count + 1):
            guests[f"{name}-{i}"] = replace(spec, count=1)
    return replace(world, guests=guests)


def _check(world: WorldSpec, name: str) -> None:
    at = f"{name}: world"
    for guest, spec in world.guests.items():
        here = f"{at}: guests: {guest}"
        _known(f"{here}: on", spec.on, world.hosts, "host")
        _known(f"{here}: state", spec.state, STATES, "state")
        _known(f"{here}: boot", spec.boot, ("image", "volume"), "boot source")
        whose = ("operator", "tenant")
        _known(f"{here}: image_of", spec.image_of, whose, "owner of images")
        mine = [f"{guest}-root", *spec.volumes]
        for volume in spec.goes_with:
            _known(f"{here}: goes_with", volume, mine, "volume")
        if spec.server_group:
            _known(
                f"{here}: server_group",
                spec.server_group,
                world.groups,
                "server group",
            )
        if spec.lands_on:
            _known(f"{here}: lands_on", spec.lands_on, world.hosts, "host")
        if spec.moving:
            words = spec.moving.split()
            if len(words) != 3:
                raise BadInput(
                    "malformed",
                    f"{here}: moving is KIND HOST STATUS, such as "
                    f"'resize c2 migrating', not {spec.moving!r}.",
                )
            _known(f"{here}: moving", words[0], MOVES, "kind of move")
            _known(f"{here}: moving", words[1], world.hosts, "host")
        if spec.amphora_of:
            _known(
                f"{here}: amphora_of",
                spec.amphora_of,
                {p.lb or n for n, p in world.pools.items()},
                "load balancer",
            )
        for pool in spec.member_of:
            _known(f"{here}: member_of", pool, world.pools, "pool")
    for stack, heat in world.stacks.items():
        for guest in heat.servers:
            _known(f"{at}: stacks: {stack}", guest, world.guests, "guest")
    for aggregate, group in world.aggregates.items():
        for host in group.hosts:
            _known(f"{at}: aggregates: {aggregate}", host, world.hosts, "host")


def _known(where: str, word: str, known: Any, what: str) -> None:
    if word not in known:
        raise BadInput(
            "malformed",
            f"{where} names the {what} {word!r}, which this scenario does "
            f"not have{nearest(word, known)}.",
        )
