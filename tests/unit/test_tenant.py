"""A tenant's verbs, over Keystone, Nova, Aodh and Mistral at the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib import parse

import pytest
import requests_mock
from ha_alarms.target import Target, read_action
from ha_installer import cli, tenant_cli, tenant_probe
from ha_installer.tenant import Tenant, Wanted
from unit import fake_openstack as fake
from unit.fakes import Clock

AODH = "http://aodh.test"
WEB, DB = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-2"


class Services:
    """What the services keep, and how they answer."""

    def __init__(self, wire: requests_mock.Mocker) -> None:
        self.wire = wire
        self.servers = {
            WEB: {"name": "web-1", "metadata": {"ha:protection": "custom"}},
            DB: {"name": "db", "metadata": {}},
        }
        self.alarms: dict[str, Any] = {}
        self.workflows = {"my_repair": "server, incident=None, pool=web"}
        self.runs: list[dict[str, Any]] = []
        self.reaches = True
        wire.get(f"{fake.NOVA}/servers/detail", json=self._list)
        any_server = requests_mock.ANY
        wire.post(any_server, json=self._post)
        wire.put(any_server, json=self._put)
        wire.delete(any_server, json=self._delete, status_code=204)
        wire.get(f"{AODH}/v2/alarms", json=self._alarms)
        wire.get(f"{fake.MISTRAL}/executions", json=self._runs)
        for name in (*self.workflows, tenant_probe.WORKFLOW, "none"):
            wire.get(f"{fake.MISTRAL}/workflows/{name}", json=self._workflow)
        wire.get(
            f"{fake.NOVA}/servers/{WEB}/os-instance-actions",
            json={
                "instanceActions": [
                    {
                        "action": "evacuate",
                        "start_time": "2026-11-22T09:00:00",
                        "message": None,
                    }
                ]
            },
        )
        wire.get(
            f"{fake.NOVA}/servers/{DB}/os-instance-actions", status_code=404
        )
        fake.keystone(wire)

    def _list(self, request: Any, context: Any) -> Any:
        servers = [
            {"id": id, "status": "ACTIVE", **what}
            for id, what in self.servers.items()
        ]
        return {"servers": servers}

    def _post(self, request: Any, context: Any) -> Any:
        path = parse.urlsplit(request.url).path
        if path.endswith("/metadata"):
            id = path.split("/")[-2]
            new = request.json()["metadata"]
            self.servers[id]["metadata"].update(new)
            if tenant_probe.KEY in new and self.reaches:
                self._fire(id)
            return {"metadata": self.servers[id]["metadata"]}
        if path.endswith("/workflows"):
            name = request.text.split("\n")[2].rstrip(":")
            self.workflows[name] = "server"
            context.status_code = 201
            return {}
        assert path == "/v2/alarms", path
        body = request.json()
        self.alarms[f"id-{body['name']}"] = body
        context.status_code = 201
        return body

    def _fire(self, id: str) -> None:
        """What Nova, Aodh and its notifier do, when the alarm is seen."""
        for alarm in self.alarms.values():
            rule = alarm["event_rule"]
            if rule["event_type"] != "compute.instance.update":
                continue
            assert rule["query"][0]["value"] == id
            target = read_action(alarm["alarm_actions"][0])
            self.run(target.workflow, "compute.instance.update", id)

    def run(self, workflow: str, event: str, server: str, **more: Any) -> None:
        traits = {"instance_id": server, **more.pop("traits", {})}
        env = {"event": {"type": event, "traits": traits}}
        self.runs.append(
            {
                "id": f"run-{len(self.runs)}",
                "workflow_name": workflow,
                "state": "SUCCESS",
                "description": json.dumps({"triggered_by": "aodh"}),
                "params": json.dumps({"env": env}),
                "created_at": "2026-11-22 09:00:00",
                **more,
            }
        )

    def _put(self, request: Any, context: Any) -> Any:
        body = request.json()
        self.alarms[f"id-{body['name']}"] = body
        return body

    def _delete(self, request: Any, context: Any) -> Any:
        path = parse.urlsplit(request.url).path
        last = path.split("/")[-1]
        if "/alarms/" in path:
            del self.alarms[last]
        elif "/workflows/" in path:
            del self.workflows[last]
        elif "/executions/" in path:
            self.runs = [r for r in self.runs if r["id"] != last]
        else:
            del self.servers[path.split("/")[-3]]["metadata"][last]
        return None

    def _alarms(self, request: Any, context: Any) -> Any:
        return [
            {**a, "alarm_id": id, "state": "insufficient data"}
            for id, a in self.alarms.items()
        ]

    def _runs(self, request: Any, context: Any) -> Any:
        return {"executions": self.runs[::-1]}

    def _workflow(self, request: Any, context: Any) -> Any:
        name = request.path.split("/")[-1]
        if name not in self.workflows:
            context.status_code = 404
            return {"faultstring": "Workflow not found"}
        return {"name": name, "input": self.workflows[name]}


@pytest.fixture
def services(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Services]:
    config = tmp_path / "clouds.yaml"
    config.write_text(
        json.dumps(
            {
                "clouds": {
                    "mine": {
                        "region_name": "R1",
                        "auth": {
                            "auth_url": fake.KEYSTONE,
                            "username": "me",
                            "password": "hush",
                            "project_id": fake.PROJECT,
                            "user_domain_id": "default",
                        },
                    }
                }
            }
        )
    )
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(config))
    monkeypatch.setenv("OS_CLOUD", "mine")
    monkeypatch.setitem(fake.ENDPOINTS, "alarming", AODH)
    with requests_mock.Mocker() as wire:
        yield Services(wire)


def tenant(services: Services) -> Tenant:
    return tenant_cli.tenant_of("mine")


def pack(*words: str) -> int:
    return cli.main(["tenant", *words])


# -- protect ------------------------------------------------------------------
def test_protect_sets_tags_and_keeps_others(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.servers[DB]["metadata"] = {"mine": "stays"}  # type: ignore[dict-item]
    assert (
        pack(
            *("protect", "db", "--as", "pet"),
            *("--set", "priority=high", "--set", "ha:probe=tcp:5432"),
        )
        == 0
    )
    assert services.servers[DB]["metadata"] == {
        "mine": "stays",
        "ha:protection": "pet",
        "ha:priority": "high",
        "ha:probe": "tcp:5432",
    }
    out = capsys.readouterr().out
    assert "db: ha:priority=high, ha:probe=tcp:5432, ha:protection=pet" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("db",), "Say what to set"),
        (("db", "--set", "priority"), "'priority' is not NAME=VALUE"),
        (("db", "--set", "priorty=high"), "did you mean 'ha:priority'?"),
        (("db", "--set", "priority=hihg"), "did you mean 'high'?"),
        (("db", "--set", "replaces=x"), "There is no tag 'ha:replaces'"),
        (("bd", "--as", "pet"), "no server 'bd' (did you mean 'db'?)"),
    ],
)
def test_a_wrong_tag_is_one_sentence(
    services: Services,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    says: str,
) -> None:
    assert pack("protect", *words) == 2
    assert says in capsys.readouterr().err
    assert services.servers[DB]["metadata"] == {}


def test_two_servers_of_one_name(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.servers[DB]["name"] = "web-1"
    assert pack("protect", "web-1", "--as", "pet") == 2
    assert "Several servers are named 'web-1'" in capsys.readouterr().err


# -- alarm --------------------------------------------------------------------
def test_an_alarm_on_his_projects_events(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("alarm", "my_repair", "--server", "web-1", "--input", "pool=p1")
    assert pack(*words) == 0
    assert "made: my_repair runs when" in capsys.readouterr().out
    [made] = services.alarms.values()
    assert made["event_rule"]["event_type"] == "compute.instance.host_down"
    assert made["event_rule"]["query"][0]["value"] == WEB
    assert made["repeat_actions"] is True
    assert "project_id" not in made
    [action] = made["alarm_actions"]
    assert read_action(action) == Target(
        "my_repair",
        inputs={"pool": "p1"},
        traits={"server": "instance_id", "incident": "incident"},
    )
    assert pack(*words) == 0
    assert len(services.alarms) == 1
    assert "updated" in capsys.readouterr().out
    assert pack(*words, "--remove") == 0
    assert services.alarms == {}


def test_by_the_operators_bridge(services: Services) -> None:
    bridge = "https://bridge.example/"
    assert pack("alarm", "my_repair", "--bridge", bridge) == 0
    [made] = services.alarms.values()
    [action] = made["alarm_actions"]
    assert action == (
        "trust+https://bridge.example/start/my_repair?trait.server="
        "instance_id&trait.incident=incident"
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("none",), "sees no workflow 'none'"),
        (("a b",), "is no name"),
        (("my_repair", "--input", "poool=x"), "did you mean 'pool'?"),
        (("my_repair", "--bridge", "http://x"), "is an https:// address"),
        (("my_repair", "--server", "x"), "no server 'x'"),
    ],
)
def test_a_wrong_alarm_is_not_made(
    services: Services,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    says: str,
) -> None:
    assert pack("alarm", *words) == 2
    assert says in capsys.readouterr().err
    assert services.alarms == {}


def test_a_required_input_must_be_given(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.workflows["my_repair"] = "server, pool"
    assert pack("alarm", "my_repair") == 2
    assert "needs pool; give each with --input" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "fault", "says"),
    [
        (403, "Alarm quota exceeded for user", "quota is used up"),
        (400, "Unsupported action trust+mistral://", "give it as --bridge"),
        (403, "RBAC Authorization Failed", "lacks a role in this project"),
    ],
)
def test_what_aodh_refuses_is_told_with_its_cure(
    services: Services,
    capsys: pytest.CaptureFixture[str],
    status: int,
    fault: str,
    says: str,
) -> None:
    services.wire.post(
        f"{AODH}/v2/alarms",
        status_code=status,
        json={"error_message": {"faultstring": fault}},
    )
    assert pack("alarm", "my_repair") == 2
    err = capsys.readouterr().err
    assert says in err
    assert fault in err


def test_an_application_credential_makes_no_alarm(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    def token(request: Any, context: Any) -> Any:
        context.status_code = 201
        context.headers["X-Subject-Token"] = "t"
        endpoints = [
            {
                "type": kind,
                "endpoints": [
                    {
                        "interface": "public",
                        "region": "R1",
                        "region_id": "R1",
                        "url": url,
                    }
                ],
            }
            for kind, url in fake.ENDPOINTS.items()
        ]
        return {
            "token": {
                "methods": ["application_credential"],
                "application_credential": {"id": "ac", "restricted": True},
                "project": {"id": fake.PROJECT},
                "catalog": endpoints,
                "expires_at": "2036-11-22T10:00:00.000000Z",
            }
        }

    services.wire.post(f"{fake.KEYSTONE}/auth/tokens", json=token)
    assert pack("alarm", "my_repair") == 2
    assert "log in with a password" in capsys.readouterr().err
    assert services.alarms == {}


def test_a_cloud_without_aodh(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delitem(fake.ENDPOINTS, "alarming")
    assert pack("alarm", "my_repair") == 2
    assert "This cloud has no Aodh" in capsys.readouterr().err
    assert pack("status") == 0


# -- probe --------------------------------------------------------------------
def test_a_probe_that_arrives_leaves_nothing(services: Services) -> None:
    clock = Clock()
    reached = tenant_probe.probe(tenant(services), "web-1", "", clock)
    assert reached.ok
    assert reached.waited_s <= 2
    assert "It would fire" in tenant_probe.sentence(reached, "host_down")
    assert services.alarms == {}
    assert services.runs == []
    assert set(services.workflows) == {"my_repair"}
    assert services.servers[WEB]["metadata"] == {"ha:protection": "custom"}


def test_a_probe_that_does_not_arrive_says_so(services: Services) -> None:
    services.reaches = False
    clock = Clock()
    reached = tenant_probe.probe(tenant(services), "web-1", "", clock)
    assert not reached.ok
    assert reached.waited_s >= tenant_probe.WAIT_S
    said = tenant_probe.sentence(reached, "host_down")
    assert "Nothing arrived within 150 s" in said
    assert services.alarms == {}
    assert tenant_probe.KEY not in services.servers[WEB]["metadata"]


# -- status -------------------------------------------------------------------
def test_status_tells_what_was_done_and_why_not(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pack("alarm", "my_repair") == 0
    services.run(
        "my_repair",
        "compute.instance.recovered",
        WEB,
        traits={"outcome": "held", "reason": "no host has room"},
    )
    services.run("other", "x", DB, description="by hand")
    capsys.readouterr()
    assert pack("status") == 0
    out = capsys.readouterr().out
    assert "web-1   custom      ACTIVE  recovered  held     no host" in out
    assert "db      not tagged  ACTIVE" in out
    assert "alarm ha-my_repair-host_down: on, insufficient data" in out
    assert pack("status", "web-1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [r["workflow"] for r in told["runs"]] == ["my_repair"]
    assert told["actions"][0]["action"] == "evacuate"


def test_status_is_1_when_something_is_wrong(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.servers[DB]["metadata"] = {"ha:protection": "pett"}  # type: ignore[dict-item]
    assert pack("status") == 1
    assert "! db: server metadata ha:protection: 'pett'" in (
        capsys.readouterr().out
    )
    services.servers[DB]["metadata"] = {}
    services.run("w", "x", DB, state="ERROR", state_info="it broke")
    assert pack("status", "db") == 1


def test_a_replaced_server_is_named(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    services.servers[DB]["metadata"] = {"ha:replaces": WEB}  # type: ignore[dict-item]
    assert pack("status") == 0
    assert f"web-1: replaced by {DB}" in capsys.readouterr().out


def test_the_name_of_an_alarm_is_its_wish() -> None:
    one = Wanted(Target("w"), on="host_down", server="s")
    assert one.name == "ha-w-host_down-s"
    assert one.body()["alarm_actions"] == ["trust+mistral://w"]
