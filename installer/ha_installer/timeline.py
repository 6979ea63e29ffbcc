"""The picture of a story: geometry only, in SVG user units. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ha_installer.story import Lane, Stage, Story
from ha_installer.tables import seconds

WIDTH = 1000.0
LEFT = 176.0
"""Room for the guests' names."""
RIGHT = 44.0
TOP = 46.0
LANE = 24.0
BAR = 14.0
NICE = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
NARROW = 46.0
"""A stage narrower than this has no room for its name."""


Scale = Callable[[float], float]
"""A moment -> its place on the axis."""


@dataclass(frozen=True)
class Box:
    """A rectangle with its class in the style sheet and its tooltip."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    label: str = ""
    title: str = ""


@dataclass(frozen=True)
class Row:
    """One guest's swim-lane."""

    name: str
    mark: str
    y: float
    boxes: tuple[Box, ...]
    note: str = ""
    note_x: float = 0.0


@dataclass(frozen=True)
class Picture:
    """What the template draws."""

    width: float
    height: float
    bands: tuple[Box, ...]
    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]
    foot: float
    """Where the time axis is."""


def draw(story: Story) -> Picture:
    """Stages as bands, one lane for each guest, its steps as bars."""
    start = story.began
    end = max(story.report.closed_at, start + 1.0)
    scale = (WIDTH - LEFT - RIGHT) / (end - start)

    def x(at: float) -> float:
        return round(LEFT + (min(max(at, start), end) - start) * scale, 1)

    foot = TOP + LANE * len(story.lanes)
    bands = tuple(_band(stage, x, foot) for stage in story.stages)
    rows = tuple(
        _row(lane, TOP + LANE * n, x, story)
        for n, lane in enumerate(story.lanes)
    )
    return Picture(
        width=WIDTH,
        height=foot + 34,
        bands=bands,
        rows=rows,
        ticks=tuple((x(start + at), _axis(at)) for at in _ticks(end - start)),
        foot=foot,
    )


def _band(stage: Stage, x: Scale, foot: float) -> Box:
    left, right = x(stage.start), x(stage.end)
    took = seconds(stage.end - stage.start)
    return Box(
        x=left,
        y=TOP - 26,
        width=round(right - left, 1),
        height=foot - TOP + 26,
        kind=stage.name,
        label=stage.name if right - left >= NARROW else "",
        title=f"{stage.name}: {took} {stage.note}".strip(),
    )


def _row(lane: Lane, y: float, x: Scale, story: Story) -> Row:
    top = y + (LANE - BAR) / 2
    boxes: list[Box] = []
    if lane.mark in ("back", "bad"):
        out = lane.bars[0].start if lane.bars else story.report.closed_at
        boxes.append(_box(x, story.began, out, top, "down", "down, waiting"))
    if lane.bars and lane.mark == "back":
        boxes.append(_line(x, lane, story, y))
    for bar in lane.bars:
        kind = bar.step if bar.result in ("done", "already") else "failed"
        title = (
            f"{lane.row.name}, {bar.step}: {bar.result} after "
            f"{seconds(bar.end - story.began)}; {bar.reason}"
        )
        boxes.append(_box(x, bar.start, bar.end, top, kind, title))
    note, note_x = "", LEFT + 6
    if not lane.bars:
        note = lane.row.outcome.replace("_", " ")
    elif lane.row.host:
        note, note_x = lane.row.host, x(lane.bars[-1].end) + 5
    return Row(
        name=lane.row.name,
        mark=lane.mark,
        y=y,
        boxes=tuple(boxes),
        note=note,
        note_x=note_x,
    )


def _line(x: Scale, lane: Lane, story: Story, y: float) -> Box:
    """From its return on it is up."""
    left = x(lane.bars[0].end)
    return Box(
        x=left,
        y=y + LANE / 2 - 1,
        width=round(x(story.report.closed_at) - left, 1),
        height=2,
        kind="up",
        title=f"{lane.row.name}: back",
    )


def _box(
    x: Scale, start: float, end: float, top: float, kind: str, title: str
) -> Box:
    left = x(start)
    return Box(
        x=left,
        y=top,
        width=max(2.0, round(x(end) - left, 1)),
        height=BAR,
        kind=kind,
        title=title,
    )


def _axis(at: float) -> str:
    """``45 s``, ``2:05``, ``1:10:00``."""
    whole = round(at)
    if whole < 60:
        return f"{whole} s"
    hours = f"{whole // 3600}:" if whole >= 3600 else ""
    minutes = f"{whole % 3600 // 60:02d}" if hours else f"{whole // 60}"
    return f"{hours}{minutes}:{whole % 60:02d}"


def _ticks(span: float) -> list[float]:
    step = next((n for n in NICE if span / n <= 9), NICE[-1])
    return [float(at) for at in range(0, int(span) + 1, step)]
