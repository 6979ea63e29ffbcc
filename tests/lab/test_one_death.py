"""One host of the full lab dies with servers that answer probes, have
floating IPs, fail to spawn, were on the move, and share pools: what became of
each. One death for all of the tests; they only look.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
from test_cattle import copies
from test_pets import act, rows
from test_pools import Pool

pytestmark = pytest.mark.lab_full

HOST = "host1"
PET = {"ha:protection": "pet", "ha:local-disk": "discard"}
CATTLE = {"ha:protection": "cattle"}
WEB = {"ha:probe": "http:8080/health", "lab:serves": "http:8080/health"}
DB = {"ha:probe": "tcp:5432", "lab:serves": "tcp:5432"}
RING = {"ha:after": "hen"}
BOOT_S = 10
"""So long after its start the database begins to listen."""
READY_S = 45
CUSTOM_S = 20
RECOVERY_S = 300


@dataclass
class Death:
    """Before, and what was seen of it."""

    lab: ModuleType
    ctl: ModuleType
    ids: dict[str, str] = field(default_factory=dict)
    ips: dict[str, Any] = field(default_factory=dict)
    """Server name -> its floating IP, before."""
    address: dict[str, str] = field(default_factory=dict)
    output: dict[str, Any] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    off_at: float = 0.0
    """When the BMC had cut it."""
    lone: set[int] = field(default_factory=set)
    """Weights of the only member that serves, during it all."""
    foretold: dict[str, Any] = field(default_factory=dict)
    """What `whatif` said of each, by name."""
    broken: Pool | None = None

    def network(self, name: str) -> str:
        return str(self.lab.cloud("lab").network.find_network(name).id)

    def evacuated(self, name: str) -> list[tuple[float, float, str, str]]:
        """(asked, over, destination, ended) of each evacuation, in order."""
        found = self.ctl.evacuations(self.ids[name])
        return sorted(
            (
                stamp(r["created_at"]),
                stamp(r["updated_at"] or r["created_at"]),
                r["dest_compute"],
                r["status"],
            )
            for r in found
        )

    def runs_once(self, name: str) -> dict[str, Any]:
        """It is the same server, well, elsewhere."""
        id = self.ids[name]
        now: dict[str, Any] = self.lab.server(id)
        assert (now["status"], now["task_state"]) == ("ACTIVE", None), now
        assert now["host"] != HOST
        assert self.lab.copies_running(id) == [now["host"]]
        return now


def stamp(text: str) -> float:
    """Seconds since the epoch of Nova's or Neutron's UTC."""
    return calendar.timegm(
        time.strptime(text[:19].replace(" ", "T"), "%Y-%m-%dT%H:%M:%S")
    )


def boot(death: Death) -> None:
    lab = death.lab
    near = [{"uuid": death.network("reachable")}]
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "db": (
            HOST,
            {
                "metadata": PET
                | DB
                | {"ha:group": "db", "lab:boot_s": str(BOOT_S)},
                "networks": near,
            },
        ),
        "app": (
            HOST,
            {
                "metadata": PET
                | WEB
                | {"ha:after": "db", "ha:priority": "high"},
                "networks": near,
            },
        ),
        "mute": (
            HOST,
            {
                "metadata": PET | {"ha:probe": "tcp:5432"},
                "networks": near,
            },
        ),
        "hidden": (HOST, {"metadata": PET | {"ha:probe": "tcp:5432"}}),
        "web": (HOST, {"metadata": CATTLE | WEB, "networks": near}),
        "unlucky": (HOST, {"metadata": PET | {"ha:priority": "high"}}),
        "moving": (HOST, {"metadata": PET}),
        "stopping": (HOST, {"metadata": PET}),
        "herd": (HOST, {"metadata": CATTLE}),
        "lone": (HOST, {"metadata": PET}),
        "egg": (HOST, {"metadata": PET | RING | {"ha:group": "egg"}}),
        "hen": (
            HOST,
            {
                "metadata": PET | {"ha:group": "hen", "ha:after": "egg"},
            },
        ),
        "typo": (HOST, {"metadata": {"ha:protecton": "pet"}}),
        "own": (HOST, {"metadata": {"ha:protection": "custom"}}),
        "herd-2": ("host2", {"metadata": CATTLE}),
        "herd-3": ("host3", {"metadata": CATTLE}),
        # Nova takes the emptiest host first: not this one
        "ballast-1": ("host4", {"metadata": {"ha:protection": "ignore"}}),
        "ballast-2": ("host4", {"metadata": {"ha:protection": "ignore"}}),
    }
    for name, (on, more) in kinds.items():
        death.ids[name] = lab.post_server(name, on, **more)
    death.ids["cloned"] = death.ctl.boot_from_volume(
        "cloned", HOST, metadata=CATTLE | {"ha:volumes": "clone"}
    )
    for id in death.ids.values():
        lab.wait_server(id, 240, status="ACTIVE")
    for name, id in death.ids.items():
        death.address[name] = death.ctl.addresses(id)[0]


def floating(death: Death, name: str) -> None:
    """A floating IP of the tenant's at this server."""
    network = death.lab.cloud("lab-tenant").network
    (port,) = network.ports(device_id=death.ids[name])
    death.ips[name] = network.create_ip(
        floating_network_id=death.network("outside"), port_id=port.id
    )


def no_more_volumes(death: Death, *, full: bool) -> None:
    """The tenant's quota of volumes is what he has; or Cinder's own again."""
    storage = death.lab.cloud("lab").block_storage
    project = death.lab.server(death.ids["cloned"])["project_id"]
    path = f"/os-quota-sets/{project}"
    if not full:
        assert storage.delete(path).status_code == 200
        return
    used = storage.get(path, params={"usage": "true"}).json()["quota_set"]
    change = {"volumes": used["volumes"]["in_use"]}
    answer = storage.put(path, json={"quota_set": change})
    assert answer.status_code == 200, answer.text


def pools(death: Death) -> Pool:
    """`shop`, on three hosts; `broken`, whose load balancer is in ERROR;
    `lonely`, with one member: that one.
    """
    shop = Pool(death.lab)
    for name in ("herd", "herd-2", "herd-3"):
        shop.add(name, death.address[name], 2)
    shop.monitor()
    lonely = Pool(death.lab, name="lonely", vip="10.99.255.2")
    lonely.add("lone", death.address["lone"], 7)
    lonely.monitor()
    broken = Pool(death.lab, name="broken", vip="10.99.255.3")
    broken.add("stopping", death.address["stopping"], 5)
    broken.add("herd-2", death.address["herd-2"], 5)
    broken.monitor()
    death.lab.until(
        lambda: all(
            state == "ONLINE"
            for pool in (shop, lonely, broken)
            for _, state in pool.members().values()
        ),
        60,
        "all members being ONLINE",
    )
    death.ctl.sql(
        "octavia",
        "UPDATE load_balancer SET provisioning_status = 'ERROR' "
        "WHERE id = %(lb)s",
        lb=broken.lb,
    )
    death.broken = broken
    return lonely


def strike(death: Death) -> None:
    """It dies while one of its servers is being moved; another one's owner
    asks for a stop that nobody hears.
    """
    lab, ids = death.lab, death.ids
    for host in ("host2", "host3"):
        lab.spawn_fail(host, ids["unlucky"])
    lab.live_migration_delay(HOST, 600)
    body = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
    assert act(lab, ids["moving"], body) == 202
    lab.until(
        lambda: [
            r["status"]
            for r in lab.migrations(instance_uuid=ids["moving"])
            if r["status"] == "running"
        ],
        60,
        lambda: f"its memory going over: {lab.server(ids['moving'])}",
    )
    lab.pull_plug(HOST)
    lab.cloud("lab-tenant").compute.stop_server(ids["stopping"])


def recover(death: Death, lonely: Pool) -> None:
    """What is foretold, the death, and all to the end of the recovery."""
    ctl = death.ctl
    said = ctl.ha_pack("whatif", HOST)[1]
    death.foretold = {row["name"]: row for row in said["guests"]}
    mark = death.lab.bmc_mark()
    strike(death)
    execution = ctl.by_alarm(HOST)

    def ended() -> bool:
        death.lone.update(w for w, _ in lonely.members().values())
        return bool(ctl.state(execution) in ctl.ENDED)

    death.lab.until(ended, RECOVERY_S, "the recovery's end", every=0.5)
    death.output = ctl.wait(execution, 5)
    death.told = rows(ctl.report(death.output["incident"]))
    death.off_at = min(
        (a["at"] for a in death.lab.bmc_actions(mark) if "Off" in a["what"]),
        default=0.0,
    )
    print(death.output["summary"])
    for row in death.told.values():
        print(row["name"], row["outcome"], row["reason"])


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
    (db,), (app,) = death.evacuated("db"), death.evacuated("app")
    assert app[0] - db[1] >= BOOT_S - 2, "not before it served"
    assert app[0] - db[1] < READY_S, "and not for the time being over"
    for name, answer in (
        ("db", "tcp:5432 is open"),
        ("app", "http:8080/health answered 204"),
    ):
        row = death.told[name]
        assert row["outcome"] == "recovered", row
        assert answer in row["reason"], row


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
    assert 0 < death.off_at <= stamp(now["web"].updated_at) + 1
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
        (reason,) = death.foretold[name]["reasons"]
        assert "egg, hen wait for each other" in reason
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

    lab.cloud("lab").compute.reset_server_state(id, "active")
    again = ctl.ha_pack("incident", "resume", death.output["incident"])[1]
    output = ctl.wait(again["execution"], RECOVERY_S)

    death.runs_once("moving")
    assert len(death.evacuated("moving")) == 1
    assert "moving" not in output["summary"], output
