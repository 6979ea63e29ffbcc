"""One installation: what is wanted, what is there, and the way between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ha_actions import process_facts
from ha_actions.action import classes
from ha_actions.errors import BadInput, Refused
from ha_actions.records.incidents import Opened, Record

from ha_installer import catalogue, executors, interface
from ha_installer.catalogue import Thing
from ha_installer.clouds import Site
from ha_installer.diff import Change, Verb, changes
from ha_installer.into_aodh import IntoAodh
from ha_installer.into_mistral import POLICY, IntoMistral

INSTALLED = "ha.installed"
"""The ledger's entry: what the last installation put in place."""
POLL_S = 5.0


@dataclass(frozen=True)
class Wants:
    """What this run wants of the cloud."""

    policy: str = ""
    """Empty: the one in force stays."""
    pattern: str = catalogue.EVERY_MINUTE


class Installation:
    """The pack in one cloud."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.record: Record = site.record
        self.mistral = IntoMistral(site.mistral.rest, self.record)
        aodh = site.aodh
        self.aodh = IntoAodh(aodh) if aodh else None

    # -- looking -----------------------------------------------------------
    def wanted(self, wants: Wants, there: Sequence[Thing]) -> list[Thing]:
        """The whole catalogue, in the cloud's own circumstances."""
        policy = [t for t in there if t.kind == "policy"]
        if wants.policy:
            policy = [Thing("policy", POLICY, wants.policy)]
        books = [t for b in catalogue.books() for t in catalogue.of_book(b)]
        alarms = list(catalogue.alarms()) if self.aodh else []
        return [*policy, *books, catalogue.trigger(wants.pattern), *alarms]

    def there(self) -> list[Thing]:
        """What of ours the cloud has now."""
        found = self.mistral.there()
        if self.aodh:
            found += self.aodh.there(list(catalogue.alarms()))
        return found

    def missing(self, wants: Wants) -> tuple[Change, ...]:
        """What to do; empty when all is as it should be."""
        there = self.there()
        return changes(self.wanted(wants, there), there)

    # -- rules -------------------------------------------------------------
    def open_incidents(self, *, held_too: bool) -> list[Opened]:
        """Those at work; and those that wait for a person, if told so."""
        found = self.record.all_opened()
        return [e for e in found if held_too or not e.held]

    def must_rest(self, *, with_held: bool) -> None:
        """:raises Refused: ``incident_open``: one is at work, or held."""
        found = self.open_incidents(held_too=not with_held)
        if found:
            raise Refused(
                "incident_open",
                f"Incidents are open: {', '.join(map(_told, found))}. Wait "
                "for their end (`upgrade --wait`), or resume or abort them; "
                "--with-held goes on beside held ones.",
                incidents=[e.incident.id for e in found],
            )

    def wait_for_rest(self, for_s: float, say: Callable[[str], None]) -> None:
        """Wait until no incident is at work; held ones are not waited for.

        :raises Refused: ``incident_open``, the time is up.
        """
        clock = self.site.clock
        until = clock.now() + for_s
        told: list[str] = []
        while found := self.open_incidents(held_too=False):
            ids = [e.incident.id for e in found]
            if ids != told:
                say(f"waiting for incident {', '.join(ids)}")
                told = ids
            if clock.now() + POLL_S > until:
                self.must_rest(with_held=True)
            clock.sleep(POLL_S)

    def must_fit(self, expect: Sequence[str]) -> executors.Met:
        """Every engine and executor can run the book, and what still runs.

        :raises Refused: ``actions_missing``, ``inputs_shrunk``.
        """
        met = executors.meet(
            self.site.mistral.rest, self.site.clock, expect=expect
        )
        mine = own_interface()
        for book in catalogue.books():
            executors.must_have(met, interface.wanted(book.text, mine))
        before = (self.record.ledger.read(INSTALLED) or {}).get("actions", {})
        lines = sorted(
            {
                f"{name}: {line}"
                for name, facts in met.executors.items()
                for line in interface.shrunk(before, interface.of(facts))
            }
        )
        if lines:
            raise Refused(
                "inputs_shrunk",
                "Executions that still run would fail, for the new actions "
                f"take less than the installed ones: {'; '.join(lines[:8])}. "
                "Within v1 inputs only grow: install a right version.",
            )
        return met

    # -- doing -------------------------------------------------------------
    def apply(
        self, todo: Sequence[Change], say: Callable[[Change], None]
    ) -> None:
        """Each change, in its order; what was done stays when one fails."""
        for change in todo:
            if change.thing.kind == "alarm":
                if self.aodh is None:
                    raise BadInput("no_aodh", "This cloud has no Aodh.")
                self.aodh.apply(change)
            else:
                self.mistral.apply(change)
            say(change)
        self._mend_flows(todo)

    def _mend_flows(self, todo: Sequence[Change]) -> None:
        """A workflow that somebody changed or deleted comes with its book."""
        put = {c.thing.name for c in todo if c.thing.kind == "workbook"}
        broken = {
            c.thing.name
            for c in todo
            if c.thing.kind == "workflow" and c.verb is not Verb.DELETE
        }
        for book in catalogue.books():
            if book.name not in put and broken & set(book.workflows):
                self.mistral.put_book(book.text)

    def remember(self) -> None:
        """Note what is in place: the next upgrade is held against it."""
        self.record.ledger.write(
            INSTALLED,
            {
                "pack": process_facts.version(),
                "at": self.site.clock.now(),
                "books": {b.name: b.digest for b in catalogue.books()},
                "actions": own_interface(),
                "alarms": [t.name for t in catalogue.alarms()]
                if self.aodh
                else [],
            },
        )

    def remembered(self) -> dict[str, Any]:
        """What the last installation noted; empty: there was none."""
        return self.record.ledger.read(INSTALLED) or {}


def own_interface() -> interface.Interface:
    """The actions that come with this pack."""
    return {
        name: process_facts.inputs(cls)
        for name, cls in sorted(classes().items())
    }


def _told(entry: Opened) -> str:
    state = f"held: {entry.held}" if entry.held else "at work"
    return f"{entry.incident.id} (host {entry.incident.host}, {state})"
