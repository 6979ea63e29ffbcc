"""A tenant's own actions: done once, in his project, and never for others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from ha_actions.action import classes, perform_by_name
from ha_actions.deciders.tidings import host_id
from ha_actions.errors import Refused
from ha_actions.outside import use
from ha_actions.sim.own import OwnCloud, OwnWorlds
from own_world import DOWN, FENCED, OwnWorld, event
from unit.fakes import forbidden, used

OWN = sorted(n for n in classes() if n.startswith("ha.own."))
ACTIONS = ["drain_members", "copy_server", "add_members", "retire_server"]


@pytest.fixture
def made() -> Iterator[OwnWorld]:
    with OwnWorld().used() as world:
        yield world


def settle(made: OwnWorld) -> None:
    made.clock.sleep(30)


# -- the way through -------------------------------------------------------
def test_host_down_brings_a_new_server_into_the_pool(made: OwnWorld) -> None:
    old = made.id("web-1")
    [address] = [p.address for p in made.named("web-1")[0].ports]
    assert made.call("drain_members", old)[0]["drained"] == 1
    assert made.pool()[address][0] == 0
    copied, _ = made.call("copy_server", old, user_data="")
    assert made.call("add_members", old)[1] == "not_ready"
    settle(made)
    assert made.call("add_members", old) == (
        {"outcome": "done", "added": 1},
        "",
    )
    settle(made)
    new = made.world.guests[copied["copy"]]
    assert (new.vm_state, new.host == "c1") == ("active", False)
    assert new.metadata["ha:replaces"] == old
    assert new.metadata["ha:protection"] == "custom"
    assert made.pool()[new.ports[0].address] == (1, "ONLINE")
    assert old in made.world.guests


def test_each_step_again_is_already(made: OwnWorld) -> None:
    old = made.id("web-1")
    for action in ACTIONS:
        settle(made)
        assert made.call(action, old, FENCED)[0]["outcome"] == "done"
        before = made.changes()
        for kind in (DOWN, FENCED) if action != "retire_server" else (FENCED,):
            assert made.call(action, old, kind)[0]["outcome"] == "already"
        assert made.changes() == before


def test_host_fenced_takes_the_old_one_away(made: OwnWorld) -> None:
    old = made.id("web-1")
    for action in ACTIONS[:3]:
        made.call(action, old)
        settle(made)
    data, code = made.call("retire_server", old)
    assert (data, code) == (None, "not_fenced")
    assert old in made.world.guests
    data, _ = made.call("retire_server", old, FENCED)
    assert data["outcome"] == "done"
    assert old not in made.world.guests
    assert [state for _, state in made.pool().values()] == ["ONLINE"] * 2
    assert made.notes() == []


def test_a_late_run_finds_all_done(made: OwnWorld) -> None:
    old = made.id("web-1")
    for action in ACTIONS:
        made.call(action, old, FENCED)
        settle(made)
    for action in ACTIONS[:3]:
        assert made.call(action, old)[0]["outcome"] == "already"
    assert len(made.named("web-1")) == 1
    assert made.notes() == []


def test_the_old_one_stays_until_the_new_one_serves(made: OwnWorld) -> None:
    old = made.id("web-1")
    assert made.call("retire_server", old, FENCED)[1] == "not_ready"
    made.call("copy_server", old)
    settle(made)
    assert made.call("retire_server", old, FENCED)[1] == "not_serving"
    assert old in made.world.guests


# -- volumes wait for the proof --------------------------------------------
def test_a_server_with_volumes_waits_for_the_proof(made: OwnWorld) -> None:
    old = made.id("disk")
    data, code = made.call("copy_server", old)
    assert (data, code) == (None, "not_fenced")
    assert len(made.named("disk")) == 1
    made.call("copy_server", old, FENCED)
    settle(made)
    data, _ = made.call("retire_server", old, FENCED)
    settle(made)
    [new] = made.named("disk")
    assert new.id != old
    assert new.volumes == tuple(data["volumes"])
    assert len(new.volumes) == 1
    assert made.world.corruption == []


# -- once -------------------------------------------------------------------
def test_two_runs_at_once_make_one_server(made: OwnWorld) -> None:
    old = made.id("web-1")
    answers: list[Any] = []

    def run(holder: str, kind: str) -> None:
        answers.append(made.call("copy_server", old, kind, holder=holder))

    threads = [
        threading.Thread(target=run, args=(f"h{n}", kind))
        for n, kind in enumerate((DOWN, FENCED) * 3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(data["outcome"] for data, _ in answers) == [
        *["already"] * 5,
        "done",
    ]
    assert len({data["copy"] for data, _ in answers}) == 1
    assert len(made.named("web-1")) == 2


@pytest.mark.parametrize("how", ["done", "undone"])
def test_without_an_answer_it_is_not_asked_again_at_once(
    made: OwnWorld, how: str
) -> None:
    old = made.id("web-1")
    made.world.lost_answers[("recreate", "web-1")] = how
    assert made.call("copy_server", old)[1] == "no_answer"
    data, code = made.call("copy_server", old, holder="a-2")
    if how == "done":
        assert data["outcome"] == "already"
    else:
        assert code == "unanswered"
        made.clock.sleep(180)
        data, _ = made.call("copy_server", old, holder="a-3")
        assert data["outcome"] == "done"
    assert len(made.named("web-1")) == 2


def test_a_refused_post_may_be_sent_again(made: OwnWorld) -> None:
    old = made.id("web-1")
    made.world.quota_full.add("tenant")
    assert made.call("copy_server", old)[1] == "quota"
    made.world.quota_full.clear()
    assert made.call("copy_server", old)[0]["outcome"] == "done"


def test_a_copy_that_cannot_run_is_said(made: OwnWorld) -> None:
    old = made.id("web-1")
    made.call("copy_server", old)
    made.named("web-1")[1].vm_state = "error"
    for action in ("copy_server", "add_members"):
        assert made.call(action, old)[1] == "copy_error"


# -- whose, and when ----------------------------------------------------------
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("server", "more", "code"),
    [
        ("db", {}, "not_custom"),
        ("alien", {}, "not_found"),
        ("web-1", {"project": "others"}, "not_found"),
        ("web-1", {"token": ""}, "no_token"),
        ("web-1", {"event": None}, "no_event"),
        ("web-1", {"event": {"type": FENCED}}, "other_server"),
        (
            "web-1",
            {"event": event("compute.instance.left_alone", "x")},
            "no_event",
        ),
        ("web-1", {"event": event(FENCED, "another")}, "other_server"),
    ],
)
def test_nothing_is_done(
    made: OwnWorld, action: str, server: str, more: dict[str, Any], code: str
) -> None:
    assert made.call(action, made.id(server), FENCED, **more) == (None, code)
    assert made.changes() == []
    assert made.notes() == []


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("how", ["moved", "rebuilding", "there"])
def test_a_server_that_was_brought_back_is_left_alone(
    made: OwnWorld, action: str, how: str
) -> None:
    """Its tag was not the last word: the operator has evacuated it."""
    old, told = made.id("web-1"), event(FENCED, made.id("web-1"))
    told["traits"]["host_id"] = host_id("tenant", "c1")
    if how == "moved":
        made.world.guests[old].host = "c2"
    if how == "rebuilding":
        made.world.guests[old].task_state = "rebuild_spawning"
    _, code = made.call(action, old, event=told)
    assert (code == "elsewhere") == (how != "there")
    if how != "there":
        assert (made.changes(), made.notes()) == ([], [])


def test_members_of_others_are_not_his(made: OwnWorld) -> None:
    """A pool of another project that has his server's address."""
    theirs = next(p for p in made.world.pools.values() if p.name == "theirs")
    mine = made.named("web-1")[0].ports[0]
    [(key, member)] = theirs.members.items()
    theirs.members[key] = replace(
        member, address=mine.address, subnet=mine.subnet
    )
    made.call("drain_members", made.id("web-1"))
    assert {s for name, s in made.changes() if name == "set_weights"} == {
        "web"
    }


def test_the_operators_credentials_are_not_touched() -> None:
    """They work without any port but the token's own way out."""
    for name in OWN:
        touched: list[str] = []
        with used(forbidden(touched)):
            data, error = perform_by_name(
                name,
                {"server": "s", "event": event(FENCED, "s")},
                project="operator-project",
                execution="e",
                action_execution="a",
                token="t",
            )
        assert (data, error["code"], touched) == (None, "no_own", [])


def test_a_missing_role_is_the_tenants(made: OwnWorld) -> None:
    def refuse(project: str) -> Any:
        raise Refused(
            "forbidden",
            "Octavia does not let us list pools; give the executor's user "
            "the role admin.",
        )

    class NoRole:
        guests_of = staticmethod(refuse)

    own = made.ports.own
    assert own is not None
    use(
        replace(
            made.ports,
            own=lambda caller: replace(own(caller), cloud=NoRole()),  # type: ignore[arg-type]
        )
    )
    _, error = perform_by_name(
        "ha.own.drain_members",
        {"server": "s", "event": event(FENCED, "s")},
        project="tenant",
        execution="e",
        action_execution="a",
        token="t",
    )
    assert error["code"] == "forbidden"
    assert "executor" not in error["message"]
    assert "make the alarm again" in error["message"]


@pytest.mark.parametrize("name", OWN)
def test_they_document_themselves(name: str) -> None:
    assert (classes()[name].__doc__ or "").strip()


# -- what goes wrong in the middle -----------------------------------------
def test_a_volume_that_nova_let_go_first_still_comes_over(
    made: OwnWorld,
) -> None:
    """The delete was asked for, and the old server is still listed."""
    old = made.id("disk")
    [volume] = made.named("disk")[0].volumes
    made.call("copy_server", old, FENCED)
    settle(made)
    made.world.lost_answers[("delete", "disk")] = "undone"
    assert made.call("retire_server", old, FENCED)[1] == "no_answer"
    made.world.guests[old].volumes = ()
    made.world.volumes[volume] = "available"
    data, _ = made.call("retire_server", old, FENCED)
    assert data["volumes"] == [volume]
    [new] = made.named("disk")
    assert (new.id != old, new.volumes) == (True, (volume,))


def test_its_floating_ip_goes_to_the_new_server() -> None:
    guests = (
        "\n    web-1: {on: c1, protection: custom, floating_ip: 192.0.2.7}\n"
    )
    with OwnWorld(guests).used() as made:
        old = made.id("web-1")
        made.call("copy_server", old, FENCED)
        settle(made)
        assert made.call("retire_server", old, FENCED)[0]["outcome"] == "done"
        [new] = made.named("web-1")
        [floating] = made.world.floating.values()
        assert (floating.port, floating.fixed) == (
            new.ports[0].id,
            new.ports[0].address,
        )


def test_it_is_done_when_the_volume_is_there(made: OwnWorld) -> None:
    old = made.id("disk")
    [volume] = made.named("disk")[0].volumes
    made.call("copy_server", old, FENCED)
    settle(made)
    assert made.call("retire_server", old, FENCED)[0]["volumes"] == [volume]
    [new] = made.named("disk")
    assert new.volumes == (volume,)


def test_two_never_run_at_once_where_their_owner_says_so(
    made: OwnWorld,
) -> None:
    old = made.id("web-1")
    made.world.guests[old].metadata["ha:duplicates"] = "no"
    assert made.call("copy_server", old)[1] == "not_fenced"
    assert len(made.named("web-1")) == 1
    assert made.call("copy_server", old, FENCED)[0]["outcome"] == "done"


def test_a_claim_without_an_end_keeps_no_thread(made: OwnWorld) -> None:
    """His project's entries are what he makes of them."""
    old, own = made.id("web-1"), made.ports.own
    assert isinstance(own, OwnWorlds)
    forged = {"holder": "x", "until": 1e18}
    own.notes["tenant"].create(f"ha.claim.own-{old}.server.1", forged)
    began = made.clock.now()
    assert made.call("drain_members", old)[1] == "busy"
    assert made.clock.now() - began < 150


def test_who_was_superseded_leaves_the_notes_to_the_other(
    made: OwnWorld,
) -> None:
    """Its POST was not sent, but the other one's may be at work."""
    old, own = made.id("web-1"), made.ports.own
    assert own is not None
    others: list[str] = []

    class Slow(OwnCloud):
        def recreate(self, *args: Any, **more: Any) -> str:
            if not others:
                others.append("")
                made.clock.sleep(200)
                made.world.lost_answers[("recreate", "web-1")] = "undone"
                others[0] = made.call("copy_server", old, holder="b")[1]
            return super().recreate(*args, **more)

    slow = Slow(made.world, "tenant")
    use(replace(made.ports, own=lambda c: replace(own(c), cloud=slow)))
    assert made.call("copy_server", old)[1] == "superseded"
    assert others == ["no_answer"]
    assert made.call("copy_server", old, holder="c")[1] == "unanswered"
