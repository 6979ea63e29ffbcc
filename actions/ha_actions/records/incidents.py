"""The incident's record: typed entries over the ledger, and who may write.

=========================  ==================================================
``ha.open.<host>``         the one open incident of a host; taken first
``ha.last.<host>``         its last closed incident: late alarms are known
``ha.incident.<id>.<part>`` verdict, proof, plan, batches, outcomes, report
``ha.claim.<id>.<what>.<n>`` leave to change the world, one holder at a time
``ha.slot.<window>.<k>``   the fences that one window allows
``ha.policy[.<digest>]``   the policy in force, and those that incidents pin
``ha.beat.<execution>``    an engine outside the cloud's Mistral is at work
``ha.armed``               without it, ``mode: act`` is ``shadow``
``ha.brake.<scope>``       disarm and maintenance, each with its end
=========================  ==================================================

A Mistral environment has no compare-and-set, so what is contended (open,
claims, slots, attempts) is created, never updated; parts are written by the
holder of a claim alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from ha_actions.codec import to_json
from ha_actions.errors import BadInput, HaError
from ha_actions.model import Evidence, Incident
from ha_actions.records.claims import Claims
from ha_actions.records.in_force import InForce
from ha_actions.records.parts import Parts
from ha_actions.records.slots import Slots

RETURN_ENDED = "return.ended"
LIVE = frozenset({"RUNNING", "PAUSED", "IDLE", "DELAYED", "WAITING"})
"""Mistral's words for an execution that may still act."""

BEAT_S = 90.0
"""How long an engine outside the cloud's Mistral is believed to be at work
after it last said so."""

ENDS_IT = frozenset({Evidence.POWER, Evidence.OPERATOR})
"""Evidence that nothing runs on a host any more."""


@dataclass(frozen=True)
class Opened:
    """The entry ``ha.open.<host>``."""

    incident: Incident
    execution: str
    attempt: int = 1
    held: str = ""
    """Code of the refusal or failure for which it waits; empty: it runs."""
    held_at: float = 0.0


class Record(Parts, Claims, Slots, InForce):
    """Every entry of ours in the ledger, by what it means."""

    def opened(self, host: str) -> Opened | None:
        """The host's open (or held) incident."""
        return self._read(f"ha.open.{host}", Opened)

    def all_opened(self) -> list[Opened]:
        """Every open or held incident of the cloud."""
        found = (
            self._read(name, Opened) for name in self.ledger.names("ha.open.")
        )
        return [entry for entry in found if entry is not None]

    def opened_and_bad(self) -> tuple[list[Opened], dict[str, str]]:
        """The same; and entries that cannot be read, each with its reason.

        For those who look after all: one bad entry hides no other.
        """
        found, bad = [], {}
        for name in self.ledger.names("ha.open."):
            try:
                entry = self._read(name, Opened)
            except HaError as error:
                if error.retryable:
                    raise
                bad[name] = error.message
                continue
            if entry is not None:
                found.append(entry)
        return found, bad

    def take(self, entry: Opened) -> Opened:
        """Open the host's incident, unless one is: whoever has it."""
        name = f"ha.open.{entry.incident.host}"
        if self.ledger.create(name, to_json(entry)):
            return entry
        return self.opened(entry.incident.host) or self.take(entry)

    def next_attempt(self, entry: Opened, execution: str) -> Opened | None:
        """Go on with an incident whose execution has ended.

        None when another start was faster: there is one attempt at a time.
        A number whose taker died before it said so here is passed over.
        """
        n = entry.attempt
        mine = {
            "execution": execution,
            "at": self.clock.now(),
            "after_hold": bool(entry.held),
        }
        while True:
            n += 1
            name = f"ha.incident.{entry.incident.id}.attempt.{n}"
            if self.ledger.create(name, mine):
                break
            other = str((self.ledger.read(name) or {}).get("execution"))
            if other == execution:
                break
            if self.execution_state(other) in LIVE:
                return None
            if self.opened(entry.incident.host) != entry:
                return None  # it went on meanwhile, and may be over
        again = Opened(entry.incident, execution, n)
        self.ledger.write(f"ha.open.{entry.incident.host}", to_json(again))
        return again

    def execution_state(self, execution: str) -> str:
        """Mistral's word for an execution, ``""`` if there is none.

        One of an engine that Mistral does not know is RUNNING while it says
        so: two engines on one ledger must not do the same incident.
        """
        state = self.ledger.execution_state(execution)
        if state:
            return state
        beat = self.ledger.read(f"ha.beat.{execution}")
        fresh = beat and float(beat["at"]) > self.clock.now() - BEAT_S
        return "RUNNING" if fresh else ""

    def beat(self, execution: str) -> None:
        """Say that an engine outside the cloud's Mistral is at work on it."""
        name = f"ha.beat.{execution}"
        self.ledger.write(name, {"at": self.clock.now()})

    def beat_ends(self, execution: str) -> None:
        """It has ended: nobody needs to wait for its beat to grow old."""
        self.ledger.delete(f"ha.beat.{execution}")

    def went_on_at(self, incident: Incident) -> float:
        """When it was opened, or its last attempt began."""
        since = incident.opened_at
        for part in self.parts(incident.id, "attempt."):
            kept = self.ledger.read(f"ha.incident.{incident.id}.{part}")
            since = max(since, float((kept or {}).get("at", 0.0)))
        return since

    def tries_since(self, id: str) -> float:
        """When a held incident was last resumed; 0.0 if never.

        What failed before then is tried afresh: somebody has seen to it.
        """
        entries = (
            self.ledger.read(f"ha.incident.{id}.{part}") or {}
            for part in self.parts(id, "attempt.")
        )
        return max(
            (float(e["at"]) for e in entries if e.get("after_hold")),
            default=0.0,
        )

    def hold(self, entry: Opened, code: str) -> None:
        """Keep it open, for a person."""
        held = Opened(
            entry.incident,
            entry.execution,
            entry.attempt,
            code,
            self.clock.now(),
        )
        self.ledger.write(f"ha.open.{entry.incident.host}", to_json(held))

    def shut(self, incident: Incident, *, handled: bool) -> None:
        """Close: first remember that it was, then free the host's entry.

        One that has handled nothing (a dry run, a false alarm) is not
        remembered: news that is older than its end still counts.
        """
        if handled:
            self.ledger.write(
                f"ha.last.{incident.host}",
                {"incident": incident.id, "closed_at": self.clock.now()},
            )
        current = self.opened(incident.host)
        if current is not None and current.incident.id == incident.id:
            self.ledger.delete(f"ha.open.{incident.host}")

    def last_closed(self, host: str) -> tuple[str, float]:
        """Id of the host's last closed incident and when it closed."""
        entry = self.ledger.read(f"ha.last.{host}") or {}
        return str(entry.get("incident", "")), float(
            entry.get("closed_at", 0.0)
        )

    def incident(self, id: str) -> Incident:
        """An incident by its id, open or past.

        One whose opening died half way is known by its open entry alone.

        :raises BadInput: there is none.
        """
        found = self.part(id, "opening", Incident) or next(
            (e.incident for e in self.all_opened() if e.incident.id == id),
            None,
        )
        if found is None:
            raise BadInput(
                "unknown_incident",
                f"There is no incident {id!r} in the ledger; "
                "`ha-pack incidents` lists them.",
            )
        return found

    def ids(self) -> list[str]:
        """Ids of every incident that the ledger remembers."""
        ending = ".opening"
        return [
            name.removeprefix("ha.incident.").removesuffix(ending)
            for name in self.ledger.names("ha.incident.")
            if name.endswith(ending)
        ]

    def incidents_of(self, host: str) -> list[Incident]:
        """Those of a host that the ledger remembers; ids begin with it."""
        ending = ".opening"
        found = (
            self.part(
                name.removeprefix("ha.incident.").removesuffix(ending),
                "opening",
                Incident,
            )
            for name in self.ledger.names(f"ha.incident.{host}-")
            if name.endswith(ending)
        )
        return [one for one in found if one is not None and one.host == host]

    def died_since(self, host: str, since: float) -> bool:
        """Whether a proof of the host's death is younger than that.

        One that is only cut off from storage or network may still work on
        what it was asked for. Its incident may be over before we look: the
        closed one counts too.
        """
        opened = self.opened(host)
        ids = [opened.incident.id] if opened else []
        ids.append(self.last_closed(host)[0])
        proofs = [self.proof(id) for id in ids if id]
        return any(
            p is not None and p.evidence in ENDS_IT and p.at > since
            for p in proofs
        )
