"""What `explain` and `whatif` read: a scenario's world, or a real cloud."""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ha_actions.action import requirements
from ha_actions.codec import from_json, nearest
from ha_actions.deciders.foresight import foresee, foretell_one
from ha_actions.deciders.likeness import new_disks, to_clone
from ha_actions.deciders.outlook import Foreseen, Outlook, Pace, Sight, need_of
from ha_actions.deciders.policy import choose, load
from ha_actions.errors import BadInput, Failed, HaError, Refused
from ha_actions.model import (
    Aggregate,
    Choice,
    Guest,
    Host,
    Protection,
    Report,
    Result,
    StackPlace,
)
from ha_actions.model.capacity import Need
from ha_actions.ports import Capacity, Clock, Cloud, Stacks
from ha_actions.records.in_force import Brake
from ha_actions.records.incidents import Record
from ha_actions.settings import Policy
from ha_actions.sim.scenario import Scenario

from ha_installer import files

AT_ONCE = 8
"""Hosts that are read side by side."""
COPIES = 500
"""So many of cattle are looked at for what a copy would lack: four calls
each."""
OWNED = (Protection.PET, Protection.CATTLE)
"""What a stack may own that an incident would touch."""
MANY = 5
"""Guests of a past incident below which its pace says little."""


@dataclass(frozen=True, kw_only=True)
class Viewpoint:
    """One cloud, ready to be asked; nothing was read of its guests yet."""

    policy: Policy
    hosts: Sequence[Host]
    aggregates: Sequence[Aggregate]
    cloud: Cloud
    capacity: Capacity
    clock: Clock
    fences: Mapping[str, int] | None = None
    armed: bool = True
    brakes: Sequence[Brake] = ()
    pace: Pace = field(default_factory=Pace)
    stacks: Stacks | None = None
    """Heat; None: it is not asked."""

    def check(self, names: Sequence[str]) -> None:
        """:raises BadInput: there is no such host."""
        known = [h.name for h in self.hosts]
        for name in names:
            if name not in known:
                raise BadInput(
                    "no_host",
                    f"There is no compute host {name!r}"
                    f"{nearest(name, known)}.",
                )

    def of_aggregate(self, name: str) -> list[str]:
        """:raises BadInput: there is none, or it is empty."""
        for one in self.aggregates:
            if one.name == name and one.hosts:
                return list(one.hosts)
        known = [a.name for a in self.aggregates]
        raise BadInput(
            "no_aggregate",
            f"There is no aggregate {name!r} with hosts"
            f"{nearest(name, known)}.",
        )

    def guests(self, hosts: Sequence[str]) -> dict[str, list[Guest]]:
        """Host -> its guests."""
        jobs = [partial(self.cloud.guests_on, host) for host in hosts]
        found = self.clock.together(jobs, AT_ONCE)
        return dict(zip(hosts, found, strict=True))

    def whatif(self, dying: Sequence[str]) -> Outlook:
        """These hosts die together, now."""
        found = self.guests(dying)
        return self.foresee(
            dying, [g for mine in found.values() for g in mine]
        )

    def foresee(
        self, dying: Sequence[str], guests: Sequence[Guest]
    ) -> Outlook:
        """The decider, with what the services say of these guests."""
        sight = self.sight(dying, guests)
        return foresee(dying, guests, sight, self.policy, requirements())

    def sight(self, dying: Sequence[str], guests: Sequence[Guest]) -> Sight:
        """What Placement, Heat and the copier say of these guests."""
        needs = self._needs(dying)
        rooms = {
            need: self.capacity.rooms(need)
            for need in {need_of(g, needs.get(g.id)) for g in guests}
            if need.resources
        }
        groups = {g.group.id for g in guests if g.group is not None}
        sight = Sight(
            hosts=self.hosts,
            aggregates=self.aggregates,
            needs=needs,
            rooms=rooms,
            places=self.capacity.group_places(groups) if groups else {},
            fences=self.fences,
            armed=self.armed,
            stops=[
                f"disarmed ({b.scope}) by {b.by}: {b.because}"
                for b in self.brakes
                if _stops(b, dying, self.hosts)
            ],
            pace=self.pace,
        )
        return self._deeper(guests, sight)

    def _deeper(self, guests: Sequence[Guest], sight: Sight) -> Sight:
        """What Heat says, and what copies of cattle would lack."""
        chosen = {
            g.id: choose(g, self.policy, sight.aggregates) for g in guests
        }
        means = {id: choice.protection for id, choice in chosen.items()}
        asked = {g.project for g in guests if means[g.id] in OWNED}
        sight = replace(sight, **told_by_heat(self.stacks, asked, self.clock))
        herd = [
            g
            for g in guests
            if means[g.id] is Protection.CATTLE
            and foretell_one(g, self.policy, sight).code == "recreated"
        ]
        first = herd[:COPIES]
        found = self.clock.together(
            [partial(self._lacks, g, chosen[g.id]) for g in first],
            AT_ONCE,
        )
        lacks = {g.id: w for g, w in zip(first, found, strict=True) if w}
        return replace(sight, uncopied=lacks, unlooked=len(herd) - len(first))

    def _lacks(self, guest: Guest, choice: Choice) -> str:
        """What a copy would lack: of the server, or of its volumes."""
        lacks = self.cloud.lacks(guest, new_ports=not choice.keep_ports)
        if lacks or not guest.volumes:
            return lacks
        try:
            disks = self.cloud.disks(guest)
            cloned = {d.volume: "" for d in to_clone(disks, choice.volumes)}
            new_disks(guest, disks, cloned)
        except Refused as no:
            return str(no.facts["why"])
        except Failed as gone:
            if gone.code != "not_found":
                raise
        return ""

    def _needs(self, dying: Sequence[str]) -> dict[str, Need]:
        jobs = [partial(self.capacity.needs, host) for host in dying]
        merged: dict[str, Need] = {}
        for found in self.clock.together(jobs, AT_ONCE):
            merged.update(found)
        return merged


def told_by_heat(
    heat: Stacks | None, projects: Collection[str], clock: Clock
) -> dict[str, Any]:
    """The fields of a :class:`Sight` that tell of stacks."""
    if heat is None:
        return {"stacks": None}
    places: dict[str, StackPlace] = {}
    silent: dict[str, str] = {}

    def ask(project: str) -> None:
        try:
            places.update(heat.places(project))
        except HaError as error:
            silent[project] = error.message

    clock.together([partial(ask, p) for p in sorted(projects)], AT_ONCE)
    return {"stacks": places, "stacks_silent": silent}


def _stops(brake: Brake, dying: Sequence[str], hosts: Sequence[Host]) -> bool:
    mine = [h for h in hosts if h.name in dying]
    scopes = {f"host:{h.name}" for h in mine}
    scopes |= {f"aggregate:{a}" for h in mine for a in h.aggregates}
    return brake.scope == "all" or brake.scope in scopes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to look; shared by `explain` and `whatif`."""
    parser.add_argument(
        "--cloud", metavar="NAME", help="a cloud of clouds.yaml"
    )
    parser.add_argument(
        "--scenario", metavar="FILE", help="a scenario's world, instead"
    )
    parser.add_argument(
        "--policy",
        metavar="FILE",
        help="this policy, instead of the one in force",
    )
    parser.add_argument(
        "--executor-file",
        metavar="FILE",
        help="count the fences that it names; nothing is asked of them",
    )
    parser.add_argument(
        "--html", metavar="FILE", help="write a page that needs nothing else"
    )


def viewpoint(options: argparse.Namespace) -> Viewpoint:
    """By the options; reads hosts, aggregates and the policy.

    :raises BadInput: no such file or cloud.
    """
    return _simulated(options) if options.scenario else _real(options)


def alone(view: Viewpoint, project: str) -> Outlook:
    """A project's guests, each as if its host died alone.

    With all guests of that host, for they compete for room.
    """
    mine = {g.id: g for g in view.capacity.guests_of(project)}
    rows: list[Foreseen] = []
    obstacles: dict[str, None] = {}
    notes: dict[str, None] = {}
    hosts = sorted({g.host for g in mine.values() if g.host})
    for host, guests in view.guests(hosts).items():
        whole = view.foresee([host], guests)
        rows += [g for g in whole.guests if g.guest in mine]
        obstacles.update(dict.fromkeys(whole.obstacles))
        notes.update(dict.fromkeys(whole.notes))
    nowhere = [g for g in mine.values() if not g.host]
    if nowhere:
        rows += view.foresee([], nowhere).guests
    return Outlook(
        hosts=(),
        guests=tuple(rows),
        obstacles=tuple(obstacles),
        notes=tuple(notes),
    )


def _simulated(options: argparse.Namespace) -> Viewpoint:
    from ha_installer.simulate import read

    return simulated(read(options.scenario, options.policy))


def simulated(scenario: Scenario) -> Viewpoint:
    """A scenario's world, before anything has happened in it."""
    from ha_actions.sim.capacity import SimCapacity
    from ha_actions.sim.cloud import SimCloud
    from ha_actions.sim.play import world_of
    from ha_actions.sim.stacks import SimStacks

    world = world_of(scenario)
    cloud = SimCloud(world)
    return Viewpoint(
        policy=load(scenario.policy_text),
        hosts=cloud.hosts(),
        aggregates=cloud.aggregates(),
        cloud=cloud,
        capacity=SimCapacity(world),
        clock=world.clock,
        fences={h.name: len(h.fences) for h in world.hosts.values()},
        armed=scenario.armed,
        stacks=SimStacks(world),
    )


def _real(options: argparse.Namespace) -> Viewpoint:
    from ha_installer import clouds

    where = clouds.site(options.cloud)
    record = where.record
    text = (
        files.policy_text(options.policy)
        if options.policy
        else record.policy_text()
    )
    cloud = where.cloud()
    hosts = cloud.hosts()
    return Viewpoint(
        policy=load(text),
        hosts=hosts,
        aggregates=cloud.aggregates(),
        cloud=cloud,
        capacity=where.capacity(),
        clock=where.clock,
        fences=_fences(options.executor_file, hosts, where.clock),
        armed=record.armed(),
        brakes=record.brakes(),
        pace=pace_of(reports(record)),
        stacks=where.stacks(),
    )


def _fences(
    path: str | None, hosts: Sequence[Host], clock: Clock
) -> dict[str, int] | None:
    """Host -> how many devices the executor's file gives it."""
    from ha_actions.executor_file import DEFAULT_PATH, VARIABLE, ExecutorFile
    from ha_actions.fencing import fence_file

    usual = os.environ.get(VARIABLE) or DEFAULT_PATH
    if not path and not Path(usual).exists():
        return None  # an operator's shell is not an executor
    where = Path(path or usual)
    told = from_json(ExecutorFile, fence_file.read_yaml(where), str(where))
    if not told.fences:
        return {h.name: 0 for h in hosts}
    return {
        h.name: len(fence_file.fences_of(told.fences, clock, h.name))
        for h in hosts
    }


def reports(record: Record) -> list[Report]:
    """Reports of past incidents that the ledger remembers."""
    found = (record.part(id, "report", Report) for id in record.ids())
    return [r for r in found if r is not None and not r.incident.dry_run]


def pace_of(past: Sequence[Report]) -> Pace:
    """The cloud's own pace if it has shown one, else the lab's."""
    each = []
    for report in past:
        ended = [
            step.at
            for row in report.guests
            for step in row.steps
            if step.result is Result.DONE and step.at
        ]
        back = sum(1 for row in report.guests if row.steps and row.as_chosen)
        if report.proof is not None and back >= MANY:
            each.append(max(0.0, max(ended) - report.proof.at) / back)
    if not each:
        return Pace()
    own = statistics.median(each)
    return Pace(
        first_s=own,
        each_s=own,
        source=f"{own:.1f} s a guest, the median of {len(each)} incident(s) "
        "of this cloud",
    )
