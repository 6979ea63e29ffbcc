"""Who is brought back, in which order, by which step."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest
from ha_actions.deciders.order import circles
from ha_actions.deciders.plan import READY, make_plan
from ha_actions.deciders.prospects import prospects
from ha_actions.model import (
    Group,
    Member,
    Plan,
    Planned,
    Priority,
    Protection,
    Requires,
)
from ha_actions.settings import Policy, Recovery
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.fakes import guest, planned

EVACUATE, RECREATE = "ha.evacuate_servers", "ha.recreate_servers"
MEMBERS, RETIRE = "ha.update_members", "ha.retire_servers"
REQUIRES = {
    EVACUATE: Requires.PROOF,
    RECREATE: Requires.VERDICT,
    MEMBERS: Requires.VERDICT,
    RETIRE: Requires.PROOF,
    READY: Requires.VERDICT,
    "ha.await_owner": Requires.VERDICT,
}
HIGH, LOW = Priority.HIGH, Priority.LOW
CATTLE, PET = Protection.CATTLE, Protection.PET


def make(
    guests: Iterable[Planned],
    *,
    policy: Policy | None = None,
    proven: bool = True,
    done: Collection[tuple[str, str]] = (),
    number: int = 1,
) -> Plan:
    return make_plan(
        "c1-aaaa",
        "c1",
        guests,
        policy or Policy(),
        REQUIRES,
        proven=proven,
        done=done,
        number=number,
    )


def one(
    name: str,
    protection: Protection = PET,
    *,
    project: str = "p1",
    in_pool: bool = False,
    server_group: str = "",
    state: str = "active",
    **choice: Any,
) -> Planned:
    who = guest(
        name,
        project=project,
        vm_state=state,
        group=Group(id=server_group) if server_group else None,
    )
    members = [Member(id=f"m-{name}", pool="web")] if in_pool else []
    return planned(who, protection, members, **choice)


def told(plan: Plan) -> list[list[str]]:
    """Each wave's batches, as ``step: guests``."""
    return [
        [
            f"{b.action}: {' '.join(p.guest.name for p in b.guests)}"
            for b in w.batches
        ]
        for w in plan.waves
    ]


def first_wave(plan: Plan, name: str, step: str = "") -> int:
    return min(
        i
        for i, wave in enumerate(plan.waves)
        for b in wave.batches
        for p in b.guests
        if p.guest.name == name and step in ("", b.action)
    )


def last_wave(plan: Plan, name: str) -> int:
    """The end of what it replaces is nobody's to wait for."""
    return max(
        i
        for i, wave in enumerate(plan.waves)
        for b in wave.batches
        for p in b.guests
        if p.guest.name == name and b.action != RETIRE
    )


# -- methods --------------------------------------------------------------
def test_nothing_to_do() -> None:
    plan = make([])
    assert (plan.waves, plan.left_alone) == ((), ())
    assert (plan.incident, plan.host) == ("c1-aaaa", "c1")


@pytest.mark.parametrize(
    ("who", "waves"),
    [
        (one("db"), [[f"{EVACUATE}: db"]]),
        (
            one("db", in_pool=True),
            [[f"{EVACUATE}: db"], [f"{MEMBERS}: db"], [f"{READY}: db"]],
        ),
        (one("web", CATTLE), [[f"{RECREATE}: web"], [f"{RETIRE}: web"]]),
        (
            one("web", CATTLE, in_pool=True),
            [
                [f"{RECREATE}: web"],
                [f"{MEMBERS}: web"],
                [f"{READY}: web"],
                [f"{RETIRE}: web"],
            ],
        ),
        (one("x", Protection.IGNORE), []),
        (one("x", Protection.CUSTOM), [["ha.await_owner: x"]]),
        (one("x", service_vm="octavia"), []),
        (one("x", discard_local_disk=False), []),
        (one("x", state="resized"), []),
        (
            one("db", probe="tcp:22"),
            [[f"{EVACUATE}: db"], [f"{READY}: db"]],
        ),
    ],
)
def test_one_guest(who: Planned, waves: list[list[str]]) -> None:
    plan = make([who])
    assert told(plan) == waves
    assert len(plan.left_alone) == (0 if waves else 1)


@pytest.mark.parametrize(
    ("who", "code", "wanted"),
    [
        (one("x", Protection.IGNORE), "left_ignored", True),
        (one("x", service_vm="octavia"), "left_service_vm", True),
        (one("x", state="unheard-of"), "refused_unknown_state", False),
    ],
)
def test_who_is_left_alone_and_why(
    who: Planned, code: str, wanted: bool
) -> None:
    (left,) = make([who]).left_alone
    assert (left.code, left.wanted) == (code, wanted)
    assert left.reason
    assert left.protection is who.choice.protection


def test_a_custom_server_may_be_left_unwatched() -> None:
    policy = Policy(recovery=Recovery(custom_s=0))
    (left,) = make([one("x", Protection.CUSTOM)], policy=policy).left_alone
    assert (left.code, left.wanted) == ("left_custom", True)


def test_nobody_waits_for_an_owner() -> None:
    plan = make(
        [
            one("mine", Protection.CUSTOM, priority=HIGH, group="g"),
            one("db", after="g"),
            one("web", CATTLE),
        ]
    )
    assert told(plan)[-1] == ["ha.await_owner: mine"]
    assert plan.waves[-1].name == "owners"
    assert [f"{EVACUATE}: db"] in told(plan)[:-1]


def test_an_owner_is_awaited_only_with_proof() -> None:
    (left,) = make([one("x", Protection.CUSTOM)], proven=False).left_alone
    assert left.code == "waits_for_proof"


def test_the_operator_may_change_a_method() -> None:
    policy = Policy(methods={"pet": [EVACUATE], "cattle": [RECREATE]})
    plan = make([one("db", in_pool=True), one("web", CATTLE)], policy=policy)
    assert told(plan) == [[f"{EVACUATE}: db", f"{RECREATE}: web"]]


# -- order ----------------------------------------------------------------
def test_priorities_go_one_after_another() -> None:
    plan = make(
        [one("c", priority=LOW), one("b"), one("a", CATTLE, priority=HIGH)]
    )
    assert told(plan) == [
        [f"{RECREATE}: a"],
        [f"{EVACUATE}: b"],
        [f"{EVACUATE}: c"],
        [f"{RETIRE}: a"],
    ]
    assert [w.name for w in plan.waves] == [
        "high priority, step 1",
        "medium priority, step 1",
        "low priority, step 1",
        "last, step 2",
    ]


def test_after_waits_until_the_group_is_ready() -> None:
    plan = make([one("web", after="db"), one("db-1", group="db")])
    assert told(plan) == [
        [f"{EVACUATE}: db-1"],
        [f"{READY}: db-1"],
        [f"{EVACUATE}: web"],
    ]
    assert plan.waves[-1].name.endswith("after 1 other(s)")


def test_a_group_for_which_nobody_waits_needs_no_readiness() -> None:
    assert told(make([one("db", group="db")])) == [[f"{EVACUATE}: db"]]


def test_who_is_awaited_moves_before_the_one_who_waits() -> None:
    """A high one waits for a low one: it cannot come first."""
    plan = make(
        [
            one("web", priority=HIGH, after="db"),
            one("db-1", priority=LOW, group="db"),
        ]
    )
    assert last_wave(plan, "db-1") < first_wave(plan, "web")


def test_a_chain() -> None:
    plan = make(
        [
            one("a", after="b", priority=HIGH),
            one("b", group="b", after="c"),
            one("c", group="c", priority=LOW),
        ]
    )
    assert last_wave(plan, "c") < first_wave(plan, "b")
    assert last_wave(plan, "b") < first_wave(plan, "a")


@pytest.mark.parametrize("after", ["nobody", ""])
def test_waiting_for_nobody_is_no_waiting(after: str) -> None:
    assert told(make([one("web", after=after)])) == [[f"{EVACUATE}: web"]]


def test_groups_never_reach_outside_a_project() -> None:
    plan = make(
        [
            one("web", project="p1", after="db", priority=HIGH),
            one("db", project="p2", group="db", priority=LOW),
        ]
    )
    assert told(plan) == [[f"{EVACUATE}: web"], [f"{EVACUATE}: db"]]


def test_another_project_cannot_move_a_guest_forward() -> None:
    mine = one("db", project="p1", group="db", priority=LOW)
    theirs = one("x", project="p2", after="db", priority=HIGH)
    alone, both = make([mine]), make([mine, theirs])
    assert told(alone)[0] == told(both)[-1]


def circle(*names: str) -> list[Planned]:
    """Each waits for the next one."""
    return [
        one(name, group=name, after=names[(i + 1) % len(names)])
        for i, name in enumerate(names)
    ]


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c", "d")])
def test_in_a_circle_everybody_still_comes_back(
    names: tuple[str, ...],
) -> None:
    plan = make(circle(*names))
    evacuated = [
        p.guest.name
        for w in plan.waves
        for b in w.batches
        if b.action == EVACUATE
        for p in b.guests
    ]
    assert sorted(evacuated) == sorted(names)


@pytest.mark.parametrize(
    ("guests", "found"),
    [
        (circle("a", "b"), [["a", "b"]]),
        (circle("a"), [["a"]]),
        (
            [*circle("a", "b"), *circle("x", "y", "z")],
            [["a", "b"], ["x", "y", "z"]],
        ),
        ([one("web", after="db"), one("db", group="db")], []),
        ([*circle("a", "b"), one("c", group="c", after="a")], [["a", "b"]]),
        (
            [
                one("a", project="p1", group="a", after="b"),
                one("b", project="p2", group="b", after="a"),
            ],
            [],
        ),
    ],
)
def test_circles_are_named(
    guests: list[Planned], found: list[list[str]]
) -> None:
    assert circles(guests) == found


# -- batches --------------------------------------------------------------
@pytest.mark.parametrize(
    ("count", "size", "batches"),
    [
        (1, 25, [1]),
        (25, 25, [25]),
        (26, 25, [25, 1]),
        (5, 2, [2, 2, 1]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_batch_size(count: int, size: int, batches: list[int]) -> None:
    plan = make(
        [one(f"g{i:03}") for i in range(count)],
        policy=Policy(recovery=Recovery(batch=size)),
    )
    (wave,) = plan.waves
    assert [len(b.guests) for b in wave.batches] == batches


def test_batch_ids_are_unique_and_name_their_plan() -> None:
    guests = [one(f"g{i}", in_pool=True) for i in range(9)]
    policy = Policy(recovery=Recovery(batch=2))
    ids = [
        b.id
        for n in (1, 2)
        for w in make(guests, policy=policy, number=n).waves
        for b in w.batches
    ]
    assert len(ids) == len(set(ids)) == 30
    assert ids[0] == "p1w1b1"
    assert all(id.startswith(("p1w", "p2w")) for id in ids)


def test_a_server_group_is_never_split() -> None:
    """Nova's late anti-affinity check does not retry on evacuate."""
    guests = [
        one(f"g{i}", server_group="sg" if i % 2 else "") for i in range(10)
    ]
    plan = make(guests, policy=Policy(recovery=Recovery(batch=2)))
    holding = [
        b
        for b in plan.waves[0].batches
        if any(p.guest.group for p in b.guests)
    ]
    assert len(holding) == 1
    assert sum(1 for p in holding[0].guests if p.guest.group) == 5


def test_the_strictest_need_has_its_own_batch() -> None:
    plan = make([one("a", CATTLE), one("b", CATTLE, duplicates=False)])
    needs = {
        b.guests[0].guest.name: b.requires
        for b in plan.waves[0].batches
        if b.action == RECREATE
    }
    assert needs == {"a": Requires.VERDICT, "b": Requires.PROOF}


def test_a_step_that_nobody_knows_needs_a_proof() -> None:
    policy = Policy(methods={"cattle": ["my.step"]})
    (wave,) = make([one("web", CATTLE)], policy=policy).waves
    assert wave.batches[0].requires is Requires.PROOF


# -- without a proof ------------------------------------------------------
@pytest.mark.parametrize(
    ("who", "waves"),
    [
        (one("db"), []),
        (one("web", CATTLE, duplicates=False), []),
        (one("web", CATTLE), [[f"{RECREATE}: web"]]),
        (
            one("web", CATTLE, in_pool=True),
            [[f"{RECREATE}: web"], [f"{MEMBERS}: web"], [f"{READY}: web"]],
        ),
    ],
)
def test_without_a_proof(who: Planned, waves: list[list[str]]) -> None:
    plan = make([who], proven=False)
    assert told(plan) == waves
    if not waves:
        (left,) = plan.left_alone
        assert left.code == "waits_for_proof"
        assert not left.wanted


# -- going on with an earlier plan ----------------------------------------
def test_done_steps_are_skipped() -> None:
    db = one("db", in_pool=True)
    done = {("id-db", EVACUATE)}
    assert told(make([db], done=done)) == [
        [f"{MEMBERS}: db"],
        [f"{READY}: db"],
    ]
    done |= {("id-db", MEMBERS)}
    assert told(make([db], done=done)) == [[f"{READY}: db"]]
    whole = make([db], done=done | {("id-db", READY)})
    assert whole.waves == ()
    assert whole.left_alone == ()


def test_a_restored_member_of_a_group_is_still_waited_for() -> None:
    """Its own step was done before a crash, its readiness was not seen."""
    db, web = one("db", group="db"), one("web", after="db")
    plan = make([db, web], done={("id-db", EVACUATE)})
    assert told(plan) == [[f"{READY}: db"], [f"{EVACUATE}: web"]]


def test_what_another_guest_did_is_not_skipped() -> None:
    plan = make([one("a"), one("b")], done={("id-a", EVACUATE)})
    assert told(plan) == [[f"{EVACUATE}: b"]]


def test_the_same_guests_in_any_order_make_the_same_plan() -> None:
    guests = [one(n, in_pool=n < "c") for n in "badc"]
    assert make(guests) == make(sorted(guests, key=lambda p: p.guest.name))


# -- any guests -----------------------------------------------------------
NAMES = st.sampled_from(["", "g1", "g2", "g3", "g4"])
GUESTS = st.lists(
    st.tuples(
        st.sampled_from(list(Protection)),
        st.sampled_from(list(Priority)),
        st.sampled_from(["p1", "p2"]),
        NAMES,
        NAMES,
        st.booleans(),
        st.booleans(),
        st.sampled_from(["", "sg1", "sg2"]),
    ),
    max_size=12,
)
ACYCLIC = {"": 0, "g1": 1, "g2": 2, "g3": 3, "g4": 4}


@given(rows=GUESTS, size=st.integers(1, 4), proven=st.booleans())
@settings(deadline=None)
def test_what_every_plan_holds(
    rows: list[Any], size: int, proven: bool
) -> None:
    guests = [
        one(
            f"n{i}",
            protection,
            priority=priority,
            project=project,
            group=group,
            after=after,
            in_pool=in_pool,
            duplicates=duplicates,
            server_group=sg,
        )
        for i, (
            protection,
            priority,
            project,
            group,
            after,
            in_pool,
            duplicates,
            sg,
        ) in enumerate(rows)
    ]
    policy = Policy(recovery=Recovery(batch=size))
    plan = make(guests, policy=policy, proven=proven)
    planned_ids = {
        p.guest.id for w in plan.waves for b in w.batches for p in b.guests
    }
    left_ids = {one.guest for one in plan.left_alone}
    assert planned_ids | left_ids == {p.guest.id for p in guests}
    assert not planned_ids & left_ids
    for wave in plan.waves:
        seen: dict[str, set[str]] = {}
        for batch in wave.batches:
            sure = batch.requires is Requires.PROOF
            assert proven or not sure
            assert sure or REQUIRES[batch.action] is Requires.VERDICT
            groups = {p.guest.group.id for p in batch.guests if p.guest.group}
            assert len(batch.guests) <= size or groups
            for p in batch.guests:
                need = prospects(p.guest, p.choice).requires
                if batch.action != READY:
                    assert sure or need is Requires.VERDICT
            if batch.action == EVACUATE:
                for sg in groups:
                    seen.setdefault(sg, set()).add(batch.id)
        assert all(len(ids) == 1 for ids in seen.values())
    _check_order(plan, guests)


def _check_order(plan: Plan, guests: list[Planned]) -> None:
    """Where nobody waits in a circle, each waits for its whole group."""
    here = {
        p.guest.id for w in plan.waves for b in w.batches for p in b.guests
    }
    ours = [
        p  # what an owner does by himself is waited for by nobody
        for p in guests
        if p.guest.id in here and p.choice.protection is not Protection.CUSTOM
    ]
    if any(
        p.choice.group
        and p.choice.after
        and ACYCLIC[p.choice.after] >= ACYCLIC[p.choice.group]
        for p in ours
    ):
        return
    for waiter in ours:
        for other in ours:
            if (
                waiter.choice.after
                and other.choice.group == waiter.choice.after
                and other.guest.project == waiter.guest.project
                and other is not waiter
            ):
                before = last_wave(plan, other.guest.name)
                assert before < first_wave(plan, waiter.guest.name)
