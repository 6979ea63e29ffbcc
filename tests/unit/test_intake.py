"""Every way in which an alarm can be wrong, and the ways it is right."""

from __future__ import annotations

import copy
from datetime import datetime, timezone
from typing import Any

import pytest
from ha_actions.deciders.intake import (
    EVENTS,
    SKEW_S,
    Summons,
    by_hand,
    read_alarm,
)
from ha_actions.model import Dismissal
from hypothesis import given
from hypothesis import strategies as st

AT = datetime(2026, 11, 22, 8, 46, 44, 90423, tzinfo=timezone.utc)
EVENT_AT = AT.timestamp()
STALE_S = 600.0


def body(**changes: Any) -> dict[str, Any]:
    """The body that Aodh posts for an event alarm; changes by dotted path.

    Source: recorded from Aodh 23; only host and event type differ.
    """
    alarm: dict[str, Any] = {
        "alarm_name": "host-down",
        "alarm_id": "738f7a5c-0000-4000-8000-000000000001",
        "severity": "low",
        "previous": "insufficient data",
        "current": "alarm",
        "reason": "Event <id=8e0f,event_type=compute.service.down> hits the "
        "query <query=[]>.",
        "reason_data": {
            "type": "event",
            "event": {
                "message_id": "8e0f7a5c-0000-4000-8000-000000000002",
                "event_type": "compute.service.down",
                "generated": "2026-11-22T08:46:44.090423",
                "traits": [
                    ["instance_id", 1, "8367"],
                    ["tenant_id", 1, "33b3"],
                    ["host", 1, "node-1"],
                    ["state", 1, "error"],
                    ["vcpus", 2, 1],
                    ["launched_at", 4, "2026-01-01T00:00:00"],
                ],
                "raw": {},
                "message_signature": "",
            },
        },
    }
    places = {
        "event": alarm["reason_data"]["event"],
        "data": alarm["reason_data"],
        "alarm": alarm,
    }
    for path, value in changes.items():
        place, key = path.split("__")
        if value is ...:
            del places[place][key]
        else:
            places[place][key] = value
    return alarm


def read(alarm: Any, after_s: float = 5.0) -> Summons | Dismissal:
    return read_alarm(alarm, now=EVENT_AT + after_s, stale_s=STALE_S)


def traits(**values: Any) -> list[list[Any]]:
    return [[name, 1, value] for name, value in values.items()]


# -- right ------------------------------------------------------------------
@pytest.mark.parametrize("kind", EVENTS)
def test_a_real_alarm_is_a_summons(kind: str) -> None:
    alarm = body(
        event__event_type=kind,
        event__traits=traits(host="node-1", forced_down="True"),
    )
    assert read(alarm) == Summons("node-1", EVENT_AT, "alarm", kind)


def test_reading_changes_nothing() -> None:
    alarm = body()
    before = copy.deepcopy(alarm)
    read(alarm)
    assert alarm == before


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T08:46:44.090423",
        "2026-11-22T08:46:44.090423Z",
        "2026-11-22T08:46:44.090423+00:00",
        "2026-11-22T10:46:44.090423+02:00",
        "2026-11-22 08:46:44.090423",
    ],
)
def test_forms_of_the_same_moment(text: str) -> None:
    told = read(body(event__generated=text))
    assert isinstance(told, Summons)
    assert told.event_at == pytest.approx(EVENT_AT)


def test_traits_may_be_tuples() -> None:
    """As they are before JSON."""
    alarm = body(event__traits=(("host", 1, "node-1"),))
    assert isinstance(read(alarm), Summons)


def test_an_alarm_without_current_is_read() -> None:
    assert isinstance(read(body(alarm__current=...)), Summons)


@pytest.mark.parametrize("by", ["hand", "drill", "watch"])
def test_a_host_that_somebody_names(by: str) -> None:
    assert by_hand("c1", "why", by, 7.0) == Summons("c1", 7.0, by, "why")


# -- forced down: Ceilometer makes text of booleans --------------------------
@pytest.mark.parametrize(
    ("value", "code"),
    [
        (True, ""),
        ("True", ""),
        ("true", ""),
        (False, "not_down"),
        ("False", "not_down"),
        ("false", "not_down"),
        ("", "not_down"),
        (None, "not_down"),
        ("1", "not_down"),
        (1, "not_down"),
        ("yes", "not_down"),
    ],
)
def test_service_update_counts_only_when_forced_down(
    value: Any, code: str
) -> None:
    told = read(
        body(
            event__event_type="service.update",
            event__traits=traits(host="node-1", forced_down=value),
        )
    )
    assert getattr(told, "code", "") == code
    assert told.host == "node-1"


def test_service_update_without_the_trait() -> None:
    told = read(body(event__event_type="service.update"))
    assert isinstance(told, Dismissal)
    assert told.code == "not_down"


# -- wrong --------------------------------------------------------------------
WRONG: list[tuple[Any, str, str]] = [
    (None, "malformed", "not a mapping"),
    ("host-down", "malformed", "not a mapping"),
    (["host-down"], "malformed", "not a mapping"),
    (7, "malformed", "not a mapping"),
    ({}, "malformed", "no 'reason_data'"),
    (body(alarm__reason_data=...), "malformed", "no 'reason_data'"),
    (body(alarm__reason_data="event"), "malformed", "no 'reason_data'"),
    (body(alarm__reason_data=None), "malformed", "no 'reason_data'"),
    (body(data__event=...), "malformed", "only event alarms"),
    (body(data__event=[]), "malformed", "only event alarms"),
    (body(alarm__current="ok"), "not_alarm", "'ok'"),
    (
        body(alarm__current="insufficient data"),
        "not_alarm",
        "insufficient data",
    ),
    (body(alarm__current=None), "not_alarm", "None"),
    (body(event__event_type=...), "malformed", "event type ''"),
    (body(event__event_type=None), "malformed", "event type 'None'"),
    (
        body(event__event_type="compute.instance.update"),
        "malformed",
        "compute.instance.update",
    ),
    (
        body(event__event_type="compute.service.down.not"),
        "malformed",
        "is none of",
    ),
    (
        body(event__event_type="COMPUTE.SERVICE.DOWN"),
        "malformed",
        "is none of",
    ),
    (body(event__traits=...), "malformed", "no trait 'host'"),
    (body(event__traits=[]), "malformed", "no trait 'host'"),
    (body(event__traits=None), "malformed", "no trait 'host'"),
    (body(event__traits="host"), "malformed", "no trait 'host'"),
    (body(event__traits={"host": "c1"}), "malformed", "no trait 'host'"),
    (body(event__traits=["abc"]), "malformed", "no trait 'host'"),
    (body(event__traits=[["host", 1]]), "malformed", "no trait 'host'"),
    (body(event__traits=traits(host="")), "malformed", "no trait 'host'"),
    (body(event__traits=traits(host=None)), "malformed", "no trait 'host'"),
    (body(event__traits=traits(host=["c1"])), "malformed", "no trait 'host'"),
    (body(event__traits=traits(hots="c1")), "malformed", "no trait 'host'"),
    (body(event__generated=...), "malformed", "cannot be read"),
    (body(event__generated=None), "malformed", "cannot be read"),
    (body(event__generated="yesterday"), "malformed", "cannot be read"),
    (body(event__generated=1795337204), "malformed", "cannot be read"),
]


@pytest.mark.parametrize(("alarm", "code", "why"), WRONG)
def test_wrong(alarm: Any, code: str, why: str) -> None:
    told = read(alarm)
    assert isinstance(told, Dismissal), told
    assert told.code == code
    assert why in told.reason


@pytest.mark.parametrize(
    ("after_s", "code", "why"),
    [
        (-SKEW_S - 1, "malformed", "121 s in the future"),
        (-SKEW_S, "", ""),
        (0, "", ""),
        (STALE_S, "", ""),
        (STALE_S + 1, "stale", "601 s old; the limit is 600"),
        (86400.0, "stale", "86400 s old"),
    ],
)
def test_too_old_or_from_the_future(
    after_s: float, code: str, why: str
) -> None:
    told = read(body(), after_s)
    assert getattr(told, "code", "") == code
    assert why in told.reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["reason_data", "event", "traits", "current", "generated"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_nothing_that_json_can_say_breaks_it(alarm: Any) -> None:
    told = read(alarm)
    assert isinstance(told, Dismissal)
    assert told.code
    assert told.reason


@given(
    place=st.sampled_from(["event__traits", "event__generated"]),
    value=JSON,
)
def test_nothing_inside_a_real_alarm_breaks_it(place: str, value: Any) -> None:
    assert isinstance(read(body(**{place: value})), Dismissal)
