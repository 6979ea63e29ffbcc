"""What came of a scenario: the one object that ``--json`` prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ha_actions.model import GuestReport, Incident, Report
from ha_actions.ports import Ledger
from ha_actions.records.incidents import Record
from ha_actions.sim.journal import TraceJournal
from ha_actions.sim.things import SimGuest
from ha_actions.sim.world import World

Reports = list[tuple[Incident, Report | None]]


@dataclass
class Played:
    """A finished run, with the world in which it ended."""

    trace: list[dict[str, Any]]
    incidents: list[dict[str, Any]]
    guests: dict[str, dict[str, Any]]
    pools: dict[str, dict[str, Any]]
    checks: list[dict[str, Any]] = field(default_factory=list)
    world: World | None = None
    ledger: Ledger | None = None
    told: list[tuple[str, str]] = field(default_factory=list)
    reports: Reports = field(default_factory=list)
    """Every incident with its report, in the order of their opening."""
    changes: int = 0
    """World-changing calls that were tried: where injections can be."""
    api_calls: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check["ok"] for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "trace": self.trace,
            "incidents": self.incidents,
            "guests": self.guests,
            "pools": self.pools,
            "checks": self.checks,
        }

    def ending(self) -> dict[str, Any]:
        """What must be equal however often the run was interrupted.

        Which live host a guest landed on, and how a step came to its end
        (``done`` or ``already``), may differ.
        """
        return {
            "guests": {
                name: (g["state"], len(g["running_on"]))
                for name, g in self.guests.items()
            },
            "pools": {
                name: sorted(
                    (m["guest"], m["weight"], m["status"])
                    for m in pool["members"]
                )
                for name, pool in self.pools.items()
            },
            "incidents": sorted(
                (i["host"], i["state"])
                for i in self.incidents
                if i["state"] != "dismissed"
            ),
        }


def collect(world: World, journal: TraceJournal, ledger: Ledger) -> Played:
    """Read the ended world and the ledger into one value."""
    record = Record(ledger, world.clock)
    found = _reports(record)
    return Played(
        trace=journal.trace,
        incidents=_incidents(record, journal, found),
        guests=_guests(world, found),
        pools=_pools(world),
        world=world,
        ledger=ledger,
        told=journal.told,
        reports=found,
        changes=world.attempted,
        api_calls=dict(world.calls),
    )


def _reports(record: Record) -> Reports:
    found = [
        (incident, record.part(id, "report", Report))
        for id in record.ids()
        if (incident := record.part(id, "opening", Incident)) is not None
    ]
    return sorted(found, key=lambda pair: pair[0].opened_at)


def _incidents(
    record: Record, journal: TraceJournal, found: Reports
) -> list[dict[str, Any]]:
    rows = []
    for incident, report in found:
        opened = record.opened(incident.host)
        if opened is None or opened.incident.id != incident.id:
            state = "closed"
        else:
            state = "held" if opened.held else "open"
        reason = report.reason if report else "no report was written"
        rows.append({"host": incident.host, "state": state, "reason": reason})
    rows.extend(
        {
            "host": entry["subject"],
            "state": "dismissed",
            "reason": entry["text"],
        }
        for entry in journal.trace
        if entry["kind"] == "dismissal"
    )
    return rows


def _guests(world: World, found: Reports) -> dict[str, dict[str, Any]]:
    rows: dict[str, GuestReport] = {}
    for _, report in found:
        for row in report.guests if report else ():
            rows[row.name] = row
    newest: dict[str, SimGuest] = {}
    for guest in (*world.gone.values(), *world.guests.values()):
        newest[guest.name] = guest  # those that exist come last
    running: dict[str, set[str]] = {}
    for host in world.hosts.values():
        for guest_id, state in host.domains.items():
            known = world.guests.get(guest_id) or world.gone.get(guest_id)
            if known is not None and state == "running":
                running.setdefault(known.name, set()).add(host.name)
    return {
        name: {
            "host": guest.host,
            "state": guest.vm_state if guest.id in world.guests else "deleted",
            "running_on": sorted(running.get(name, ())),
            "outcome": rows[name].outcome if name in rows else "untouched",
            "reason": rows[name].reason if name in rows else "",
        }
        for name, guest in sorted(newest.items())
    }


def _pools(world: World) -> dict[str, dict[str, Any]]:
    names = {
        address: world.guests[guest_id].name
        for address, guest_id in world.by_address.items()
        if guest_id in world.guests
    }
    return {
        pool.name: {
            "members": [
                {
                    "guest": names.get(member.address, member.name),
                    "weight": member.weight,
                    "status": world.member_status(pool, member.id),
                }
                for member in pool.members.values()
            ]
        }
        for pool in world.pools.values()
    }
