"""The two worlds of the conformance set: the simulator's and the lab's, each
with one dead host that holds a server in each state of the matrix.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Protocol

import many
from ha_actions.adapters.clock import SystemClock
from ha_actions.model import Claim
from ha_actions.ports import Cloud
from ha_actions.sim.build import build
from ha_actions.sim.clock import FreeClock
from ha_actions.sim.cloud import SimCloud
from ha_actions.sim.scenario import (
    GuestSpec,
    HostSpec,
    ServerGroupSpec,
    WorldSpec,
)
from ha_actions.sim.things import PAUSED, RUNNING

DEAD, OTHERS = "host1", ("host2", "host3", "host4")


@dataclass(frozen=True)
class Row:
    """A state, what is asked, and what has to come of it."""

    name: str
    state: str
    reset: str = ""
    """Reset to this state before the evacuation."""
    keep_off: bool = False
    locked: bool = False
    refused: str = ""
    """Code of the refusal; else it is accepted."""
    ends: str = ""
    """vm_state at the end."""
    runs: bool = True
    """Whether it really runs at the end, once."""
    to: str = ""
    """The destination that is asked for."""
    has: str = ""
    """What it has, or what happens to it, besides its state: see _KINDS."""
    record: str = "done"
    """How Nova's record ends, when it is accepted."""

    @property
    def stays(self) -> bool:
        """Whether Nova leaves it where it was."""
        return bool(self.refused) or self.record != "done"


ROWS = (
    Row("active", "ACTIVE", ends="active"),
    Row(
        "active, kept off", "ACTIVE", keep_off=True, ends="stopped", runs=False
    ),
    Row("stopped", "SHUTOFF", ends="stopped", runs=False),
    Row(
        "stopped, kept off",
        "SHUTOFF",
        keep_off=True,
        ends="stopped",
        runs=False,
    ),
    Row("error", "ACTIVE", reset="error", ends="active"),
    Row("stopped, then error", "SHUTOFF", reset="error", ends="active"),
    Row("locked", "ACTIVE", locked=True, ends="active"),
    Row("paused", "PAUSED", refused="conflict", ends="paused"),
    Row("suspended", "SUSPENDED", refused="conflict", ends="suspended"),
    Row("rescued", "RESCUED", refused="conflict", ends="rescued"),
    Row("rescued, then active", "RESCUED", reset="active", ends="active"),
    Row("paused, then active", "PAUSED", reset="active", ends="active"),
    Row("resized", "VERIFY_RESIZE", refused="conflict", ends="resized"),
    Row(
        "shelved",
        "SHELVED_OFFLOADED",
        refused="rejected",
        ends="shelved_offloaded",
    ),
    Row("vtpm", "ACTIVE", has="vtpm", refused="rejected", ends="active"),
    Row(
        "accelerator",
        "ACTIVE",
        has="accelerator",
        refused="rejected",
        ends="active",
    ),
    Row("shares", "ACTIVE", has="shares", refused="conflict", ends="active"),
    Row(
        "volume, to a host", "ACTIVE", has="volume", to="host3", ends="active"
    ),
    Row("being stopped", "ACTIVE", has="task", ends="active"),
    Row(
        "spawn fails",
        "ACTIVE",
        has="no spawn",
        ends="error",
        record="failed",
        runs=False,
    ),
)
BY_NAME = {row.name: row for row in ROWS}


class Stage(Protocol):
    """One of the two worlds, with the dead host in it."""

    cloud: Cloud
    ids: dict[str, str]

    def claim(self, until: float = 60) -> Claim:
        """Leave to act, for that many seconds more."""

    def wait(self, seconds: float) -> None:
        """Let its time pass."""

    def running(self, id: str) -> list[str]:
        """Where the guest really runs."""


class Simulated:
    """The simulator's world; its time is virtual."""

    def __init__(self) -> None:
        self.clock = FreeClock()
        guests = {row.name: _spec(row) for row in ROWS}
        for n, on in enumerate((DEAD, *OTHERS), 1):
            guests[f"member-{n}"] = GuestSpec(on=on, server_group="apart")
        hosts = {name: HostSpec() for name in (DEAD, *OTHERS)}
        groups = {"apart": ServerGroupSpec()}
        self.world = build(
            WorldSpec(hosts=hosts, guests=guests, groups=groups), self.clock
        )
        self.cloud: Cloud = SimCloud(self.world)
        self.ids = {g.name: g.id for g in self.world.guests.values()}
        self.world.named("spawn fails").spawn_fails = 1

    def strike(self) -> None:
        """The host loses power, while one of its servers is being stopped."""
        self.world.power(self.world.host(DEAD), False)

    def claim(self, until: float = 60) -> Claim:
        return claim_for(self.clock.now() + until)

    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    def running(self, id: str) -> list[str]:
        return [
            name
            for name, host in self.world.hosts.items()
            if host.domains.get(id) in (RUNNING, PAUSED)
        ]


def _spec(row: Row) -> GuestSpec:
    return GuestSpec(
        on=DEAD,
        state=row.state,
        locked=row.locked,
        vtpm=row.has == "vtpm",
        shares=row.has == "shares",
        boot="volume" if row.has == "volume" else "image",
        port_kind="accelerator-direct"
        if row.has == "accelerator"
        else "normal",
        task_state="powering-off" if row.has == "task" else "",
    )


class Real:
    """The full lab."""

    def __init__(self, lab: ModuleType) -> None:
        from ha_actions.executor_file import cloud_of

        self.lab = lab
        self.clock = SystemClock()
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(lab.CLOUDS_YAML)
        self.cloud: Cloud = cloud_of("lab", self.clock)("")
        posts = {row.name: partial(self._post, row) for row in ROWS}
        group = {"group": lab.server_group("apart", "anti-affinity")}
        for n, on in enumerate((DEAD, *OTHERS), 1):
            name = f"member-{n}"
            posts[name] = partial(lab.post_server, name, on, hints=group)
        self.ids = many.boot_all(lab, posts)
        for row in ROWS:
            self._bring_about(row)
        for row in ROWS:
            status = row.state.replace("RESCUED", "RESCUE")  # its own words
            if status != "ACTIVE":
                lab.wait_server(self.ids[row.name], 120, status=status)

    def _post(self, row: Row) -> str:
        import control

        if row.has == "volume":
            return str(control.boot_from_volume(row.name, DEAD))
        # a migration with a destination is what brings it to the dead host
        on = OTHERS[0] if row.state == "VERIFY_RESIZE" else DEAD
        more = {"flavorRef": self._tpm_flavor()} if row.has == "vtpm" else {}
        return str(self.lab.post_server(row.name, on, **more))

    def _tpm_flavor(self) -> str:
        compute = self.lab.cloud("lab").compute
        found = compute.find_flavor("tiny-tpm")
        if found is None:
            found = compute.create_flavor(
                name="tiny-tpm", ram=64, vcpus=1, disk=1
            )
            specs = {"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb"}
            compute.create_flavor_extra_specs(found, specs)
        return str(found.id)

    def _bring_about(self, row: Row) -> None:
        """Ask for its state; what takes time is waited for afterwards."""
        id, compute = self.ids[row.name], self.lab.cloud("lab-tenant").compute
        act = {
            "SHUTOFF": compute.stop_server,
            "PAUSED": compute.pause_server,
            "SUSPENDED": compute.suspend_server,
            "RESCUED": compute.rescue_server,
            "SHELVED_OFFLOADED": compute.shelve_server,
        }
        if row.state == "VERIFY_RESIZE":
            self.lab.cloud("lab").compute.migrate_server(id, host=DEAD)
        elif row.state in act:
            act[row.state](id)
        if row.locked:
            compute.lock_server(id)
        if row.has == "no spawn":
            for host in OTHERS:
                self.lab.spawn_fail(host, id)

    def strike(self) -> None:
        """The host loses power, while one of its servers is being stopped.

        The lab has no Cyborg and no Manila: their rows in Nova's own
        database stand in, which is all that Nova looks at.
        """
        import control

        self.lab.pull_plug(DEAD)
        for row in ROWS:
            id = self.ids[row.name]
            if row.has == "task":
                self.lab.cloud("lab-tenant").compute.stop_server(id)
            elif row.has == "accelerator":
                control.sql(
                    "nova",
                    "UPDATE instance_info_caches SET network_info = REPLACE("
                    'network_info, \'"vnic_type": "normal"\', '
                    '\'"vnic_type": "accelerator-direct"\') '
                    "WHERE instance_uuid = %(server)s",
                    server=id,
                )
            elif row.has == "shares":
                control.sql(
                    "nova",
                    "INSERT INTO share_mapping (created_at, uuid, "
                    "instance_uuid, share_id, status, tag, export_location, "
                    "share_proto) VALUES (NOW(), %(uuid)s, %(server)s, "
                    "%(uuid)s, 'active', 'lab', 'lab:/share', 'NFS')",
                    server=id,
                    uuid=str(uuid.uuid4()),
                )

    def claim(self, until: float = 60) -> Claim:
        return claim_for(self.clock.now() + until)

    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    def running(self, id: str) -> list[str]:
        found: list[str] = self.lab.copies_running(id)
        return found


def claim_for(until: float) -> Claim:
    """Leave to act until then."""
    return Claim(
        incident="conformance",
        subject="all",
        holder="test",
        number=1,
        until=until,
    )
