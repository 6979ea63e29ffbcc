"""From a checked scenario to a world in which nothing has happened yet."""

from __future__ import annotations

from ha_actions.model import (
    Aggregate,
    FloatingIp,
    Group,
    Member,
    Migration,
    Port,
)
from ha_actions.sim.clock import FreeClock, TurnClock
from ha_actions.sim.scenario import (
    MOVES,
    SHARED,
    STATES,
    GuestSpec,
    VolumeSpec,
    WorldSpec,
    addresses,
)
from ha_actions.sim.things import (
    PAUSED,
    POWER_OF,
    RUNNING,
    STOPPED,
    SimBalancer,
    SimGuest,
    SimHost,
    SimPool,
    SimResource,
    SimStack,
    uid,
)
from ha_actions.sim.world import World

AGE_S = 86400.0
"""Guests are a day old."""

TAGS = {
    "protection": "ha:protection",
    "priority": "ha:priority",
    "group": "ha:group",
    "after": "ha:after",
    "probe": "ha:probe",
    "local_disk": "ha:local-disk",
    "duplicates": "ha:duplicates",
    "restart": "ha:restart",
}
"""Short keys of a scenario's guest -> server metadata."""


def build(spec: WorldSpec, clock: TurnClock | FreeClock) -> World:
    """Make the world of a scenario; all hosts up, all guests as told."""
    world = World(clock)
    world.beats = spec.watch.beats
    for name, address in addresses(spec).items():
        told = spec.hosts[name]
        devices = [d.strip() for d in told.fence.split(",")]
        host = SimHost(
            name=name,
            address=address,
            fences=tuple(d for d in devices if d and d != "none"),
            rack=told.rack,
            zone=told.zone,
            slots=told.slots,
            local_store=told.local_store,
            resume_guests=told.resume_guests,
            enabled=not told.disabled,
            disabled_reason=told.disabled,
            service_id=uid("service", name),
        )
        world.hosts[name] = host
        world.start_clean(host)
    _aggregates(world, spec)
    for name, pool in spec.pools.items():
        lb = pool.lb or name
        balancer = world.balancers.setdefault(
            uid("lb", lb), SimBalancer(uid("lb", lb), lb)
        )
        world.pools[uid("pool", name)] = SimPool(
            uid("pool", name),
            name,
            balancer,
            pool.protocol_port,
            pool.monitor,
            pool.project,
            early=pool.early,
        )
    for i, (name, guest) in enumerate(spec.guests.items()):
        add_guest(world, spec, name, guest, i)
    for name, stack in spec.stacks.items():
        world.stacks[uid("stack", name)] = SimStack(
            id=uid("stack", name),
            name=name,
            project=spec.guests[stack.servers[0]].project,
            status=stack.status,
            servers={
                s: SimResource(
                    uid("guest", s),
                    nested=uid("nested stack", s) if stack.grouped else "",
                )
                for s in stack.servers
            },
            also_replaces=tuple(stack.also_replaces),
            own_ports=stack.own_ports,
        )
    return world


def add_guest(
    world: World, spec: WorldSpec, name: str, told: GuestSpec, i: int
) -> SimGuest:
    """One guest, its port, its volumes, its memberships, its domain."""
    guest_id = uid("guest", name)
    vm_state = STATES[told.state]
    away = vm_state == "shelved_offloaded"
    guest = SimGuest(
        id=guest_id,
        name=name,
        project=told.project,
        host="" if away else told.on,
        vm_state=vm_state,
        task_state=told.task_state,
        power=told.power or POWER_OF[vm_state],
        locked=told.locked,
        metadata=_metadata(told),
        flavor=told.flavor,
        flavor_specs=dict(told.flavor_specs),
        image="" if told.boot == "volume" else uid("image", "default"),
        image_properties=dict(told.image_properties),
        operators_image=told.image_of == "operator",
        boot=told.boot,
        ephemeral_gb=told.ephemeral_gb,
        volumes=_volumes(world, spec, name, told),
        ports=(_port(name, told, i),),
        zone=told.zone,
        launched=vm_state != "building",
        created_at=world.clock.start - AGE_S,
        answers=told.answers,
        ready_s=told.ready_s,
        running_since=world.clock.start - AGE_S,
        vtpm=told.vtpm,
        shares=told.shares,
        cannot_copy=told.cannot_copy,
        locked_reason=told.locked_reason,
        tags=tuple(sorted(told.tags)),
        keeps_port=told.keeps_port,
        cached=frozenset({uid("port", name)}),
        goes_with=frozenset(uid("volume", v) for v in told.goes_with),
        binds_to=told.binds_to,
        amphora_of=uid("lb", told.amphora_of) if told.amphora_of else "",
        lands_on=told.lands_on,
    )
    if told.vtpm:
        guest.image_properties.setdefault("hw_tpm_version", "2.0")
    if told.server_group:
        guest.group = Group(
            id=uid("group", told.server_group),
            policy=spec.groups[told.server_group].policy,
        )
    world.guests[guest_id] = guest
    world.by_address[guest.ports[0].address] = guest_id
    for pool_name in told.member_of:
        pool = world.pools[uid("pool", pool_name)]
        world.weights[_join(pool, guest, told.weight)] = told.weight
    real = {"paused": PAUSED, "suspended": PAUSED, "stopped": STOPPED}
    if not away:
        state = real.get(vm_state, RUNNING)
        if guest.power == "shutdown":
            state = STOPPED
        world.host(told.on).domains[guest_id] = state
    if told.floating_ip:
        floating = FloatingIp(
            id=uid("floating ip", told.floating_ip),
            address=told.floating_ip,
            port=guest.ports[0].id,
            fixed=guest.ports[0].address,
        )
        world.floating[floating.id] = floating
    if told.moving:
        _move(world, guest, told)
    return guest


def _move(world: World, guest: SimGuest, told: GuestSpec) -> None:
    """A move that its host's death cuts short, and where it really runs."""
    kind, other, status = told.moving.split()
    guest.task_state = told.task_state or MOVES[kind]
    ends = (other, told.on) if kind == "arrived" else (told.on, other)
    record = Migration(
        id=uid("move", guest.name),
        guest=guest.id,
        source=ends[0],
        dest=ends[1],
        status=status,
        created_at=world.clock.start,
        kind="resize" if kind == "arrived" else kind,
    )
    world.moves.append(record)
    if status in ("running", "post-migrating") and kind == "live-migration":
        world.host(told.on).domains.pop(guest.id)
        world.host(other).domains[guest.id] = RUNNING
    elif status not in ("accepted", "pre-migrating", "queued", "preparing"):
        world.host(told.on).domains[guest.id] = STOPPED


def _aggregates(world: World, spec: WorldSpec) -> None:
    listed: dict[str, list[str]] = {}
    metadata: dict[str, dict[str, str]] = {}
    for name, host in spec.hosts.items():
        if not host.local_store:
            listed.setdefault(SHARED, []).append(name)
        if host.rack:
            rack = f"rack-{host.rack}"
            listed.setdefault(rack, []).append(name)
            metadata[rack] = {"rack": host.rack}
        for aggregate in host.aggregates:
            listed.setdefault(aggregate, []).append(name)
    for name, told in spec.aggregates.items():
        here = listed.setdefault(name, [])
        here.extend(h for h in told.hosts if h not in here)
        metadata.setdefault(name, {}).update(told.metadata)
    for name, hosts in listed.items():
        world.aggregates[name] = Aggregate(
            name=name, hosts=tuple(hosts), metadata=metadata.get(name, {})
        )


def _metadata(told: GuestSpec) -> dict[str, str]:
    tags = {
        tag: str(value)
        for key, tag in TAGS.items()
        if (value := getattr(told, key))
    }
    return {**tags, **told.metadata}


def _volumes(
    world: World, spec: WorldSpec, name: str, told: GuestSpec
) -> tuple[str, ...]:
    names = [f"{name}-root"] if told.boot == "volume" else []
    names.extend(told.volumes)
    for i, volume in enumerate(names):
        known = spec.volumes.get(volume, VolumeSpec())
        id = uid("volume", volume)
        world.volumes[id] = known.status
        root = told.boot == "volume" and i == 0
        made_of = known.made_of or ("image" if root else "blank")
        if made_of != "blank":
            world.made_of[id] = (made_of, uid(made_of, volume))
    return tuple(uid("volume", v) for v in names)


def _port(name: str, told: GuestSpec, i: int) -> Port:
    return Port(
        id=uid("port", name),
        network=told.network,
        subnet=f"{told.network}-subnet",
        address=f"10.1.{i // 250}.{i % 250 + 1}",
        mac=f"fa:16:3e:01:{i // 250:02x}:{i % 250:02x}",
        host=told.on,
        kind=told.port_kind,
        security_groups=tuple(sorted(told.security_groups)),
    )


def _join(pool: SimPool, guest: SimGuest, weight: int) -> str:
    member_id = uid("member", f"{pool.name}/{guest.name}")
    pool.members[member_id] = Member(
        id=member_id,
        pool=pool.id,
        pool_name=pool.name,
        lb=pool.lb.id,
        address=guest.ports[0].address,
        subnet=guest.ports[0].subnet,
        port=pool.protocol_port,
        weight=weight,
        name=guest.name,
        project=pool.project,
        early=pool.early,
    )
    return member_id
