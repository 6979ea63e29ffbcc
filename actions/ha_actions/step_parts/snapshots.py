"""Snapshots of an incident's guests: kept before the first change of any of
them, and compared after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ha_actions.deciders.snapshot import take
from ha_actions.errors import HaError
from ha_actions.model import (
    FloatingIp,
    Guest,
    Incident,
    Member,
    Planned,
    Protection,
    Snapshot,
    Volume,
)
from ha_actions.step_parts.run import Run

T = TypeVar("T")

CHUNK = 100
"""Guests in one entry of the ledger."""
FOR_S = 20.0
"""A service that does not answer keeps nobody down."""


@dataclass(frozen=True)
class Snapshots:
    """The form in which they are kept."""

    guests: tuple[Snapshot, ...]


@dataclass(frozen=True)
class Belongings:
    """What other services say of guests; None where one does not answer."""

    floating: Sequence[FloatingIp] | None
    volumes: Mapping[str, Volume] | None

    def of(self, guest: Guest, members: Sequence[Member]) -> Snapshot:
        """The guest as it is."""
        return take(guest, members, self.floating, self.volumes)


def look(
    run: Run,
    incident: Incident,
    guests: Iterable[Guest],
    known: Iterable[str] = (),
) -> Belongings:
    """Ask Neutron and Cinder: a constant number of calls.

    :param known: ids of floating IPs to look for, whatever they serve.
    """
    cloud = run.cloud(incident)
    mine = list(guests)
    volumes = {v for g in mine for v in g.volumes}
    ports = {p.id for g in mine for p in g.ports}
    ids = sorted(known)

    def floating() -> list[FloatingIp]:
        if not (ports or ids):
            return []
        return cloud.floating_ips(sorted(ports), ids)

    def attached() -> dict[str, Volume]:
        return cloud.volumes(sorted(volumes)) if volumes else {}

    return Belongings(
        floating=_asked(run, incident, floating),
        volumes=_asked(run, incident, attached),
    )


def _asked(run: Run, incident: Incident, ask: Callable[[], T]) -> T | None:
    try:
        return run.patiently(ask, for_s=FOR_S)
    except HaError as error:
        run.journal.note("check", incident.host, error.message)
        return None


def keep(run: Run, incident: Incident, planned: Iterable[Planned]) -> None:
    """Snapshot those of whom there is none yet."""
    have = snapshots(run, incident)
    new = [
        p
        for p in planned
        if p.guest.id not in have
        and p.choice.protection is not Protection.CUSTOM
    ]
    if not new:
        return
    seen = look(run, incident, [p.guest for p in new])
    made = [seen.of(p.guest, p.members) for p in new]
    number = len(run.record.parts(incident.id, "before."))
    for i in range(0, len(made), CHUNK):
        number += 1
        part = Snapshots(tuple(made[i : i + CHUNK]))
        run.record.keep(incident.id, f"before.{number}", part)


def snapshots(run: Run, incident: Incident) -> dict[str, Snapshot]:
    """Guest id -> what it had before; the oldest one counts."""
    found: dict[str, Snapshot] = {}
    for part in run.record.parts(incident.id, "before."):
        kept = run.record.part(incident.id, part, Snapshots)
        for one in kept.guests if kept else ():
            found.setdefault(one.guest, one)
    return found
