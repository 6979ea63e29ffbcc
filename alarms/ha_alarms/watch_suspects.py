"""What a watch does about suspected hosts: ask, judge, publish, start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from ha_actions.deciders.judge import NOVA, judge
from ha_actions.deciders.policy import domain_of, load
from ha_actions.errors import BadInput, HaError
from ha_actions.model import Host, Testimony, Verdict
from ha_actions.ports import Cloud
from ha_actions.records.in_force import Brake
from ha_actions.settings import Policy
from ha_alarms import watch_events as events
from ha_alarms import watching
from ha_alarms.start import HOST_WORKFLOW, execution_id, host_start
from ha_alarms.watch_asking import Asking
from ha_alarms.watch_ports import Aside, Page
from ha_alarms.watch_voice import Voice
from ha_alarms.watching import Known, Memory, Orders, Suspect, Track

POLICY_S = 60.0
"""How long a policy that was read is used."""


class Suspects:
    """The suspects of one watch, from their first doubt to an incident."""

    def __init__(self, voice: Voice, cloud: Cloud, aside: Aside) -> None:
        self.asking = Asking(
            voice.outside, cloud, aside, voice.timing.ask_again_s
        )
        self._voice = voice
        self._cloud = cloud
        self._clock = voice.clock
        self._tracks: dict[str, Track] = {}
        self._down: dict[str, Host] = {}
        """Hosts that were published as dead, and are not back yet."""
        self._policy: tuple[float, Policy] | None = None
        self._doubts: set[str] = set()

    def forget(self) -> None:
        """Begin anew: the memory of the readings was lost."""
        self._tracks.clear()
        self.asking.keep(())

    def settle(self, found: Sequence[Suspect], memory: Memory) -> None:
        """Let go of those who are suspected no more, and say who is back."""
        names = {s.name for s in found}
        for name in [n for n in self._tracks if n not in names]:
            del self._tracks[name]
            self._voice.note(name, "is suspected no more")
        for name in [n for n in self._down if n not in names]:
            seen = memory.seen.get(name)
            if seen is not None and not seen.missing_at:
                up = events.host_up(
                    self._voice.namespace, seen.host, self._voice.event_time()
                )
                if self._voice.attempt(
                    "bus", partial(self._voice.publish, [up])
                ):
                    del self._down[name]

    def consider(
        self,
        found: Sequence[Suspect],
        late: Sequence[Suspect],
        hosts: Sequence[Host],
        memory: Memory,
    ) -> Memory:
        """Judge each suspect, unless the fault may be ours.

        :param late: who may be suspected next: their witnesses are asked.
        :returns: the memory, with the watch's doubts about itself.
        """
        policy = self._policy_now()
        aggregates = self._cloud.aggregates()
        domains = {h.name: domain_of(h, policy, aggregates) for h in hosts}
        doubted = self._doubt(found, memory, domains)
        memory = replace(memory, doubted={**memory.doubted, **doubted})
        hushed = {
            s.name: watching.hush(
                memory, s.name, self._voice.timing, self._clock.now()
            )
            for s in [*found, *late]
        }
        self.asking.keep(hushed)
        self.asking.begin(
            [
                s
                for s in [*found, *late]
                if not hushed[s.name] and not watching.ours(s.seen.host)
            ],
            policy,
        )
        brakes = self._voice.record.brakes() if found else []
        for suspect in found:
            if suspect.name not in self._tracks:
                self._track(suspect, hushed[suspect.name])
            if not hushed[suspect.name]:
                one = partial(self._one, suspect, policy, brakes, memory)
                self._voice.attempt("suspect", one)
        return memory

    def _doubt(
        self,
        found: Sequence[Suspect],
        memory: Memory,
        domains: Mapping[str, str],
    ) -> dict[str, float]:
        """Hosts of which the watch does not believe its eyes; told once."""
        now = self._clock.now()
        doubts = watching.doubts(found, memory, domains, self._voice.timing)
        new = {why for host, why in doubts.items() if host not in self._doubts}
        for why in sorted(new):
            self._voice.tell("sick", "watch", f"{why}; nobody is accused")
        if self._doubts and not doubts:
            self._voice.page(
                Page(code="sick", subject="watch", text="", at=now, over=True)
            )
        self._doubts = set(doubts)
        return dict.fromkeys(doubts, now)

    def _track(self, suspect: Suspect, hushed: str) -> None:
        key = watching.incident_key(self._voice.namespace, suspect.seen)
        self._tracks[suspect.name] = Track(key=key, since=self._clock.now())
        more = f" ({hushed})" if hushed else ""
        self._voice.note(suspect.name, f"suspected: {suspect.why}{more}")

    def _one(
        self,
        suspect: Suspect,
        policy: Policy,
        brakes: Sequence[Brake],
        memory: Memory,
    ) -> None:
        """One suspect that is not known to be seen to already."""
        host, name = suspect.seen.host, suspect.name
        if watching.ours(host) or f"maintenance:{name}" in _scopes(brakes):
            return
        heard = self._heard(suspect, policy, memory)
        if heard is None:
            return
        known = self._known(suspect, brakes)
        if known.open:
            return
        verdict = judge(name, heard, policy.witnesses, self._clock.now())
        before = self._tracks[name]
        track, orders = watching.decide(
            verdict,
            known,
            before,
            self._voice.timing,
            self._clock.now(),
            bus=self._voice.has_bus,
        )
        if track.said_at and not before.said_at:
            self._voice.note(name, f"{verdict.ruling}, {verdict.reason}")
        self._tracks[name] = track
        for code, text in orders.tell:
            self._voice.tell(code, name, text)
        self._obey(suspect, verdict, track, orders)

    def _obey(
        self, suspect: Suspect, verdict: Verdict, track: Track, orders: Orders
    ) -> None:
        """Start first: what a bus that is away costs is only time."""
        host = suspect.seen.host
        if orders.start:
            start = host_start(
                self._voice.namespace,
                host=host.name,
                incident=track.key,
                at=self._voice.event_time(),
                service_id=host.service_id,
                attempt=orders.start,
            )
            what = f"attempt {orders.start}"
            self._voice.attempt(
                "start", partial(self._voice.start, host.name, start, what)
            )
        if orders.publish:
            self._down[host.name] = host
            self._voice.attempt(
                "bus", partial(self._publish, host, verdict, track)
            )

    def _publish(self, host: Host, verdict: Verdict, track: Track) -> None:
        namespace, now = self._voice.namespace, self._voice.event_time()
        self._voice.publish(
            [events.host_down(namespace, host, track.key, verdict, now)]
        )
        if self._voice.has_bus:
            guests = self._cloud.guests_on(host.name)
            self._voice.publish(
                events.guests_down(
                    namespace, host.name, track.key, guests, now
                )
            )

    def _known(self, suspect: Suspect, brakes: Sequence[Brake]) -> Known:
        """What the ledger says of a suspect, before anybody is asked."""
        host, record = suspect.seen.host, self._voice.record
        scopes = {
            "all",
            f"host:{host.name}",
            *(f"aggregate:{name}" for name in host.aggregates),
        }
        stops = [b for b in brakes if b.scope in scopes]
        open = record.opened(host.name) is not None
        return Known(
            brake=f"disarmed ({stops[0].scope}) by {stops[0].by}: "
            f"{stops[0].because}"
            if stops
            else "",
            open=open,
            ended=() if open else self._states(self._tracks[host.name].key),
            fenced=bool(self._voice.outside.fences(host.name)),
        )

    def _states(self, key: str) -> tuple[str, ...]:
        """States of the executions that this key has had, in order."""
        found: list[str] = []
        while len(found) <= self._voice.timing.resumes:
            id = execution_id(
                self._voice.namespace, HOST_WORKFLOW, key, len(found) + 1
            )
            state = self._voice.record.execution_state(id)
            if not state:
                break
            found.append(state)
        return tuple(found)

    def _heard(
        self, suspect: Suspect, policy: Policy, memory: Memory
    ) -> list[Testimony] | None:
        """Every witness of the policy; Nova's part we have read ourselves.

        None: the others are still being asked.
        """
        others = self.asking.of(suspect.name)
        if others is None or NOVA not in policy.witnesses.ask:
            return None if others is None else list(others)
        newest = max(s.host.updated_at for s in memory.seen.values())
        mine = watching.nova_says(
            suspect.seen,
            newest,
            policy.witnesses.watch_s,
            self._tracks[suspect.name].since,
            self._clock.now(),
        )
        return [mine, *others]

    def _policy_now(self) -> Policy:
        """The policy in force, at most a minute old; the last one known
        while the ledger does not answer."""
        now = self._clock.now()
        if self._policy is None or now >= self._policy[0] + POLICY_S:
            try:
                text = self._voice.record.policy_text()
                self._policy = (now, load(text))
            except BadInput:
                raise  # none is installed, or it is wrong
            except HaError as error:
                if self._policy is None:
                    raise
                self._voice.note("watch", f"keeps its policy: {error.message}")
        return self._policy[1]


def _scopes(brakes: Sequence[Brake]) -> set[str]:
    return {brake.scope for brake in brakes}
