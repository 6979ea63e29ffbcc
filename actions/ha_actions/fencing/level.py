"""One level of a host's ladder that needs all of its devices.

Two power supplies are two outlets: the host is off when both are, and on when
one is. As a fence of its own, such a level needs no rule of its own in the
fencing loop. A level of which any device is enough is simply its devices, one
after another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ha_actions.errors import BadInput, HaError, NoAnswer, Refused, Transient
from ha_actions.model import Claim, Power, Reading
from ha_actions.ports import Clock, Fence


def fresh(fence: Fence, claim: Claim | None) -> Reading:
    """Its reading, taken now if the claim lets it.

    :raises Refused: ``superseded``.
    """
    look = getattr(fence, "look", None)
    if claim is None or look is None:
        return fence.power()
    found: Reading = look(claim)
    return found


class AllOf:
    """:class:`~ha_actions.ports.Fence` of several devices, all needed.

    :raises BadInput: their evidence is not of one class.
    """

    def __init__(self, devices: Sequence[Fence], clock: Clock) -> None:
        classes = {one.evidence for one in devices}
        if len(classes) != 1:
            raise BadInput(
                "malformed",
                "the devices of one `all` must give evidence of one class, "
                f"not of {', '.join(sorted(map(str, classes))) or 'none'}.",
            )
        self.devices = tuple(devices)
        self.evidence = devices[0].evidence
        self.name = " + ".join(one.name for one in devices)
        self._clock = clock

    def identify(self) -> str:
        """What each of them says; none may fail."""
        return " + ".join(one.identify() for one in self.devices)

    def power(self) -> Reading:
        """OFF if all read OFF, ON if one reads ON; ``detail`` lists all."""
        return self._together([one.power for one in self.devices])

    def _together(self, jobs: Sequence[Callable[[], Reading]]) -> Reading:
        readings = self._clock.together(jobs, at_most=8)
        words = {reading.power for reading in readings}
        power = Power.UNKNOWN
        if Power.ON in words:
            power = Power.ON
        elif words == {Power.OFF}:
            power = Power.OFF
        return Reading(
            device=self.name,
            power=power,
            at=max(reading.at for reading in readings),
            detail=", ".join(
                f"{r.device} {r.power} {r.detail}".strip() for r in readings
            ),
        )

    def look(self, claim: Claim) -> Reading:
        """As ``power``, of each that can: taken now, under the claim."""
        jobs = [partial(fresh, one, claim) for one in self.devices]
        return self._together(jobs)

    def cut(self, claim: Claim) -> None:
        """Ask every one of them, also after one has failed.

        :raises HaError: the gravest of what they raised: not allowed, then
            not asked, then no answer, then answered "no".
        """
        self._each([partial(one.cut, claim) for one in self.devices])

    def restore(self, claim: Claim) -> None:
        """Ask every one of them for power."""
        self._each([partial(one.restore, claim) for one in self.devices])

    def _each(self, jobs: Sequence[Callable[[], None]]) -> None:
        raised: list[HaError] = []
        for job in jobs:
            try:
                job()
            except HaError as error:
                raised.append(error)
        if raised:
            raise min(raised, key=_rank)


def _rank(error: HaError) -> int:
    if isinstance(error, (Refused, BadInput)):
        return 0
    if isinstance(error, Transient):
        return 2 if isinstance(error, NoAnswer) else 1
    return 3
