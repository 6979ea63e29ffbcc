"""ha.fail_over_balancers: Octavia replaces its own servers, watched."""

from __future__ import annotations

from dataclasses import dataclass

from ha_actions.errors import Failed, NoAnswer, Transient
from ha_actions.model import Claim, Planned, Requires, Result
from ha_actions.step_parts.batch_step import NO_ANSWER_S, BatchStep, Job

REQUIRES = Requires.PROOF
DEADLINE_S = 2300

BUSY = "PENDING_"
"""How Octavia's words for a change under way begin."""


@dataclass
class FailOverBalancers(BatchStep):
    """Ask for one failover of each load balancer, and watch it to ACTIVE.

    Octavia's health manager may have been faster: then it is only watched.
    An amphora itself is never touched.
    """

    def step_name(self) -> str:
        """Its Mistral name."""
        return "ha.fail_over_balancers"

    def work(self, job: Job) -> None:
        """Rounds of look, act, wait: two calls each, whatever the number."""
        watch = _Failovers(job)
        while job.todo and job.in_time:
            watch.round()
            if job.todo:
                job.run.clock.sleep(job.policy.recovery.poll_s)


class _Failovers:
    """What was asked; whether it runs is read from Octavia."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.asked: dict[str, float] = {}
        self.seen_busy: set[str] = set()

    def round(self) -> None:
        """One look at everybody, then at most one call for each."""
        job = self.job
        lbs: dict[str, list[Planned]] = {}
        for planned in job.todo:
            lbs.setdefault(planned.balancer, []).append(planned)
        states = job.run.patiently(lambda: job.cloud.balancer_states(lbs))
        amphorae = job.run.patiently(job.cloud.amphorae)
        for lb, mine in lbs.items():
            ids = {p.guest.id for p in mine}
            old = any(a.compute in ids and a.lb == lb for a in amphorae)
            self._one(lb, mine, states.get(lb, ""), old)

    def _one(
        self, lb: str, mine: list[Planned], state: str, old: bool
    ) -> None:
        """Decide for one load balancer.

        :param old: whether Octavia still counts on an amphora of the host.
        """
        asked = self.asked.get(lb)
        if not state:
            self._settle(mine, Result.ALREADY, "deleted", "deleted")
        elif state.startswith(BUSY):
            self.seen_busy.add(lb)
        elif state == "ACTIVE" and not old:
            done = Result.DONE if asked else Result.ALREADY
            self._settle(mine, done, "ACTIVE, with a new amphora")
        elif asked is not None and lb in self.seen_busy:
            self._settle(
                mine,
                Result.FAILED,
                f"{state} after its failover; see Octavia's worker log",
                "failover_failed",
            )
        elif asked is None or self._lost(asked):
            self._ask(lb, mine)

    def _lost(self, asked: float) -> bool:
        """A request that nobody answered, and that changed nothing."""
        return self.job.run.clock.now() - asked > NO_ANSWER_S

    def _ask(self, lb: str, mine: list[Planned]) -> None:
        claim = self.job.permit()
        self.job.trying(mine[0], lambda: self._send(lb, claim))
        no = self.job.outcomes.get(mine[0].guest.id)
        if no is not None:
            for planned in mine[1:]:
                self.job.settle(planned, no.result, no.reason, code=no.code)

    def _send(self, lb: str, claim: Claim) -> None:
        self.asked[lb] = self.job.run.clock.now()
        try:
            self.job.cloud.fail_over(lb, claim)
        except NoAnswer:
            return  # its state tells whether it was done
        except Transient:
            del self.asked[lb]
            raise
        except Failed as error:
            del self.asked[lb]
            if error.code != "conflict":
                raise
            # another change of it began: look again, then decide

    def _settle(
        self, mine: list[Planned], result: Result, text: str, code: str = ""
    ) -> None:
        for planned in mine:
            self.job.settle(
                planned,
                result,
                f"load balancer {planned.balancer} is {text}",
                code=code,
            )
