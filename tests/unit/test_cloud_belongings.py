"""Volumes, floating IPs, allocations and repairs at the wire."""

from __future__ import annotations

from typing import Any

import pytest
from ha_actions.errors import Failed, Refused, Transient
from ha_actions.model import Attachment, Fix, FloatingIp
from unit import fake_openstack as fake
from unit.fake_openstack import Lab, claim
from unit.fakes import guest

FIPS = f"{fake.NEUTRON}/floatingips"
PLACEMENT = "http://placement.test"


@pytest.fixture
def lab(requests_mock: Any) -> Lab:
    return Lab(requests_mock)


def test_volumes_with_their_attachments(lab: Lab) -> None:
    at = {"server_id": "g1", "device": "/dev/vda", "host_name": "c2"}
    body = {"id": "v1", "status": "in-use", "attachments": [at]}
    lab.mock.get(f"{fake.CINDER}/volumes/v1", json={"volume": body})
    (found,) = lab.cloud.volumes(["v1"]).values()
    assert found.attachments == (
        Attachment(volume="v1", guest="g1", device="/dev/vda", host="c2"),
    )


def test_floating_ips_by_port_and_by_id(lab: Lab) -> None:
    def listed(request: Any, _: Any) -> dict[str, Any]:
        at = {"floating_ip_address": "203.0.113.5", "fixed_ip_address": None}
        here = "port_id" in request.qs
        body = {
            "id": "f1" if here else "f2",
            "port_id": "p1" if here else None,
        }
        return {"floatingips": [{**at, **body}]}

    lab.mock.get(FIPS, json=listed)
    assert lab.cloud.floating_ips(["p1", "p2"], ["f2"]) == [
        FloatingIp(id="f1", address="203.0.113.5", port="p1"),
        FloatingIp(id="f2", address="203.0.113.5"),
    ]
    assert [r.qs for r in lab.sent("GET") if "floatingips" in r.url] == [
        {"port_id": ["p1", "p2"]},
        {"id": ["f2"]},
    ]


def test_a_neutron_without_routers_has_none(lab: Lab) -> None:
    lab.mock.get(FIPS, status_code=404)
    assert lab.cloud.floating_ips(["p1"]) == []
    lab.mock.get(FIPS, status_code=503)
    with pytest.raises(Transient):
        lab.cloud.floating_ips(["p1"])


def test_allocations_of_a_host_in_two_calls(lab: Lab) -> None:
    providers = {"resource_providers": [{"uuid": "rp1", "name": "c1"}]}
    held = {"allocations": {"g1": {}, "g2": {}}}
    lab.mock.get(f"{PLACEMENT}/resource_providers", json=providers)
    path = f"{PLACEMENT}/resource_providers/rp1/allocations"
    lab.mock.get(path, json=held)
    assert lab.cloud.allocated("c1") == {"g1", "g2"}
    assert len(lab.calls) == 2


def test_an_unknown_provider_is_not_an_empty_one(lab: Lab) -> None:
    empty: dict[str, Any] = {"resource_providers": []}
    lab.mock.get(f"{PLACEMENT}/resource_providers", json=empty)
    assert lab.cloud.allocated("c1") is None


@pytest.mark.parametrize(
    ("fix", "method", "url", "body"),
    [
        (
            Fix("lock", "g1", ("mine",)),
            "POST",
            f"{fake.NOVA}/servers/g1/action",
            {"lock": {"locked_reason": "mine"}},
        ),
        (
            Fix("lock", "g1", ("",)),
            "POST",
            f"{fake.NOVA}/servers/g1/action",
            {"lock": None},
        ),
        (
            Fix("server tags", "g1", ("a", "b")),
            "PUT",
            f"{fake.NOVA}/servers/g1/tags",
            {"tags": ["a", "b"]},
        ),
        (
            Fix("security groups", "p1", ("sg",)),
            "PUT",
            f"{fake.NEUTRON}/ports/p1",
            {"port": {"security_groups": ["sg"]}},
        ),
        (
            Fix("floating ip", "f1", ("p1", "10.0.0.5")),
            "PUT",
            f"{FIPS}/f1",
            {"floatingip": {"port_id": "p1", "fixed_ip_address": "10.0.0.5"}},
        ),
    ],
)
def test_what_is_put_back(
    lab: Lab, fix: Fix, method: str, url: str, body: Any
) -> None:
    lab.mock.register_uri(method, url, json={})
    lab.cloud.mend(guest("db", project="theirs"), fix, claim())
    (sent,) = [r for r in lab.sent(method) if r.url == url]
    assert sent.json() == body
    # a lock must be its owner's: set from within his project
    token = "theirs" if fix.kind == "lock" else fake.PROJECT
    assert sent.headers["X-Auth-Token"] == f"token-{token}"


@pytest.mark.parametrize("kind", ["server tags", "floating ip"])
def test_a_repair_that_is_refused(lab: Lab, kind: str) -> None:
    fix = Fix(kind, "x", ("p1", ""))
    for url in (f"{fake.NOVA}/servers/x/tags", f"{FIPS}/x"):
        lab.mock.put(url, status_code=409, json={"message": "no"})
    with pytest.raises(Failed):
        lab.cloud.mend(guest("db"), fix, claim())
    with pytest.raises(Refused):
        lab.cloud.mend(guest("db"), fix, claim(until=0))
