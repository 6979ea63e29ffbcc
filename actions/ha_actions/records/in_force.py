"""What is in force: the policy, whether the pack may act at all, and the
brakes that people have put on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ha_actions.codec import to_json
from ha_actions.errors import BadInput
from ha_actions.records.entries import Entries


@dataclass(frozen=True)
class Brake:
    """Somebody said: not now. It always ends by itself."""

    scope: str
    """``all``, ``host:NAME``, ``aggregate:NAME`` or ``maintenance:HOST``."""
    because: str
    by: str
    since: float
    until: float


class InForce(Entries):
    """``ha.policy[.<digest>]``, ``ha.armed``, ``ha.brake.<scope>``."""

    def policy_text(self, digest: str = "") -> str:
        """The policy in force, or the one that an incident pinned.

        :raises BadInput: none is installed.
        """
        name = f"ha.policy.{digest}" if digest else "ha.policy"
        entry = self.ledger.read(name)
        if entry is None:
            raise BadInput(
                "no_policy",
                f"The ledger has no {name}; install a policy with "
                "`ha-pack policy set FILE`.",
            )
        return str(entry["text"])

    def pin_policy(self, text: str, digest: str) -> None:
        """Keep this policy for the incidents that name its digest."""
        self.ledger.create(f"ha.policy.{digest}", {"text": text})

    def armed(self) -> bool:
        """Whether a person has ever said that the pack may act."""
        return self.ledger.read("ha.armed") is not None

    def arm(self, by: str) -> None:
        """Let ``mode: act`` act; brakes still stop it."""
        self.ledger.write("ha.armed", {"by": by, "at": self.clock.now()})

    def set_brake(self, brake: Brake) -> None:
        """Disarm a scope, or declare maintenance, until a moment."""
        self.ledger.write(f"ha.brake.{brake.scope}", to_json(brake))

    def lift_brake(self, scope: str) -> None:
        """Arm again, or end a maintenance."""
        self.ledger.delete(f"ha.brake.{scope}")

    def brakes(self) -> list[Brake]:
        """Those that are in force now."""
        now = self.clock.now()
        found = (
            self._read(name, Brake) for name in self.ledger.names("ha.brake.")
        )
        return [b for b in found if b is not None and b.until > now]

    def disarmed(self, host: str, aggregates: Iterable[str]) -> Brake | None:
        """The brake that forbids irreversible steps on this host."""
        scopes = {
            "all",
            f"host:{host}",
            *(f"aggregate:{a}" for a in aggregates),
        }
        for brake in self.brakes():
            if brake.scope in scopes:
                return brake
        return None

    def maintenance(self) -> dict[str, Brake]:
        """Host -> the maintenance that makes its death no incident."""
        head = "maintenance:"
        return {
            b.scope.removeprefix(head): b
            for b in self.brakes()
            if b.scope.startswith(head)
        }
