"""A person's word that a host is dead, as one more fence of the host.

The word is kept in the ledger with the incident, and ends by itself. While it
holds (and enough persons have given theirs) it reads OFF; the fencing loop,
the stability time and the round of witnesses are those of any other device.
A word given against a device or a witness overrules that one alone, by name;
everything else that says alive still refutes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ha_actions.errors import HaError
from ha_actions.fencing import device
from ha_actions.model import (
    Claim,
    Evidence,
    Incident,
    Power,
    Reading,
    Says,
    Testimony,
)
from ha_actions.ports import Fence
from ha_actions.records.incidents import Record
from ha_actions.settings import Fencing

PART = "word."
MARK = "OPERATOR'S WORD"


@dataclass(frozen=True, kw_only=True)
class Word:
    """What one person confirmed, and what was shown to them then."""

    host: str
    by: str
    """The person, as Keystone knows them."""
    because: str
    at: float
    until: float
    against: tuple[str, ...] = ()
    """Devices and witnesses that said otherwise, and are overruled."""
    shown: tuple[str, ...] = ()


def give(record: Record, incident: Incident, word: Word) -> None:
    """Keep a person's word with the incident; the newest of each counts."""
    n = len(record.parts(incident.id, PART)) + 1
    record.keep(incident.id, f"{PART}{n}", word)


def words(record: Record, incident: Incident) -> list[Word]:
    """The words that hold now, one per person."""
    now = record.clock.now()
    newest = {}
    for part in record.parts(incident.id, PART):
        word = record.part(incident.id, part, Word)
        if word is not None and word.host == incident.host:
            newest[word.by] = word
    return [word for word in newest.values() if word.at <= now < word.until]


class OperatorsWord:
    """:class:`~ha_actions.ports.Fence` by the persons who saw it dead."""

    evidence = Evidence.OPERATOR

    def __init__(
        self, record: Record, incident: Incident, rules: Fencing
    ) -> None:
        self._record = record
        self._incident = incident
        self._people = rules.people
        given = words(record, incident)
        self.against = frozenset(a for word in given for a in word.against)
        self.name = f"{MARK} ({'; '.join(map(_told, given)) or 'ended'})"

    def identify(self) -> str:
        """The host that they named."""
        return f"{self._incident.host} (nothing is cut by a word)"

    def power(self) -> Reading:
        """OFF while enough persons' words hold; read from the ledger anew."""
        clock = self._record.clock
        try:
            given = words(self._record, self._incident)
        except HaError as error:
            return device.unknown(self.name, clock, error)
        if not given or len(given) < self._people:
            why = f"{len(given)} of {self._people} persons' words hold"
            return device.unknown(self.name, clock, why)
        return Reading(
            device=self.name,
            power=Power.OFF,
            at=clock.now(),
            detail=f"since {_clock(min(word.at for word in given))}",
        )

    def cut(self, claim: Claim) -> None:
        """Nothing to ask: the person has seen to it."""
        host = self._incident.host
        device.still_ours(claim, self._record.clock, host, "the word counted")

    def restore(self, claim: Claim) -> None:
        """Nothing to ask."""


def with_word(
    fences: Sequence[Fence],
    record: Record,
    incident: Incident,
    rules: Fencing,
) -> list[Fence]:
    """A host's devices and, last, the word of persons, if there is one.

    Devices that they overruled are left out.
    """
    if not _counts(rules) or not record.parts(incident.id, PART):
        return list(fences)
    word = OperatorsWord(record, incident, rules)
    return [*(f for f in fences if f.name not in word.against), word]


def with_testimony(
    heard: Sequence[Testimony],
    record: Record,
    host: str,
    rules: Fencing,
) -> list[Testimony]:
    """What the witnesses said, and the persons; an overruled one is silent."""
    entry = record.opened(host) if _counts(rules) else None
    given = words(record, entry.incident) if entry is not None else []
    if len(given) < rules.people or not given:
        return list(heard)
    against = {name for word in given for name in word.against}
    by = " and ".join(word.by for word in given)
    weighed = [
        replace(t, says=Says.SILENT, detail=f"overruled by {by}: {t.detail}")
        if t.says is Says.ALIVE and t.witness in against
        else t
        for t in heard
    ]
    said = Testimony(
        witness=Evidence.OPERATOR.value,
        host=host,
        says=Says.DEAD,
        observed_at=min(word.at for word in given),
        detail="; ".join(map(_told, given)),
    )
    return [*weighed, said]


def _counts(rules: Fencing) -> bool:
    return Evidence.OPERATOR.value in rules.accept


def _told(word: Word) -> str:
    over = f", AGAINST {', '.join(word.against)}" if word.against else ""
    return f"{word.by}: {word.because}{over}; until {_clock(word.until)}"


def _clock(at: float) -> str:
    moment = datetime.fromtimestamp(at, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M UTC")
