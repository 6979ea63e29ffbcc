"""One round of the watch, and the loop over rounds.

Any number of watches may run side by side: whatever they do has a key that
all of them compute alike, and is done again until it is seen to have been
done. Nothing here changes a host or a guest.
"""

from __future__ import annotations

from collections.abc import Collection

from ha_actions.errors import HaError
from ha_actions.model import Host
from ha_actions.ports import Cloud
from ha_alarms import watching
from ha_alarms.watch_incidents import Incidents
from ha_alarms.watch_ports import Aside, Beats, Page
from ha_alarms.watch_suspects import Suspects
from ha_alarms.watch_voice import Voice
from ha_alarms.watching import Memory, Suspect

BLIND = 3
"""Rounds in a row without an answer after which a person is told, or"""
BLIND_S = 30.0
"""seconds: where packets are dropped, each round waits for long."""

SLICE_S = 0.2
"""How often it looks for an answer that it awaits."""


class Watch:
    """One watch over the hosts and the open incidents of a cloud."""

    def __init__(
        self, voice: Voice, cloud: Cloud, beats: Beats, aside: Aside
    ) -> None:
        self.voice = voice
        self._cloud = cloud
        self._beats = beats
        self._clock = voice.clock
        self._memory = Memory(since=self._clock.now())
        self._suspects = Suspects(voice, cloud, aside)
        self._incidents = Incidents(voice)
        self._blind = 0
        self._saw_at = self._clock.now()
        self._told_blind = False

    def rest(self) -> None:
        """The pause between two rounds; who overslept begins anew.

        It is over as soon as a witness has answered.
        """
        left, asked = self.voice.timing.interval_s, 0.0
        before, asking = self._clock.now(), self._suspects.asking
        while left > 0 and not asking.answered():
            step = min(left, SLICE_S) if asking.busy else left
            self._clock.sleep(step)
            left, asked = left - step, asked + step
        slept = self._clock.now() - before
        if watching.overslept(asked, slept):
            self.voice.note("watch", f"slept {slept:.0f} s; begins anew")
            self._memory = Memory(since=self._clock.now())
            self._suspects.forget()

    def round(self) -> None:
        """Look once. What does not answer is looked at in the next round."""
        began = self._clock.now()
        figures = self.voice.figures
        try:
            hosts = self._cloud.hosts()
        except HaError as error:
            self._cannot_see(error)
        else:
            self._sees()
            self._look(hosts)
            figures.round_at = self._clock.now()
        self.voice.attempt("ledger", self._incidents.look)
        figures.round_s = self._clock.now() - began

    def _look(self, hosts: list[Host]) -> None:
        now, voice = self._clock.now(), self.voice
        self._memory = watching.remember(self._memory, hosts, now)
        self._check_clock()
        for name in watching.vanished(self._memory, now):
            voice.tell("missing", name, "Nova lists its service no more")
        found = watching.suspects(
            self._memory, self._ended(), voice.timing, now
        )
        late = watching.late(self._memory, found, voice.timing, now)
        voice.figures.hosts = len(hosts)
        voice.figures.suspects = len(found)
        self._suspects.settle(found, self._memory)
        if found or late:
            voice.attempt(
                "suspects", lambda: self._consider(found, late, hosts)
            )

    def _check_clock(self) -> None:
        offset, voice = watching.offset(self._memory), self.voice
        if offset and not voice.offset_s:
            text = f"its clock is {-offset:.0f} s ahead of Nova's; set it"
            voice.tell("clock", "watch", text)
        voice.offset_s = voice.figures.offset_s = offset

    def _consider(
        self, found: list[Suspect], late: list[Suspect], hosts: list[Host]
    ) -> None:
        self._memory = self._suspects.consider(
            found, late, hosts, self._memory
        )

    def _cannot_see(self, error: HaError) -> None:
        self.voice.figures.failed("nova")
        self._blind += 1
        lasts = self._clock.now() - self._saw_at >= BLIND_S
        if (self._blind >= BLIND or lasts) and not self._told_blind:
            self._told_blind = True
            text = f"cannot read Nova's services: {error.message}"
            self.voice.tell("blind", "watch", text)

    def _sees(self) -> None:
        self._blind, self._saw_at = 0, self._clock.now()
        if self._told_blind:
            self._told_blind = False
            self.voice.note("watch", "sees again")
            self.voice.page(
                Page(
                    code="blind",
                    subject="watch",
                    text="",
                    at=self._saw_at,
                    over=True,
                )
            )

    def _ended(self) -> Collection[str]:
        try:
            return self._beats.ended()
        except HaError as error:
            self.voice.figures.failed("beats")
            self.voice.note("watch", f"no beats: {error.message}")
            return ()
