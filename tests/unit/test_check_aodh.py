"""What `ha-pack check` and `reconcile` see of Aodh, the broker and the way of
an event; each at its own wire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kombu
import pytest
import requests
from ha_actions.adapters import alarm_names, bus_queues
from ha_actions.adapters.cloud.region import api_at
from ha_actions.errors import BadInput, Refused, Transient
from ha_installer import check_cloud, health, health_aodh, probe
from ha_installer.executors import Met
from ha_installer.health import State
from ha_installer.rest import Rest

AODH = "http://aodh.test"


class Api:
    """A keystoneauth adapter over plain requests."""

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(AODH + path, **more)  # noqa: S113

    def delete(self, path: str, **more: Any) -> requests.Response:
        return requests.delete(AODH + path, **more)  # noqa: S113


AODH_REST = Rest(Api(), "Aodh")


# -- quota ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("limit", "state"), [(-1, State.WRONG), (500, State.OK)]
)
def test_the_default_quota_is_asked_for_a_project_of_nobody(
    requests_mock: Any, limit: int, state: State
) -> None:
    """Aodh writes down what it answers, so that is taken away again."""
    requests_mock.get(
        f"{AODH}/v2/quotas",
        json={"quotas": [{"resource": "alarms", "limit": limit}]},
    )
    requests_mock.delete(requests_mock_any(), status_code=204)
    line = health_aodh.of_quota(check_cloud._default_quota(AODH_REST))
    assert line.state is state
    asked, forgotten = requests_mock.request_history
    [nobody] = asked.qs["project_id"]
    assert forgotten.path == f"/v2/quotas/{nobody}"
    assert len(nobody) == 32


def requests_mock_any() -> Any:
    import re

    return re.compile(f"{AODH}/v2/quotas/.*")


def test_who_may_not_ask_for_the_quota_is_told_who_may(
    requests_mock: Any,
) -> None:
    requests_mock.get(f"{AODH}/v2/quotas", status_code=403)
    line = health_aodh.of_quota(check_cloud._default_quota(AODH_REST))
    assert (line.state, "admin" in line.means) == (State.UNKNOWN, True)


# -- queues ---------------------------------------------------------------
@pytest.mark.parametrize(
    ("queues", "state", "says"),
    [
        ({}, State.UNKNOWN, "shows none"),
        ({"alarm.all.sample": [0, 1]}, State.OK, "alarm.all.sample"),
        (
            {"alarm.all.sample": [0, 1], "notifications.info": [7, 0]},
            State.WRONG,
            "notifications.info (7 messages)",
        ),
        ({"alarm.all.sample": [0, 0]}, State.WRONG, "alarm.all.sample"),
    ],
)
def test_a_queue_that_nobody_reads(
    queues: dict[str, list[int]], state: State, says: str
) -> None:
    line = health_aodh.of_queues(Met(queues={"x1": queues, "x2": {}}))
    assert (line.state, says in line.means) == (state, True)


def test_queues_are_looked_at_and_none_is_made() -> None:
    url = "kombu+memory://guest:secret@h:1//"
    with kombu.Connection("memory://guest:secret@h:1//") as broker:
        queue = broker.SimpleQueue("notifications.info")
        queue.put("x")
        for _ in range(2):
            found = bus_queues.look(url, ["notifications.info", "no.such"])
            assert set(found) == {"notifications.info"}
            assert found["notifications.info"][0] == 1


def test_a_broker_that_is_away_is_no_finding() -> None:
    with pytest.raises(Transient) as told:
        bus_queues.look("rabbit://guest:secret@127.0.0.1:1/", ["x"])
    assert "secret" not in told.value.message


def test_a_bad_url_is_told_without_its_password() -> None:
    with pytest.raises(BadInput) as told:
        bus_queues.look("rabbit://guest:secret@h:nonsense/", ["x"])
    assert "secret" not in told.value.message


# -- alarms that vanished -------------------------------------------------
class Region:
    """What ``clouds.yaml`` gives of a cloud."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def get_session(self) -> Any:
        return self._session

    def get_interface(self, _: str) -> None:
        return None

    def get_region_name(self, _: str) -> None:
        return None

    def get_endpoint(self, _: str) -> str:
        return AODH


def known(*names: str) -> set[str]:
    from keystoneauth1 import noauth, session

    made = session.Session(auth=noauth.NoAuth())
    return set(alarm_names.of(api_at(Region(made), "alarm"))(names))


def ours(name: str, **more: Any) -> dict[str, Any]:
    text = f"{alarm_names.TAG}: x"
    return {"name": name, "enabled": True, "description": text, **more}


def test_an_admin_lists_alarms_without_a_project(requests_mock: Any) -> None:
    def answer(request: Any, context: Any) -> Any:
        if "q.field" in request.qs:
            return [ours("a"), ours("b", enabled=False), ours("theirs")]
        return [ours("own")]

    requests_mock.get(f"{AODH}/v2/alarms", json=answer)
    assert known("a", "b", "c", "own") == {"a", "own"}


def test_another_role_asks_for_each_by_its_name(requests_mock: Any) -> None:
    asked = []

    def answer(request: Any, context: Any) -> Any:
        fields = dict(
            zip(
                request.qs.get("q.field", []),
                request.qs.get("q.value", []),
                strict=True,
            )
        )
        if "project_id" in fields:
            context.status_code = 401
            return {}
        if "all_projects" in fields:
            asked.append(fields["name"])
            return [ours("a")] if fields["name"] == "a" else []
        return []

    requests_mock.get(f"{AODH}/v2/alarms", json=answer)
    assert known("a", "b") == {"a"}
    assert asked == ["a", "b"]


def test_without_the_role_it_is_said_which(requests_mock: Any) -> None:
    requests_mock.get(f"{AODH}/v2/alarms", status_code=403, json={})
    with pytest.raises(Refused, match="get_alarms:all_projects"):
        known("a")


def test_no_alarm_was_installed_so_none_is_asked_for(
    requests_mock: Any,
) -> None:
    assert known() == set()
    assert requests_mock.request_history == []


# -- the probe's hops -----------------------------------------------------
Seen = Callable[..., probe.Seen]


@pytest.mark.parametrize(
    ("published", "alarmed", "says", "hidden"),
    [
        (10.0, 10.5, "to alarm at most 0.50 s", "nothing"),
        (10.0, 9.0, "to execution at most 1.00 s", "alarm at most"),
        (10.0, 11.5, "to execution at most 1.00 s", "alarm at most"),
    ],
)
def test_no_hop_is_ever_negative(
    published: float, alarmed: float, says: str, hidden: str
) -> None:
    seen = probe.Seen(
        "a",
        published_at=published,
        alarmed_at=alarmed,
        started_at=11.0,
        ended_at=11.2,
    )
    told = probe._hops(seen)
    assert says in told
    assert hidden not in told
    assert "-" not in told


@pytest.mark.parametrize(
    ("waited", "state"), [(0, State.UNKNOWN), (90, State.WRONG)]
)
def test_a_reconcile_that_never_ran(waited: float, state: State) -> None:
    assert health.of_cron(True, None, 0.0, waited).state is state
