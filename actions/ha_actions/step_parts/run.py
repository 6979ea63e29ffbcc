"""One run of one action: the ports, the record and what it may do now."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ha_actions.deciders.policy import load
from ha_actions.deciders.returning import moved
from ha_actions.errors import NoAnswer, Refused, Transient
from ha_actions.fencing.operator_word import with_testimony, with_word
from ha_actions.fencing.proof import counts, look_again
from ha_actions.model import (
    Aggregate,
    Batch,
    Claim,
    Guest,
    Host,
    Incident,
    Outcome,
    Planned,
    Proof,
    Refusal,
    Requires,
    Ruling,
    Says,
    Testimony,
    Verdict,
)
from ha_actions.outside import Outside
from ha_actions.ports import Cloud, Fence, Stacks
from ha_actions.records.batches import Batches, Outcomes
from ha_actions.records.claims import LEASE_S
from ha_actions.records.incidents import Record
from ha_actions.settings import Policy

T = TypeVar("T")

AGGREGATES_S = 300.0
"""So long an incident goes by the aggregates that it was opened with."""

MANY_PLACES = 5000
"""Hosts in aggregates, beyond which they are not kept: an entry of the ledger
is bounded."""

PATIENCE_S = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Pauses between tries of a call that may be tried again; the last repeats."""


@dataclass(frozen=True)
class Aggregates:
    """The form in which an opening keeps the cloud's aggregates."""

    aggregates: tuple[Aggregate, ...]


class Run:
    """What a step works with. Nothing in it outlives the action's call."""

    def __init__(self, outside: Outside, execution: str, holder: str) -> None:
        self.outside = outside
        self.execution = execution
        """Id of the root workflow execution, as starters know it."""
        self.holder = holder
        self.clock = outside.clock
        self.journal = outside.journal
        self.record = Record(outside.ledger, outside.clock)
        self.read_at = 0.0
        """When the oldest reading was taken that the proof stands on."""

    # -- reading ----------------------------------------------------------
    def incident(self, id: str) -> Incident:
        """An incident by id; retried while the ledger does not answer."""
        return self.patiently(lambda: self.record.incident(id))

    def policy(self, incident: Incident) -> Policy:
        """The policy that the incident is pinned to."""
        text = self.patiently(lambda: self.record.policy_text(incident.policy))
        return load(text)

    def cloud(self, incident: Incident) -> Cloud:
        """A cloud whose every call carries the incident's request id."""
        return self.outside.cloud(incident.request_id)

    def stacks(self, incident: Incident) -> Stacks | None:
        """Heat, whose every call carries the incident's request id."""
        of = self.outside.stacks
        return of(incident.request_id) if of else None

    def copies(
        self, incident: Incident, cloud: Cloud, guests: Iterable[Planned]
    ) -> dict[str, Guest]:
        """Old guest id -> the server in its place: made by us, or by the
        stack that it belongs to."""
        owners: dict[str, str] = {}
        stacked: set[str] = set()
        for p in guests:
            owners[p.guest.id] = p.guest.project
            if p.stack is not None:
                stacked.add(p.guest.id)
        found = self.patiently(lambda: cloud.copies(owners)) if owners else {}
        if not stacked:
            return found
        new = {
            o.guest: o.new_id
            for part in self.record.parts(incident.id, "outcome.")
            for o in self.outcomes(
                incident.id, part.removeprefix("outcome.")
            ).values()
            if o.guest in stacked and o.new_id
        }
        there = self.patiently(lambda: cloud.guests(set(new.values())))
        return found | {
            old: there[id] for old, id in new.items() if id in there
        }

    def host(self, incident: Incident) -> Host:
        """The host as Nova showed it when the incident was opened."""
        found = self.record.part(incident.id, "host", Host)
        return found or unlisted(incident.host)

    def host_now(
        self, incident: Incident, cloud: Cloud, max_age_s: float = 0.0
    ) -> Host:
        """The host as Nova shows it this moment, without its aggregates'
        names; unlisted: no service id.

        :param max_age_s: a listing of this process may be so old.
        """
        hosts = self.patiently(
            lambda: cloud.hosts(brief=True, max_age_s=max_age_s)
        )
        found = host_named(incident.host, hosts)
        return found or unlisted(incident.host)

    def aggregates(self, incident: Incident, cloud: Cloud) -> list[Aggregate]:
        """Every aggregate: as it was opened, then as Nova has them."""
        if self.clock.now() - incident.opened_at < AGGREGATES_S:
            kept = self.record.part(incident.id, "aggregates", Aggregates)
            if kept is not None:
                return list(kept.aggregates)
        return self.patiently(cloud.aggregates)

    def keep_aggregates(self, incident: Incident, cloud: Cloud) -> None:
        """Remember them for the incident's other actions."""
        found = self.patiently(cloud.aggregates)
        if sum(len(a.hosts) for a in found) <= MANY_PLACES:
            value = Aggregates(tuple(found))
            self.record.keep(incident.id, "aggregates", value)

    def hear(
        self, policy: Policy, cloud: Cloud, host: Host
    ) -> list[Testimony]:
        """Every witness of the policy, side by side; none can be missing."""
        known = self.outside.witnesses(policy, cloud)

        def ask(name: str) -> Testimony:
            if name in known:
                return known[name].testify(host)
            return Testimony(
                witness=name,
                host=host.name,
                says=Says.SILENT,
                observed_at=self.clock.now(),
                detail="not installed on this executor",
            )

        heard = self.clock.together(
            [partial(ask, name) for name in policy.witnesses.ask],
            at_most=8,
        )
        return self.patiently(
            lambda: with_testimony(
                heard, self.record, host.name, policy.fencing
            )
        )

    def fences(self, incident: Incident, policy: Policy) -> list[Fence]:
        """The host's devices, and the word of persons if it counts."""
        devices = self.outside.fences(incident.host)
        return self.patiently(
            lambda: with_word(devices, self.record, incident, policy.fencing)
        )

    def refuse(self, incident: Incident, refusal: Refusal) -> None:
        """Remember why it stops; the close will hold the incident for it."""
        self.record.keep(incident.id, "refusal", refusal)
        self.journal.note(
            "refusal", incident.host, f"{refusal.code}: {refusal.reason}"
        )

    def batch(self, incident: str, id: str) -> Batch:
        """A batch of the plan, from the ledger and never from an input."""
        found = self.record.part(incident, f"batch.{id}", Batches)
        if found is None:
            raise Refused(
                "no_batch",
                f"Incident {incident} has no batch {id!r} in its plan.",
            )
        return found.batch

    def outcomes(self, incident: str, batch: str) -> dict[str, Outcome]:
        """Guest id -> outcome, as far as the batch has got."""
        found = self.record.part(incident, f"outcome.{batch}", Outcomes)
        return {o.guest: o for o in found.outcomes} if found else {}

    def keep_outcomes(
        self, incident: str, batch: str, outcomes: dict[str, Outcome]
    ) -> None:
        """Remember how far the batch has got."""
        value = Outcomes(tuple(outcomes.values()))
        self.record.keep(incident, f"outcome.{batch}", value)

    # -- leave to act -----------------------------------------------------
    def permit(
        self,
        incident: Incident,
        aggregates: tuple[str, ...],
        claim: Claim | None,
        subject: str,
        lease_s: float = LEASE_S,
    ) -> Claim:
        """A claim that is good now, checked against disarm and dry run.

        :raises Refused: ``disarmed``, ``dry_run``, ``aborted`` or
            ``superseded``.
        """
        if incident.dry_run:
            raise Refused("dry_run", "This incident is a dry run.")
        brake = self.record.disarmed(incident.host, aggregates)
        if brake is not None:
            raise Refused(
                "disarmed",
                f"Disarmed ({brake.scope}) by {brake.by}: {brake.because}.",
                until=brake.until,
            )
        opened = self.record.opened(incident.host)
        if opened is None or opened.incident.id != incident.id:
            raise Refused(
                "aborted", f"Incident {incident.id} is not open any more."
            )
        if opened.held:  # closed over our head: an action outlives its task
            raise Refused(
                "superseded",
                f"Incident {incident.id} is held ({opened.held}); this run "
                "of an ended attempt stops.",
            )
        if claim is None:
            return self.record.claim(
                incident.id, subject, self.holder, lease_s
            )
        if claim.until - self.clock.now() < lease_s / 2:
            return self.record.renew(claim, lease_s)
        return claim

    def check_requirement(
        self,
        incident: Incident,
        policy: Policy,
        cloud: Cloud,
        requires: Requires,
        *,
        claim: Claim | None = None,
        ask_nova: bool = True,
    ) -> None:
        """Hold the proof up against the devices, right before acting.

        :param claim: the caller's, for devices that look only under one.
        :param ask_nova: also for a life of the host; a slow Nova need not
            be asked between two calls of one batch.

        :raises Refused: ``no_proof``, or ``proof_void``.
        """
        if requires is not Requires.PROOF:
            return
        proof = self.record.proof(incident.id)
        if proof is None:
            raise Refused(
                "no_proof", f"Host {incident.host} is not proven dead."
            )
        reason = self.proof_void(
            incident, policy, cloud, proof, claim=claim, ask_nova=ask_nova
        )
        if reason:
            raise Refused("proof_void", f"{incident.host}: {reason}.")

    def proof_void(
        self,
        incident: Incident,
        policy: Policy,
        cloud: Cloud,
        proof: Proof,
        *,
        claim: Claim | None = None,
        ask_nova: bool = True,
    ) -> str:
        """Why the proof does not hold any more; it is then void for all.

        Readings without a cut, and Nova's heartbeat: one that moved since
        the host was marked down was sent by a live nova-compute. A host that
        a person has let back in since then has lived. Empty while the proof
        holds.
        """
        # Nova first: it may be slow, and the readings must be fresh
        lived = self._lived(incident, cloud) if ask_nova else ""
        rules = policy.fencing
        fences = self.fences(incident, policy)
        off, readings = look_again(
            fences,
            rules.accept,
            rules.devices,
            proven=proof.evidence,
            fresh_s=rules.fresh_s,
            claim=claim,
        )
        self.read_at = min(
            (
                r.at
                for f, r in zip(fences, readings, strict=True)
                if counts(f, r, rules.accept)
            ),
            default=0.0,
        )
        said = ", ".join(
            f"{r.device} {r.power} {r.detail}".strip() for r in readings
        )
        reason = lived if off else f"the host no longer reads Off ({said})"
        if reason:
            self.record.void_proof(incident.id, reason)
            self.journal.note("proof", incident.host, f"void: {reason}")
        return reason

    def verdict_void(self, incident: Incident, cloud: Cloud) -> str:
        """Why the verdict does not hold any more, for what needs no proof.

        It was not DOWN, the proof that followed it became void, or Nova
        shows a life of the host since. Empty while it holds.
        """
        verdict = self.record.part(incident.id, "verdict", Verdict)
        if verdict is None or verdict.ruling is not Ruling.DOWN:
            return "the last verdict is not DOWN"
        if self.record.voided_at(incident.id) > verdict.at:
            return "its proof became void, and it was not judged since"
        return self.lived_since_verdict(incident, cloud)

    def lived_since_verdict(self, incident: Incident, cloud: Cloud) -> str:
        """What Nova shows of a life since the host was judged."""
        judged = self.record.part(incident.id, "judged", Host)
        if judged is None:
            return ""
        marked = self.record.part(incident.id, "marked", Host)
        now = self.host_now(incident, cloud)
        if marked is not None and marked.updated_at >= judged.updated_at:
            return _lived_since(marked, now)  # our own PUT came after it
        if moved(judged, now):
            return "its nova-compute sent a heartbeat after the verdict"
        return ""

    def _lived(self, incident: Incident, cloud: Cloud) -> str:
        """What Nova shows of a life since the host was marked down."""
        marked = self.record.part(incident.id, "marked", Host)
        if marked is None:
            return ""
        return _lived_since(marked, self.host_now(incident, cloud))

    # -- patience ---------------------------------------------------------
    def patiently(self, call: Callable[[], T], for_s: float = 120.0) -> T:
        """Try again what is transient, up to ``for_s``.

        ``NoAnswer`` is not tried again: the change may have been made.
        """
        until = self.clock.now() + for_s
        n = 0
        while True:
            try:
                return call()
            except NoAnswer:
                raise
            except Transient as error:
                asked = float(error.facts.get("retry_after_s", 0.0))
                pause = max(PATIENCE_S[min(n, len(PATIENCE_S) - 1)], asked)
                if self.clock.now() + pause > until:
                    raise
                n += 1
                self.clock.sleep(pause)


def _lived_since(marked: Host, now: Host) -> str:
    """What Nova shows of a life since it showed the host as marked down."""
    if marked.forced_down and now.service_id and not now.forced_down:
        return "somebody has lifted its forced_down since the cut"
    if moved(marked, now):
        return "its nova-compute sent a heartbeat after the cut"
    return ""


def unlisted(name: str) -> Host:
    """A host of which Nova says nothing."""
    return Host(name=name, service_id="", up=False)


def host_named(name: str, hosts: list[Host]) -> Host | None:
    """The host of exactly this name: a short name is another host."""
    return next((h for h in hosts if h.name == name), None)
