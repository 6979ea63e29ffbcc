"""`confirm-dead`: everything is asked once more, shown, then a word is kept.

Nothing is cut here. The word is a fence like another when the incident is
resumed, so it has to hold against every witness again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ha_actions.errors import BadInput, HaError, Refused
from ha_actions.fencing.operator_word import Word, give, words
from ha_actions.model import (
    Evidence,
    Host,
    Incident,
    Power,
    Reading,
    Says,
    Testimony,
)
from ha_actions.outside import Outside
from ha_actions.ports import Fence
from ha_actions.records.incidents import Record
from ha_actions.settings import Policy

LONGEST_S = 86400.0
"""A word older than a day is nobody's any more."""


@dataclass(frozen=True)
class Look:
    """What every device and witness says now."""

    readings: tuple[Reading, ...]
    testimonies: tuple[Testimony, ...]

    @property
    def against(self) -> tuple[str, ...]:
        """Who says that the host lives, or has power."""
        return tuple(
            [r.device for r in self.readings if r.power is Power.ON]
            + [t.witness for t in self.testimonies if t.says is Says.ALIVE]
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """One line each, for the person and for the record."""
        return tuple(
            [
                f"{r.device}: {r.power} {r.detail}".rstrip()
                for r in self.readings
            ]
            + [
                f"{t.witness}: {t.says} {t.detail}".rstrip()
                for t in self.testimonies
            ]
        )


def acceptable(record: Record, incident: Incident, policy: Policy) -> None:
    """Whether a word could count for this incident at all.

    :raises Refused: ``not_accepted``, when its policy does not list it.
    """
    if Evidence.OPERATOR.value not in policy.fencing.accept:
        raise Refused(
            "not_accepted",
            f"Incident {incident.id} is pinned to a policy whose `fencing: "
            "accept` does not list `operator`. Put one in force that does, "
            f"`ha-pack incident abort {incident.id}`, and start it anew.",
        )


def look(
    outside: Outside, incident: Incident, policy: Policy, host: Host
) -> Look:
    """Ask every device and every witness of the host, side by side.

    :raises HaError: the cloud did not answer; a device's error is UNKNOWN.
    """
    cloud = outside.cloud(incident.request_id)
    witnesses = outside.witnesses(policy, cloud)
    clock = outside.clock
    readings = clock.together(
        [partial(_read, outside, f) for f in outside.fences(incident.host)],
        at_most=8,
    )
    heard = clock.together(
        [partial(w.testify, host) for w in witnesses.values()], at_most=8
    )
    return Look(tuple(readings), tuple(heard))


def confirm(
    record: Record,
    incident: Incident,
    seen: Look,
    *,
    by: str,
    because: str,
    lasts_s: float,
    typed_again: str = "",
) -> list[Word]:
    """Keep the person's word; all words that hold now, this one included.

    :param typed_again: the host's name, typed by the person, which overrules
        whoever says that it lives.
    :raises Refused: ``looks_alive``.
    :raises BadInput: no reason, a bad duration, another name typed.
    """
    if not because.strip():
        raise BadInput("no_reason", "Say how you know: --because TEXT.")
    if not 60 <= lasts_s <= LONGEST_S:
        raise BadInput(
            "bad_duration",
            f"A word lasts from 60 s to {LONGEST_S / 3600:.0f} hours.",
        )
    against: Sequence[str] = seen.against
    if against and not typed_again:
        raise Refused(
            "looks_alive",
            f"Host {incident.host} is not confirmed: {', '.join(against)} "
            "says that it lives. If you have seen that it does not, add "
            "--override.",
            against=list(against),
        )
    if against and typed_again != incident.host:
        raise BadInput(
            "other_host",
            f"That is not {incident.host}; nothing was confirmed.",
        )
    now = record.clock.now()
    word = Word(
        host=incident.host,
        by=by,
        because=" ".join(because.split()),
        at=now,
        until=now + lasts_s,
        against=tuple(against),
        shown=seen.lines,
    )
    give(record, incident, word)
    return words(record, incident)


def _read(outside: Outside, fence: Fence) -> Reading:
    """Its reading, if it is the right machine's device at all."""
    try:
        fence.identify()
    except HaError as error:
        return Reading(
            device=fence.name,
            power=Power.UNKNOWN,
            at=outside.clock.now(),
            detail=error.message,
        )
    return fence.power()
