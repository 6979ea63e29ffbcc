"""One host of the full lab dies with servers that answer probes, have
floating IPs, fail to spawn, were on the move, and share pools: what became of
each. One death for all of the tests; they only look.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest
from one_death import (
    CUSTOM_S,
    GOING_TO,
    HOST,
    READY_S,
    RECOVERY_S,
    Death,
    boot,
    floating,
    no_more_volumes,
    pools,
    recover,
    stamp,
)
from test_cattle import copies

pytestmark = pytest.mark.lab_full


@pytest.fixture(scope="module")
def death(full_lab_up: ModuleType) -> Iterator[Death]:
    """All of it, once."""
    import control as ctl

    ctl.start_all()
    full_lab_up.reset()
    made = Death(full_lab_up, ctl)
    ctl.set_policy(
        recovery={
            "poll_s": 1,
            "ready_s": READY_S,
            "tries": 3,
            "custom_s": CUSTOM_S,
            "keep_apart": True,
        },
        probe_networks=[made.network("reachable")],
    )
    boot(made)
    for name in ("db", "web"):
        floating(made, name)
    lonely = pools(made)
    try:
        no_more_volumes(made, full=True)
        recover(made, lonely)
        yield made
    finally:
        no_more_volumes(made, full=False)


def test_who_waits_begins_when_the_probe_is_answered(death: Death) -> None:
    """The database listens some time after its start: until then, nobody
    asks for the application, though its priority is higher.
    """
    death.runs_once("db")
    death.runs_once("app")
    (app,) = death.evacuated("app")
    assert 0 < death.served_at <= app[0] + 2, "not before it served"
    for name in ("db", "app"):  # and not "recovered, unprobed"
        assert death.told[name]["outcome"] == "recovered", death.told[name]


def test_a_probe_that_nobody_answers_is_no_recovery(death: Death) -> None:
    """It runs, and its owner's probe says that it does not serve."""
    death.runs_once("mute")
    row = death.told["mute"]
    assert not row["outcome"].startswith("recovered"), row
    assert "tcp:5432 is refused" in row["reason"], row
    assert death.output["state"] == "held"
    assert "mute" in death.output["summary"]


def test_what_may_not_be_probed_is_unprobed(death: Death) -> None:
    """Its network is not one of the policy's `probe_networks`."""
    death.runs_once("hidden")
    assert death.told["hidden"]["outcome"] == "recovered, unprobed"


def test_floating_ips(death: Death) -> None:
    """A pet keeps its own; that of cattle goes over, once it is proved that
    the old one is off.
    """
    network = death.lab.cloud("lab-tenant").network
    now = {name: network.get_ip(ip.id) for name, ip in death.ips.items()}
    assert now["db"].port_id == death.ips["db"].port_id
    assert now["db"].fixed_ip_address == death.address["db"]
    (new,) = copies(death.lab, death.ids["web"])
    (port,) = network.ports(device_id=new.id)
    assert now["web"].port_id == port.id
    assert now["web"].floating_ip_address == (
        death.ips["web"].floating_ip_address
    )
    assert 0 < death.proved_at <= stamp(now["web"].updated_at) + 1
    assert death.lab.server(death.ids["web"]) is None


def test_a_failed_spawn_is_tried_on_another_host(death: Death) -> None:
    """Two of three hosts cannot run it, and Nova takes one of those first."""
    tries = death.evacuated("unlucky")
    assert len(tries) >= 2, tries
    places = [where for _, _, where, _ in tries]
    assert len(set(places)) == len(places), "no host twice"
    assert [end for *_, end in tries[:-1]] == ["failed"] * (len(tries) - 1)
    assert death.runs_once("unlucky")["host"] == places[-1] == "host4"


def test_a_stop_that_nobody_heard_is_no_obstacle(death: Death) -> None:
    death.runs_once("stopping")
    assert len(death.evacuated("stopping")) == 1


def test_copies_are_kept_apart(death: Death) -> None:
    """The other members of its pool have the other two hosts."""
    (new,) = copies(death.lab, death.ids["herd"])
    assert new.compute_host == "host4"


def test_the_only_member_is_not_drained(death: Death) -> None:
    death.runs_once("lone")
    assert death.lone == {7}


def test_a_balancer_in_error_is_not_waited_for(death: Death) -> None:
    """It takes no change: its member is neither drained nor missed."""
    assert death.broken is not None
    assert death.told["stopping"]["outcome"] == "recovered"
    weights = {weight for weight, _ in death.broken.members().values()}
    assert weights == {5}


def test_a_circle_and_a_word_that_nobody_reads_are_foretold(
    death: Death,
) -> None:
    """Two that wait for each other come back all the same."""
    for name in ("egg", "hen"):
        reasons = str(death.foretold[name]["reasons"])
        assert "egg, hen wait for each other" in reasons
        death.runs_once(name)
        assert death.told[name]["outcome"] == "recovered"
    assert "did you mean 'ha:protection'" in str(
        death.foretold["typo"]["reasons"]
    )
    assert death.lab.server(death.ids["typo"])["host"] == HOST


def test_a_quota_that_is_full_is_told(death: Death) -> None:
    row = death.told["cloned"]
    assert "Cinder refuses to clone" in row["reason"], row
    assert copies(death.lab, death.ids["cloned"]) == []
    assert death.lab.server(death.ids["cloned"])["host"] == HOST


def test_an_owner_who_does_not_answer(death: Death) -> None:
    """His server is not touched, and a person is told."""
    row = death.told["own"]
    assert "did not answer within 20 s" in row["reason"], row
    assert death.evacuated("own") == []
    assert copies(death.lab, death.ids["own"]) == []
    assert "own" in death.output["summary"]


def test_more_hosts_than_the_policy_allows_are_foretold(
    death: Death,
) -> None:
    said = death.ctl.ha_pack("whatif", HOST, "host2", "host3")[1]
    assert "limit" in str(said["obstacles"]), said["obstacles"]


def test_a_live_migration_that_the_death_cut_short(death: Death) -> None:
    """Its memory was going over: nobody knows where it runs. It is left, and
    a person who has looked lets it go on. (The last test: it goes on.)
    """
    lab, ctl, id = death.lab, death.ctl, death.ids["moving"]
    row = death.told["moving"]
    assert "live migration" in row["reason"], row
    assert death.evacuated("moving") == []
    assert lab.copies_running(id) == [], "what the person has seen"

    # Neutron has a second binding of its port there: an evacuation to that
    # host fails after three minutes, and the next goes elsewhere (measured)
    compute = lab.cloud("lab").compute
    compute.disable_service(lab.compute_service(GOING_TO)["id"])
    compute.reset_server_state(id, "active")
    again = ctl.ha_pack("incident", "resume", death.output["incident"])[1]
    output = ctl.wait(again["execution"], RECOVERY_S)

    compute.enable_service(lab.compute_service(GOING_TO)["id"])
    death.runs_once("moving")
    assert len(death.evacuated("moving")) == 1
    assert "moving" not in output["summary"], output
