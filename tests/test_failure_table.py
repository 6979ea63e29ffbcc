"""docs/failure-table.md says what the traces of its scenarios say.

The traces are those of the .log files, which other tests hold against what
is really played.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "scenarios"
TABLE = ROOT / "docs" / "failure-table.md"

WITNESSES = ("compute_service", "bmc_power", "tcp_reach")
COLUMNS = 7
LINE = re.compile(r"\s*\d+ (\w+)\s+(.+?): (.*)")
HEARD = re.compile(r"(\w+) (alive|dead|silent)\b")

ACTS = (
    ("fence", "asked to cut", "cut"),
    ("fence", "dry run", "rehearsed"),
    ("proof", "void", "proof void"),
    ("proof", "read Off", "proven"),
    ("step", "ha.evacuate_servers: done", "evacuated"),
    ("step", "ha.recreate_servers: done", "recreated"),
    ("incident", "closed", "closed"),
    ("told", "held", "held"),
    ("dismissal", "", "dismissed"),
    ("refusal", "not_operator", "refused"),
    ("refusal", "not_for_drills", "refused"),
)
"""Kind of a trace's line, what it says, the table's word for it."""


@dataclass(frozen=True)
class Row:
    """What one scenario says; every sequence leaves out repetitions."""

    said: tuple[tuple[str, ...], ...]
    """Per witness of ``WITNESSES``: its words."""
    verdict: tuple[str, ...]
    act: tuple[str, ...]


def table() -> dict[str, Row]:
    """Scenario -> its row in the docs."""
    rows = {}
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        name = re.fullmatch(r"`([a-z0-9-]+)`", cells[-1])
        if len(cells) != COLUMNS or name is None:
            continue
        assert name[1] not in rows, f"{name[1]} has two rows"
        rows[name[1]] = Row(
            said=tuple(_words(cell, ", then ") for cell in cells[1:4]),
            verdict=_words(cells[4], ", then "),
            act=_words(cells[5], ", "),
        )
    return rows


def trace(log: Path) -> Row:
    """The same from an expected trace.

    Where several hosts fail alike, what is heard of the first one counts.
    """
    lines = [
        found.groups()
        for line in log.read_text().splitlines()
        if (found := LINE.match(line))
    ]
    host = next((s for kind, s, _ in lines if kind == "witness"), "")
    of_host = [(kind, text) for kind, s, text in lines if s == host]
    heard = [
        dict(HEARD.findall(_without_brackets(text)))
        for kind, text in of_host
        if kind == "witness"
    ]
    return Row(
        said=tuple(_changes([h[name] for h in heard]) for name in WITNESSES),
        verdict=_changes(
            [text.split(",")[0] for kind, text in of_host if kind == "verdict"]
        ),
        act=_changes(
            [
                word
                for kind, _, text in lines
                for word in [_act(kind, text)]
                if word
            ]
        ),
    )


def _act(kind: str, text: str) -> str:
    for of_kind, piece, word in ACTS:
        if kind == of_kind and piece in text:
            return word
    return ""


def _without_brackets(text: str) -> str:
    while (shorter := re.sub(r"\([^()]*\)", "", text)) != text:
        text = shorter
    return text


def _words(cell: str, between: str) -> tuple[str, ...]:
    return tuple(word for word in cell.split(between) if word != "-")


def _changes(words: list[str]) -> tuple[str, ...]:
    return tuple(
        word for i, word in enumerate(words) if i == 0 or word != words[i - 1]
    )


@pytest.mark.parametrize("name", sorted(table()))
def test_the_table_says_what_the_trace_says(name: str) -> None:
    assert table()[name] == trace(FOLDER / f"{name}.log")


def test_every_failure_that_operators_ask_for_has_a_row() -> None:
    asked = {
        "host-power-loss",
        "kernel-panic",
        "hang-that-answers",
        "nic-loss",
        "storage-path-loss",
        "broker-loss",
        "nova-compute-crash",
        "bmc-network-loss-host-dead",
        "bmc-network-loss-host-alive",
        "bmc-dead-with-host",
        "half-cloud-partition",
    }
    assert asked <= set(table())


def test_who_is_not_proven_dead_is_not_evacuated() -> None:
    for name, row in table().items():
        if "evacuated" in row.act:
            assert "proven" in row.act, name


def test_a_host_that_a_witness_hears_is_not_cut() -> None:
    for name, row in table().items():
        if row.verdict in (("ALIVE",), ("UNCERTAIN",)):
            assert "cut" not in row.act, name
