"""ha.fence_host: the host cannot write any more, and Nova knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.certificate import certificate
from ha_actions.deciders.returning import MARK
from ha_actions.errors import Failed, Refused, Transient
from ha_actions.fencing.proof import prove_dead
from ha_actions.model import (
    Claim,
    Evidence,
    Host,
    Incident,
    Proof,
    Refusal,
    Ruling,
    Says,
    Verdict,
)
from ha_actions.records import cut_off
from ha_actions.settings import Policy
from ha_actions.step_parts.hearing import hear_after_off
from ha_actions.step_parts.run import Run

DEADLINE_S = 2350
KDUMP = "kdump"
DUMP_POLL_S = 5.0
VOIDS = 3
"""So often a proof may become void before a person must look."""


@dataclass(frozen=True)
class Dump:
    """Since when the host is known to dump its crash."""

    since: float


@dataclass
class FenceHost(HaAction):
    """A proof, or a refusal that says what was tried.

    :returns: ``{next: plan | assess | close, proven}``. Without a proof the
        plan holds only what the verdict is enough for; ``assess`` when an
        earlier try's proof has become void.
    """

    incident: str

    def perform(self, run: Run) -> dict[str, Any]:
        """Cut and prove, unless a proof holds; then tell Nova, once."""
        incident = run.incident(self.incident)
        policy = run.policy(incident)
        if incident.dry_run:
            names = [f.name for f in run.outside.fences(incident.host)]
            would = f"would cut by {', then '.join(names)}"
            text = would if names else "has no fence: could not be proven dead"
            run.journal.note("fence", incident.host, f"dry run: {text}")
            return {"next": "plan", "proven": False}
        if _is_void(run, incident, policy):
            if run.record.voids(incident.id) <= VOIDS:
                return {"next": "assess", "proven": False}
            reason = f"{VOIDS} proofs became void; look at the host"
            run.refuse(incident, Refusal(code="proof_void", reason=reason))
            return {"next": "close", "proven": False}
        if _dump_ended(run, incident, policy) or _has_lived(
            run, incident, policy
        ):
            return {"next": "assess", "proven": False}
        try:
            answer = self._proof(run, incident, policy)
            if isinstance(answer, Proof):
                _tell_nova(run, incident)
        except Refused as refused:
            if refused.code in ("superseded", "no_verdict"):
                raise  # another attempt writes what comes of it
            answer = Refusal(code=refused.code, reason=refused.message)
        if isinstance(answer, Refusal):
            run.refuse(incident, answer)
            stop = answer.code not in ("not_proven", "no_fence")
            return {"next": "close" if stop else "plan", "proven": False}
        return {"next": "plan", "proven": True}

    def _proof(
        self, run: Run, incident: Incident, policy: Policy
    ) -> Proof | Refusal:
        fences = run.fences(incident, policy)
        held = run.record.proof(incident.id)
        if held is not None:
            return held
        host = run.host(incident)
        cloud = run.cloud(incident)
        claim: list[Claim] = []
        accepted = [
            f for f in fences if f.evidence.value in policy.fencing.accept
        ]

        def permit() -> Claim:
            held = claim[-1] if claim else None
            _still_down(run, incident)
            claim.append(run.permit(incident, host.aggregates, held, "fence"))
            if held is None and cut_off.barriers_of(accepted):
                cut_off.remember(run.record, incident)
            return claim[-1]

        answer = prove_dead(
            incident.host,
            incident.id,
            fences,
            policy.fencing,
            clock=run.clock,
            permit=permit,
            hear=lambda: hear_after_off(run, incident, policy, cloud),
            journal=run.journal,
        )
        if isinstance(answer, Proof):
            run.record.add_proof(incident.id, answer)
            run.journal.note(
                "proof",
                incident.host,
                answer.rule,
                certificate=certificate(answer),
            )
            if answer.evidence is Evidence.OPERATOR:
                told = f"proven by persons, not by a device: {answer.rule}"
                run.journal.tell(incident.host, told)
        if claim:
            run.record.release(claim[-1])
        return answer


def _dump_ended(run: Run, incident: Incident, policy: Policy) -> bool:
    """Wait for the end of a crash dump; whether there was one.

    A crashed kernel runs no guest, and a cut would lose why it crashed. What
    reboots after its dump may live: then it is judged afresh. The wait is
    bounded for the whole incident.
    """
    wait_s = policy.fencing.kdump_s
    known = run.outside.witnesses(policy, run.cloud(incident))
    if not wait_s or KDUMP not in known:
        return False
    verdict = run.record.part(incident.id, "verdict", Verdict)
    heard = verdict.testimonies if verdict else ()
    if not any(t.witness == KDUMP and t.says is Says.DEAD for t in heard):
        return False
    dump = run.record.part(incident.id, "dump", Dump)
    if dump is None:
        dump = Dump(run.clock.now())
        run.record.keep(incident.id, "dump", dump)
        text = f"dumps its crash: not cut for {wait_s} s at most"
        run.journal.note("fence", incident.host, text)
    host = run.host(incident)
    waited = False
    while run.clock.now() < dump.since + wait_s:
        if known[KDUMP].testify(host).says is not Says.DEAD:
            if waited:
                run.journal.note("fence", incident.host, "its dump has ended")
            return waited
        waited = True
        run.clock.sleep(DUMP_POLL_S)
    return waited


def _has_lived(run: Run, incident: Incident, policy: Policy) -> bool:
    """Whether it was heard since it was judged: it is judged again, not cut.

    Draining and planning lie in between, and a host may come back in that
    time. Nova's silence is no news; and a host whose service comes and goes
    is not judged for ever. A verdict as young as a reading may be
    (``fencing.fresh_s``) has just heard it.
    """
    verdict = run.record.part(incident.id, "verdict", Verdict)
    if verdict and run.clock.now() - verdict.at <= policy.fencing.fresh_s:
        return False
    if run.record.proof(incident.id) or run.record.may_have_cut(incident.id):
        return False
    doubts = len(run.record.parts(incident.id, "doubt."))
    if doubts >= VOIDS:
        return False
    try:
        lived = run.lived_since_verdict(incident, run.cloud(incident))
    except Transient:
        return False
    if lived:
        doubt = {"reason": lived, "at": run.clock.now()}
        run.record.keep(incident.id, f"doubt.{doubts + 1}", doubt)
        run.journal.note("fence", incident.host, f"not cut: {lived}")
    return bool(lived)


def _is_void(run: Run, incident: Incident, policy: Policy) -> bool:
    """A proof of an earlier try no longer holds: judge the host afresh."""
    proof = run.record.proof(incident.id)
    return proof is not None and bool(
        run.proof_void(incident, policy, run.cloud(incident), proof)
    )


def _still_down(run: Run, incident: Incident) -> None:
    """The last verdict is looked at before each cut: another attempt may
    have judged meanwhile.

    :raises Refused: ``no_verdict``.
    """
    verdict = run.record.part(incident.id, "verdict", Verdict)
    if verdict is None or verdict.ruling is not Ruling.DOWN:
        raise Refused(
            "no_verdict",
            f"The last verdict on {incident.host} is not DOWN, so it is not "
            "cut.",
        )


def _tell_nova(run: Run, incident: Incident) -> None:
    """Force the service down, so that Nova lets guests leave it."""
    host = run.host(incident)
    reason = f"{MARK}{incident.id}"
    cloud = run.cloud(incident)
    if _is_marked(run, incident, reason):
        return
    claim = run.permit(incident, host.aggregates, None, "mark_down")
    try:
        marked = run.patiently(
            lambda: cloud.mark_down(host, reason, claim), for_s=45
        )
    except Failed as error:
        run.journal.tell(incident.host, f"Nova: {error.message}")
        raise
    run.record.release(claim)
    # as of this PUT: any heartbeat after it must show
    run.record.keep(incident.id, "marked", marked)
    run.journal.note("fence", incident.host, "forced down and disabled")


def _is_marked(run: Run, incident: Incident, reason: str) -> bool:
    """Whether an earlier attempt's mark stands, and nothing moved since.

    A needless PUT would look like a heartbeat to who dies right after it.
    """
    marked = run.record.part(incident.id, "marked", Host)
    if marked is None:
        return False
    now = run.patiently(
        lambda: run.host_now(incident, run.cloud(incident)), for_s=45
    )
    return (
        now.forced_down
        and not now.enabled
        and now.disabled_reason == reason
        and now.updated_at == marked.updated_at
    )
