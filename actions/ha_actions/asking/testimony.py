"""What witnesses have in common: whatever goes wrong is silence."""

from __future__ import annotations

from collections.abc import Callable

from ha_actions.errors import HaError
from ha_actions.model import Host, Says, Testimony
from ha_actions.ports import Clock


def testify(
    witness: str,
    host: Host,
    clock: Clock,
    look: Callable[[], tuple[Says, str]],
) -> Testimony:
    """What a look says, with the time after it; any error is ``silent``."""
    try:
        says, why = look()
    except HaError as error:
        says, why = Says.SILENT, error.message
    return Testimony(
        witness=witness,
        host=host.name,
        says=says,
        observed_at=clock.now(),
        detail=why,
    )
