"""Octavia's failover at the wire."""

from __future__ import annotations

from typing import Any

import pytest
from ha_actions.errors import Failed, HaError, NoAnswer, Refused
from ha_actions.model import Amphora
from unit import fake_openstack as fake
from unit.fake_openstack import Lab, claim

AMPHORAE = f"{fake.OCTAVIA}/octavia/amphorae"
FAILOVER = f"{fake.OCTAVIA}/lbaas/loadbalancers/lb1/failover"
BODIES = [
    {
        "id": "a1",
        "compute_id": "server-1",
        "loadbalancer_id": "lb1",
        "status": "ALLOCATED",
    },
    {"id": "a2", "compute_id": None, "loadbalancer_id": None},
]


@pytest.fixture
def lab(requests_mock: Any) -> Lab:
    return Lab(requests_mock)


def test_amphorae_in_one_call(lab: Lab) -> None:
    lab.mock.get(AMPHORAE, json={"amphorae": BODIES})
    assert lab.cloud.amphorae() == [
        Amphora(id="a1", compute="server-1", lb="lb1"),
        Amphora(id="a2", compute="", lb="", status=""),
    ]
    assert len(lab.calls) == 1


def test_an_octavia_without_amphorae_has_none(lab: Lab) -> None:
    lab.mock.get(AMPHORAE, status_code=404)
    assert lab.cloud.amphorae() == []


def test_states_of_those_that_exist(lab: Lab) -> None:
    found = [
        {"id": f"lb{n}", "provisioning_status": "PENDING_UPDATE"}
        for n in (1, 2)
    ]
    lab.mock.get(
        f"{fake.OCTAVIA}/lbaas/loadbalancers", json={"loadbalancers": found}
    )
    states = lab.cloud.balancer_states(["lb1", "gone"])
    assert states == {"lb1": "PENDING_UPDATE"}


def test_one_failover_is_put_once(lab: Lab) -> None:
    lab.mock.put(FAILOVER, status_code=202)
    lab.cloud.fail_over("lb1", claim())
    assert [r.url for r in lab.sent("PUT")] == [FAILOVER]


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (
            {"status_code": 409, "json": {"faultstring": "is immutable"}},
            Failed,
            "conflict",
        ),
        ({"status_code": 404, "json": {}}, Failed, "not_found"),
        ({"status_code": 403, "json": {}}, Refused, "forbidden"),
        ({"status_code": 503}, NoAnswer, "no_answer"),
    ],
)
def test_what_a_refusal_means(
    lab: Lab, answer: dict[str, Any], error: type[HaError], code: str
) -> None:
    lab.mock.put(FAILOVER, **answer)
    with pytest.raises(error) as caught:
        lab.cloud.fail_over("lb1", claim())
    assert caught.value.code == code
    assert len(lab.sent("PUT")) == 1


def test_a_late_run_sends_nothing(lab: Lab) -> None:
    lab.mock.put(FAILOVER, status_code=202)
    with pytest.raises(Refused, match="claim"):
        lab.cloud.fail_over("lb1", claim(until=0))
    assert lab.sent("PUT") == []
