"""What people read in a terminal: traces, checks and tables.

Plain text everywhere; colour only on a terminal that wants it. Nothing here
needs rich, so that `ha-pack simulate` works with the executor's packages.
"""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

COLOURS = {
    "world": "35",
    "incident": "1",
    "verdict": "1;33",
    "proof": "1;32",
    "refusal": "1;31",
    "told": "1;31",
    "dismissal": "33",
    "fence": "31",
    "plan": "36",
}
GOOD, BAD, FAINT = "32", "1;31", "2"


def coloured(out: TextIO) -> bool:
    """Whether colours belong there. Source: no-color.org for NO_COLOR."""
    return out.isatty() and not os.environ.get("NO_COLOR")


def paint(text: str, colour: str, on: bool) -> str:
    """The text in an SGR colour, or as it is."""
    return f"\x1b[{colour}m{text}\x1b[0m" if on and colour else text


def trace_line(entry: Mapping[str, Any], colours: bool = False) -> str:
    """``   70 verdict   c1: DOWN, ...``; the form of NAME.log files."""
    kind = paint(
        f"{entry['kind']:<9}", COLOURS.get(entry["kind"], ""), colours
    )
    return f"{entry['at']:5.0f} {kind} {entry['subject']}: {entry['text']}"


def trace_text(trace: Iterable[Mapping[str, Any]]) -> str:
    """A whole trace as NAME.log keeps it."""
    return "".join(f"{trace_line(entry)}\n" for entry in trace)


def check_line(check: Mapping[str, Any], colours: bool = False) -> str:
    """One invariant: ``ok    never two running copies``."""
    word = "ok" if check["ok"] else "FAILS"
    tail = f": {check['detail']}" if check["detail"] else ""
    mark = paint(f"{word:<5}", GOOD if check["ok"] else BAD, colours)
    return f"{mark} {check['name']}{tail}"


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int = 0,
    colours: Sequence[str] = (),
) -> str:
    """Columns as wide as needed; the last one wraps at the terminal's width.

    :param colours: one SGR colour for each row; nothing for no colours.
    """
    width = width or shutil.get_terminal_size((100, 24)).columns
    widths = [
        max(len(str(row[i])) for row in [headings, *rows])
        for i in range(len(headings) - 1)
    ]
    used = sum(widths) + 2 * len(widths)
    room = max(24, width - used)
    lines = _cells(headings, widths, room)
    lines.append("  ".join("-" * n for n in [*widths, min(room, 24)]))
    for n, row in enumerate(rows):
        colour = colours[n] if colours else ""
        lines += [
            paint(line, colour, bool(colour))
            for line in _cells(row, widths, room)
        ]
    return "\n".join(lines)


def _cells(row: Sequence[str], widths: Sequence[int], room: int) -> list[str]:
    head = "".join(
        f"{cell!s:<{w}}  " for cell, w in zip(row, widths, strict=False)
    )
    tail = textwrap.wrap(str(row[-1]), room) or [""]
    pad = " " * len(head)
    return [
        ((head if i == 0 else pad) + part).rstrip()
        for i, part in enumerate(tail)
    ]


def seconds(value: float) -> str:
    """A duration in words: ``14 s``, ``2 min 05 s``, ``3 h 10 min``."""
    whole = round(value)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
