"""ha.assess_return: may this host come back, and is it ready to?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.returning import PASSING, Known, may_return
from ha_actions.errors import BadInput
from ha_actions.model import Refusal
from ha_actions.settings import Policy
from ha_actions.step_parts.returns import look, policy_now, tell_once
from ha_actions.step_parts.run import Run

DEADLINE_S = 800
LOOK_S = 5.0


@dataclass
class AssessReturn(HaAction):
    """Look, and when a person asks, wait a while for what passes by itself.

    Nothing is changed but the ledger.

    :returns: ``{next: readmit | stop, incident, state, code, summary}``;
        the incident is the one whose end was looked at.
    """

    host: str
    asked: bool = True
    because: str = ""
    rebooted: bool = False

    def perform(self, run: Run) -> dict[str, Any]:
        """A refusal is an answer, not an error."""
        try:
            known, no = self._look(run)
        except BadInput as wrong:
            if self.asked:
                return _stop(wrong.code, wrong.message)
            raise
        if no is not None:
            tell_once(run, known, no, asked=self.asked)
            return _stop(no.code, no.reason)
        return {
            "next": "readmit",
            "incident": known.incident,
            "state": "ready",
            "code": "",
            "summary": f"{self.host} may come back",
        }

    def _look(self, run: Run) -> tuple[Known, Refusal | None]:
        policy = policy_now(run)
        until = run.clock.now() + policy.returning.wait_s
        while True:
            known = look(run, self.host, policy)
            no = self._decide(run, known, policy)
            passes = no is not None and no.code in PASSING
            if not passes or not self.asked or run.clock.now() >= until:
                return known, no
            run.clock.sleep(LOOK_S)

    def _decide(
        self, run: Run, known: Known, policy: Policy
    ) -> Refusal | None:
        if self.rebooted and self.because.strip() and known.cut_off:
            known = seen_by_a_person(known)
        brake = run.record.disarmed(self.host, known.host.aggregates)
        if brake is None and not self.asked:
            brake = run.record.maintenance().get(self.host)
        if brake is not None:
            return Refusal(
                code="disarmed",
                reason=f"{brake.scope} by {brake.by}: {brake.because}",
            )
        return may_return(
            known,
            policy.returning,
            run.clock.now(),
            because=self.because.strip(),
        )


def seen_by_a_person(known: Known) -> Known:
    """As if a device had read Off: somebody says that it was rebooted."""
    return replace(known, seen_off=True)


def _stop(code: str, reason: str) -> dict[str, Any]:
    return {
        "next": "stop",
        "incident": "",
        "state": "refused",
        "code": code,
        "summary": f"{code}: {reason}",
    }
