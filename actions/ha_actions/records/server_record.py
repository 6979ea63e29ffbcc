"""What is remembered of servers that failed alone: typed entries.

=============================  ==============================================
``ha.server.<id>``             the one open failure of a server; taken first
``ha.failure.<id>.<n>.<part>`` opening, climb, attempt.N, report
=============================  ==============================================

Not under ``ha.open.``: a server is no host, and reconcile goes on with either
by its own workflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from ha_actions.codec import from_json, to_json
from ha_actions.errors import BadInput
from ha_actions.model.server import ServerFailure, ServerReport
from ha_actions.records.incidents import LIVE, Record

T = TypeVar("T")


@dataclass(frozen=True)
class ServerOpened:
    """The entry ``ha.server.<id>``."""

    failure: ServerFailure
    execution: str
    attempt: int = 1


class ServerRecord:
    """The entries of single servers, over the same ledger."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.ledger = record.ledger
        self.clock = record.clock

    def opened(self, server: str) -> ServerOpened | None:
        """The server's open failure."""
        return self._read(f"ha.server.{server}", ServerOpened)

    def all_opened(self) -> list[ServerOpened]:
        """Every open failure of the cloud."""
        names = self.ledger.names("ha.server.")
        found = (self._read(name, ServerOpened) for name in names)
        return [entry for entry in found if entry is not None]

    def take(self, entry: ServerOpened) -> ServerOpened:
        """Open the server's failure, unless one is: whoever has it."""
        server = entry.failure.server
        if self.ledger.create(f"ha.server.{server}", to_json(entry)):
            return entry
        return self.opened(server) or self.take(entry)

    def go_on(
        self, entry: ServerOpened, execution: str
    ) -> ServerOpened | None:
        """The next attempt, if the last one's execution has ended.

        None when it works still, or another start was faster. A number whose
        taker died before it said so here is passed over.
        """
        if entry.execution == execution:
            return entry
        if self.record.execution_state(entry.execution) in LIVE:
            return None
        n = entry.attempt
        mine = {"execution": execution, "at": self.clock.now()}
        while True:
            n += 1
            name = f"ha.failure.{entry.failure.id}.attempt.{n}"
            if self.ledger.create(name, mine):
                break
            other = str((self.ledger.read(name) or {}).get("execution"))
            if other == execution:
                break
            if self.record.execution_state(other) in LIVE:
                return None
            if self.opened(entry.failure.server) != entry:
                return None  # it went on meanwhile, and may be over
        again = ServerOpened(entry.failure, execution, n)
        self.ledger.write(f"ha.server.{entry.failure.server}", to_json(again))
        return again

    def shut(self, failure: ServerFailure) -> None:
        """Free the server's entry, if it is this failure's."""
        entry = self.opened(failure.server)
        if entry is not None and entry.failure.id == failure.id:
            self.ledger.delete(f"ha.server.{failure.server}")

    def failure(self, id: str) -> ServerFailure:
        """A failure by its id, open or past.

        :raises BadInput: there is none.
        """
        found = self.part(id, "opening", ServerFailure) or next(
            (e.failure for e in self.all_opened() if e.failure.id == id), None
        )
        if found is None:
            raise BadInput(
                "unknown_failure",
                f"There is no failure {id!r} of a server in the ledger.",
            )
        return found

    def all(self) -> list[tuple[ServerFailure, ServerReport | None]]:
        """Every failure that is remembered, and how it ended if it has."""
        ending = ".opening"
        ids = [
            name.removeprefix("ha.failure.").removesuffix(ending)
            for name in self.ledger.names("ha.failure.")
            if name.endswith(ending)
        ]
        return [
            (self.failure(id), self.part(id, "report", ServerReport))
            for id in ids
        ]

    def times_since(self, server: str, since: float) -> int:
        """How many failures of the server were opened and acted on."""
        names = self.ledger.names(f"ha.failure.{server}.")
        found = (
            self._read(name, ServerFailure)
            for name in names
            if name.endswith(".opening")
        )
        return sum(
            1
            for f in found
            if f is not None and f.opened_at > since and not f.dry_run
        )

    def part(self, id: str, part: str, cls: type[T]) -> T | None:
        """One part of a failure's record, or None."""
        return self._read(f"ha.failure.{id}.{part}", cls)

    def keep(self, id: str, part: str, value: Any) -> None:
        """Write one part, replacing it."""
        self.ledger.write(f"ha.failure.{id}.{part}", to_json(value))

    def _read(self, name: str, cls: type[T]) -> T | None:
        entry = self.ledger.read(name)
        return None if entry is None else from_json(cls, entry, name)
