"""One server of the caller's, with the notes that runs of a workflow share.

An alarm on host_down and one on host_fenced may run side by side: a claim in
the caller's project lets one of them work on a server at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ha_actions.codec import from_json, to_json
from ha_actions.deciders import own as rules
from ha_actions.deciders.membership import members_of
from ha_actions.errors import Failed
from ha_actions.model import Claim, Guest, Member
from ha_actions.model.likeness import Disk
from ha_actions.outside import Own
from ha_actions.records.incidents import Record

LEASE_S = 60.0
"""For one call: longer than its changes take, but for a locked balancer."""
WAIT_S = 2 * LEASE_S
"""For others' claims. Their owner may write into his project what he likes,
and an executor's threads are the operator's."""


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What must be remembered of a server until it is replaced."""

    weights: dict[str, int] = field(default_factory=dict)
    """Member id -> weight before it was drained."""
    posted_at: float = 0.0
    """When a new server was asked for, and no answer came; 0.0: never."""
    volumes: tuple[Disk, ...] = ()
    """What goes over to the new server."""


class Replacement:
    """One call's view; what it has read is as old as the call.

    :raises Failed: ``not_found``.
    :raises Refused: ``no_event``, ``other_server``, ``not_custom``,
        ``elsewhere``.
    """

    def __init__(self, own: Own, server: str, event: Any) -> None:
        self.own = own
        self.server = server
        self.cloud = own.cloud
        self.fenced = rules.fenced(event, server)
        self.incident = str(event["traits"].get("incident") or "")
        self._host = str(event["traits"].get("host_id") or "")
        self._id = f"own-{server}"
        self._name = f"ha.own.{server}"
        self._record = Record(own.ledger, own.clock)
        self.look()

    def look(self) -> None:
        """Read the old server and the new one again."""
        mine = [
            guest
            for guest in self.cloud.guests_of("")
            if guest.project == self.own.caller.project
        ]
        self.old, self.copy = rules.find(self.server, mine)
        if self.old is not None:
            rules.must_be_there(self.old, self._host)

    def needed(self) -> Guest:
        """The old server.

        :raises Failed: ``not_found``: it is gone, so it cannot be copied.
        """
        if self.old is None:
            raise Failed(
                "not_found",
                f"Server {self.server} is gone, so it cannot be copied.",
            )
        return self.old

    def members(self) -> list[Member]:
        """Members of the caller's pools, whatever else his roles show."""
        return [
            member
            for member in self.cloud.members()
            if member.project == self.own.caller.project
        ]

    @contextmanager
    def claimed(self) -> Iterator[Claim]:
        """Alone with the server; what was read before is read again."""
        claim = self._record.claim(
            self._id, "server", self.own.caller.holder, LEASE_S, WAIT_S
        )
        try:
            self.look()
            yield claim
        finally:
            self._record.release(claim)
            if self.old is None and self.own.ledger.read(self._name) is None:
                self.forget()  # a run that lags behind the one that retired

    def notes(self) -> Notes:
        """As they are now."""
        found = self.own.ledger.read(self._name)
        if found is None:
            return Notes()
        return from_json(Notes, found, self._name)

    def note(self, **changes: Any) -> Notes:
        """Change some; only under the claim."""
        notes = replace(self.notes(), **changes)
        self.own.ledger.write(self._name, to_json(notes))
        return notes

    def forget(self) -> None:
        """All is done: nothing of it stays in the caller's project.

        A lagging run that finds no claims finds the old server gone, too. The
        notes go first: whoever still finds them has released his claim before
        the claims are listed here.
        """
        self.own.ledger.delete(self._name)
        for name in self.own.ledger.names(f"ha.claim.{self._id}."):
            self.own.ledger.delete(name)

    def remember(self, old: Guest, members: Sequence[Member]) -> Notes:
        """Note the weights of members that still have one."""
        found = {m.id: m.weight for m in members_of(old, members) if m.weight}
        notes = self.notes()
        if found.items() <= notes.weights.items():
            return notes
        return self.note(weights={**notes.weights, **found})
