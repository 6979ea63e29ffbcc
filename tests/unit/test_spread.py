"""Are the servers of one pool kept apart?"""

from __future__ import annotations

from ha_actions.deciders.spread import crowded, neighbours, servers_of
from ha_actions.model import Guest, Member
from unit.fakes import guest, host, port


def at(name: str, on: str, n: int) -> Guest:
    return guest(name, on, ports=(port(f"10.0.0.{n}"),))


def member(n: int, pool: str = "p") -> Member:
    return Member(id=f"m{n}", pool=pool, address=f"10.0.0.{n}", subnet="sub-1")


DEAD, NEAR, OTHER = at("a", "c1", 1), at("b", "c2", 2), at("c", "c3", 3)


def test_who_is_behind_a_pool() -> None:
    stranger = Member(id="x", pool="q", address="10.0.0.2", subnet="theirs")
    found = servers_of([member(1), member(2), stranger], [DEAD, NEAR, OTHER])
    assert found == {"p": [DEAD, NEAR], "q": []}


def test_neighbours_are_those_that_live() -> None:
    servers = {"p": [DEAD, NEAR], "q": [OTHER]}
    hosts = [host("c1", up=False), host("c2"), host("c3")]
    assert neighbours({"p"}, servers, hosts, "c1") == (NEAR.id,)


def test_nobody_is_asked_to_stay_away_where_no_other_host_is_left() -> None:
    servers = {"p": [NEAR, OTHER]}
    hosts = [host("c2"), host("c3"), host("c4", enabled=False)]
    assert neighbours({"p"}, servers, hosts, "c1") == ()


def test_a_pool_that_one_death_would_empty_is_told() -> None:
    racks = {"c2": "a", "c3": "a", "c4": "b"}
    both = [NEAR, at("d", "c2", 4)]
    assert crowded({"p": "web"}, {"p": both}, racks, "c1") == [
        "all 2 servers of web are on one host"
    ]
    assert crowded({"p": "web"}, {"p": [NEAR, OTHER]}, racks, "c1") == [
        "all 2 servers of web are in failure domain a"
    ]
    far = [NEAR, at("d", "c4", 4)]
    assert crowded({"p": "web"}, {"p": far}, racks, "c1") == []
    # of one alone, and in a cloud of one domain, there is nothing to tell
    assert crowded({"p": "web"}, {"p": [NEAR]}, racks, "c1") == []
    one = dict.fromkeys(racks, "nova")
    assert crowded({"p": "web"}, {"p": [NEAR, OTHER]}, one, "c1") == []
