"""One VM alone: crash, owner's wish, or unknown; and the ladder. Pure."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import NOW, guest
from ha_actions.deciders.policy import load
from ha_actions.deciders.server_failure import (
    diagnose,
    hindered,
    next_rung,
    read_server_alarm,
    server_by_hand,
    verb_for,
)
from ha_actions.errors import BadInput
from ha_actions.model import Dismissal, Migration
from ha_actions.model.server import Cause, Deed, Rung, ServerNews
from ha_actions.sim import alarms


def news(power: str = "crashed", before: str = "active") -> ServerNews:
    return ServerNews(
        server="id-db",
        event_at=NOW,
        by="alarm",
        reason="instance.update",
        power=power,
        before=before,
    )


NOVAS_STOP = Deed(action="stop", at=5.0)
OFF = {"vm_state": "stopped", "power": "shutdown"}
ERROR = {"vm_state": "error", "power": "shutdown"}


@pytest.mark.parametrize(
    ("state", "deeds", "told", "cause"),
    [
        (OFF, [NOVAS_STOP], news(), Cause.CRASH),
        (OFF, [NOVAS_STOP], news(power="shutdown"), Cause.INSIDE),
        (OFF, [NOVAS_STOP], news(power=""), Cause.INSIDE),
        (OFF, [Deed(action="stop", user="u", at=5.0)], news(), Cause.OWNER),
        (OFF, [Deed(action="shelve", user="u", at=5.0)], news(), Cause.OWNER),
        (OFF, [], news(power="shutdown"), Cause.UNKNOWN),
        (
            OFF,
            [Deed(action="stop", user="u", at=1.0), NOVAS_STOP],
            news(),
            Cause.CRASH,
        ),
        (
            OFF,
            [NOVAS_STOP, Deed(action="stop", user="u", at=9.0)],
            news(),
            Cause.OWNER,
        ),
        (
            ERROR,
            [Deed(action="resize", user="u", at=5.0, failed=True)],
            news(),
            Cause.UNKNOWN,
        ),
        (ERROR, [], news(power="shutdown"), Cause.CRASH),
        (ERROR, [], news(power="", before=""), Cause.UNKNOWN),
        ({"vm_state": "error"}, [], news(power="running"), Cause.UNKNOWN),
        ({"power": "crashed"}, [], news(power=""), Cause.CRASH),
        ({"vm_state": "paused", "power": "paused"}, [], news(), Cause.UNKNOWN),
        ({}, [], news(), Cause.NONE),
        ({"task_state": "powering-off"}, [], news(), Cause.BUSY),
    ],
)
def test_only_a_crash_is_a_crash(
    state: dict[str, Any],
    deeds: list[Deed],
    told: ServerNews,
    cause: Cause,
) -> None:
    found, why = diagnose(guest(**state), told, deeds)
    assert found is cause
    assert why


def test_a_monitor_on_the_host_is_a_witness() -> None:
    body = alarms.server_body("id-db", NOW, "")
    event = body["reason_data"]["event"]
    event["event_type"] = "compute.instance.crashed"
    event["traits"] = [["instance_id", 1, "id-db"]]
    told = read_server_alarm(body, now=NOW, stale_s=600)
    assert isinstance(told, ServerNews)
    assert diagnose(guest(**OFF), told, [NOVAS_STOP])[0] is Cause.CRASH
    by_hand = server_by_hand("id-db", "hand", NOW)
    assert diagnose(guest(**OFF), by_hand, [NOVAS_STOP])[0] is Cause.CRASH


@pytest.mark.parametrize(
    ("how", "code"),
    [("late", "stale"), ("malformed", "malformed")],
)
def test_an_odd_alarm_is_a_dismissal(how: str, code: str) -> None:
    body = alarms.server_body("id-db", NOW, "crashed", how)
    told = read_server_alarm(body, now=NOW, stale_s=600)
    assert isinstance(told, Dismissal) and told.code == code


def test_another_event_is_none_of_ours() -> None:
    body = alarms.body("c1", NOW)
    told = read_server_alarm(body, now=NOW, stale_s=600)
    assert isinstance(told, Dismissal)
    assert "none of instance.update" in told.reason


def test_what_is_anothers_business() -> None:
    def code(*more: Any) -> str:
        no = hindered(guest(), *more)
        return no.code if no else ""

    flying = Migration(id="1", guest="id-db", source="c1", kind="resize")
    over = Migration(id="1", guest="id-db", source="c1", status="confirmed")
    assert code("", True, [over]) == ""
    assert code("c1-aaaa", True, []) == "host_incident"
    assert code("", False, []) == "host_down"
    assert code("", True, [flying]) == "migrating"


def test_the_ladder_is_climbed_once() -> None:
    ladder = {"start": 60, "reboot": 120}
    first = next_rung([], ladder, NOW)
    assert first == Rung(name="start", until=NOW + 60)
    assert next_rung([first], ladder, NOW + 9) == first, "still at work"
    done = Rung(name="start", until=NOW, ended="failed")
    second = next_rung([done], ladder, NOW)
    assert second is not None and second.name == "reboot"
    both = [done, Rung(name="reboot", until=NOW, ended="failed")]
    assert next_rung(both, ladder, NOW) is None


@pytest.mark.parametrize(
    ("rung", "state", "verb"),
    [
        ("start", "stopped", "start"),
        ("start", "error", ""),
        ("reboot", "error", "reboot"),
        ("reboot", "paused", ""),
        ("migrate", "stopped", "migrate"),
        ("migrate", "error", ""),
        ("migrate", "resized", "confirm_migrate"),
    ],
)
def test_what_is_asked_of_nova(rung: str, state: str, verb: str) -> None:
    found = verb_for(Rung(name=rung, until=NOW), guest(vm_state=state))
    assert found == verb


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("restart: {ladder: {rebuild: 60}}", "rebuild"),
        ("restart: {ladder: {start: 5}}", "10 to 1200 seconds"),
    ],
)
def test_a_ladder_that_cannot_be_climbed_is_refused(
    text: str, says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        load(f"version: 1\n{text}\n")
