"""One death for many drills: who is on the host, and what was seen of it."""

from __future__ import annotations

import calendar
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any

from ha_actions.adapters.network import PlainNetwork
from ha_actions.ports import Reach
from many import PET, boot_all
from test_pets import act, rows
from test_pools import Pool

HOST = "host1"
CATTLE = {"ha:protection": "cattle"}
WEB = {"ha:probe": "http:8080/health", "lab:serves": "http:8080/health"}
DB = {"ha:probe": "tcp:5432", "lab:serves": "tcp:5432"}
RING = {"ha:after": "hen"}
BOOT_S = 10
"""So long after its start the database begins to listen."""
READY_S = 30
MEMBERS = ("herd", "herd-2", "herd-3", "lone", "stopping")
"""Who is in a pool."""
GOING_TO = "host4"
"""Where the live migration goes."""
PROOF_S = 3
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
    proved_at: float = 0.0
    """When the BMC had read Off for as long as the policy wants."""
    served_at: float = 0.0
    """When the database answered again, seen from outside."""
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
    posts = {
        name: partial(lab.post_server, name, on, **more)
        for name, (on, more) in kinds.items()
    }
    posts["cloned"] = partial(
        death.ctl.boot_from_volume,
        "cloned",
        HOST,
        metadata=CATTLE | {"ha:volumes": "clone"},
    )
    death.ids |= boot_all(lab, posts)
    for name in ("db", *MEMBERS):
        death.address[name] = death.ctl.addresses(death.ids[name])[0]


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
    """`web`, on three hosts; `broken`, whose load balancer is in ERROR;
    `lonely`, with one member: that one.
    """

    def made(vip: str, name: str, weights: dict[str, int]) -> Pool:
        pool = Pool(death.lab, name, vip)
        for member, weight in weights.items():
            pool.add(member, death.address[member], weight)
        pool.monitor()
        return pool

    with ThreadPoolExecutor() as side_by_side:
        shop, lonely, broken = side_by_side.map(
            made,
            ("10.99.255.1", "10.99.255.2", "10.99.255.3"),
            ("web", "lonely", "broken"),
            (
                {"herd": 2, "herd-2": 2, "herd-3": 2},
                {"lone": 7},
                {"stopping": 5, "herd-2": 5},
            ),
        )
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
    to = {"host": GOING_TO, "block_migration": "auto"}
    body = {"os-migrateLive": to}
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


def answers(address: str, port: int) -> bool:
    return PlainNetwork().connect(address, port, 0.5) is Reach.OPEN


def recover(death: Death, lonely: Pool) -> None:
    """What is foretold, the death, and all to the end of the recovery."""
    ctl = death.ctl
    said = ctl.ha_pack("whatif", HOST)[1]
    death.foretold = {row["name"]: row for row in said["guests"]}
    mark = death.lab.bmc_mark()
    strike(death)
    execution = ctl.by_alarm(HOST)

    def ended() -> bool:
        if not death.served_at and answers(death.address["db"], 5432):
            death.served_at = time.time()
        death.lone.update(w for w, _ in lonely.members().values())
        return bool(ctl.state(execution) in ctl.ENDED)

    death.lab.until(ended, RECOVERY_S, "the recovery's end", every=0.5)
    death.output = ctl.wait(execution, 5)
    death.told = rows(ctl.report(death.output["incident"]))
    found = death.lab.bmc_actions(mark)
    off = [a["at"] for a in found if a["what"] == "reads Off"]
    death.proved_at = next(at for at in off if at - off[0] >= PROOF_S)
    print(death.output["summary"])
    for row in death.told.values():
        print(row["name"], row["outcome"], row["reason"])
