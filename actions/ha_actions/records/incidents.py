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

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from ha_actions.codec import from_json, to_json
from ha_actions.errors import BadInput, HaError, Refused, Transient
from ha_actions.model import Claim, Evidence, Incident, Proof, Refusal
from ha_actions.ports import Clock, Ledger
from ha_actions.settings import Limits

T = TypeVar("T")

RETURN_ENDED = "return.ended"
LEASE_S = 60.0
"""How long a claim lasts: longer than a POST and its timeout, shorter than
Mistral's detection of a lost executor."""

LIVE = frozenset({"RUNNING", "PAUSED", "IDLE", "DELAYED", "WAITING"})
"""Mistral's words for an execution that may still act."""

BEAT_S = 90.0
"""How long an engine outside the cloud's Mistral is believed to be at work
after it last said so."""

ENDS_IT = frozenset({Evidence.POWER, Evidence.OPERATOR})
"""Evidence that nothing runs on a host any more."""

SPARE_S = 1.0
"""Clocks of two executors may differ by this much."""


@dataclass(frozen=True)
class Opened:
    """The entry ``ha.open.<host>``."""

    incident: Incident
    execution: str
    attempt: int = 1
    held: str = ""
    """Code of the refusal or failure for which it waits; empty: it runs."""
    held_at: float = 0.0


@dataclass(frozen=True)
class Brake:
    """Somebody said: not now. It always ends by itself."""

    scope: str
    """``all``, ``host:NAME``, ``aggregate:NAME`` or ``maintenance:HOST``."""
    because: str
    by: str
    since: float
    until: float


EXTRA = "x-"
"""With it the name of a slot past the limit begins, after its window."""

CLAIM_POLL_S = 2.0
"""How often a claim that somebody holds is looked at."""


class Record:
    """Every entry of ours in the ledger, by what it means."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self.ledger = ledger
        self.clock = clock

    # -- the open incident ------------------------------------------------
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

    # -- its parts --------------------------------------------------------
    def part(self, id: str, part: str, cls: type[T]) -> T | None:
        """One part of an incident's record, or None."""
        return self._read(f"ha.incident.{id}.{part}", cls)

    def keep(self, id: str, part: str, value: Any) -> None:
        """Write one part, replacing it."""
        self.ledger.write(f"ha.incident.{id}.{part}", to_json(value))

    def drop(self, id: str, part: str) -> None:
        """Forget one part."""
        self.ledger.delete(f"ha.incident.{id}.{part}")

    def parts(self, id: str, prefix: str) -> list[str]:
        """Names of the parts that start so, in order of their numbers."""
        head = f"ha.incident.{id}."
        names = self.ledger.names(head + prefix)
        return sorted((n.removeprefix(head) for n in names), key=_natural)

    def proof(self, id: str) -> Proof | None:
        """The proof that holds now: the newest, unless it was voided."""
        names = self.parts(id, "proof.")
        if not names:
            return None
        newest = self.part(id, names[-1], Proof)
        n = names[-1].rpartition(".")[2]
        void = self.ledger.read(f"ha.incident.{id}.void.{n}")
        return None if void else newest

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

    def add_proof(self, id: str, proof: Proof) -> None:
        """A new proof; an older one stays for the report."""
        self.keep(id, f"proof.{len(self.parts(id, 'proof.')) + 1}", proof)

    def void_proof(self, id: str, reason: str) -> None:
        """The proof no longer holds: the host may be alive."""
        n = len(self.parts(id, "proof."))
        self.keep(id, f"void.{n}", {"reason": reason, "at": self.clock.now()})

    def voided_at(self, id: str) -> float:
        """When the newest proof became void; 0.0 if it holds, or is none."""
        names = self.parts(id, "proof.")
        n = names[-1].rpartition(".")[2] if names else ""
        void = self.ledger.read(f"ha.incident.{id}.void.{n}") if n else None
        return float(void["at"]) if void else 0.0

    def may_have_cut(self, id: str) -> bool:
        """Whether a device may have been asked to cut in this incident."""
        return bool(self.ledger.names(f"ha.claim.{id}.fence."))

    def voids(self, id: str) -> int:
        """How many proofs of the incident were voided."""
        return len(self.parts(id, "void."))

    # -- claims -----------------------------------------------------------
    def claim(
        self,
        id: str,
        subject: str,
        holder: str,
        lease_s: float = LEASE_S,
        wait_s: float = float("inf"),
    ) -> Claim:
        """Wait for the former holder's lease to end, then take over.

        :param wait_s: no longer than that, where others than we may have
            written the entries.
        :raises Transient: ``busy``: it was not free by then.
        """
        late = self.clock.now() + wait_s
        while True:
            n, last = self._last_claim(id, subject, late)
            if last is not None and last["holder"] != holder:
                rest = float(last["until"]) + SPARE_S - self.clock.now()
                if rest > 0:  # it may be released long before
                    self.clock.sleep(min(rest, CLAIM_POLL_S))
                    continue
            taken = self._take_claim(id, subject, holder, n + 1, lease_s)
            if taken is not None:
                return taken

    def renew(self, claim: Claim, lease_s: float = LEASE_S) -> Claim:
        """The same claim for longer.

        :raises Refused: ``superseded``, when another run has taken over.
        """
        again = self._take_claim(
            claim.incident,
            claim.subject,
            claim.holder,
            claim.number + 1,
            lease_s,
        )
        if again is None:
            raise Refused(
                "superseded",
                f"Another run has taken over {claim.subject} of incident "
                f"{claim.incident}; this one stops.",
            )
        return again

    def former_end(self, claim: Claim) -> float:
        """When the claim before this one ended; 0.0 if there was none."""
        name = _claim_name(claim.incident, claim.subject, claim.number - 1)
        return float((self.ledger.read(name) or {}).get("until", 0.0))

    def release(self, claim: Claim) -> None:
        """End a claim early, so that nobody has to wait for its lease."""
        name = _claim_name(claim.incident, claim.subject, claim.number)
        done = {"holder": claim.holder, "until": self.clock.now() - SPARE_S}
        self.ledger.write(name, done)

    def _take_claim(
        self, id: str, subject: str, holder: str, n: int, lease_s: float
    ) -> Claim | None:
        until = self.clock.now() + lease_s
        entry = {"holder": holder, "until": until}
        if not self.ledger.create(_claim_name(id, subject, n), entry):
            return None
        return Claim(
            incident=id, subject=subject, holder=holder, number=n, until=until
        )

    def _last_claim(
        self, id: str, subject: str, late: float
    ) -> tuple[int, dict[str, Any] | None]:
        n, last = 0, None
        while True:
            entry = self.ledger.read(_claim_name(id, subject, n + 1))
            if entry is None:
                return n, last
            n, last = n + 1, entry
            if self.clock.now() >= late:
                raise _busy(id, subject)

    # -- slots ------------------------------------------------------------
    def take_slot(self, incident: Incident, limits: Limits) -> Refusal | None:
        """Take one of the window's fences; an incident takes one once.

        Never more than ``limits.fences`` in any window of ``window_s``: the
        slots of the former window that are still young count too.
        """
        now = self.clock.now()
        window = int(now // limits.window_s)
        young: list[str] = []
        # by name, not by number: another policy may have allowed more of them
        for old in (
            *self._slots(f"ha.slot.{window - 1}."),
            *self._slots(f"ha.slot.{window}.{EXTRA}"),
        ):
            if float(old["at"]) > now - limits.window_s:
                if old["incident"] == incident.id:
                    return None
                young.append(str(old["host"]))
        mine = {"incident": incident.id, "host": incident.host, "at": now}
        for k in range(limits.fences - len(young)):
            name = f"ha.slot.{window}.{k}"
            if self.ledger.create(name, mine):
                return None
            other = self.ledger.read(name) or {}
            if other.get("incident") == incident.id:
                return None
            young.append(str(other.get("host", "?")))
        fenced = sorted(set(young))
        return Refusal(
            code="no_fence_slot",
            reason=f"the policy allows {limits.fences} fence(s) within "
            f"{limits.window_s} s, and they are used up"
            + (f" ({', '.join(fenced)})" if fenced else ""),
            facts={"fenced": fenced},
        )

    def take_extra_slot(self, incident: Incident, limits: Limits) -> None:
        """Past the limit, by a person's yes: it counts for those after it."""
        now = self.clock.now()
        window = int(now // limits.window_s)
        mine = {"incident": incident.id, "host": incident.host, "at": now}
        self.ledger.write(f"ha.slot.{window}.{EXTRA}{incident.id}", mine)

    def _slots(self, prefix: str) -> list[dict[str, Any]]:
        found = (self.ledger.read(name) for name in self.ledger.names(prefix))
        return [slot for slot in found if slot]

    # -- policy and brakes ------------------------------------------------
    def policy_text(self, digest: str = "") -> str:
        """The policy in force, or the one that an incident pinned.

        :raises BadInput: none is installed.
        """
        name = f"ha.policy.{digest}" if digest else "ha.policy"
        entry = self.ledger.read(name)
        if entry is None:
            raise BadInput(
                "no_policy",
                f"The ledger has no {name}; install a policy with "
                "`ha-pack policy set FILE`.",
            )
        return str(entry["text"])

    def pin_policy(self, text: str, digest: str) -> None:
        """Keep this policy for the incidents that name its digest."""
        self.ledger.create(f"ha.policy.{digest}", {"text": text})

    def armed(self) -> bool:
        """Whether a person has ever said that the pack may act."""
        return self.ledger.read("ha.armed") is not None

    def arm(self, by: str) -> None:
        """Let ``mode: act`` act; brakes still stop it."""
        self.ledger.write("ha.armed", {"by": by, "at": self.clock.now()})

    def set_brake(self, brake: Brake) -> None:
        """Disarm a scope, or declare maintenance, until a moment."""
        self.ledger.write(f"ha.brake.{brake.scope}", to_json(brake))

    def lift_brake(self, scope: str) -> None:
        """Arm again, or end a maintenance."""
        self.ledger.delete(f"ha.brake.{scope}")

    def brakes(self) -> list[Brake]:
        """Those that are in force now."""
        now = self.clock.now()
        found = (
            self._read(name, Brake) for name in self.ledger.names("ha.brake.")
        )
        return [b for b in found if b is not None and b.until > now]

    def disarmed(self, host: str, aggregates: Iterable[str]) -> Brake | None:
        """The brake that forbids irreversible steps on this host."""
        scopes = {
            "all",
            f"host:{host}",
            *(f"aggregate:{a}" for a in aggregates),
        }
        for brake in self.brakes():
            if brake.scope in scopes:
                return brake
        return None

    def maintenance(self) -> dict[str, Brake]:
        """Host -> the maintenance that makes its death no incident."""
        head = "maintenance:"
        return {
            b.scope.removeprefix(head): b
            for b in self.brakes()
            if b.scope.startswith(head)
        }

    def _read(self, name: str, cls: type[T]) -> T | None:
        entry = self.ledger.read(name)
        return None if entry is None else from_json(cls, entry, name)


def _busy(id: str, subject: str) -> Transient:
    return Transient(
        "busy", f"{subject} of {id} is claimed by another run all the time."
    )


def _claim_name(id: str, subject: str, n: int) -> str:
    return f"ha.claim.{id}.{subject}.{n}"


def _natural(name: str) -> list[tuple[int, str]]:
    return [
        (int(piece), "") if piece.isdigit() else (0, piece)
        for piece in name.split(".")
    ]
