"""ha.repair_stacks: Heat replaces the servers that its stacks have lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from ha_actions.deciders.stack_repair import (
    ILL,
    MARK,
    Asked,
    Move,
    holds,
    next_move,
    objections,
    replaced_by,
    resource_at,
)
from ha_actions.errors import Failed, NoAnswer, Refused, Transient
from ha_actions.model import Claim, Planned, Requires, Result, StackPlace
from ha_actions.model.stack import StackState
from ha_actions.ports import Stacks
from ha_actions.step_parts.batch_step import NO_ANSWER_S, BatchStep, Job
from ha_actions.steps.recreate_servers import look_at_copy

REQUIRES = Requires.PROOF
"""Heat deletes the old server, and may give its ports and volumes away."""
DEADLINE_S = 2300


@dataclass
class RepairStacks(BatchStep):
    """Mark the lost servers, look at the preview, update once, and watch.

    One update for all servers that a stack has lost. Nothing is updated
    when Heat would replace or delete anything else: the marks are taken
    back then. A stack that somebody else has repaired is only looked at.
    """

    def step_name(self) -> str:
        """Its Mistral name."""
        return "ha.repair_stacks"

    def work(self, job: Job) -> None:
        """Rounds of look, act, wait: two calls for each stack."""
        stacks = job.run.stacks(job.incident)
        if stacks is None:
            raise Refused(
                "no_heat",
                "This executor has no way to Heat; see that all executors "
                "run the same version of the pack.",
            )
        repairs = [
            _Repair(job, stacks, place)
            for place in {
                p.stack.stack: p.stack for p in job.todo if p.stack
            }.values()
        ]
        while job.todo and job.in_time:
            for repair in repairs:
                repair.round()
            if job.todo:
                job.keep()
                job.pause(job.policy.recovery.poll_s)
        for repair in repairs:
            repair.out_of_time()


class _Repair:
    """One stack: what was asked is in the ledger, the rest Heat tells."""

    def __init__(self, job: Job, stacks: Stacks, place: StackPlace) -> None:
        self.job = job
        self.stacks = stacks
        self.place = place
        self.part = f"stack.{place.stack}"
        self.asked: Asked | None = None
        kept = job.run.record.part(job.incident.id, self.part, Asked)
        mine = {p.guest.id for p, _ in self.mine}
        if kept is not None and mine <= set(kept.servers):
            self.asked = kept
        self.why = ""
        self.told = False

    @property
    def mine(self) -> list[tuple[Planned, StackPlace]]:
        """Its servers that have no outcome yet."""
        return [
            (p, p.stack)
            for p in self.job.todo
            if p.stack is not None and p.stack.stack == self.place.stack
        ]

    def round(self) -> None:
        """One look, and at most one update."""
        if not self.mine:
            return
        first = self.mine[0][0]
        self.job.trying(first, self._look)
        no = self.job.outcomes.get(first.guest.id)
        if no is not None and no.result in (Result.FAILED, Result.REFUSED):
            self._settle(no.result, no.reason, no.code)

    def _look(self) -> None:
        job = self.job
        state = job.run.patiently(partial(self.stacks.state, self.place))
        waits = self._replaced(state) if state is not None else set()
        left = [place for p, place in self.mine if p.guest.id not in waits]
        if waits and not left:
            return  # its new servers are being looked at
        now = job.run.clock.now()
        move, self.why = next_move(state, left, self.asked, now, NO_ANSWER_S)
        if move is Move.GONE:
            self._settle(Result.ALREADY, self.why, "deleted")
        elif move is Move.LEAVE:
            self._leave(self.why)
        elif move is Move.FAILED:
            self._fail(self.why)
        elif move is Move.ASK and state is not None:
            self._ask(state, left)
        elif move is Move.WAIT and self.asked is not None:
            busy = state is not None and state.status.endswith("_PROGRESS")
            self.asked = replace(self.asked, seen=self.asked.seen or busy)

    def _replaced(self, state: StackState) -> set[str]:
        """Settle whom the stack has replaced; ids of all that it has."""
        new = {
            p.guest.id: id
            for p, place in self.mine
            if (id := replaced_by(state, place, p.guest.id))
        }
        if not new:
            return set()
        job = self.job
        there = job.run.patiently(lambda: job.cloud.guests(new.values()))
        for planned, _ in self.mine:
            copy = there.get(new.get(planned.guest.id, ""))
            if copy is not None:
                look_at_copy(job, planned, copy, self.asked is None)
        if self.asked is None and not self.told:
            self.told = True
            job.run.journal.note(
                "stack",
                self.place.stack_name,
                "was updated by somebody else, perhaps an alarm with "
                "trust+heat; not asked a second time",
            )
        return set(new)

    def _ask(self, state: StackState, left: list[StackPlace]) -> None:
        """Mark, look at the preview, and ask for one update."""
        job = self.job
        marked: list[StackPlace] = []
        for place in left:
            found = resource_at(state, place)
            if found is None:
                raise Refused(
                    "stack_changed",
                    f"Stack {state.name} has no {place.resource} any more; "
                    "see what its owner has done.",
                )
            if found.status != ILL:
                self._mark(place, ill=True)
                marked.append(place)
            elif found.reason.startswith(MARK):
                marked.append(place)  # by a run of ours before
        try:
            preview = self.stacks.preview(self.place, job.permit())
        except Failed:
            self._unmark(marked)
            raise
        bad = objections(state, preview, left)
        if bad:
            self._unmark(marked)
            raise Refused(
                "stack_preview",
                f"An update of stack {state.name} would do more than replace "
                f"what died: {', '.join(bad)}; its owner updates it.",
            )
        if self._let_go(state):
            self._update(job.permit())

    def _let_go(self, state: StackState) -> bool:
        """Make Nova and Heat give the dead servers up; False: not yet.

        Heat detaches the ports of a server before it replaces it, and on a
        dead host that fails after a minute: but not of one in ERROR, nor of
        one that is gone. Source: heat 27, server_network_mixin.py,
        prepare_ports_for_replace; measured.
        """
        job, ids = self.job, [p.guest.id for p, _ in self.mine]
        now = job.run.patiently(lambda: job.cloud.guests(ids))
        elsewhere = [
            g.name for g in now.values() if g.host != job.incident.host
        ]
        if elsewhere:
            raise Refused(
                "moved",
                f"{', '.join(elsewhere)} is on another host now, so its "
                "stack is not asked to replace it.",
            )
        gone = True
        for planned, place in self.mine:
            guest = now.get(planned.guest.id)
            if guest is None:
                continue
            has = holds(state, place, guest)
            if has:
                job.cloud.delete(guest.id, job.permit())
                gone = False
                job.run.journal.note(
                    "stack",
                    self.place.stack_name,
                    f"{guest.name} is deleted: its successor needs its {has}",
                )
            elif guest.vm_state != "error":
                job.cloud.reset_state(guest.id, "error", job.permit())
        return gone

    def _unmark(self, marked: list[StackPlace]) -> None:
        """Leave the stack as it was found: its owner may update it."""
        for place in marked:
            self._mark(place, ill=False)

    def _mark(self, place: StackPlace, *, ill: bool) -> None:
        claim = self.job.permit()
        try:  # without an answer, the next look tells
            self.stacks.mark(place, ill=ill, reason=MARK, claim=claim)
        except Failed as error:
            if error.code != "conflict":
                raise
            raise Transient(error.code, error.message) from error

    def _update(self, claim: Claim) -> None:
        """Kept before it is sent; whether it runs is read from Heat."""
        job, before = self.job, self.asked
        ids = tuple(p.guest.id for p, _ in self.mine)
        self.asked = Asked(at=job.run.clock.now(), servers=ids)
        job.run.record.keep(job.incident.id, self.part, self.asked)
        try:
            self.stacks.update(self.place, claim)
        except NoAnswer:
            return
        except Transient:
            self.asked = before
            raise
        except Failed as error:
            self.asked = before
            if error.code != "conflict":
                raise
            raise Transient(error.code, error.message) from error
        self.asked = replace(self.asked, answered=True)
        job.run.journal.note(
            "stack",
            self.place.stack_name,
            f"asked once to replace {len(ids)} server(s)",
        )

    def out_of_time(self) -> None:
        """A stack that others keep at work is left to them."""
        if self.asked is None and self.why:
            self._leave(f"{self.why}, and was so all the time")

    def _leave(self, text: str) -> None:
        for planned, _ in self.mine:
            self.job.settle(
                planned, Result.REFUSED, text, code="stack_not_complete"
            )

    def _fail(self, text: str) -> None:
        for planned, _ in self.mine:
            self.job.settle(planned, Result.FAILED, text, code="stack_failed")

    def _settle(self, result: Result, text: str, code: str) -> None:
        for planned, _ in self.mine:
            self.job.settle(planned, result, text, code=code)
