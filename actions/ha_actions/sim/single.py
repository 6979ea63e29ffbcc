"""What Nova does with one server alone: crashes, hard reboots, cold moves.

Source: nova/compute/manager.py and api.py: a server whose domain is gone is
stopped by nova-compute itself, and that request has no user.
"""

from __future__ import annotations

from collections.abc import Callable

from ha_actions.errors import Failed
from ha_actions.model.server import Deed
from ha_actions.sim.nova import POWER_S, Nova
from ha_actions.sim.things import (
    RUNNING,
    STOPPED,
    SimGuest,
    SimMigration,
    uid,
)
from ha_actions.sim.world import World

SYNC_S = 1.0
"""From the domain's end to Nova's own stop."""
MIGRATE_S = 4.0
OURS, OWNER = "ha-user", "owner"
FAILURES = ("crashes", "owner-stops", "shuts-down", "errors")


class Single:
    """Single servers of the world; callers hold the world's lock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.nova = Nova(world)

    def fail(self, guest: SimGuest, how: str) -> None:
        """It stops to run, for one of four reasons."""
        self._off(guest)
        if how == "errors":
            guest.vm_state, guest.power = "error", "shutdown"
            guest.said_power = "shutdown"
            return
        user = OWNER if how == "owner-stops" else ""
        guest.said_power = "crashed" if how == "crashes" else "shutdown"
        guest.task_state = "powering-off"
        self.did(guest, "stop", user)
        self._after(SYNC_S, guest, "powering-off", lambda: self._stop(guest))

    def did(self, guest: SimGuest, action: str, user: str = OURS) -> None:
        """Nova writes down who asked for what."""
        now = self.world.clock.now()
        guest.deeds.append(Deed(action=action, user=user, at=now))

    def set_power(self, guest_id: str, verb: str) -> None:
        """start and reboot, which may crash again; the rest is Nova's.

        :raises Failed: ``conflict`` for a wrong vm_state.
        """
        guest = self.nova.guest(guest_id)
        if verb == "reboot":
            self._needs(guest, "reboot", ("active", "stopped", "error"))
            self.did(guest, "reboot")
            guest.task_state = "rebooting_hard"
            self._after(
                POWER_S, guest, "rebooting_hard", lambda: self._run(guest)
            )
            return
        if verb == "start" and guest.start_fails:
            self._needs(guest, "start", ("stopped",))
            self.did(guest, "start")
            guest.task_state = "powering-on"
            self._after(
                POWER_S, guest, "powering-on", lambda: self._run(guest)
            )
            return
        self.nova.set_power(guest_id, verb)
        if verb == "start":
            self.did(guest, "start")

    def migrate(self, guest_id: str) -> None:
        """A cold migration, to be confirmed.

        :raises Failed: ``conflict``, ``no_valid_host``.
        """
        guest = self.nova.guest(guest_id)
        self._needs(guest, "migrate", ("active", "stopped"))
        dest = self.nova.choose(guest)
        if dest is None:
            raise Failed("no_valid_host", "No valid host was found (400).")
        self.did(guest, "migrate")
        record = SimMigration(
            id=uid("migration", str(len(self.world.migrations))),
            guest=guest_id,
            source=guest.host,
            created_at=self.world.clock.now(),
            dest=dest.name,
            status="migrating",
            kind="migration",
        )
        self.world.migrations.append(record)
        guest.task_state = "resize_migrating"

        def moved() -> None:
            self.world.host(record.source).domains.pop(guest.id, None)
            guest.host, guest.vm_state = dest.name, "resized"
            self.world.run(dest, guest.id, STOPPED)
            record.status = "finished"

        self._after(MIGRATE_S, guest, "resize_migrating", moved)

    def confirm(self, guest_id: str) -> None:
        """:raises Failed: ``conflict``: it waits for no confirmation."""
        guest = self.nova.guest(guest_id)
        self._needs(guest, "confirmResize", ("resized",))
        self.did(guest, "confirmResize")
        guest.vm_state = "stopped"
        for record in self.world.migrations:
            if record.guest == guest_id and record.status == "finished":
                record.status = "confirmed"

    def _needs(
        self, guest: SimGuest, verb: str, states: tuple[str, ...]
    ) -> None:
        if guest.vm_state not in states or guest.task_state:
            raise Failed(
                "conflict",
                f"Cannot '{verb}' instance {guest.id} while it is in "
                f"vm_state {guest.vm_state}, task_state "
                f"{guest.task_state or 'None'} (409).",
            )

    def _run(self, guest: SimGuest) -> None:
        if guest.start_fails > 0:
            guest.start_fails -= 1
            guest.vm_state, guest.power = "stopped", "shutdown"
            return
        guest.vm_state, guest.power = "active", "running"
        self.world.run(self.world.host(guest.host), guest.id, RUNNING)

    def _stop(self, guest: SimGuest) -> None:
        guest.vm_state, guest.power = "stopped", "shutdown"

    def _off(self, guest: SimGuest) -> None:
        for host in self.world.hosts.values():
            if guest.id in host.domains:
                host.domains[guest.id] = STOPPED

    def _after(
        self,
        seconds: float,
        guest: SimGuest,
        task: str,
        do: Callable[[], None],
    ) -> None:
        """Later, unless the task was ended or the server deleted."""

        def later() -> None:
            alive = guest.id in self.world.guests
            if alive and guest.task_state == task:
                guest.task_state = ""
                do()

        self.world.clock.at(self.world.clock.now() + seconds, later)
