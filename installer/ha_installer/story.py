"""One incident as it is told afterwards: by table, by picture, by JSON.

Read from the ledger alone, so that a drill in a simulated cloud and the
incident of last night are told in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ha_actions.deciders.prospects import Prospect
from ha_actions.deciders.report import LEFT_ALONE
from ha_actions.errors import BadInput
from ha_actions.model import (
    GuestReport,
    Incident,
    Proof,
    Protection,
    Report,
)
from ha_actions.records.batches import Batches, Outcomes
from ha_actions.records.incidents import Record

DEEDS = {
    "ha.evacuate_servers": "evacuated",
    "ha.recreate_servers": "made anew",
    "ha.move_volumes": "has its volumes",
    "ha.update_members": "in its pools",
    "ha.await_ready": "ready",
    "ha.await_owner": "owner",
    "ha.retire_servers": "old one deleted",
}
"""A step that ended well, in words; others keep their name."""

_BATCH = re.compile(r"[ap](\d+)w(\d+)b(\d+)$")


@dataclass(frozen=True)
class Stage:
    """A stretch of the incident; times in seconds since the epoch."""

    name: str
    start: float
    end: float
    note: str = ""


@dataclass(frozen=True)
class Bar:
    """One step of one guest."""

    step: str
    start: float
    end: float
    result: str
    reason: str


@dataclass(frozen=True)
class Lane:
    """One guest: its row of the report, and its bars."""

    row: GuestReport
    host: str
    """Where it is now: the dead host, when nobody moved it."""
    bars: tuple[Bar, ...] = ()
    promise: Prospect | None = None
    """What was foretold before the host died, where that was asked."""

    @property
    def deeds(self) -> str:
        """What was done, in words; of a dry run, what would be."""
        if self.row.steps:
            return ", ".join(
                DEEDS.get(s.step, s.step.removeprefix("ha.").replace("_", " "))
                if s.result.value in ("done", "already")
                else f"{s.step.removeprefix('ha.')}: {s.result}"
                for s in self.row.steps
            )
        if self.row.outcome.startswith("refused_"):
            return "refused"
        return self.row.did

    @property
    def why(self) -> str:
        """The reason, without the words that `deeds` says already."""
        text = self.row.reason
        for head in ("left alone: ", "refused: "):
            text = text.removeprefix(head)
        return text

    @property
    def foretold(self) -> bool:
        """Whether what happened is what ``ha-pack explain`` had said."""
        if self.promise is None:
            return True
        head = self.row.outcome.partition(",")[0]
        if self.promise.comes_back:
            return head in ("recovered", "planned")
        if self.promise.code == "left_custom" and self.row.did != LEFT_ALONE:
            return head in ("recovered", "planned", "deleted")
        return self.row.outcome == self.promise.code

    @property
    def kept(self) -> bool:
        """Whether it got what the policy says, as foretold."""
        return self.row.as_chosen and self.foretold

    @property
    def mark(self) -> str:
        """``back``, ``alone`` (as chosen), ``person`` (refused), ``bad``."""
        if not self.kept:
            return "bad"
        if self.row.outcome.startswith("refused_"):
            return "person"
        others = self.row.protection is Protection.CUSTOM  # its owner's deed
        return "alone" if others or self.row.did == LEFT_ALONE else "back"


@dataclass(frozen=True)
class Story:
    """Everything that the table and the HTML report show."""

    report: Report
    lanes: tuple[Lane, ...]
    stages: tuple[Stage, ...]
    began: float
    """When the host died, as far as that is known; else the opening."""
    where: str = ""
    proofs_void: int = 0
    checks: tuple[Mapping[str, Any], ...] = ()
    trace: tuple[Mapping[str, Any], ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Every guest got what its policy says, and every check holds."""
        return all(lane.kept for lane in self.lanes) and all(
            check["ok"] for check in self.checks
        )


def read(
    record: Record,
    id: str,
    *,
    promises: Mapping[str, Prospect] | None = None,
    died_at: float = 0.0,
    where: str = "",
    checks: Iterable[Mapping[str, Any]] = (),
    trace: Iterable[Mapping[str, Any]] = (),
    facts: Mapping[str, str] | None = None,
) -> Story:
    """The story of an incident that has a report.

    :param promises: guest id -> what was foretold.
    :raises BadInput: ``no_report``; there is no such incident, or it has not
        ended.
    """
    incident = record.incident(id)
    report = record.part(id, "report", Report)
    if report is None:
        raise BadInput(
            "no_report",
            f"Incident {id} has no report yet; it is still at work.",
        )
    starts = _step_starts(record, incident, report)
    lanes = [
        _lane(row, incident, starts, (promises or {}).get(row.guest))
        for row in report.guests
    ]
    return Story(
        report=report,
        lanes=tuple(sorted(lanes, key=_order)),
        stages=tuple(_stages(record, report, died_at)),
        began=died_at or incident.opened_at,
        where=where,
        proofs_void=record.voids(id),
        checks=tuple(checks),
        trace=tuple(trace),
        facts=facts or {},
    )


def _order(lane: Lane) -> tuple[int, float, str]:
    rank = {"bad": 0, "back": 1, "person": 2, "alone": 3}[lane.mark]
    end = lane.bars[-1].end if lane.bars else 0.0
    return rank, end, lane.row.name


def _lane(
    row: GuestReport,
    incident: Incident,
    starts: Mapping[tuple[str, str], float],
    promise: Prospect | None,
) -> Lane:
    bars: list[Bar] = []
    for step in sorted(row.steps, key=lambda s: s.at):
        start = starts.get((step.guest, step.step), incident.opened_at)
        if bars:
            start = max(start, bars[-1].end)
        bars.append(
            Bar(
                step.step.removeprefix("ha."),
                min(start, step.at),
                step.at,
                step.result.value,
                step.reason,
            )
        )
    return Lane(
        row=row,
        host=row.host or incident.host,
        bars=tuple(bars),
        promise=promise,
    )


def _step_starts(
    record: Record, incident: Incident, report: Report
) -> dict[tuple[str, str], float]:
    """(guest, step) -> when its wave began: the end of the one before."""
    ends: dict[tuple[int, int], float] = {}
    members: list[tuple[tuple[int, int], str, str]] = []
    for part in record.parts(incident.id, "batch."):
        found = _BATCH.search(part)
        batch = record.part(incident.id, part, Batches)
        if found is None or batch is None:
            continue
        wave = (int(found[1]), int(found[2]))
        name = f"outcome.{part.removeprefix('batch.')}"
        outcomes = record.part(incident.id, name, Outcomes)
        for one in outcomes.outcomes if outcomes else ():
            ends[wave] = max(ends.get(wave, 0.0), one.at)
        members += [
            (wave, planned.guest.id, batch.batch.action)
            for planned in batch.batch.guests
        ]
    first = report.proof.at if report.proof else incident.opened_at
    starts: dict[tuple[str, str], float] = {}
    for wave, guest, step in members:
        before = [end for other, end in ends.items() if other < wave]
        starts[guest, step] = max([first, *before])
    return starts


def _stages(record: Record, report: Report, died_at: float) -> list[Stage]:
    """Consecutive stretches; one that nobody recorded is left out."""
    opened = report.incident.opened_at
    found: list[Stage] = []
    at = opened
    if died_at and died_at < opened:
        found.append(Stage("unnoticed", died_at, opened))

    def until(name: str, end: float, note: str = "") -> None:
        nonlocal at
        if end > at:
            found.append(Stage(name, at, end, note))
            at = end

    if report.verdict is not None:
        until("judge", report.verdict.at, str(report.verdict.ruling))
    proof: Proof | None = report.proof
    if proof is not None:
        until("fence", proof.at, str(proof.evidence))
    steps = [s.at for row in report.guests for s in row.steps]
    if steps:
        until("recover", max(steps), _waves(record, report))
    until("verify", report.closed_at)
    return found


def _waves(record: Record, report: Report) -> str:
    waves = {
        found.groups()[:2]
        for part in record.parts(report.incident.id, "batch.")
        if (found := _BATCH.search(part))
    }
    return f"{len(waves)} waves"
