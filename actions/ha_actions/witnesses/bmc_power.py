"""What the host's power devices read. Off is dead; On proves no life.

A device that controls another machine, or does not say which, says nothing.

A panicked or hung host reads On, so On is ``silent``, never ``alive``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ha_actions.errors import HaError
from ha_actions.model import Evidence, Host, Power, Reading, Says, Testimony
from ha_actions.ports import Clock, Cloud, Fence, Network
from ha_actions.settings import Policy


class BmcPower:
    """``dead``: every power device that answers reads Off; else silent."""

    name = "bmc_power"

    def __init__(
        self,
        policy: Policy,
        cloud: Cloud,
        network: Network,
        fences: Callable[[str], Sequence[Fence]],
        clock: Clock,
    ) -> None:
        self._fences = fences
        self._clock = clock

    def testify(self, host: Host) -> Testimony:
        """One reading of each device of the host; errors: silent."""
        try:
            readings = [
                self._read(fence)
                for fence in self._fences(host.name)
                if fence.evidence is Evidence.POWER
            ]
        except HaError as error:
            says, why = Says.SILENT, error.message
        else:
            says, why = _weigh(readings)
        return Testimony(
            witness=self.name,
            host=host.name,
            says=says,
            observed_at=self._clock.now(),
            detail=why,
        )

    def _read(self, fence: Fence) -> Reading:
        """What it reads, if it is the right machine's device at all."""
        try:
            fence.identify()
        except HaError as error:
            return Reading(
                device=fence.name,
                power=Power.UNKNOWN,
                at=self._clock.now(),
                detail=error.message,
            )
        return fence.power()


def _weigh(readings: Sequence[Reading]) -> tuple[Says, str]:
    if not readings:
        return Says.SILENT, "no power device is configured"
    story = ", ".join(_line(reading) for reading in readings)
    answers = {r.power for r in readings if r.power is not Power.UNKNOWN}
    if len(answers) > 1:
        return Says.SILENT, f"the devices contradict each other: {story}"
    if answers == {Power.OFF}:
        return Says.DEAD, story
    return Says.SILENT, story


def _line(reading: Reading) -> str:
    if reading.power is Power.UNKNOWN and reading.detail:
        return f"{reading.device}: {reading.detail.rstrip('.')}"
    return f"{reading.device} reads {reading.power}"
