"""ha.restart_instance: one rung of the ladder, within its budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.policy import load
from ha_actions.deciders.server_failure import (
    MIGRATE,
    START,
    ended,
    next_rung,
    verb_for,
)
from ha_actions.errors import Failed, NoAnswer, Refused, Transient
from ha_actions.model import Claim, Guest, Host
from ha_actions.model.server import Climb, Rung, ServerFailure
from ha_actions.records.claims import LEASE_S
from ha_actions.records.server_record import ServerRecord
from ha_actions.step_parts.batch_step import NO_ANSWER_S
from ha_actions.step_parts.run import Run, host_named
from ha_actions.steps.open_instance_failure import hindrance

DEADLINE_S = 1500
GRACE_S = 15.0
"""A request that Nova took may not show in the server at once."""
SKEW_S = 5.0
"""How far Nova's clock may be behind ours."""


@dataclass
class RestartInstance(HaAction):
    """Look, ask once, look again; the ladder is kept in the ledger.

    :returns: ``{next: restart | close}``.
    """

    failure: str

    def perform(self, run: Run) -> dict[str, Any]:
        """Go on with the rung under way, or take the next one."""
        return _Ladder(run, self.failure).step()


class _Ladder:
    """One failure in work."""

    def __init__(self, run: Run, id: str) -> None:
        self.run = run
        self.record = ServerRecord(run.record)
        self.failure: ServerFailure = self.record.failure(id)
        text = run.record.policy_text(self.failure.policy)
        self.policy = load(text)
        self.cloud = run.outside.cloud(self.failure.request_id)
        self.climb = self.record.part(id, "climb", Climb) or Climb()
        self._claim: Claim | None = None

    def step(self) -> dict[str, Any]:
        """One rung."""
        if self.climb.stopped or self.failure.dry_run:
            return {"next": "close"}
        try:
            return self._step()
        except Refused as no:
            if no.code == "superseded":
                raise
            return self._stop(no.code, no.message)
        finally:
            if self._claim is not None:
                self.run.record.release(self._claim)

    def _step(self) -> dict[str, Any]:
        guest = self._look()
        if guest is None:
            return self._stop("deleted", "its owner has deleted it")
        rungs = self.climb.rungs
        rung = next_rung(rungs, self.policy.restart.ladder, self._now())
        if rung is None or (rungs and rungs[-1].ended == "runs"):
            return {"next": "close"}
        self._claim = self._permit()
        self._keep(rung)
        rung = self._work(rung)
        self._keep(rung)
        self.run.journal.note(
            "step", self.failure.name, f"{rung.name}: {rung.detail}"
        )
        return {"next": "close" if rung.ended == "runs" else "restart"}

    def _work(self, rung: Rung) -> Rung:
        if rung.asked_at and not self._known(rung):
            rung = self._forget(rung)  # an earlier run ended in the middle
        while self._now() < rung.until:
            guest = self._look()
            if guest is None:
                return ended(rung, "failed", "the server is gone")
            if self._runs(guest):
                return ended(rung, "runs", f"it runs on {guest.host}")
            if guest.task_state:
                self._pause()
                continue
            if rung.asked_at and guest.vm_state == "resized":
                self._ask("confirm_migrate")  # refused a second time: no harm
            elif rung.asked_at and self._young(rung):
                pass
            elif rung.asked_at and self._moved(rung, guest):
                rung = replace(rung, started_at=self._now())
                self._keep(rung)
                self._ask("start")
            elif rung.asked_at and self._known(rung):
                return ended(rung, "failed", f"it is {_state(guest)} again")
            elif rung.asked_at:
                rung = self._forget(rung)
            else:
                rung = self._first_ask(rung, guest)
                if rung.ended:
                    return rung
            self._pause()
        return ended(
            rung, "failed", "it does not run when its budget is used up"
        )

    def _first_ask(self, rung: Rung, guest: Guest) -> Rung:
        verb = verb_for(rung, guest)
        if not verb:
            how = f"cannot be done while it is {_state(guest)}"
            return ended(rung, "failed", how)
        rung = replace(rung, asked_at=self._now())
        self._keep(rung)
        wrong = self._ask(verb)
        return ended(rung, "failed", wrong) if wrong else rung

    def _ask(self, verb: str) -> str:
        """Send it; why Nova refuses, empty if it does not or is silent."""
        self._hear_host()
        claim = self._claim = self._permit()
        server = self.failure.server
        try:
            if verb == "migrate":
                self.cloud.migrate(server, claim)
            elif verb == "confirm_migrate":
                self.cloud.confirm_migrate(server, claim)
            else:
                self.cloud.set_power(server, verb, claim)
        except Failed as error:
            return error.message
        except NoAnswer:
            pass  # looked for among its actions, before another
        except Transient as error:
            return error.message
        return ""

    def _hear_host(self) -> None:
        """Its host's heartbeat moves between two looks of ours.

        Nova says "up" for a minute after a death. What is cast to a host that
        has died waits in its queue and is done when it returns: the server
        may run elsewhere by then.
        """
        guest = self._look()
        first = self._host_of(guest)
        until = self._now() + self.policy.witnesses.watch_s
        while first is not None:
            again = self._host_of(guest)
            if again is not None and again.updated_at > first.updated_at:
                return
            if self._now() >= until:
                raise Refused(
                    "host_silent",
                    f"Host {first.name} has sent no heartbeat for "
                    f"{self.policy.witnesses.watch_s} s; what is asked of it "
                    "now may be done after its return.",
                )
            self.run.clock.sleep(1.0)

    def _host_of(self, guest: Guest | None) -> Host | None:
        hosts = self.run.patiently(self.cloud.hosts)
        return host_named(guest.host, hosts) if guest else None

    def _known(self, rung: Rung) -> bool:
        """Whether Nova knows of what was asked last."""
        verb, since = rung.name, rung.asked_at
        if rung.started_at:
            verb, since = START, rung.started_at
        deeds = self.run.patiently(
            lambda: self.cloud.deeds(self.failure.server)
        )
        return any(d.at >= since - SKEW_S and d.action == verb for d in deeds)

    def _forget(self, rung: Rung) -> Rung:
        """What Nova knows nothing of is asked again, once that is sure.

        The run that asked, or its call, may have died on the way; so the
        budget begins anew.
        """
        last = max(rung.asked_at, rung.started_at)
        budget = self.policy.restart.ladder[rung.name]
        if self._now() < last + NO_ANSWER_S:
            return replace(rung, until=max(rung.until, last + 2 * NO_ANSWER_S))
        until = self._now() + budget
        if rung.started_at:
            return replace(rung, started_at=0.0, until=until)
        return replace(rung, asked_at=0.0, until=until)

    def _young(self, rung: Rung) -> bool:
        """Whether what was asked last may not show yet."""
        return self._now() < max(rung.asked_at, rung.started_at) + GRACE_S

    def _moved(self, rung: Rung, guest: Guest) -> bool:
        """Migrated, and off as it was: it must be started yet, once."""
        return (
            rung.name == MIGRATE
            and not rung.started_at
            and guest.host != self.failure.host
            and guest.vm_state == "stopped"
        )

    def _runs(self, guest: Guest) -> bool:
        """Running, and still so when it has had time to crash again."""
        if not _up(guest):
            return False
        self.run.clock.sleep(self.policy.restart.settle_s)
        again = self._look()
        return again is not None and _up(again)

    def _look(self) -> Guest | None:
        id = self.failure.server
        return self.run.patiently(
            lambda: self.cloud.guests([id], brief=True)
        ).get(id)

    def _permit(self) -> Claim:
        """Leave to act: ours still, nobody else's business, no brake."""
        entry = self.record.opened(self.failure.server)
        if entry is None or entry.failure.id != self.failure.id:
            raise Refused("superseded", "The failure is not open any more.")
        claim = self._claim
        if claim is None:
            claim = self.run.record.claim(
                self.failure.id, "ladder", self.run.holder
            )
        elif claim.until - self._now() < LEASE_S / 2:
            claim = self.run.record.renew(claim)
        self._check_others()
        return claim

    def _check_others(self) -> None:
        guest = self._look()
        if guest is None:
            raise Refused("deleted", "its owner has deleted it")
        hosts = self.run.patiently(self.cloud.hosts)
        host = host_named(guest.host, hosts)
        brake = self.run.record.disarmed(
            guest.host, host.aggregates if host else ()
        )
        if brake is not None:
            raise Refused("disarmed", f"disarmed by {brake.by}")
        ours = any(r.name == MIGRATE for r in self.climb.rungs)
        no = hindrance(self.run, self.cloud, guest, hosts)
        if no is not None and not (ours and no.code == "migrating"):
            raise Refused(no.code, no.reason)

    def _keep(self, rung: Rung) -> None:
        others = tuple(r for r in self.climb.rungs if r.name != rung.name)
        self.climb = replace(self.climb, rungs=(*others, rung))
        self.record.keep(self.failure.id, "climb", self.climb)

    def _stop(self, code: str, why: str) -> dict[str, Any]:
        self.climb = replace(self.climb, stopped=code, why=why)
        self.record.keep(self.failure.id, "climb", self.climb)
        return {"next": "close"}

    def _now(self) -> float:
        return self.run.clock.now()

    def _pause(self) -> None:
        self.run.clock.sleep(self.policy.recovery.poll_s)


def _up(guest: Guest) -> bool:
    return (
        guest.vm_state == "active"
        and guest.power == "running"
        and not guest.task_state
    )


def _state(guest: Guest) -> str:
    return f"{guest.vm_state}, its power {guest.power}"
