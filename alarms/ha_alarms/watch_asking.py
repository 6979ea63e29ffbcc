"""Witnesses are asked beside the rounds: a slow one holds up no round, and
one host's witnesses wait for no other's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

from ha_actions.deciders.judge import NOVA
from ha_actions.errors import HaError, Transient
from ha_actions.model import Host, Says, Testimony
from ha_actions.outside import Outside
from ha_actions.ports import Cloud, Witness
from ha_actions.settings import Policy
from ha_alarms.watch_ports import Aside
from ha_alarms.watching import Suspect

AT_ONCE = 16
"""Hosts whose witnesses are asked at the same time."""
WITNESSES = 8
"""Witnesses of one host that are asked at the same time."""
ANSWER_S = 10.0
"""What was heard counts for so long after it is asked anew: about as long
as the slowest witness takes with the policy's defaults."""
LIMIT_S = 60.0
"""Who has not answered by then is silent, and is asked again. A witness has
time-outs of its own; this is for one whose device or library has none."""
HANGING = 3
"""Questions of one host that one witness may leave unanswered: each keeps a
thread. It is silent, and is not asked, until one of them has ended."""


@dataclass(frozen=True)
class Heard:
    """What the witnesses of one host last said."""

    at: float
    """When the last of them had answered."""
    beat_ended: bool
    """Whether its beat had ended when they were asked: who was asked before
    has heard it beat."""
    testimonies: tuple[Testimony, ...] = ()
    error: HaError | None = None
    """Why they could not be asked at all."""


class Asking:
    """Who was asked, who is being asked, and what they said.

    Nova is left out: the watch reads it by itself, each round.

    :param again_s: seconds after which a host's witnesses are asked anew.
    """

    def __init__(
        self, outside: Outside, cloud: Cloud, aside: Aside, again_s: float
    ) -> None:
        self._outside = outside
        self._cloud = cloud
        self._clock = outside.clock
        self._aside = aside
        self._again_s = again_s
        self._heard: dict[str, Heard] = {}
        self._hanging: dict[tuple[str, str], set[object]] = {}
        """(Host, witness) -> the questions that it has not answered."""
        self._ended: dict[str, Callable[[], bool]] = {}
        """Host that is being asked after -> whether that has ended."""

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self._ended)

    def answered(self) -> bool:
        """Whether one has come since this was last asked."""
        came = [host for host, ended in self._ended.items() if ended()]
        for host in came:
            del self._ended[host]
        return bool(came)

    def keep(self, hosts: Collection[str]) -> None:
        """Forget what was said of all others."""
        for name in [n for n in self._heard if n not in hosts]:
            del self._heard[name]

    def begin(self, found: Sequence[Suspect], policy: Policy) -> None:
        """Ask after those of whom nothing fresh is known; the first first."""
        self.answered()
        for one in found:
            if one.name in self._ended or self._fresh(one):
                continue
            if len(self._ended) >= AT_ONCE:
                return
            job = partial(self._ask, one, policy)
            self._ended[one.name] = self._aside.begin(job)

    def _fresh(self, one: Suspect) -> bool:
        old = self._heard.get(one.name)
        if old is None or (one.beat_ended and not old.beat_ended):
            return False
        return self._clock.now() < old.at + self._again_s

    def of(self, host: str) -> tuple[Testimony, ...] | None:
        """What was said of a host; None: it is not known (any more).

        :raises HaError: they could not be asked.
        """
        heard = self._heard.get(host)
        if heard is None:
            return None
        if heard.error is not None:
            raise heard.error
        age = self._clock.now() - heard.at
        return heard.testimonies if age < self._again_s + ANSWER_S else None

    def _ask(self, one: Suspect, policy: Policy) -> None:
        host = one.seen.host
        asked = [n for n in policy.witnesses.ask if n != NOVA]
        error: HaError | None = None
        answers: list[Testimony] = []
        try:
            known = self._outside.witnesses(policy, self._cloud)
            answers = self._clock.together(
                [
                    partial(self._bounded, n, known[n], host)
                    for n in asked
                    if n in known
                ],
                at_most=WITNESSES,
            )
        except HaError as failed:  # raised where the answer is read
            error = failed
        self._heard[host.name] = Heard(
            self._clock.now(), one.beat_ended, tuple(answers), error
        )

    def _bounded(self, name: str, witness: Witness, host: Host) -> Testimony:
        """What it says, or that it is silent."""
        hanging = self._hanging.setdefault((host.name, name), set())
        if len(hanging) >= HANGING:
            return self._silent(name, host, f"{HANGING} questions hang")
        question = object()
        hanging.add(question)

        def ask() -> Testimony:
            try:
                return witness.testify(host)
            finally:
                hanging.discard(question)

        try:
            return self._clock.within(ask, LIMIT_S)
        except Transient as error:
            return self._silent(name, host, error.message)

    def _silent(self, name: str, host: Host, why: str) -> Testimony:
        return Testimony(
            witness=name,
            host=host.name,
            says=Says.SILENT,
            observed_at=self._clock.now(),
            detail=why,
        )
