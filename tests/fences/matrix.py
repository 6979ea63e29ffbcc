"""Back end x fault: every fencing of the table, side by side, in real time."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from fences import ironic_peer, peers
from ha_actions.adapters.clock import SystemClock
from ha_actions.fences.fence_agent import FenceAgent
from ha_actions.fences.ipmi import IpmiFence
from ha_actions.fences.ironic import IronicFence
from ha_actions.fences.redfish import RedfishFence
from ha_actions.fencing.proof import prove_dead
from ha_actions.model import Claim, Proof
from ha_actions.ports import Fence
from ha_actions.settings import Fencing
from unit.fakes import Journal

PAGE = Path(__file__).parents[2] / "docs" / "fencing.md"
RULES = Fencing(stable_s=2, poll_s=0.3, deadline_s=16)
AT_ONCE = 24
IRONIC_RULES = replace(RULES, deadline_s=45)
"""On SQLite it does one thing after another, and each takes its seconds."""

LIES = "says Off, and runs on"
"""The one row that may end in a proof of a host that runs."""
MACHINES: dict[str, dict[str, Any]] = {
    "none": {},
    "was off already": {"starts": "off"},
    "off after 3 s": {"delay": 3},
    "0.5 s for each answer": {"latency": 0.5},
    "accepts the cut, stays on": {"ignore": True},
    "refuses the cut": {"refuse": 403},
    "back on after 0.5 s": {"revive": 0.5},
    "back on after 1.5 s": {"revive": 1.5},
    "reads a word that is neither": {"report": "Unknown"},
    "reads PoweringOff for ever": {"report": "PoweringOff"},
    "answers 503 to everything": {"broken": 503},
    LIES: {"lies": True},
}
AROUND = ("wrong password", "another machine", "untrusted certificate")
"""Faults of the entry, not of the machine."""
NOBODY = "nobody there"
FAULTS = (*MACHINES, *AROUND, NOBODY)
NOT_IPMI = {
    "reads PoweringOff for ever",
    "reads a word that is neither",
    "answers 503 to everything",
}
COLUMNS = (
    "redfish",
    "ipmi",
    "ipmi (ipmi_sim)",
    "fence_redfish",
    "fence_ipmilan",
    "fence_dummy",
    "ironic",
)
MEASURED = tuple(c for c in COLUMNS if c != "ironic" or ironic_peer.WANTED)
"""Ironic's only where its tier is asked for: IRONIC=1."""


@dataclass(frozen=True)
class Case:
    """One fencing of the table."""

    column: str
    fault: str
    fence: Fence
    runs: Callable[[], bool]


@dataclass(frozen=True)
class Row:
    """What came of it."""

    column: str
    fault: str
    proof: bool
    runs: bool
    """Whether the machine runs at the moment of the answer."""
    seconds: float
    why: str

    @property
    def cell(self) -> str:
        word = "**proof**" if self.proof else "no proof"
        return f"{word}, {self.seconds:.0f} s"


def rules_of(column: str) -> Fencing:
    """How its cases are fenced."""
    return IRONIC_RULES if column == "ironic" else RULES


def slug(fault: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", fault.lower()).strip("-")


def play(case: Case) -> Row:
    """Fence it as the action would; no witness contradicts."""
    clock = SystemClock()
    began = time.monotonic()

    def permit() -> Claim:
        return Claim(
            incident="i",
            subject="fence",
            holder="test",
            number=1,
            until=clock.now() + 60,
        )

    answer = prove_dead(
        "c1",
        "i",
        [case.fence],
        rules_of(case.column),
        clock=clock,
        permit=permit,
        hear=lambda: [],
        journal=Journal(),
    )
    return Row(
        column=case.column,
        fault=case.fault,
        proof=isinstance(answer, Proof),
        runs=case.runs(),
        seconds=time.monotonic() - began,
        why=answer.rule if isinstance(answer, Proof) else answer.reason,
    )


def play_all(folder: Path) -> list[Row]:
    """Every case, with the peers up around them; Ironic's after the rest,
    since it is heavy."""
    with cases(folder) as found, ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(play, found))
    if ironic_peer.WANTED:
        rows += play_ironic(folder)
    return rows


def play_ironic(folder: Path) -> list[Row]:
    """The cases of Ironic, whose nodes are machines of the emulator."""
    place = folder / "ironic"
    place.mkdir()
    with (
        ExitStack() as stack,
        ThreadPoolExecutor(len(FAULTS)) as pool,
    ):
        return list(pool.map(play, _ironic(stack, place)))


@contextmanager
def cases(folder: Path) -> Iterator[list[Case]]:
    """Each case has a machine of its own."""
    with ExitStack() as stack:

        def place(name: str) -> Path:
            made = folder / name
            made.mkdir()
            return made

        yield [
            *_redfish(stack, place("redfish")),
            *_agent_redfish(stack, place("agent-redfish")),
            *_ipmi(stack, place("ipmi")),
            *_ipmi_sims(stack, place("sim")),
            *_dummy(place("dummy")),
        ]


def _redfish(stack: ExitStack, folder: Path) -> list[Case]:
    machines = {slug(f): MACHINES.get(f, {}) for f in FAULTS}
    peer = stack.enter_context(peers.redfish(folder, machines))
    wrong: Mapping[str, dict[str, Any]] = {
        "wrong password": {"password": "wrong"},
        "another machine": {"identity": "cmp99"},
        "untrusted certificate": {"verify": True},
        NOBODY: {"address": f"https://127.0.0.1:{peers.free_port()}"},
    }
    return [
        Case(
            "redfish",
            fault,
            RedfishFence(
                "c1",
                peer.entry(slug(fault), **wrong.get(fault, {})),
                SystemClock(),
            ),
            partial(peers.truth, peer.truth_port, slug(fault)),
        )
        for fault in FAULTS
    ]


def _ironic(stack: ExitStack, folder: Path) -> list[Case]:
    machines = {slug(f): MACHINES.get(f, {}) for f in FAULTS}
    bmc = stack.enter_context(peers.redfish(folder, machines))
    wrong: Mapping[str, dict[str, Any]] = {
        "wrong password": {"redfish_password": "wrong"},
        "untrusted certificate": {"redfish_verify_ca": True},
        NOBODY: {"redfish_address": f"https://127.0.0.1:{peers.free_port()}"},
    }
    nodes = {
        slug(f): bmc.driver_info(slug(f), **wrong.get(f, {})) for f in FAULTS
    }
    entries = stack.enter_context(ironic_peer.ironic(folder, nodes))
    entries[slug("another machine")]["identity"] = "cmp99"
    return [
        Case(
            "ironic",
            fault,
            IronicFence("c1", entries[slug(fault)], SystemClock()),
            partial(peers.truth, bmc.truth_port, slug(fault)),
        )
        for fault in FAULTS
    ]


def _agent_redfish(stack: ExitStack, folder: Path) -> list[Case]:
    machines = {slug(f): faults for f, faults in MACHINES.items()}
    peer = stack.enter_context(peers.redfish(folder, machines))
    return [
        Case(
            "fence_redfish",
            fault,
            FenceAgent("c1", peer.agent(slug(fault)), SystemClock()),
            partial(peers.truth, peer.truth_port, slug(fault)),
        )
        for fault in MACHINES
    ]


def _ipmi(stack: ExitStack, folder: Path) -> list[Case]:
    faults = [f for f in MACHINES if f not in NOT_IPMI]
    both = {"own": [*faults, "wrong password", "another machine"]}
    both["agent"] = faults
    machines = {
        f"{who}-{slug(f)}": MACHINES.get(f, {})
        for who, those in both.items()
        for f in those
    }
    peer = stack.enter_context(peers.ipmi(folder, machines))
    wrong: Mapping[str, dict[str, Any]] = {
        "wrong password": {"password": "wrong"},
        "another machine": {"identity": "0" * 32},
    }
    clock = SystemClock()

    def runs(name: str) -> Callable[[], bool]:
        return partial(peers.truth, peer.truth_ports[name], name)

    made = [
        Case(
            "ipmi",
            fault,
            IpmiFence(
                "c1",
                peer.entry(f"own-{slug(fault)}", **wrong.get(fault, {})),
                clock,
            ),
            runs(f"own-{slug(fault)}"),
        )
        for fault in both["own"]
    ]
    made += [
        Case(
            "fence_ipmilan",
            fault,
            FenceAgent("c1", peer.agent(f"agent-{slug(fault)}"), clock),
            runs(f"agent-{slug(fault)}"),
        )
        for fault in faults
    ]
    gone = peers.Ipmi({"gone": peers.free_port(socket.SOCK_DGRAM)})
    made.append(
        Case(
            "ipmi",
            NOBODY,
            IpmiFence("c1", gone.entry("gone"), clock),
            lambda: True,
        )
    )
    return made


def _ipmi_sims(stack: ExitStack, folder: Path) -> list[Case]:
    made = []
    for fault, knob in (
        ("none", ""),
        ("accepts the cut, stays on", "ignore"),
        (LIES, "lies"),
    ):
        place = folder / slug(fault)
        place.mkdir()
        peer = stack.enter_context(peers.ipmi_sim(place, "sim", knob))
        made.append(
            Case(
                "ipmi (ipmi_sim)",
                fault,
                IpmiFence("c1", peer.entry("sim"), SystemClock()),
                partial(_is_word, place / "truth", "1"),
            )
        )
    return made


def _dummy(folder: Path) -> list[Case]:
    made = []
    for fault, word in (
        ("none", "on"),
        ("was off already", "off"),
        ("reads a word that is neither", "perhaps"),
    ):
        file = folder / slug(fault)
        file.write_text(word)
        entry = {
            "agent": "fence_dummy",
            "target": {"status_file": str(file)},
            "options": {"type": "file", "power_timeout": 1},
        }
        made.append(
            Case(
                "fence_dummy",
                fault,
                FenceAgent("c1", entry, SystemClock()),
                partial(_is_no_word, file, "off"),
            )
        )
    return made


def _is_word(file: Path, word: str) -> bool:
    return file.read_text().strip() == word


def _is_no_word(file: Path, word: str) -> bool:
    return not _is_word(file, word)


def table(rows: Sequence[Row], page: str = "") -> str:
    """The Markdown table of docs/fencing.md.

    :param page: whose cells stay in the columns that were not measured.
    """
    found = {**_cells(page), **{(r.column, r.fault): r.cell for r in rows}}
    lines = [
        "| fault | " + " | ".join(COLUMNS) + " |",
        "| --- |" + " --- |" * len(COLUMNS),
    ]
    for fault in FAULTS:
        cells = [found.get((column, fault), "") for column in COLUMNS]
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cells(page: str) -> dict[tuple[str, str], str]:
    """What the page says in the columns that are not measured now."""
    lines = page.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    rows = [[c.strip() for c in one.split("|")[1:-1]] for one in lines]
    if not rows:
        return {}
    return {
        (column, row[0]): cell
        for row in rows[2:]
        for column, cell in zip(rows[0][1:], row[1:], strict=True)
        if column not in MEASURED
    }


BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def renewed(page: str, rows: Sequence[Row]) -> str:
    """The page with the table as it was measured now."""
    head, _, rest = page.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}\n{table(rows, page)}\n{END}{tail}"


def conclusions(text: str) -> list[str]:
    """A table without its seconds, which differ from machine to machine."""
    body = text.partition(BEGIN)[2].partition(END)[0] or text
    lines = [line.strip() for line in body.strip().splitlines()]
    return [re.sub(r", \d+ s", "", line) for line in lines]
