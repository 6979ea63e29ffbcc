"""Placement at the wire; bodies as Placement 13 and Nova 34 give them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests_mock
from fake_openstack import NOVA, Lab, connect, server
from ha_actions.adapters.cloud.capacity import PlacementCapacity
from ha_actions.model.capacity import Need

PLACEMENT = "http://placement.test"


@pytest.fixture
def lab() -> Iterator[Lab]:
    with requests_mock.Mocker() as mock:
        lab = Lab(mock)
        mock.get(
            PLACEMENT,
            json={
                "versions": [
                    {
                        "id": "v1.0",
                        "status": "CURRENT",
                        "min_version": "1.0",
                        "max_version": "1.39",
                        "links": [{"rel": "self", "href": ""}],
                    }
                ]
            },
        )
        mock.get(
            f"{NOVA}/os-hypervisors/detail",
            json={
                "hypervisors": [
                    {
                        "id": f"rp-{n}",
                        "hypervisor_hostname": f"{n}.example.org",
                        "service": {"host": n, "id": f"s-{n}"},
                    }
                    for n in ("c1", "c2", "c3")
                ]
            },
        )
        yield lab


def capacity(lab: Lab) -> PlacementCapacity:
    return PlacementCapacity(
        connect(),
        lab.clock,
        lambda method, path: lab.calls.append(f"{method} {path}"),
    )


def test_needs_sums_a_guests_allocations_over_the_tree(lab: Lab) -> None:
    lab.mock.get(
        f"{PLACEMENT}/resource_providers",
        json={"resource_providers": [{"uuid": "rp-c1"}, {"uuid": "rp-gpu"}]},
    )
    lab.mock.get(
        f"{PLACEMENT}/resource_providers/rp-c1/allocations",
        json={
            "allocations": {
                "a": {"resources": {"VCPU": 2, "MEMORY_MB": 512}},
                "b": {"resources": {"VCPU": 1}},
            }
        },
    )
    lab.mock.get(
        f"{PLACEMENT}/resource_providers/rp-gpu/allocations",
        json={"allocations": {"a": {"resources": {"VGPU": 1}}}},
    )
    assert capacity(lab).needs("c1") == {
        "a": Need((("MEMORY_MB", 512), ("VCPU", 2), ("VGPU", 1))),
        "b": Need((("VCPU", 1),)),
    }
    assert "in_tree=rp-c1" in lab.sent("GET")[-3].url
    assert len(lab.calls) == 4


def test_rooms_asks_placement_once_and_names_compute_hosts(lab: Lab) -> None:
    def uses(**free: tuple[int, int]) -> dict[str, Any]:
        return {k: {"capacity": c, "used": u} for k, (c, u) in free.items()}

    asked = lab.mock.get(
        f"{PLACEMENT}/allocation_candidates",
        json={
            "allocation_requests": [],
            "provider_summaries": {
                "rp-c2": {
                    "resources": uses(VCPU=(16, 3), MEMORY_MB=(8000, 500)),
                    "traits": [],
                    "parent_provider_uuid": None,
                    "root_provider_uuid": "rp-c2",
                },
                "rp-c2-gpu": {
                    "resources": uses(VGPU=(2, 1)),
                    "traits": [],
                    "parent_provider_uuid": "rp-c2",
                    "root_provider_uuid": "rp-c2",
                },
                "rp-nfs": {
                    "resources": uses(DISK_GB=(9000, 1)),
                    "traits": ["MISC_SHARES_VIA_AGGREGATE"],
                    "parent_provider_uuid": None,
                    "root_provider_uuid": "rp-nfs",
                },
            },
        },
    )
    need = Need((("VCPU", 1), ("VGPU", 1)), ("HW_AVX",), ("CUSTOM_SLOW",))
    found = capacity(lab).rooms(need)
    assert [(r.host, r.free) for r in found] == [
        ("c2", {"VCPU": 13, "MEMORY_MB": 7500, "VGPU": 1})
    ]
    query = asked.last_request.qs
    assert query["resources"] == ["vcpu:1,vgpu:1"]
    assert query["required"] == [
        "hw_avx,!custom_slow,!compute_status_disabled"
    ]
    headers = asked.last_request.headers
    assert headers["OpenStack-API-Version"] == "placement 1.36"


def test_group_places_asks_each_member(lab: Lab) -> None:
    lab.mock.get(
        f"{NOVA}/os-server-groups/g",
        json={"server_group": {"id": "g", "members": ["a", "b", "gone"]}},
    )
    lab.mock.get(f"{NOVA}/servers/a", json={"server": server("a", "c1")})
    lab.mock.get(f"{NOVA}/servers/b", json={"server": server("b", "c2")})
    lab.mock.get(f"{NOVA}/servers/gone", status_code=404)
    assert capacity(lab).group_places(["g"]) == {"g": {"a": "c1", "b": "c2"}}


def test_a_project_of_an_operator_and_a_tenants_own(lab: Lab) -> None:
    body = server("a", "c1")
    asked = lab.mock.get(f"{NOVA}/servers/detail", json={"servers": [body]})
    assert capacity(lab).guests_of("p9")[0].host == "c1"
    assert asked.last_request.qs["project_id"] == ["p9"]
    del body["OS-EXT-SRV-ATTR:host"]
    own = capacity(lab).guests_of("")[0]
    assert own.host == "77", "hostId, as tenants know it"
    assert "all_tenants" not in asked.last_request.qs
