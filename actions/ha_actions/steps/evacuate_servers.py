"""ha.evacuate_servers: pets come back elsewhere, same disk, same addresses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ha_actions.deciders.evacuation import (
    Move,
    Next,
    comes_back_as_it_was,
    landed,
    lands_stopped,
    next_move,
)
from ha_actions.deciders.lost import lost_records
from ha_actions.deciders.recovery_check import check_guest, not_fit
from ha_actions.errors import Failed, NoAnswer, Refused, Transient
from ha_actions.model import (
    Claim,
    Guest,
    Migration,
    Planned,
    Requires,
    Result,
    Start,
)
from ha_actions.records import lost
from ha_actions.step_parts import snapshots
from ha_actions.step_parts.aim import Aim
from ha_actions.step_parts.batch_step import NO_ANSWER_S, BatchStep, Job

REQUIRES = Requires.PROOF
DEADLINE_S = 2300
"""Above the policy's longest ``recovery.deadline_s``, with a poll's margin."""

TURNED_DOWN = 3
"""So often Nova may answer "not now" to one guest before it is a failure."""

WAIT_POLLS = 8
"""So many of the policy's polls one that has landed, and needs nothing, may
wait to be looked at together with those that are on their way."""

ASKS = (Move.POST, Move.RESET)
"""Moves that end with an evacuation asked for."""

VERBS = {Move.POST: "once more", Move.RESET: "reset-state", Move.RESTORE: ""}
"""What the journal calls a move; a first POST is the rule and not told."""


@dataclass
class EvacuateServers(BatchStep):
    """Evacuate the batch: post once each, watch all by one query.

    A guest's migration record is the truth about its POST, so a repeat of
    this action after a crash only watches what an earlier run has posted.
    """

    def step_name(self) -> str:
        """Its Mistral name."""
        return "ha.evacuate_servers"

    def work(self, job: Job) -> None:
        """Rounds of look, act, wait; the wait grows from twice to four times
        the policy's: no evacuation is over as soon as it is posted. A guest
        that is only paused or stopped again takes a moment."""
        evacuation = _Evacuation(job)
        poll_s = job.policy.recovery.poll_s
        pause = poll_s * 2
        while job.todo and job.in_time:
            if evacuation.round():
                pause = poll_s
            if job.todo:
                job.run.clock.sleep(pause)
                pause = min(pause * 1.25, poll_s * 4)


class _Evacuation:
    """The rounds' memory; what must outlive a crash is in Nova."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.asked: dict[str, float] = {}
        self.history: set[str] | None = None
        """Records that were old and over at the first look."""
        self.known: dict[str, set[str]] = {}
        """Guest -> ids of all its records, at the last look."""
        self.before: dict[str, set[str]] = {}
        """The same, when it was asked: a new one is that of our POST."""
        self.unanswered: set[str] = set()
        self.restored: dict[str, set[str]] = {}
        """Guest -> verbs that were asked for."""
        self.aim = Aim(job)
        self.landed: dict[str, float] = {}
        """Guest -> when its record was first seen to have ended well."""
        self.to: dict[str, str] = {}
        """Guest -> where the policy sends it, at this look."""
        self.place_stopped = job.policy.recovery.start is Start.CHECK
        self.turned_down: dict[str, int] = {}
        self.looked_up: set[str] = set()
        self.recorded: set[str] = set()
        self.lost = lost.words(job.run.record, job.incident.id)
        """Guest -> a person's word that Nova has lost its evacuation."""
        self.tries_since = job.run.record.tries_since(job.incident.id)

    def round(self) -> bool:
        """One look at everybody, then at most one call for each; whether one
        that is back was asked to be as it was."""
        job = self.job
        records = self._records()
        flying = {
            p.guest.id
            for p in job.todo
            if any(r.in_flight for r in records.get(p.guest.id, ()))
        }
        dead = self._dead_hosts(records, flying)
        look = [p.guest.id for p in job.todo if p.guest.id not in flying]
        if flying and not dead and self._can_wait(look, records):
            return False
        # who has a record has changed since then
        since = job.incident.opened_at if records else 0.0
        now = (
            job.run.patiently(
                lambda: job.cloud.guests(look, brief=True, since=since)
            )
            if look
            else {}
        )
        if dead:
            now.update(
                job.run.patiently(lambda: job.cloud.guests(flying, brief=True))
            )
        moves: list[tuple[Planned, Next]] = []
        for planned in job.todo:
            id = planned.guest.id
            if id in flying and not dead:
                continue
            mine = records.get(id, [])
            self.to[id] = self._target(planned, mine, now.get(id))
            move = next_move(
                planned.guest,
                now.get(id),
                mine,
                tries=job.policy.recovery.tries,
                asked=self._still_asked(id, records, now.get(id)),
                dead_hosts=dead,
                restored=self.restored.get(id, ()),
                place_stopped=self.place_stopped,
                elsewhere=bool(self.to[id]),
            )
            if self.aim.chosen and move.move in ASKS and not self.to[id]:
                move = Next(
                    Move.SETTLED,
                    "no host that the policy sends it to can take it",
                    Result.DEFERRED,
                    "no_valid_host",
                )
            moves.append((planned, move))
        return self._act(moves, flying, now)

    def _can_wait(
        self, ids: list[str], records: dict[str, list[Migration]]
    ) -> bool:
        """Whether none of them needs anything, nor is waited for: then one
        call, when more have landed, finds them all."""
        clock, poll_s = self.job.run.clock, self.job.policy.recovery.poll_s
        now, rest_s = clock.now(), poll_s * WAIT_POLLS
        if now + rest_s > self.job.until:
            return False
        for planned in self.job.todo:
            id, mine = planned.guest.id, records.get(planned.guest.id)
            if id not in ids:
                continue
            plain = comes_back_as_it_was(planned.guest, self.place_stopped)
            if planned.guest.group or not plain or not landed(mine):
                return False
            if now - self.landed.setdefault(id, now) >= rest_s:
                return False
        return True

    def _act(
        self,
        moves: list[tuple[Planned, Next]],
        flying: set[str],
        now: dict[str, Guest],
    ) -> bool:
        job = self.job
        for planned, move in moves:
            if move.move is Move.SETTLED:
                there = now.get(planned.guest.id)
                job.settle(
                    planned,
                    move.result,
                    move.reason + self._by_word(planned.guest.id),
                    code=move.code,
                    host=there.host if there else "",
                )
        acts = [
            (p, m)
            for p, m in moves
            if m.move in (Move.POST, Move.RESET, Move.RESTORE)
        ]
        acts = self._one_per_group(acts, flying)
        acts = self._fit_to_start(acts)
        for planned, move in acts:
            if move.move is not Move.POST or move.again:
                job.run.journal.note(
                    "step",
                    planned.guest.name,
                    f"{job.step}: {VERBS[move.move]}{move.verb}, "
                    f"{move.reason}",
                )
        if acts:
            job.together([partial(self._one, p, m) for p, m in acts])
        return any(m.move is Move.RESTORE for _, m in acts)

    def _target(
        self, planned: Planned, records: list[Migration], now: Guest | None
    ) -> str:
        """Where the policy sends it next; a spare is enabled when all that
        are up had no room. Without such a policy: where no spawn of it has
        failed. Empty: Nova chooses, or nowhere is left."""
        if now is None or now.host != planned.guest.host:
            return ""
        to = self.aim.host_for(planned.guest.id, records)
        full = self.aim.chosen and not any(r.in_flight for r in records)
        if not to and full and self.aim.enable_spare():
            to = self.aim.host_for(planned.guest.id, records)
        return to

    def _fit_to_start(
        self, acts: list[tuple[Planned, Next]]
    ) -> list[tuple[Planned, Next]]:
        """Look at those that were placed stopped, all in a few calls; what is
        not as it was is not started."""
        starting = [p for p, m in acts if m.verb == "start"]
        if not starting:
            return acts
        job = self.job
        cloud, ids = job.cloud, [p.guest.id for p in starting]
        now = job.run.patiently(lambda: cloud.guests(ids))
        listed = job.run.patiently(lambda: cloud.hosts(brief=True))
        up = {h.name for h in listed if h.up}
        seen = snapshots.look(job.run, job.incident, now.values())
        for planned in starting:
            found = check_guest(
                planned,
                now.get(planned.guest.id),
                None,
                dead_host=job.incident.host,
                hosts_up=up,
                volumes=seen.volumes,
                members=[],
            )
            why = not_fit(found)
            if why:
                job.settle(
                    planned,
                    Result.FAILED,
                    f"placed, and not started: {why}",
                    code="not_started",
                    host=now[planned.guest.id].host,
                )
        return [(p, m) for p, m in acts if p.guest.id not in job.outcomes]

    def _one(self, planned: Planned, move: Next, claim: Claim) -> None:
        self.job.trying(planned, lambda: self._call(planned, move, claim))

    def _call(self, planned: Planned, move: Next, claim: Claim) -> None:
        cloud, id = self.job.cloud, planned.guest.id
        if move.move is Move.RESET:
            cloud.reset_state(id, "active", claim)
            # and at once the POST: nothing else can have changed its state
        if move.move is Move.RESTORE:
            asked = self.restored.setdefault(id, set())
            asked.add(move.verb)
            try:
                cloud.set_power(id, move.verb, claim)
            except NoAnswer:
                raise
            except Transient:
                asked.discard(move.verb)  # not done: the next round tries
            return
        if self._asked_before(id):
            return
        self._use_word(planned)
        self._ask(id)
        try:
            off = self.place_stopped or lands_stopped(planned.guest)
            to = self.to.get(id, "")
            cloud.evacuate(id, keep_off=off, claim=claim, host=to)
        except NoAnswer:
            self.unanswered.add(id)
        except Transient:
            del self.asked[id]  # not done: the next round posts it
        except Failed as error:
            del self.asked[id]
            self.turned_down[id] = self.turned_down.get(id, 0) + 1
            again = self.turned_down[id] < TURNED_DOWN
            if error.code not in ("in_use", "conflict") or not again:
                raise
            # moved or changed under our eyes: look again, then decide
        except Refused:
            del self.asked[id]
            raise

    def _use_word(self, planned: Planned) -> None:
        """Past a lost evacuation, one POST for each word.

        A run that took it and died may not have sent it: Nova's instance
        actions tell, once they must show it.

        :raises Transient: that cannot be told yet.
        :raises Refused: ``lost_again``: it was sent.
        """
        id = planned.guest.id
        word = self.lost.get(id)
        if word is None:
            return
        job = self.job
        taken = lost.take_post(job.run.record, job.incident.id, word)
        if taken:
            if job.run.clock.now() < taken + NO_ANSWER_S:
                raise Transient("lost", "It may have been sent just now.")
            if job.run.patiently(
                lambda: job.cloud.evacuation_asked(id, taken)
            ):
                raise Refused(
                    "lost_again",
                    "what a person has allowed after its lost evacuation "
                    "was posted, and it is not back; look at Nova's records",
                )
        job.run.journal.note(
            "step",
            planned.guest.name,
            f"{job.step}: once more,{_said(word)}",
        )

    def _by_word(self, id: str) -> str:
        word = self.lost.get(id)
        return f"; posted again,{_said(word)}" if word else ""

    def _asked_before(self, id: str) -> bool:
        """A run that died in mid POST may have asked: Nova remembers.

        Only its instance actions tell, when no record is to be seen yet.
        """
        job = self.job
        if not job.taken_over or id in self.looked_up:
            return False
        if id not in self.recorded and job.run.clock.now() < job.quiet_until:
            return True
        self.looked_up.add(id)
        since = max(job.incident.opened_at, self.tries_since)
        if id in self.recorded or not job.run.patiently(
            lambda: job.cloud.evacuation_asked(id, since)
        ):
            return False
        self._ask(id)
        self.unanswered.add(id)
        return True

    def _ask(self, id: str) -> None:
        self.asked[id] = self.job.run.clock.now()
        self.before[id] = self.known.get(id, set())

    def _records(self) -> dict[str, list[Migration]]:
        job = self.job
        found: dict[str, list[Migration]] = {}
        host = job.incident.host
        since = max(job.incident.opened_at, self.tries_since)
        records = job.run.patiently(lambda: job.cloud.evacuations(host))
        if self.history is None:
            # an older move away from this host is history, unless it flies:
            # a person may have started it before us
            self.history = {
                r.id
                for r in records
                if r.created_at + 1 < since and not r.in_flight
            }
        self.known = {}
        for record in records:
            self.known.setdefault(record.guest, set()).add(record.id)
            if record.id not in self.history:
                found.setdefault(record.guest, []).append(record)
        self.recorded = set(found)
        for id, word in self.lost.items():
            gone = lost_records(found.get(id, ()), word.at)
            found[id] = [r for r in found.get(id, ()) if r.id not in gone]
        return found

    def _still_asked(
        self,
        id: str,
        records: dict[str, list[Migration]],
        now: Guest | None,
    ) -> bool:
        """Whether a POST is out of which Nova shows nothing yet."""
        since = self.asked.get(id)
        if since is None:
            return False
        # by id, not by time: Nova's clock is not ours
        if any(r.id not in self.before[id] for r in records.get(id, ())):
            return False
        clock = self.job.run.clock
        if id not in self.unanswered or clock.now() - since < NO_ANSWER_S:
            return True
        cloud = self.job.cloud
        if now is not None and now.task_state:
            return True
        if self.job.run.patiently(lambda: cloud.evacuation_asked(id, since)):
            return True
        self.unanswered.discard(id)
        del self.asked[id]
        return False

    def _dead_hosts(
        self, records: dict[str, list[Migration]], flying: set[str]
    ) -> set[str]:
        """Destinations that died meanwhile, by the proofs of the ledger."""
        asked: dict[str, float] = {}
        for id in flying:
            for r in records[id]:
                if r.in_flight and r.dest:
                    at = max(r.created_at, asked.get(r.dest, 0.0))
                    asked[r.dest] = at
        died = self.job.run.record.died_since
        return {dest for dest, at in asked.items() if died(dest, at)}

    def _one_per_group(
        self, acts: list[tuple[Planned, Next]], flying: set[str]
    ) -> list[tuple[Planned, Next]]:
        """Members of one server group go one after another.

        Nova's late anti-affinity check does not retry on evacuate.
        """
        busy = {
            p.guest.group.id
            for p in self.job.batch.guests
            if p.guest.group
            and (
                p.guest.id in flying
                or (
                    p.guest.id in self.asked
                    and p.guest.id not in self.job.outcomes
                )
            )
        }
        kept = []
        for planned, move in acts:
            group = planned.guest.group
            if group and move.move is Move.POST:
                if group.id in busy:
                    continue
                busy.add(group.id)
            kept.append((planned, move))
        return kept


def _said(word: lost.LostWord) -> str:
    return f" for {word.by} says that Nova lost it: {word.because}"
