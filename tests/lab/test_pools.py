"""Load-balancer pools on the full lab: a dead host's members are drained
before the fence, and serve again when their servers do.
"""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

import pytest
from many import PET, boot_all

pytestmark = pytest.mark.lab_full

CATTLE = {"ha:protection": "cattle"}
WEIGHTS = {"pet": 5, "herd": 3, "other": 1}


class Pool:
    """A tenant's pool, by Octavia's API."""

    def __init__(
        self, lab: ModuleType, name: str = "web", vip: str = "10.99.255.1"
    ) -> None:
        self._lab = lab
        self._api = lab.cloud("lab-tenant").load_balancer
        subnet = lab.cloud("lab").network.find_subnet("lab")
        self._subnet = subnet.id
        made = self._api.create_load_balancer(
            name=name, vip_subnet_id=subnet.id, vip_address=vip
        )
        self.lb: str = made.id
        self._settle()
        pool = self._api.create_pool(
            name=name,
            protocol="HTTP",
            lb_algorithm="ROUND_ROBIN",
            loadbalancer_id=self.lb,
        )
        self.id: str = pool.id
        self._settle()

    def _settle(self) -> None:
        self._api.wait_for_load_balancer(self.lb, interval=0.2, wait=60)

    def add(
        self, name: str, address: str, weight: int, subnet: bool = True
    ) -> None:
        """One member on port 80, with its subnet or without."""
        self._api.create_member(
            self.id,
            name=name,
            address=address,
            protocol_port=80,
            weight=weight,
            **({"subnet_id": self._subnet} if subnet else {}),
        )
        self._settle()

    def monitor(self) -> None:
        """Without one Octavia's states mean nothing to the pack."""
        self._api.create_health_monitor(
            pool_id=self.id,
            type="TCP",
            delay=5,
            timeout=2,
            max_retries=2,
        )
        self._settle()

    def members(self) -> dict[str, Any]:
        """Address -> (weight, operating status)."""
        return {
            m.address: (m.weight, m.operating_status)
            for m in self._api.members(self.id)
        }


@pytest.mark.lab_core
def test_members_follow_their_servers(full: ModuleType) -> None:
    import control as ctl

    lab = full
    post = lab.post_server
    ids = boot_all(
        lab,
        {
            "pet": partial(post, "pet", "host1", metadata=PET),
            "herd": partial(post, "herd", "host1", metadata=CATTLE),
            "other": partial(post, "other", "host2", metadata=PET),
        },
    )
    address = {name: ctl.addresses(id)[0] for name, id in ids.items()}
    pool = Pool(lab)
    for name, weight in WEIGHTS.items():
        pool.add(name, address[name], weight)
    pool.monitor()
    serving = {address[n]: (w, "ONLINE") for n, w in WEIGHTS.items()}
    lab.until(
        lambda: pool.members() == serving,
        60,
        lambda: f"all members being ONLINE: {pool.members()}",
    )

    lab.pull_plug("host1")
    execution = ctl.by_alarm("host1")
    lab.until(
        lambda: (
            (now := pool.members())[address["pet"]][0] == 0
            and now[address["herd"]][0] == 0
        ),
        60,
        lambda: f"the dead host's members being drained: {pool.members()}",
    )
    assert pool.members()[address["other"]] == (1, "ONLINE")
    output = ctl.wait(execution, 240)

    assert output["state"] == "closed", output
    found = lab.cloud("lab").compute.servers(all_projects=True, name="herd")
    (new,) = list(found)
    moved = ctl.addresses(new.id)[0]
    assert moved != address["herd"]
    wanted = {
        address["pet"]: (5, "ONLINE"),
        moved: (3, "ONLINE"),
        address["other"]: (1, "ONLINE"),
    }
    lab.until(
        lambda: pool.members() == wanted,
        30,
        lambda: f"{wanted}, last seen {pool.members()}",
    )
