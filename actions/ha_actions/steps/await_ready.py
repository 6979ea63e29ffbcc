"""ha.await_ready: others wait for these guests; are they ready?"""

from __future__ import annotations

from dataclasses import dataclass

from ha_actions.batch_step import BatchStep, Job
from ha_actions.model import Guest, Planned, Requires, Result
from ha_actions.probe import probe
from ha_actions.run import Run

REQUIRES = Requires.VERDICT
DEADLINE_S = 2300


@dataclass
class AwaitReady(BatchStep):
    """Wait until each guest answers its probe, or the ready time is over.

    A guest without a probe, or on a network that the policy does not let us
    probe, is taken for ready and blocks nobody.
    """

    def step_name(self) -> str:
        """Its Mistral name."""
        return "ha.await_ready"

    def work(self, job: Job) -> None:
        """Ask everybody, until all have answered or it is too late."""
        run: Run = job.run
        until = run.clock.now() + job.policy.recovery.ready_s
        ids = [p.guest.id for p in job.todo]
        copies = job.copies()
        here = run.patiently(lambda: job.cloud.guests(ids))
        here.update(copies)
        while job.todo:
            late = run.clock.now() >= until
            for planned in job.todo:
                self._ask(job, planned, here, late)
            if job.todo:
                run.clock.sleep(job.policy.recovery.poll_s)

    def _ask(
        self,
        job: Job,
        planned: Planned,
        here: dict[str, Guest],
        late: bool,
    ) -> None:
        guest = here.get(planned.guest.id, planned.guest)
        answer = probe(
            guest,
            planned.choice.probe,
            job.policy.probe_networks,
            job.run.outside.network,
        )
        if answer.ready:
            job.settle(planned, Result.DONE, answer.reason)
        elif answer.unprobed:
            job.settle(planned, Result.ALREADY, answer.reason, code="unprobed")
        elif late:
            job.settle(planned, Result.FAILED, answer.reason, code="not_ready")
