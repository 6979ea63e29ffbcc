"""How a watch speaks: to its log, to people, to the bus and to Mistral."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ha_actions.errors import BadInput, HaError
from ha_actions.model import Event
from ha_actions.outside import NoBus, Outside
from ha_actions.records.incidents import Record
from ha_alarms.start import Start
from ha_alarms.watch_ports import Figures, Page, Pager, Starter
from ha_alarms.watch_settings import Timing


class Voice:
    """What all parts of a watch share.

    :param name: tells several watches apart in the log.
    """

    def __init__(
        self,
        name: str,
        outside: Outside,
        starter: Starter,
        pager: Pager,
        timing: Timing,
    ) -> None:
        self.name = name
        self.outside = outside
        self.timing = timing
        self.clock = outside.clock
        self.record = Record(outside.ledger, outside.clock)
        self.namespace = outside.namespace
        self.figures = Figures()
        self.has_bus = not isinstance(outside.bus, NoBus)
        self._starter = starter
        self._pager = pager
        self._failing: set[str] = set()
        self.offset_s = 0.0
        """What our clock must be put forward by, to be like the cloud's."""

    def event_time(self) -> float:
        """Now, as the cloud's own clocks have it."""
        return self.clock.now() + self.offset_s

    def note(self, subject: str, text: str) -> None:
        """One line of the log."""
        self.outside.journal.note("watch", subject, f"{self.name}: {text}")

    def tell(self, code: str, subject: str, text: str) -> None:
        """A person must see it: one ERROR line, and a page."""
        self.outside.journal.tell(subject, f"{self.name}: {text}", code=code)
        self.page(
            Page(code=code, subject=subject, text=text, at=self.clock.now())
        )

    def page(self, page: Page) -> bool:
        """Send a page; whether it arrived."""

        def send() -> None:
            self._pager.page(page)
            self.figures.pages += 1

        return self.attempt("page", send)

    def publish(self, events: Sequence[Event]) -> None:
        """Tell the bus."""
        if events and self.has_bus:
            self.outside.bus.publish(events)
            self.figures.events += len(events)

    def start(self, subject: str, start: Start, what: str) -> None:
        """Ask Mistral for an execution, by an id that all watches know."""
        self._starter.start(start)
        self.figures.starts += 1
        self.note(subject, f"asks Mistral for {what}")

    def attempt(self, what: str, do: Callable[[], None]) -> bool:
        """Do it; what fails is counted, logged once, and done next round."""
        try:
            do()
        except HaError as error:
            self.figures.failed(what)
            if what not in self._failing:
                self._failing.add(what)
                text = f"{what} failed: {error.message}"
                if isinstance(error, BadInput):  # will not pass by itself
                    self.tell("wrong", "watch", text)
                else:
                    self.note("watch", text)
            return False
        self._failing.discard(what)
        return True
