"""The fences that one window of time allows, each taken by one incident."""

from __future__ import annotations

from typing import Any

from ha_actions.model import Incident, Refusal
from ha_actions.records.entries import Entries
from ha_actions.settings import Limits

EXTRA = "x-"
"""With it the name of a slot past the limit begins, after its window."""


class Slots(Entries):
    """``ha.slot.<window>.<k>``."""

    def take_slot(self, incident: Incident, limits: Limits) -> Refusal | None:
        """Take one of the window's fences; an incident takes one once.

        Never more than ``limits.fences`` in any window of ``window_s``: the
        slots of the former window that are still young count too.
        """
        now = self.clock.now()
        window = int(now // limits.window_s)
        young: list[str] = []
        # by name, not by number: another policy may have allowed more of them
        for old in (
            *self._slots(f"ha.slot.{window - 1}."),
            *self._slots(f"ha.slot.{window}.{EXTRA}"),
        ):
            if float(old["at"]) > now - limits.window_s:
                if old["incident"] == incident.id:
                    return None
                young.append(str(old["host"]))
        mine = {"incident": incident.id, "host": incident.host, "at": now}
        for k in range(limits.fences - len(young)):
            name = f"ha.slot.{window}.{k}"
            if self.ledger.create(name, mine):
                return None
            other = self.ledger.read(name) or {}
            if other.get("incident") == incident.id:
                return None
            young.append(str(other.get("host", "?")))
        fenced = sorted(set(young))
        return Refusal(
            code="no_fence_slot",
            reason=f"the policy allows {limits.fences} fence(s) within "
            f"{limits.window_s} s, and they are used up"
            + (f" ({', '.join(fenced)})" if fenced else ""),
            facts={"fenced": fenced},
        )

    def take_extra_slot(self, incident: Incident, limits: Limits) -> None:
        """Past the limit, by a person's yes: it counts for those after it."""
        now = self.clock.now()
        window = int(now // limits.window_s)
        mine = {"incident": incident.id, "host": incident.host, "at": now}
        self.ledger.write(f"ha.slot.{window}.{EXTRA}{incident.id}", mine)

    def _slots(self, prefix: str) -> list[dict[str, Any]]:
        found = (self.ledger.read(name) for name in self.ledger.names(prefix))
        return [slot for slot in found if slot]
