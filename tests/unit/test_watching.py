"""What a round of the watch means: tables over the pure decider."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ha_actions.deciders.judge import judge
from ha_actions.model import Host, Says, Testimony
from ha_actions.settings import Witnesses
from ha_alarms import watching
from ha_alarms.watch_settings import Timing
from ha_alarms.watching import Known, Memory, Orders, Seen, Suspect, Track
from unit.fakes import NOW

SPACE = "00000000-0000-4000-8000-000000000001"
TIMING = Timing()


def host(name: str = "c1", **facts: object) -> Host:
    base = Host(name=name, service_id=f"id-{name}", up=True, updated_at=100.0)
    return replace(base, **facts)  # type: ignore[arg-type]


def looked(*rounds: tuple[float, list[Host]]) -> Memory:
    memory = Memory(since=NOW)
    for at, hosts in rounds:
        memory = watching.remember(memory, hosts, NOW + at)
    return memory


def names(memory: Memory, at: float, ended: tuple[str, ...] = ()) -> list[str]:
    found = watching.suspects(memory, ended, TIMING, NOW + at)
    return [suspect.name for suspect in found]


# -- readings -------------------------------------------------------------
@pytest.mark.parametrize(
    ("second", "moved_at", "beat"),
    [
        ({}, 0.0, 100.0),
        ({"updated_at": 110.0}, 10.0, 110.0),
        # a PUT moves it too, and is no heartbeat
        ({"updated_at": 110.0, "forced_down": True}, 0.0, 100.0),
        ({"updated_at": 110.0, "enabled": False}, 0.0, 100.0),
        ({"updated_at": 110.0, "service_id": "new"}, 10.0, 110.0),
    ],
)
def test_a_heartbeat_is_what_moved_between_our_readings(
    second: dict[str, object], moved_at: float, beat: float
) -> None:
    memory = looked((0, [host()]), (10, [host(**second)]))
    seen = memory.seen["c1"]
    assert (seen.moved_at - NOW, seen.beat) == (moved_at, beat)


def test_novas_clock_is_never_compared_with_ours() -> None:
    """The same readings, with Nova's clock a year away: the same suspects."""
    year = 3e7
    for offset in (0.0, year, -year):
        first = host(updated_at=100.0 + offset)
        memory = looked((0, [first]), (24, [first]))
        assert names(memory, 24) == []
        assert names(memory, 26) == ["c1"]


@pytest.mark.parametrize(
    ("facts", "ended", "suspected"),
    [
        ({}, (), False),
        ({"up": False}, (), True),
        ({"forced_down": True}, (), True),
        ({"enabled": False}, (), False),
        ({}, ("c1",), True),
        ({}, ("c2",), False),
    ],
)
def test_who_is_suspected(
    facts: dict[str, object], ended: tuple[str, ...], suspected: bool
) -> None:
    memory = looked((0, [host(**facts)]))
    assert names(memory, 1, ended) == (["c1"] if suspected else [])


def test_a_service_that_is_missing_is_unknown_then_told_then_forgotten() -> (
    None
):
    memory = looked((0, [host(up=False)]), (10, []), (60, []))
    assert names(memory, 60) == []
    assert watching.vanished(memory, NOW + 60) == []
    memory = watching.remember(memory, [], NOW + 70)
    assert watching.vanished(memory, NOW + 70) == ["c1"]
    memory = watching.remember(memory, [], NOW + 80)
    assert memory.seen == {}


@pytest.mark.parametrize(
    ("slept", "over"),
    [(5, False), (20, False), (36, True), (600, True), (-600, True)],
)
def test_a_watch_notices_that_it_slept(slept: float, over: bool) -> None:
    assert watching.overslept(5, slept) is over


@pytest.mark.parametrize(
    ("ahead", "offset"), [(0, 0), (40, 0), (600, -600), (-600, 600)]
)
def test_a_wrong_clock_is_measured(ahead: float, offset: float) -> None:
    """By heartbeats that we saw arrive: the youngest tells most."""
    real = NOW - ahead
    hosts = [host(updated_at=real - 9), host("c2", updated_at=real)]
    memory = looked((0, hosts))
    assert watching.offset(memory) == offset


# -- the fault may be ours ------------------------------------------------
def silent(*at: float) -> tuple[list[Suspect], Memory]:
    seen = {
        f"c{n}": Seen(host(f"c{n}", up=False), 100.0, NOW + moved)
        for n, moved in enumerate(at, 1)
    }
    return [Suspect(s, "") for s in seen.values()], Memory(
        since=NOW - 1000, seen=seen
    )


@pytest.mark.parametrize(
    ("at", "alive", "domains", "doubted"),
    [
        ((0,), 0, {}, []),  # a cloud of one
        ((0, 5), 0, {}, ["c1", "c2"]),
        ((0, 500), 0, {}, []),  # not at once
        ((0, 5), 1, {}, []),
        ((0, 5), 1, {"c1": "a", "c2": "a", "c3": "b"}, ["c1", "c2"]),
        ((0, 5), 1, {"c1": "a", "c2": "b", "c3": "b"}, []),
    ],
)
def test_all_at_once_accuses_nobody(
    at: tuple[float, ...],
    alive: int,
    domains: dict[str, str],
    doubted: list[str],
) -> None:
    found, memory = silent(*at)
    more = {
        f"c{len(at) + n}": Seen(host(f"c{len(at) + n}"), 100.0, NOW)
        for n in range(1, alive + 1)
    }
    memory = replace(memory, seen={**memory.seen, **more})
    assert sorted(watching.doubts(found, memory, domains, TIMING)) == doubted


def test_who_was_taken_out_before_is_not_counted() -> None:
    found, memory = silent(0, 5)
    out = replace(
        memory.seen["c1"], host=host("c1", up=False, forced_down=True)
    )
    memory = replace(memory, seen={**memory.seen, "c1": out})
    found = [Suspect(out, ""), found[1]]
    assert watching.doubts(found, memory, {}, TIMING) == {}


@pytest.mark.parametrize(
    ("since", "doubted", "hushed"),
    [
        (0, None, True),
        (-299, None, True),
        (-300, None, False),
        (-300, -119, True),
        (-300, -120, False),
    ],
)
def test_it_is_quiet_after_its_start_and_after_a_doubt(
    since: float, doubted: float | None, hushed: bool
) -> None:
    doubts = {} if doubted is None else {"c1": NOW + doubted}
    memory = Memory(since=NOW + since, doubted=doubts)
    assert bool(watching.hush(memory, "c1", TIMING, NOW)) is hushed
    other = watching.hush(memory, "c2", TIMING, NOW)
    assert bool(other) is (since > -300)


# -- what Nova says, by our own readings ----------------------------------
@pytest.mark.parametrize(
    ("facts", "moved_at", "newest", "says"),
    [
        ({"up": False}, -30, 100, Says.DEAD),
        ({"up": False}, -5, 100, Says.SILENT),  # watched too short
        ({"up": True}, -30, 100, Says.SILENT),
        ({"up": False}, 1, 100, Says.ALIVE),
        ({"forced_down": True}, -30, 110, Says.SILENT),
        ({"forced_down": True}, -30, 170, Says.DEAD),
    ],
)
def test_nova_by_our_own_readings(
    facts: dict[str, object], moved_at: float, newest: float, says: Says
) -> None:
    seen = Seen(host(**facts), 100.0, NOW + moved_at)
    said = watching.nova_says(seen, newest, 12, NOW, NOW + 2)
    assert (said.says, said.witness) == (says, "compute_service")


def test_all_watches_compute_one_key_and_it_moves_with_each_life() -> None:
    dead = Seen(host(updated_at=100.25), 100.25, NOW)
    other = Seen(host(updated_at=100.25), 100.25, NOW + 77)
    assert watching.incident_key(SPACE, dead) == watching.incident_key(
        SPACE, other
    )
    put = Seen(host(updated_at=180.0, forced_down=True), 100.25, NOW)
    assert watching.incident_key(SPACE, put) == watching.incident_key(
        SPACE, dead
    )
    again = Seen(host(updated_at=999.0), 999.0, NOW)
    keys = {watching.incident_key(SPACE, s) for s in (dead, again)}
    assert len(keys) == 2
    assert "c1" not in keys.pop()


# -- one suspect ----------------------------------------------------------
def verdict(dead: int, alive: tuple[str, ...] = ()) -> object:
    words = [Says.DEAD] * dead + [Says.ALIVE] * len(alive)
    who = ["bmc_power", "compute_service", "other"][:dead] + list(alive)
    said = [
        Testimony(witness=w, host="c1", says=s, observed_at=NOW)
        for w, s in zip(who, words, strict=True)
    ]
    return judge("c1", said, Witnesses(), NOW)


def decided(
    known: Known,
    track: Track,
    at: float,
    dead: int = 2,
    alive: tuple[str, ...] = (),
    bus: bool = True,
) -> tuple[Track, Orders]:
    return watching.decide(
        verdict(dead, alive),  # type: ignore[arg-type]
        known,
        track,
        TIMING,
        NOW + at,
        bus=bus,
    )


FRESH = Track(key="k", since=NOW)
SAID = Track(key="k", since=NOW, said_at=NOW, again_at=NOW)


@pytest.mark.parametrize(
    ("known", "track", "at", "bus", "publish", "start"),
    [
        (Known(), FRESH, 0, True, True, 0),
        (Known(), FRESH, 0, False, True, 1),  # nobody else could start it
        (Known(), SAID, 14, True, False, 0),
        (Known(), SAID, 15, True, True, 0),
        (Known(), SAID, 20, True, True, 1),
        (Known(open=True), SAID, 60, True, False, 0),
        (Known(brake="disarmed"), SAID, 60, True, True, 0),
        (Known(ended=("RUNNING",)), SAID, 60, True, False, 0),
        (Known(ended=("SUCCESS",)), SAID, 60, True, False, 0),
        (Known(ended=("ERROR",)), SAID, 60, True, True, 2),
        (Known(ended=("ERROR", "CANCELLED")), SAID, 60, True, True, 3),
        (Known(ended=("ERROR", "RUNNING")), SAID, 60, True, False, 0),
        (Known(ended=("ERROR",) * 6), SAID, 60, True, True, 0),
    ],
)
def test_a_dead_host(
    known: Known, track: Track, at: float, bus: bool, publish: bool, start: int
) -> None:
    _, orders = decided(known, track, at, bus=bus)
    assert (orders.publish, orders.start) == (publish, start)


@pytest.mark.parametrize(
    ("dead", "alive", "at", "told"),
    [
        (1, (), 119, []),
        (1, (), 120, ["uncertain"]),
        (1, ("tcp_reach",), 120, ["alive"]),
        (0, ("compute_service",), 999, []),
        (1, ("compute_service",), 999, ["alive"]),  # its beat has ended
    ],
)
def test_a_doubt_that_lasts_is_told_once_and_starts_nothing(
    dead: int, alive: tuple[str, ...], at: float, told: list[str]
) -> None:
    track, orders = decided(Known(), FRESH, at, dead, alive)
    assert [code for code, _ in orders.tell] == told
    assert (orders.publish, orders.start) == (False, 0)
    if told:
        later = decided(Known(), track, at + 60, dead, alive)[1]
        assert later.tell == ()


@pytest.mark.parametrize(
    ("known", "code"),
    [
        (Known(fenced=False), "unprotected"),
        (Known(brake="disarmed (all)"), "disarmed"),
        (Known(ended=("SUCCESS",)), "not_handled"),
    ],
)
def test_what_a_person_must_know_of_a_dead_host(
    known: Known, code: str
) -> None:
    track, orders = decided(known, SAID, 60)
    assert [c for c, _ in orders.tell] == [code]
    assert decided(known, track, 90)[1].tell == ()


# -- one incident ---------------------------------------------------------
@pytest.mark.parametrize(
    ("states", "over_for_s", "attempt"),
    [
        (["RUNNING"], 999, 0),
        (["SUCCESS"], 999, 0),
        ([""], 999, 0),  # unknown is not over
        (["ERROR"], 59, 0),
        (["ERROR"], 60, 2),
        (["CANCELLED", "ERROR"], 60, 3),
        (["ERROR", "RUNNING"], 999, 0),
        (["ERROR"] * 6, 999, 0),
    ],
)
def test_an_incident_goes_on_when_its_execution_has_failed(
    states: list[str], over_for_s: float, attempt: int
) -> None:
    assert watching.next_attempt(states, 1, over_for_s, TIMING) == attempt


# -- asked in advance -----------------------------------------------------
@pytest.mark.parametrize(
    ("at", "early_s", "late"),
    [
        (16.9, 8.0, []),
        (17.0, 8.0, ["c1"]),
        (24.9, 8.0, ["c1"]),
        (25.0, 8.0, []),  # suspected by now
        (24.9, 0.0, []),
    ],
)
def test_who_is_asked_after_before_anybody_suspects_him(
    at: float, early_s: float, late: list[str]
) -> None:
    memory, now = looked((0, [host()])), NOW + at
    timing = replace(TIMING, early_s=early_s)
    found = watching.suspects(memory, (), timing, now)
    assert [s.name for s in watching.late(memory, found, timing, now)] == late


def test_a_missing_service_is_not_asked_after() -> None:
    memory = looked((0, [host()]), (10, []))
    assert watching.late(memory, [], TIMING, NOW + 24) == []
