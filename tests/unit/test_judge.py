"""Verdict and limits: every combination, against rules stated here anew."""

from __future__ import annotations

from itertools import product

import pytest
from ha_actions.deciders.judge import judge, within_limits
from ha_actions.model import Host, Ruling, Says, Verdict
from ha_actions.settings import Limits, Witnesses
from unit.fakes import NOW, host, says

A, D, S = Says.ALIVE, Says.DEAD, Says.SILENT
DOWN, LIVES, UNSURE = Ruling.DOWN, Ruling.ALIVE, Ruling.UNCERTAIN
NAMES = ("compute_service", "bmc_power", "tcp_reach")


def rule(answers: tuple[Says, ...], rules: Witnesses) -> Verdict:
    heard = [says(n, a) for n, a in zip(NAMES, answers, strict=False)]
    return judge("c1", heard, rules, NOW)


# -- three witnesses, three answers: 27 rows ----------------------------------
# veto: tcp_reach and compute_service; two must say dead
TABLE: dict[tuple[Says, ...], Ruling] = {
    # compute_service, bmc_power, tcp_reach
    (D, D, D): DOWN,
    (D, D, S): DOWN,
    (D, S, D): DOWN,
    (S, D, D): DOWN,
    (D, S, S): UNSURE,
    (S, D, S): UNSURE,
    (S, S, D): UNSURE,
    (S, S, S): UNSURE,
    # only bmc_power lives, which has no veto: they contradict each other
    (D, A, D): UNSURE,
    (D, A, S): UNSURE,
    (S, A, D): UNSURE,
    (S, A, S): LIVES,  # alive, and nobody says dead
    # a veto, whoever says dead
    (A, D, D): LIVES,
    (A, D, S): LIVES,
    (A, S, D): LIVES,
    (A, S, S): LIVES,
    (A, A, D): LIVES,
    (A, A, S): LIVES,
    (D, D, A): LIVES,
    (D, S, A): LIVES,
    (S, D, A): LIVES,
    (S, S, A): LIVES,
    (D, A, A): LIVES,
    (S, A, A): LIVES,
    (A, D, A): LIVES,
    (A, S, A): LIVES,
    (A, A, A): LIVES,
}


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(product((A, D, S), repeat=3))


@pytest.mark.parametrize("answers", TABLE)
def test_three_witnesses(answers: tuple[Says, ...]) -> None:
    verdict = rule(answers, Witnesses())
    assert verdict.ruling is TABLE[answers]
    assert verdict.host == "c1"
    assert verdict.at == NOW
    assert verdict.reason
    assert len(verdict.testimonies) == 3
    nova_sees_it = answers[0] is A
    assert verdict.told is (
        verdict.ruling is not DOWN
        and not (verdict.ruling is LIVES and nova_sees_it)
    )


@pytest.mark.parametrize("need", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "veto", [[], ["bmc_power"], ["tcp_reach", "compute_service"], list(NAMES)]
)
def test_what_every_verdict_holds(need: int, veto: list[str]) -> None:
    """DOWN: enough dead and nobody alive. A veto is heard, whoever else."""
    rules = Witnesses(need_dead=need, veto=veto)
    for answers in product((A, D, S), repeat=3):
        verdict = rule(answers, rules)
        dead, alive = answers.count(D), answers.count(A)
        vetoed = any(
            a is A and n in veto for n, a in zip(NAMES, answers, strict=True)
        )
        assert (verdict.ruling is DOWN) is (dead >= need and not alive)
        if vetoed:
            assert verdict.ruling is LIVES
        if not alive:
            assert verdict.ruling is not LIVES
        if not dead:
            assert verdict.ruling is not DOWN


def test_silence_never_makes_it_deader() -> None:
    rules = Witnesses()
    for answers in product((A, D, S), repeat=3):
        if rule(answers, rules).ruling is DOWN:
            continue
        for i in range(3):
            quieter = (*answers[:i], S, *answers[i + 1 :])
            if answers[i] is not A:
                assert rule(quieter, rules).ruling is not DOWN


def test_nobody_was_heard() -> None:
    assert judge("c1", [], Witnesses(), NOW).ruling is UNSURE


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ((D, D, S), "2 of 3 dead, none alive (policy needs 2)"),
        ((S, D, S), "1 of 3 dead, none alive (policy needs 2)"),
        ((A, D, A), "compute_service and tcp_reach say alive"),
        ((D, A, D), "compute_service and tcp_reach say dead, bmc_power"),
        ((S, A, S), "bmc_power says alive"),
    ],
)
def test_the_reason_names_who_said_it(
    answers: tuple[Says, ...], reason: str
) -> None:
    assert reason in rule(answers, Witnesses()).reason


# -- limits -------------------------------------------------------------------
def fleet(total: int, down: int, first: int = 1) -> list[Host]:
    """``c1`` is the suspect; the first ``down`` hosts are down."""
    return [
        host(f"c{i}", up=i >= first + down)
        for i in range(first, first + total)
    ]


@pytest.mark.parametrize(
    ("total", "down", "limits", "allowed"),
    [
        # one host, whatever the percentages
        (1, 1, Limits(), True),
        (3, 1, Limits(), True),
        (3, 2, Limits(), False),
        (3, 1, Limits(hosts_down=0), False),
        (3, 3, Limits(hosts_down=3), True),
        (3, 3, Limits(hosts_down=2), False),
        # the larger of the number and the percentage; both limits hold
        (40, 2, Limits(), True),
        (40, 3, Limits(), False),
        (100, 5, Limits(), True),
        (100, 6, Limits(), False),
        (100, 10, Limits(cloud_down_percent=100), True),
        (100, 11, Limits(cloud_down_percent=100), False),
        # rounding is downwards
        (39, 2, Limits(), False),
        # 0 and 100 percent
        (10, 1, Limits(hosts_down_percent=0, cloud_down_percent=0), True),
        (10, 2, Limits(hosts_down_percent=0, cloud_down_percent=0), False),
        (9, 9, Limits(hosts_down_percent=100, cloud_down_percent=100), True),
        (
            9,
            1,
            Limits(
                hosts_down=0, hosts_down_percent=100, cloud_down_percent=100
            ),
            False,
        ),
    ],
)
def test_one_domain(
    total: int, down: int, limits: Limits, allowed: bool
) -> None:
    hosts = fleet(total, down)
    refusal = within_limits("c1", hosts, {}, limits, [])
    assert (refusal is None) is allowed
    if refusal is not None:
        assert refusal.code == "too_many_down"
        assert f"{down} of {total} hosts" in refusal.reason
        assert len(refusal.facts["down"]) == down


def domains(hosts: list[Host], size: int) -> dict[str, str]:
    """Racks of ``size`` hosts, in order."""
    return {h.name: f"rack-{i // size}" for i, h in enumerate(hosts)}


WIDE = Limits(hosts_down=1, hosts_down_percent=50, cloud_down_percent=5)


@pytest.mark.parametrize(
    ("down", "limits", "what"),
    [
        (["c1"], Limits(), None),
        (["c1", "c2"], Limits(), "domain 'rack-0'"),
        (["c1", "c5"], Limits(cloud_down_percent=50), None),
        (["c1", "c5"], Limits(), "cloud"),
        (["c1", "c2"], WIDE, "cloud"),
        (["c5", "c6", "c7"], Limits(cloud_down_percent=100), None),
    ],
)
def test_domains_and_cloud_are_counted_apart(
    down: list[str], limits: Limits, what: str | None
) -> None:
    """Racks of four, in a cloud of twelve; c1 is in the first."""
    hosts = [host(f"c{i}", up=f"c{i}" not in down) for i in range(1, 13)]
    refusal = within_limits("c1", hosts, domains(hosts, 4), limits, [])
    if what is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert what in refusal.reason


def test_the_suspect_counts_though_nova_still_calls_it_up() -> None:
    hosts = [host("c1"), host("c2", up=False), host("c3")]
    assert within_limits("c1", hosts, {}, Limits(), []) is not None


def test_forced_down_counts_as_down() -> None:
    hosts = [host("c1"), host("c2", forced_down=True), host("c3")]
    assert within_limits("c1", hosts, {}, Limits(), []) is not None


def test_disabled_alone_is_not_down() -> None:
    hosts = [host("c1", up=False), host("c2", enabled=False), host("c3")]
    assert within_limits("c1", hosts, {}, Limits(), []) is None


def test_maintenance_is_left_out_of_the_count() -> None:
    hosts = [host("c1", up=False), host("c2", up=False), host("c3")]
    assert within_limits("c1", hosts, {}, Limits(), ["c2"]) is None
    assert within_limits("c1", hosts, {}, Limits(), ["c3"]) is not None


def test_maintenance_of_the_suspect_itself_does_not_hide_it() -> None:
    hosts = [host("c1", up=False), host("c2", up=False), host("c3")]
    assert within_limits("c1", hosts, {}, Limits(), ["c1"]) is not None


@pytest.mark.parametrize("down", range(1, 13))
def test_100_percent_of_a_domain_leaves_the_limit_of_the_cloud(
    down: int,
) -> None:
    limits = Limits(hosts_down_percent=100, cloud_down_percent=25)
    hosts = fleet(12, down)
    refusal = within_limits("c1", hosts, {}, limits, [])
    assert (refusal is None) is (down <= 3)
