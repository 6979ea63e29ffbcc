"""What every step on a batch of guests shares: claim, proof, outcomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ha_actions.action import HaAction
from ha_actions.errors import HaError, Refused, Transient
from ha_actions.model import (
    Claim,
    Guest,
    Host,
    Outcome,
    Planned,
    Refusal,
    Requires,
    Result,
)
from ha_actions.records.claims import LEASE_S
from ha_actions.step_parts.run import Run

LOOKS = 3
"""So often the devices are asked for a reading that is fresh enough."""

NO_ANSWER_S = 60.0
"""A POST without an answer may still be at work in Nova for this long."""

AHEAD = "a"
"""With it the ids of batches begin that ha.plan_ahead made."""


class Job:
    """One batch in work: who is still to do, and leave to act on them."""

    def __init__(self, run: Run, incident: str, batch: str, step: str) -> None:
        self.run = run
        self.step = step
        self.incident = run.incident(incident)
        self.policy = run.policy(self.incident)
        self.cloud = run.cloud(self.incident)
        self.host: Host = run.host(self.incident)
        self.batch = run.batch(incident, batch)
        self.until = run.clock.now() + self.policy.recovery.deadline_s
        self._claim: Claim | None = None
        self.taken_over = False
        """Whether an earlier run of this batch ended in the middle."""
        self.quiet_until = 0.0
        """Until then a call of that run may still be at work in Nova."""
        self.asked_until = 0.0
        """Until then a service that answered 429 or 503 wants its peace."""
        self.verdict_until: float | None = None
        """Of a step that acts on the verdict alone: until then it need not
        be looked at again. None: the step does not stand on it."""
        self._before = run.outcomes(incident, batch)
        self.outcomes = _good(self._before)
        if batch.startswith(AHEAD) and self._is_whole(self._before):
            # the same attempt has come to its end with it beside the fence
            self.outcomes = dict(self._before)

    @property
    def todo(self) -> list[Planned]:
        """Guests without an outcome, in the plan's order."""
        return [
            p for p in self.batch.guests if p.guest.id not in self.outcomes
        ]

    @property
    def in_time(self) -> bool:
        """Whether the step's deadline has not passed."""
        return self.run.clock.now() < self.until

    def hold(self) -> Claim:
        """Keep the claim while waiting; what was done before is known."""
        first = self._claim is None
        self._claim = self.run.permit(
            self.incident,
            self.host.aggregates,
            self._claim,
            self.batch.id,
        )
        if first and self._claim.number > 1:
            self.taken_over = True
            ended = self.run.record.former_end(self._claim)
            self.quiet_until = ended + NO_ANSWER_S
            self._adopt()
        return self._claim

    def keep(self) -> None:
        """Keep the claim while only looking: whatever people have said.

        :raises Refused: ``superseded``.
        """
        claim, now = self._claim, self.run.clock.now()
        if claim is not None and claim.until - now < LEASE_S / 2:
            self._claim = self.run.record.renew(claim)

    def permit(self) -> Claim:
        """Leave to act now: claimed, armed, and the proof held up again."""
        claim = self.hold()
        self.run.check_requirement(
            self.incident,
            self.policy,
            self.cloud,
            self.batch.requires,
            claim=claim,
        )
        return claim

    def stand_on_verdict(self) -> None:
        """From now on, look before each turn whether the host has lived."""
        self.verdict_until = 0.0

    def _look_at_verdict(self) -> None:
        """:raises Refused: ``verdict_void``."""
        now = self.run.clock.now()
        if self.verdict_until is None or now < self.verdict_until:
            return
        reason = self.run.verdict_void(self.incident, self.cloud)
        if reason:
            raise Refused(VERDICT_VOID, f"{self.host.name}: {reason}.")
        self.verdict_until = now + self.policy.fencing.fresh_s

    def _is_whole(self, outcomes: dict[str, Outcome]) -> bool:
        return len(outcomes) == len(self.batch.guests)

    def _adopt(self) -> None:
        """What another run has settled while we waited for its claim.

        All of it if it came to its end then: that was this step.
        """
        now = self.run.outcomes(self.incident.id, self.batch.id)
        whole = self._is_whole(now) and now != self._before
        self.outcomes = now if whole else {**_good(now), **self.outcomes}

    def copies(self) -> dict[str, Guest]:
        """Old guest id -> the server in its place, for this batch."""
        return self.run.copies(self.incident, self.cloud, self.batch.guests)

    def together(self, jobs: Sequence[Callable[[Claim], None]]) -> None:
        """Some calls side by side, as many as the policy allows.

        A slow API must not outlive the leave, nor the readings that the
        proof stands on: what waits for its turn gets ones that are good when
        the turn comes.
        """
        n = self.policy.recovery.side_by_side
        claim = self.permit()
        for i in range(0, len(jobs), n):
            if claim.until - self.run.clock.now() < LEASE_S / 2:
                claim = self.permit()
            self._refresh()
            turn = [partial(job, claim) for job in jobs[i : i + n]]
            self.run.clock.together(turn, n)

    def _refresh(self) -> None:
        """Read the devices again if what was read is not fresh any more.

        :raises Refused: ``stale_reading``, beside ``proof_void`` and
            ``verdict_void``.
        """
        self._look_at_verdict()
        for _ in range(LOOKS):
            if not self._stale():
                return
            self.run.check_requirement(
                self.incident,
                self.policy,
                self.cloud,
                self.batch.requires,
                claim=self._claim,
                ask_nova=False,
            )
        if self._stale():
            raise Refused(
                "stale_reading",
                f"The devices of {self.incident.host} answer too slowly: a "
                f"reading was older than {self.policy.fencing.fresh_s:g} s "
                f"(policy: fencing.fresh_s) {LOOKS} times; nothing was done.",
            )

    def _stale(self) -> bool:
        """Whether the proof at hand was read too long ago."""
        if self.batch.requires is not Requires.PROOF:
            return False
        age = self.run.clock.now() - self.run.read_at
        return age > self.policy.fencing.fresh_s

    def settle(
        self,
        planned: Planned,
        result: Result,
        reason: str,
        *,
        code: str = "",
        host: str = "",
        new_id: str = "",
    ) -> None:
        """This guest's step has ended."""
        guest = planned.guest
        self.outcomes[guest.id] = Outcome(
            guest=guest.id,
            name=guest.name,
            step=self.step,
            result=result,
            reason=reason,
            code=code,
            host=host,
            at=self.run.clock.now(),
            new_id=new_id,
        )
        self.run.journal.note(
            "step", guest.name, f"{self.step}: {result}, {reason}"
        )

    def settle_rest(self, result: Result, code: str, reason: str) -> None:
        """Everybody who is left ends the same way."""
        for planned in self.todo:
            self.settle(planned, result, reason, code=code)

    def pause(self, seconds: float) -> None:
        """Wait for the next round; longer if a busy service asked for it."""
        rest = self.asked_until - self.run.clock.now()
        self.run.clock.sleep(max(seconds, rest))

    def trying(self, planned: Planned, call: Callable[[], None]) -> None:
        """Do one guest's call; its failure is its outcome alone.

        ``Transient`` leaves the guest to the next round; ``superseded`` and
        the like end the whole step.
        """
        try:
            call()
        except Transient as error:
            asked = float(error.facts.get("retry_after_s", 0.0))
            self.asked_until = max(
                self.asked_until, self.run.clock.now() + asked
            )
        except Refused as error:
            if error.code in STOPS:
                raise
            self.settle(
                planned, Result.REFUSED, error.message, code=error.code
            )
        except HaError as error:
            self.settle(planned, Result.FAILED, error.message, code=error.code)

    def end(self) -> dict[str, Any]:
        """Keep the outcomes, free the claim, and count."""
        self.run.keep_outcomes(self.incident.id, self.batch.id, self.outcomes)
        if self._claim is not None:
            self.run.record.release(self._claim)
        counts: dict[str, int] = {}
        for outcome in self.outcomes.values():
            word = outcome.result.value
            counts[word] = counts.get(word, 0) + 1
        return {"batch": self.batch.id, "counts": counts}


def _good(outcomes: dict[str, Outcome]) -> dict[str, Outcome]:
    """Those that ended well: the others are tried again."""
    return {
        id: o
        for id, o in outcomes.items()
        if o.result in (Result.DONE, Result.ALREADY)
    }


VERDICT_VOID = "verdict_void"

STOPS = frozenset(
    {
        "superseded",
        "disarmed",
        "aborted",
        "dry_run",
        "no_proof",
        "proof_void",
        VERDICT_VOID,
    }
)
"""Refusals that are about the incident, not about one guest."""


@dataclass
class BatchStep(HaAction):
    """A step on one batch; subclasses say what they do in ``work``."""

    incident: str
    batch: str

    def perform(self, run: Run) -> dict[str, Any]:
        """Work until everybody has an outcome, or the deadline passes."""
        job = Job(run, self.incident, self.batch, self.step_name())
        if not job.todo:
            return {"batch": self.batch, "counts": {}}
        try:
            job.hold()  # first: what is seen while another works is stale
            self.work(job)
        except Refused as refusal:
            if refusal.code == "superseded":  # the other one writes outcomes
                return {"batch": self.batch, "counts": {"superseded": 1}}
            job.settle_rest(Result.REFUSED, refusal.code, refusal.message)
            if refusal.code == "disarmed":  # the whole incident waits for it
                no = Refusal(code=refusal.code, reason=refusal.message)
                run.refuse(job.incident, no)
        job.settle_rest(
            Result.FAILED,
            "deadline",
            f"not done within {job.policy.recovery.deadline_s} s",
        )
        return job.end()

    def step_name(self) -> str:
        """The step's Mistral name, as the plan writes it."""
        raise Refused("abstract", "This is not a step by itself.")

    def work(self, job: Job) -> None:
        """Settle every guest of ``job.todo``, as far as time allows."""
        raise Refused("abstract", "This is not a step by itself.")
