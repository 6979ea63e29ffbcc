"""What a look around finds, and what it keeps quiet about."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ha_actions.codec import from_json, to_json
from ha_actions.deciders.around import (
    AGAIN_S,
    BETWEEN_S,
    LONG_S,
    SILENT_S,
    UNHEARD_S,
    Memory,
    Sight,
    Work,
    look,
)
from ha_actions.model import Host, Migration

NOW = 1_800_000_000.0


def host(name: str = "c1", **more: object) -> Host:
    return replace(
        Host(name=name, service_id="s", up=False, updated_at=5.0),
        **more,  # type: ignore[arg-type]
    )


def sight(at: float = 0.0, **more: object) -> Sight:
    return Sight(now=NOW + at, **more)  # type: ignore[arg-type]


def test_a_silent_host_is_looked_at_once() -> None:
    seen = {"hosts": [host()]}
    first = look(sight(**seen), Memory())
    assert first.start == ()
    early = look(sight(SILENT_S - 1, **seen), first.memory)
    assert early.start == ()
    due = look(sight(SILENT_S, **seen), early.memory)
    assert due.start == ("c1",)
    again = look(sight(SILENT_S + 60, **seen), due.memory)
    assert again.start == ()
    # it lived in between: another silence
    other = {"hosts": [host(updated_at=9.0)]}
    fresh = look(sight(2 * SILENT_S, **other), again.memory)
    assert fresh.start == ()
    assert look(sight(3 * SILENT_S, **other), fresh.memory).start == ("c1",)


def test_nova_s_clock_is_never_compared_with_ours() -> None:
    """A heartbeat of next year is as silent as one of last year."""
    for stamp in (0.0, NOW + 9e7):
        seen = {"hosts": [host(updated_at=stamp)]}
        first = look(sight(**seen), Memory())
        assert look(sight(SILENT_S, **seen), first.memory).start == ("c1",)


@pytest.mark.parametrize(
    "more",
    [
        {"hosts": [host(up=True)]},
        {"hosts": [host(forced_down=True)]},
        {"hosts": [host()], "owned": {"c1"}},
        {"hosts": [host()], "maintenance": {"c1"}},
    ],
    ids=["up", "forced-down", "incident", "maintenance"],
)
def test_what_is_seen_to_is_not_looked_at(more: dict[str, object]) -> None:
    memory = Memory()
    for at in (0.0, SILENT_S, 10 * SILENT_S):
        found = look(sight(at, **more), memory)
        assert found.start == ()
        memory = found.memory


def test_the_silence_of_a_closed_incident_is_not_looked_at_again() -> None:
    """The judge has spoken; the same heartbeat is no news."""
    owned = look(sight(hosts=[host()], owned={"c1"}), Memory())
    later = look(sight(9 * SILENT_S, hosts=[host()]), owned.memory)
    assert later.start == ()


def test_a_start_that_was_lost_is_asked_for_again() -> None:
    """Whoever was to start it died: nothing was opened for the host."""
    seen, memory, asked = {"hosts": [host()]}, Memory(), []
    for at in range(0, 7200, 60):
        found = look(sight(at, **seen), memory)
        memory = from_json(Memory, to_json(found.memory), "m")
        asked += [float(at)] * len(found.start)
    first = SILENT_S
    assert asked == [first, first + UNHEARD_S, first + 2 * UNHEARD_S]


def test_one_that_was_looked_at_is_not_asked_for_again() -> None:
    """Its incident was opened and closed between two looks."""
    seen = {"hosts": [host()]}
    memory = look(sight(**seen), Memory()).memory
    memory = look(sight(SILENT_S, **seen), memory).memory
    heard = look(sight(SILENT_S + 60, opened={"c1"}, **seen), memory)
    later = look(sight(9 * UNHEARD_S, **seen), heard.memory)
    assert (heard.start, later.start) == ((), ())


FORCED = {"hosts": [host(forced_down=True, disabled_reason="by hand")]}
TELLING: dict[str, dict[str, object]] = {
    "forced down": FORCED,
    "RUNNING for more": {"works": [Work("i", "c1", "RUNNING", NOW - LONG_S)]},
    "PAUSED for more": {"works": [Work("i", "c1", "PAUSED", NOW - LONG_S)]},
    "evacuation(s)": {
        "moving": {
            "c1": [
                Migration(
                    id="1",
                    guest="g",
                    source="c1",
                    created_at=NOW - BETWEEN_S,
                )
            ]
        }
    },
    "gone or disabled": {
        "alarms": {"ha-host-back"},
        "installed": {"ha-host-back", "ha-host-down"},
    },
    "cannot be read": {"bad": {"ha.open.c9": "it is not JSON"}},
}


@pytest.mark.parametrize("says", TELLING, ids=str)
def test_a_person_is_told_once_a_day(says: str) -> None:
    more = TELLING[says]
    first = look(sight(**more), Memory())
    [(_, text)] = first.tell
    assert says in text
    assert look(sight(60.0, **more), first.memory).tell == ()
    assert look(sight(AGAIN_S, **more), first.memory).tell == first.tell


@pytest.mark.parametrize(
    "more",
    [
        FORCED | {"owned": {"c1"}},
        FORCED | {"maintenance": {"c1"}},
        {
            "hosts": [host(forced_down=True, disabled_reason="ha c1-77aa")],
            "closed": {"c1": "c1-77aa"},
        },
        {"works": [Work("i", "c1", "RUNNING", NOW - LONG_S + 60)]},
        {"works": [Work("i", "c1", "", NOW - LONG_S)]},
        {"alarms": None, "installed": {"ha-host-down"}},
    ],
    ids=["owned", "maintenance", "ours", "young", "ended", "no-aodh"],
)
def test_what_is_as_it_should_be_is_not_told(more: dict[str, object]) -> None:
    assert look(sight(**more), Memory()).tell == ()


def test_the_memory_survives_the_ledger() -> None:
    found = look(sight(hosts=[host()], **TELLING["cannot be read"]), Memory())
    again = from_json(Memory, to_json(found.memory), "ha.around")
    assert again == found.memory
