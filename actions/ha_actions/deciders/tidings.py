"""What the owners of guests are told of an incident, and in which words. Pure.

One event for each guest and kind, with its owner's project: his own alarms
see it. No host name and no testimony is ever in it; ``host_id`` is what
tenants know a host by. The same incident, guest and kind is the same event,
however often it is published.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ha_actions.deciders.prospects import CODES
from ha_actions.model import (
    Event,
    GuestReport,
    Incident,
    LeftAlone,
    Report,
    Ruling,
    State,
)

FENCED = "compute.instance.host_fenced"
RECOVERING = "compute.instance.recovering"
RECOVERED = "compute.instance.recovered"
FAILED = "compute.instance.recovery_failed"
HELD = "compute.instance.recovery_held"
LEFT = "compute.instance.left_alone"

HELD_WORDS: dict[str, str] = {
    "alive": "its host may be alive, so nothing was touched",
    "uncertain": "nobody is sure that its host is dead, so nothing was "
    "touched",
    "too_many_down": "too much is down at once; a person decides",
    "no_fence_slot": "too many hosts were fenced already; a person decides",
    "no_proof": "its host could not be proved dead, so it was not moved",
    "disarmed": "the operator has stopped all recoveries for a while",
    "ask": "the operator wants to be asked first",
}
"""Code of a hold -> what a tenant is told; the reason itself names hosts."""
HELD_ELSE = "a safety rule stopped the recovery; the operator was told"
BROKEN = "it was not brought back; the operator was told"


@dataclass(frozen=True)
class Owned:
    """A guest, as its owner knows it."""

    project: str
    name: str


@dataclass(frozen=True)
class Owners:
    """The form in which they are kept in the ledger, by guest id."""

    guests: dict[str, Owned]


def host_id(project: str, host: str) -> str:
    """What Nova shows a tenant instead of a host's name.

    Source: nova, utils.py, generate_hostid.
    """
    return hashlib.sha224((project + host).encode()).hexdigest()


@dataclass(frozen=True)
class Teller:
    """One incident, as tenants may know it.

    The watch makes the same ids: an event that both publish is one event.

    :param namespace: the installation's secret.
    """

    namespace: str
    incident: Incident

    def event(
        self, kind: str, guest: str, owned: Owned, at: float, **told: str
    ) -> Event:
        """One event for one guest's owner; empty traits are left out."""
        space = uuid.UUID(self.namespace)
        # an incident's own id begins with its host's name
        key = self.incident.key or str(
            uuid.uuid5(space, f"public {self.incident.id}")
        )
        host = self.incident.host
        return news(space, key, host, kind, guest, owned, at, told)


def news(
    space: uuid.UUID,
    key: str,
    host: str,
    kind: str,
    guest: str,
    owned: Owned,
    at: float,
    told: Mapping[str, str],
) -> Event:
    """One event of its owner's project, in the one form that all have.

    :param key: what tenants know the incident or failure by.
    """
    known_as = host_id(owned.project, host)
    traits = {
        "instance_id": guest,
        "resource_id": guest,
        "display_name": owned.name,
        "incident": key,
        "hostId": known_as,
        "host_id": known_as,
        **{name: text for name, text in told.items() if text},
    }
    return Event(
        type=kind,
        project=owned.project,
        traits=traits,
        at=at,
        id=str(uuid.uuid5(space, f"{kind} {key} {guest}")),
    )


def at_the_start(
    teller: Teller,
    owners: Mapping[str, Owned],
    left: Iterable[LeftAlone],
    *,
    fenced: Collection[str],
    at: float,
) -> list[Event]:
    """The host is out: who is being rescued, and who is not and why.

    :param fenced: guests that run on no more, by what was proved.
    """
    alone = {one.guest: one for one in left}
    events = []
    for guest, owned in owners.items():
        if guest in fenced:
            events.append(teller.event(FENCED, guest, owned, at))
        if guest not in alone:
            events.append(teller.event(RECOVERING, guest, owned, at))
        else:
            events.append(_left(teller, guest, owned, alone[guest], at))
    return events


def at_the_end(
    namespace: str, report: Report, owners: Mapping[str, Owned], at: float
) -> list[Event]:
    """What came of each guest; and of those for whom nothing was done."""
    if report.incident.dry_run:
        return []
    teller = Teller(namespace, report.incident)
    rows = {row.guest: row for row in report.guests}
    events = list(_of_rows(teller, rows, owners, at))
    if report.state is State.HELD and _was_down(report):
        said = HELD_WORDS.get(report.code, HELD_ELSE)
        events += [
            teller.event(
                HELD,
                guest,
                owned,
                at,
                code=report.code,
                reason=said,
            )
            for guest, owned in owners.items()
            if guest not in rows
        ]
    return events


def _was_down(report: Report) -> bool:
    """A host that lives is no news for tenants."""
    return report.verdict is not None and report.verdict.ruling is Ruling.DOWN


def _of_rows(
    teller: Teller,
    rows: Mapping[str, GuestReport],
    owners: Mapping[str, Owned],
    at: float,
) -> Iterator[Event]:
    for guest, row in rows.items():
        if guest not in owners or not row.steps:
            continue  # left alone: told at the start
        new = next((s.new_id for s in row.steps if s.new_id), "")
        told = {
            "outcome": row.outcome,
            "protection": row.protection.value,
            "new_id": new,
        }
        kind = RECOVERED if row.as_chosen else FAILED
        if not row.as_chosen:
            told["code"] = next((s.code for s in row.steps if s.code), "")
            told["reason"] = BROKEN
        yield teller.event(kind, guest, owners[guest], at, **told)


def _left(
    teller: Teller, guest: str, owned: Owned, one: LeftAlone, at: float
) -> Event:
    return teller.event(
        LEFT,
        guest,
        owned,
        at,
        protection=one.protection.value,
        code=one.code,
        reason=CODES.get(one.code, HELD_ELSE),
    )
