"""What is kept of one incident, part by part; its proofs, the newest of which
holds until it is voided.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ha_actions.codec import to_json
from ha_actions.model import Proof
from ha_actions.records.entries import Entries

T = TypeVar("T")


class Parts(Entries):
    """``ha.incident.<id>.<part>``, written by the holder of a claim alone."""

    def part(self, id: str, part: str, cls: type[T]) -> T | None:
        """One part of an incident's record, or None."""
        return self._read(f"ha.incident.{id}.{part}", cls)

    def keep(self, id: str, part: str, value: Any) -> None:
        """Write one part, replacing it."""
        self.ledger.write(f"ha.incident.{id}.{part}", to_json(value))

    def drop(self, id: str, part: str) -> None:
        """Forget one part."""
        self.ledger.delete(f"ha.incident.{id}.{part}")

    def parts(self, id: str, prefix: str) -> list[str]:
        """Names of the parts that start so, in order of their numbers."""
        head = f"ha.incident.{id}."
        names = self.ledger.names(head + prefix)
        return sorted((n.removeprefix(head) for n in names), key=_natural)

    def proof(self, id: str) -> Proof | None:
        """The proof that holds now: the newest, unless it was voided."""
        names = self.parts(id, "proof.")
        if not names:
            return None
        newest = self.part(id, names[-1], Proof)
        n = names[-1].rpartition(".")[2]
        void = self.ledger.read(f"ha.incident.{id}.void.{n}")
        return None if void else newest

    def add_proof(self, id: str, proof: Proof) -> None:
        """A new proof; an older one stays for the report."""
        self.keep(id, f"proof.{len(self.parts(id, 'proof.')) + 1}", proof)

    def void_proof(self, id: str, reason: str) -> None:
        """The proof no longer holds: the host may be alive."""
        n = len(self.parts(id, "proof."))
        self.keep(id, f"void.{n}", {"reason": reason, "at": self.clock.now()})

    def voided_at(self, id: str) -> float:
        """When the newest proof became void; 0.0 if it holds, or is none."""
        names = self.parts(id, "proof.")
        n = names[-1].rpartition(".")[2] if names else ""
        void = self.ledger.read(f"ha.incident.{id}.void.{n}") if n else None
        return float(void["at"]) if void else 0.0

    def may_have_cut(self, id: str) -> bool:
        """Whether a device may have been asked to cut in this incident."""
        return bool(self.ledger.names(f"ha.claim.{id}.fence."))

    def voids(self, id: str) -> int:
        """How many proofs of the incident were voided."""
        return len(self.parts(id, "void."))


def _natural(name: str) -> list[tuple[int, str]]:
    return [
        (int(piece), "") if piece.isdigit() else (0, piece)
        for piece in name.split(".")
    ]
