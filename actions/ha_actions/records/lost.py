"""A person's word that Nova has lost an evacuation: good for one POST more.

``ha.incident.<id>.lost.<guest>.<n>`` is the word; ``...posted.<guest>.<n>``
is created right before the POST that it allows, so there is never a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ha_actions.deciders.lost import why_not_lost
from ha_actions.errors import BadInput, Refused
from ha_actions.model import Guest, Incident, Migration, Planned
from ha_actions.records.batches import Batches
from ha_actions.records.incidents import Record
from ha_actions.records.operator_acts import resumable

EVACUATE = "ha.evacuate_servers"


@dataclass(frozen=True)
class LostWord:
    """Who says so of which guest, since when, and why."""

    guest: str
    by: str
    because: str
    at: float
    n: int


def find(record: Record, id: str, server: str) -> Planned:
    """The guest of this id or name whose evacuation the incident planned.

    :raises BadInput: there is none, or several have that name.
    """
    found: dict[str, Planned] = {}
    for part in record.parts(id, "batch."):
        kept = record.part(id, part, Batches)
        if kept is None or kept.batch.action != EVACUATE:
            continue
        for planned in kept.batch.guests:
            if server in (planned.guest.id, planned.guest.name):
                found[planned.guest.id] = planned
    if len(found) != 1:
        many = "several servers" if found else "no server"
        raise BadInput(
            "unknown_server",
            f"Incident {id} evacuates {many} called {server!r}; name it by "
            "its id, as `ha-pack incident show` does.",
        )
    return next(iter(found.values()))


def say(
    record: Record,
    incident: Incident,
    guest: str,
    *,
    now: Guest | None,
    records: Sequence[Migration],
    by: str,
    because: str,
) -> LostWord:
    """Keep the word; the caller then resumes the incident.

    :param now: the guest, and ``records``: its evacuations from the host of
        the incident, both read from Nova just now.
    :raises Refused: ``closed``; ``running``; ``not_lost``, with what Nova
        shows that speaks against it.
    :raises BadInput: no reason was given.
    """
    if not because.strip():
        raise BadInput(
            "no_reason", "Say what you have looked at: --because TEXT."
        )
    resumable(record, incident.id)
    at = record.clock.now()
    why = why_not_lost(now, records, incident.host, at)
    if why:
        raise Refused("not_lost", f"It does not look lost: {why}.")
    n = len(record.parts(incident.id, f"lost.{guest}.")) + 1
    word = LostWord(guest, by, because, at, n)
    record.keep(incident.id, f"lost.{guest}.{n}", word)
    return word


def words(record: Record, id: str) -> dict[str, LostWord]:
    """Guest id -> the newest word about it."""
    found = {}
    for part in record.parts(id, "lost."):
        word = record.part(id, part, LostWord)
        if word is not None:
            found[word.guest] = word
    return found


def take_post(record: Record, id: str, word: LostWord) -> float:
    """When somebody before us took the POST that the word allows; 0.0: it is
    ours now."""
    name = f"ha.incident.{id}.posted.{word.guest}.{word.n}"
    if record.ledger.create(name, {"at": record.clock.now()}):
        return 0.0
    return float((record.ledger.read(name) or {}).get("at", 0.0))
