"""Heat in the simulated world: stacks of servers, and their updates.

A resource that is unhealthy is made anew by an update, whatever its server
really does; the members of its old server follow it.
"""

from __future__ import annotations

from dataclasses import replace

from ha_actions.errors import Failed, HaError
from ha_actions.model import Claim, StackPlace
from ha_actions.model.stack import StackPreview, StackResource, StackState
from ha_actions.sim.cloud import SimCloud
from ha_actions.sim.nova import Nova
from ha_actions.sim.things import SimResource, SimStack, uid
from ha_actions.sim.world import World

UPDATE_S = 15.0
"""From the request to UPDATE_COMPLETE, with servers to build.
Source: measured on Heat 27, 8 s for resources without servers."""

DETACH_S = 63.0
"""So long Heat asks whether a port is detached that a dead host cannot
detach. Source: measured on Heat 27."""

SERVER, MEMBER = "OS::Nova::Server", "OS::Octavia::PoolMember"
PORT = "OS::Neutron::Port"
VOLUME = "OS::Cinder::Volume"


class SimStacks(SimCloud):
    """``ports.Stacks``; calls and claims are counted as the cloud's."""

    def places(self, project: str) -> dict[str, StackPlace]:
        """Server id -> its place in a stack of the project."""
        mine = [s for s in self.world.stacks.values() if s.project == project]
        if not self.world.stacks:
            return {}  # no Heat in the catalog
        self._call("heat", "places", 1 + len(mine))
        with self.world.lock:
            return {
                one.server: StackPlace(
                    project=project,
                    stack=stack.id,
                    stack_name=stack.name,
                    nested=one.nested or stack.id,
                    nested_name=stack.name,
                    resource=name,
                    parent=f"{name}-whole" if one.nested else "",
                )
                for stack in mine
                for name, one in stack.servers.items()
            }

    def state(self, place: StackPlace) -> StackState | None:
        """The stack with its servers, their members and what else it has."""
        self._call("heat", "state", 2)
        with self.world.lock:
            stack = self.world.stacks.get(place.stack)
            if stack is None:
                return None
            return StackState(
                id=stack.id,
                name=stack.name,
                status=stack.status,
                reason=stack.reason,
                resources=tuple(self._resources(stack)),
            )

    def _resources(self, stack: SimStack) -> list[StackResource]:
        found = []
        for name, one in stack.servers.items():
            found.append(
                StackResource(
                    stack=one.nested or stack.id,
                    name=name,
                    parent=f"{name}-whole" if one.nested else "",
                    type=SERVER,
                    physical=one.server,
                    status=one.status,
                    reason=one.reason,
                    required_by=(f"{name}-member", *stack.also_replaces),
                )
            )
            found.append(
                _resource(stack, f"{name}-member", MEMBER, at=one),
            )
            if stack.own_ports and one.server in self.world.guests:
                mine = self.world.guests[one.server].ports
                found += [
                    _resource(stack, f"{name}-port", PORT, port.id)
                    for port in mine
                ]
        found += [_resource(stack, n, VOLUME) for n in stack.also_replaces]
        return found

    def mark(
        self, place: StackPlace, *, ill: bool, reason: str, claim: Claim
    ) -> None:
        """Set one server's resource to CHECK_FAILED, or CHECK_COMPLETE."""
        one = self._stack(place).servers[place.resource]

        def put() -> None:
            one.status = "CHECK_FAILED" if ill else "CHECK_COMPLETE"
            one.reason = reason

        name, host = self._where(one.server)
        self._change("heat", "mark_resource", name, host, claim, put)

    def preview(self, place: StackPlace, claim: Claim) -> StackPreview:
        """What is unhealthy is replaced, and what the scenario adds."""
        self._call("heat", "preview", 1)
        stack = self._stack(place)
        with self.world.lock:
            ill = {n: one for n, one in stack.servers.items() if one.ill}
            return StackPreview(
                replaced=tuple(
                    [_resource(stack, n, SERVER, at=o) for n, o in ill.items()]
                    + [
                        _resource(stack, f"{n}-member", MEMBER, at=o)
                        for n, o in ill.items()
                    ]
                    + [
                        _resource(stack, n, VOLUME)
                        for n in stack.also_replaces
                    ]
                )
            )

    def update(self, place: StackPlace, claim: Claim) -> None:
        """Begin an update with the stack's own template."""
        stack = self._stack(place)
        ill = [one for one in stack.servers.values() if one.ill]
        _, host = self._where(ill[0].server) if ill else ("", "")

        def put() -> None:
            update(self.world, self.nova, stack)

        self._change("heat", "update_stack", stack.name, host, claim, put)

    def _stack(self, place: StackPlace) -> SimStack:
        found = self.world.stacks.get(place.stack)
        if found is None:
            raise Failed(
                "not_found", f"Stack {place.stack_name} is gone (404)."
            )
        return found


def _resource(
    stack: SimStack,
    name: str,
    kind: str,
    physical: str = "",
    at: SimResource | None = None,
) -> StackResource:
    """One of the root's, or of the nested stack where that server is."""
    return StackResource(
        stack=(at.nested if at else "") or stack.id,
        name=name,
        type=kind,
        physical=physical,
        status="CREATE_COMPLETE",
    )


def _stuck(world: World, stack: SimStack) -> str:
    """Why Heat cannot replace what is unhealthy; empty: it can.

    Source: heat, server_network_mixin.py, prepare_ports_for_replace.
    """
    for one in stack.servers.values():
        old = world.guests.get(one.server)
        if not one.ill or old is None or world.up(world.host(old.host)):
            continue
        if old.vm_state != "error":
            return f"Failed to detach interface from server ({old.name})"
        if stack.own_ports:
            return f"Port is still in use by {old.name}"
    return ""


def update(world: World, nova: Nova, stack: SimStack) -> None:
    """Make anew what is unhealthy; a second one supersedes the first."""
    stack.updates += 1
    number = stack.updates
    stack.status, stack.reason = "UPDATE_IN_PROGRESS", ""
    made: dict[str, str] = {}
    stuck = _stuck(world, stack)
    for name, one in stack.servers.items():
        if stuck or not one.ill:
            continue
        old = world.guests.get(one.server) or world.gone[one.server]
        if world.running_on(old.id):
            world.corruption.append(
                f"{old.name} ran while its stack made another"
            )
        try:
            made[name] = nova.create(old.value(), {}).id
        except HaError as error:
            stack.reason = f"Resource CREATE failed: {error.message}"

    def over() -> None:
        if number != stack.updates:
            return
        for name, new in made.items():
            _swap(world, nova, stack.servers[name], new)
        bad = stack.fails > 0 or any(o.ill for o in stack.servers.values())
        stack.fails = max(0, stack.fails - 1)
        stack.status = "UPDATE_FAILED" if bad else "UPDATE_COMPLETE"
        if bad:
            stack.reason = stack.reason or stuck or "Resource UPDATE failed"

    takes = DETACH_S if stuck else UPDATE_S
    world.clock.at(world.clock.now() + takes, over)


def _swap(world: World, nova: Nova, one: SimResource, new: str) -> None:
    """The new server takes the resource; then the old one is deleted."""
    guest = world.guests.get(new)
    if guest is None or guest.vm_state != "active":
        return
    old = world.guests.get(one.server) or world.gone[one.server]
    was = {(p.subnet, p.address) for p in old.ports}
    for pool in world.pools.values():
        for id, member in list(pool.members.items()):
            if (member.subnet, member.address) not in was:
                continue
            del pool.members[id]
            after = replace(
                member,
                id=uid("member", f"{pool.id}/{guest.id}"),
                address=guest.ports[0].address,
                weight=world.weights.get(id, member.weight),
            )
            pool.members[after.id] = after
    one.server, one.status, one.reason = guest.id, "CREATE_COMPLETE", ""
    if one.nested and one.whole:
        one.nested, one.whole = uid("nested stack", guest.id), False
    nova.delete(old.id)
