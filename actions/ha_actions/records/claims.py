"""Leave to change the world, for one holder at a time.

Each taking and each renewal of a claim is an entry of its own, which is
created: of two that try at once, one is told no. Only its holder writes it
again, to end it early.
"""

from __future__ import annotations

from typing import Any

from ha_actions.errors import Refused, Transient
from ha_actions.model import Claim
from ha_actions.records.entries import Entries

LEASE_S = 60.0
"""How long a claim lasts: longer than a POST and its timeout, shorter than
Mistral's detection of a lost executor."""

SPARE_S = 1.0
"""Clocks of two executors may differ by this much."""

CLAIM_POLL_S = 2.0
"""How often a claim that somebody holds is looked at."""


class Claims(Entries):
    """``ha.claim.<incident>.<subject>.<n>``."""

    def claim(
        self,
        id: str,
        subject: str,
        holder: str,
        lease_s: float = LEASE_S,
        wait_s: float = float("inf"),
    ) -> Claim:
        """Wait for the former holder's lease to end, then take over.

        :param wait_s: no longer than that, where others than we may have
            written the entries.
        :raises Transient: ``busy``: it was not free by then.
        """
        late = self.clock.now() + wait_s
        while True:
            n, last = self._last_claim(id, subject, late)
            if last is not None and last["holder"] != holder:
                rest = float(last["until"]) + SPARE_S - self.clock.now()
                if rest > 0:  # it may be released long before
                    self.clock.sleep(min(rest, CLAIM_POLL_S))
                    continue
            taken = self._take_claim(id, subject, holder, n + 1, lease_s)
            if taken is not None:
                return taken

    def renew(self, claim: Claim, lease_s: float = LEASE_S) -> Claim:
        """The same claim for longer.

        :raises Refused: ``superseded``, when another run has taken over.
        """
        again = self._take_claim(
            claim.incident,
            claim.subject,
            claim.holder,
            claim.number + 1,
            lease_s,
        )
        if again is None:
            raise Refused(
                "superseded",
                f"Another run has taken over {claim.subject} of incident "
                f"{claim.incident}; this one stops.",
            )
        return again

    def former_end(self, claim: Claim) -> float:
        """When the claim before this one ended; 0.0 if there was none."""
        name = _claim_name(claim.incident, claim.subject, claim.number - 1)
        return float((self.ledger.read(name) or {}).get("until", 0.0))

    def release(self, claim: Claim) -> None:
        """End a claim early, so that nobody has to wait for its lease."""
        name = _claim_name(claim.incident, claim.subject, claim.number)
        done = {"holder": claim.holder, "until": self.clock.now() - SPARE_S}
        self.ledger.write(name, done)

    def _take_claim(
        self, id: str, subject: str, holder: str, n: int, lease_s: float
    ) -> Claim | None:
        until = self.clock.now() + lease_s
        entry = {"holder": holder, "until": until}
        if not self.ledger.create(_claim_name(id, subject, n), entry):
            return None
        return Claim(
            incident=id, subject=subject, holder=holder, number=n, until=until
        )

    def _last_claim(
        self, id: str, subject: str, late: float
    ) -> tuple[int, dict[str, Any] | None]:
        n, last = 0, None
        while True:
            entry = self.ledger.read(_claim_name(id, subject, n + 1))
            if entry is None:
                return n, last
            n, last = n + 1, entry
            if self.clock.now() >= late:
                raise _busy(id, subject)


def _busy(id: str, subject: str) -> Transient:
    return Transient(
        "busy", f"{subject} of {id} is claimed by another run all the time."
    )


def _claim_name(id: str, subject: str, n: int) -> str:
    return f"ha.claim.{id}.{subject}.{n}"
