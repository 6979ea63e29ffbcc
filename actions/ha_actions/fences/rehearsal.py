"""A fence for rehearsals of the whole way: it cuts nothing and proves nothing.

Its reading is always UNKNOWN, so that whatever the policy accepts, no proof
and no evacuation can come of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ha_actions.fencing import device
from ha_actions.model import Claim, Evidence, Reading
from ha_actions.ports import Clock


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A host's entry in the fence file: nothing is needed."""

    note: str = ""
    """Shown with each reading."""


class RehearsalFence:
    """:class:`~ha_actions.ports.Fence` that never yields a proof."""

    evidence = Evidence.POWER
    """The class is accepted by default, so that the loop really asks it."""

    def __init__(
        self, host: str, settings: Mapping[str, Any], clock: Clock
    ) -> None:
        self._set = device.settings_of(Settings, settings, host, "rehearsal")
        self._host = host
        self._clock = clock
        self.name = "rehearsal"

    def identify(self) -> str:
        """The host's own name."""
        return self._host

    def power(self) -> Reading:
        """UNKNOWN, always."""
        why = self._set.note or "a rehearsal cuts nothing"
        return device.unknown(self.name, self._clock, why)

    def cut(self, claim: Claim) -> None:
        """Nothing is asked of anybody."""
        device.still_ours(claim, self._clock, self._host, "the rehearsal")

    def restore(self, claim: Claim) -> None:
        """Nothing is asked of anybody."""
