"""What a tenant's own actions reach in a simulated world: his project."""

from __future__ import annotations

from collections import defaultdict

from ha_actions.errors import Refused
from ha_actions.model import Guest
from ha_actions.model.caller import Caller
from ha_actions.outside import Own
from ha_actions.ports import Ledger
from ha_actions.sim.cloud import SimCloud
from ha_actions.sim.ledger import MemoryLedger
from ha_actions.sim.world import World


class OwnCloud(SimCloud):
    """The cloud by a tenant's token: a foreign server is not found."""

    def __init__(self, world: World, project: str) -> None:
        super().__init__(world, "")
        self._project = project

    def guests_of(self, project: str) -> list[Guest]:
        """The token's project, whatever is asked."""
        return super().guests_of(self._project)


class OwnWorlds:
    """Caller -> his project; its notes last as long as the world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.notes: dict[str, Ledger] = defaultdict(MemoryLedger)

    def __call__(self, caller: Caller) -> Own:
        """:raises Refused: ``no_token``."""
        if not caller.token:
            raise Refused("no_token", "The execution has no token any more.")
        return Own(
            caller=caller,
            cloud=OwnCloud(self._world, caller.project),
            ledger=self.notes[caller.project],
            clock=self._world.clock,
        )
