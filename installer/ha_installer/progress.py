"""Live progress of a recovery: which stage, how many guests of how many.

On a terminal a small picture that redraws itself (rich); elsewhere, or
without rich, plain lines: one for each stage.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from ha_actions.model import Outcome

from ha_installer import tables

STAGES = ("open", "judge", "drain", "fence", "plan", "recover", "verify")
OF_KIND = {
    "incident": "open",
    "witness": "judge",
    "verdict": "judge",
    "drain": "drain",
    "fence": "fence",
    "proof": "fence",
    "ahead": "fence",
    "plan": "plan",
    "step": "recover",
    "check": "verify",
}
"""Kind of a trace entry -> the stage that it belongs to."""
OF_TASK = {
    "open_incident": "open",
    "assess_host": "judge",
    "drain_members": "drain",
    "plan_ahead": "fence",
    "fence_host": "fence",
    "replace_ahead": "fence",
    "make_plan": "plan",
    "recover_waves": "recover",
    "recover_batches": "recover",
    "take_step": "recover",
    "verify": "verify",
    "close_incident": "verify",
}
"""Task of the workbook -> the stage that it belongs to."""
RETURNS = ("ha.evacuate_servers: ", "ha.recreate_servers: ")


class Progress:
    """What has been reached. Feed it from any thread."""

    def __init__(self, title: str, guests: int = 0) -> None:
        self.title = title
        self.total = guests
        self.reached = -1
        self.back: set[str] = set()
        self.last: deque[str] = deque(maxlen=6)
        self.began = 0.0
        """When the incident was opened, for outcomes of a ledger."""
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def entry(self, entry: Mapping[str, Any]) -> None:
        """One thing that happened, as the trace has it."""
        with self._lock:
            kind, text = str(entry["kind"]), str(entry["text"])
            if kind in OF_KIND:
                self._reach(OF_KIND[kind])
            if kind == "step" and text.startswith(RETURNS):
                if ": done" in text or ": already" in text:
                    self.back.add(str(entry["subject"]))
            self.last.append(tables.trace_line(entry))
            self.happened(entry)

    def task(self, name: str) -> None:
        """A task of the workbook runs."""
        with self._lock:
            if name in OF_TASK:
                self._reach(OF_TASK[name])

    def settled(self, outcome: Outcome) -> None:
        """A step ended for a guest; telling it again does no harm."""
        key = f"{outcome.step}/{outcome.guest}"
        if key in self._told:
            return
        self._told.add(key)
        self.entry(
            {
                "at": outcome.at - self.began if self.began else 0.0,
                "kind": "step",
                "subject": outcome.name,
                "text": f"{outcome.step}: {outcome.result}, {outcome.reason}",
            }
        )

    def _reach(self, stage: str) -> None:
        n = STAGES.index(stage)
        if n > self.reached:
            self.reached = n
            self.stage(stage)

    def stage(self, name: str) -> None:
        """A further stage was reached."""

    def happened(self, entry: Mapping[str, Any]) -> None:
        """Something happened."""

    @property
    def count(self) -> str:
        """``7 of 14 guests``."""
        return f"{len(self.back)} of {self.total} guests back"


class PlainProgress(Progress):
    """One line for each stage, and for each guest that is back."""

    def stage(self, name: str) -> None:
        """Tell the stage."""
        print(f"[{name}]", flush=True)

    def happened(self, entry: Mapping[str, Any]) -> None:
        """Tell what people wait for."""
        if entry["kind"] in ("world", "verdict", "proof", "plan", "told"):
            print(tables.trace_line(entry), flush=True)
        elif entry["kind"] == "step":
            print(f"{tables.trace_line(entry)}  ({self.count})", flush=True)


class LiveProgress(Progress):
    """A picture that redraws itself, by rich."""

    def __enter__(self) -> Progress:
        from rich.live import Live

        self._live = Live(
            get_renderable=self._draw, refresh_per_second=8, transient=False
        )
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.reached = len(STAGES)
        self._live.stop()

    def _draw(self) -> Any:
        from rich.console import Group
        from rich.panel import Panel
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        stages = Table.grid(padding=(0, 2))
        cells: list[Any] = []
        for n, name in enumerate(STAGES):
            if n < self.reached:
                cells.append(Text(f"✔ {name}", style="green"))
            elif n == self.reached:
                cells.append(Spinner("dots", Text(name, style="bold cyan")))
            else:
                cells.append(Text(f"· {name}", style="dim"))
        stages.add_row(*cells)
        bar = Table.grid(padding=(0, 2))
        total = max(1, self.total)
        bar.add_row(
            ProgressBar(total=total, completed=len(self.back), width=48),
            Text(self.count, style="bold"),
        )
        log = Text("\n".join(self.last), style="dim", no_wrap=True)
        log.truncate(4000)
        return Panel(
            Group(stages, Text(""), bar, Text(""), log),
            title=self.title,
            title_align="left",
            border_style="cyan",
            height=14,
        )


def progress(title: str, guests: int, *, quiet: bool = False) -> Progress:
    """The right one for where the output goes.

    :param quiet: nothing is shown, as with ``--json``.
    """
    if quiet:
        return Progress(title, guests)
    if not tables.coloured(sys.stdout):
        return PlainProgress(title, guests)
    try:
        import rich  # noqa: F401
    except ImportError:
        return PlainProgress(title, guests)
    return LiveProgress(title, guests)
