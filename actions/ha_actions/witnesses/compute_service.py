"""Nova's own view: does nova-compute's heartbeat move while we watch?

``updated_at`` is the only trace of a heartbeat that os-services shows, and
every PUT of a service moves it too. So it is compared between two looks of our
own, and a service that somebody changed in between says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ha_actions.errors import HaError
from ha_actions.model import Host, Says, Testimony
from ha_actions.ports import Clock, Cloud, Fence, Network
from ha_actions.settings import Policy

STILL_S = 60.0
"""Source: nova.conf service_down_time, the default; six heartbeats."""


class ComputeService:
    """``alive``: the heartbeat moved; ``dead``: down, and it did not.

    Takes ``policy.witnesses.watch_s`` seconds. A host that Nova does not list
    is ``silent`` (its cell may be down), and so is one that was forced down
    just now: that is somebody's word, not Nova's finding. Forced down and
    behind its peers for as long as Nova itself would wait is ``dead`` again:
    every heartbeat and every PUT would have moved it.
    """

    name = "compute_service"

    def __init__(
        self,
        policy: Policy,
        cloud: Cloud,
        network: Network,
        fences: Callable[[str], Sequence[Fence]],
        clock: Clock,
    ) -> None:
        self._watch_s = policy.witnesses.watch_s
        self._cloud = cloud
        self._clock = clock

    def testify(self, host: Host) -> Testimony:
        """Look again ``watch_s`` after the caller's look; errors: silent."""
        try:
            self._clock.sleep(self._watch_s)
            after, age_s = self._look(host.name)
        except HaError as error:
            says, why = Says.SILENT, f"Nova did not say: {error.message}"
        else:
            says, why = _compare(host, after, age_s, self._watch_s)
        return Testimony(
            witness=self.name,
            host=host.name,
            says=says,
            observed_at=self._clock.now(),
            detail=why,
        )

    def _look(self, name: str) -> tuple[Host | None, float]:
        """The service, and how far it is behind the newest of its peers."""
        hosts = self._cloud.hosts(brief=True)
        newest = max((h.updated_at for h in hosts), default=0.0)
        for found in hosts:
            if found.name == name:
                return found, newest - found.updated_at
        return None, 0.0


def _compare(
    before: Host, after: Host | None, age_s: float, watch_s: float
) -> tuple[Says, str]:
    if not before.service_id or after is None:
        return Says.SILENT, "Nova does not list the service"
    if _set_by_people(before) != _set_by_people(after):
        return Says.SILENT, "the service was changed while we watched"
    if after.updated_at > before.updated_at:
        return Says.ALIVE, f"its heartbeat moved within {watch_s:g} s"
    if after.forced_down and age_s > max(STILL_S, 5 * watch_s):
        return Says.DEAD, f"forced down, and no heartbeat for {age_s:.0f} s"
    if after.forced_down:
        return Says.SILENT, "forced down, and no heartbeat"
    if after.up or after.updated_at < before.updated_at:
        return Says.SILENT, f"up, but no heartbeat within {watch_s:g} s"
    return Says.DEAD, f"down, and no heartbeat within {watch_s:g} s"


def _set_by_people(host: Host) -> tuple[bool, bool, str, str]:
    return (
        host.forced_down,
        host.enabled,
        host.disabled_reason,
        host.service_id,
    )
