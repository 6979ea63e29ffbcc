"""The alarms and settings that are shipped: what Aodh takes, and no more."""

from __future__ import annotations

import configparser
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ha_actions.deciders.intake import EVENTS
from ha_alarms.start import HOST_EVENT
from ha_alarms.target import read_action
from ha_installer.tenant import EVENTS as EVENTS_OF_TENANTS

ROOT = Path(__file__).parents[2]
ALARMS = sorted((ROOT / "alarms").glob("*.yaml"))
SETTINGS = ROOT / "alarms" / "settings"

QUERY = {
    "type": "object",
    "additionalProperties": False,
    "required": ["field", "op", "type", "value"],
    "properties": {
        # any other field is accepted by the API and never matches
        "field": {"pattern": "^traits\\.[a-z_]+$"},
        "op": {"enum": ["eq", "ne", "lt", "le", "gt", "ge"]},
        "type": {"enum": ["string", "integer", "float", "datetime"]},
        "value": {"type": "string"},
    },
}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["why", "alarm"],
    "properties": {
        "why": {"type": "string", "minLength": 80},
        "alarm": {
            "type": "object",
            "additionalProperties": False,
            "required": [
                *("name", "description", "type", "severity", "enabled"),
                *("repeat_actions", "project_id", "event_rule"),
                "alarm_actions",
            ],
            "properties": {
                "name": {"pattern": "^ha-[a-z-]+$"},
                "description": {"pattern": "^ha-pack-managed: .+"},
                "type": {"const": "event"},
                "severity": {"enum": ["low", "moderate", "critical"]},
                "enabled": {"const": True},
                "repeat_actions": {"const": True},
                "project_id": {"const": ""},
                "event_rule": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["event_type", "query"],
                    "properties": {
                        "event_type": {"type": "string"},
                        "query": {"type": "array", "items": QUERY},
                    },
                },
                "alarm_actions": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "string"},
                },
            },
        },
    },
}
"""Source: aodh 23, `POST /v2/alarms`; the constants are ours."""


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def definitions() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(SETTINGS / "event_definitions.yaml")
    return found


def traits_of(event_type: str) -> set[str]:
    """Of the last definition that matches, as Ceilometer does it."""
    for entry in reversed(definitions()):
        types = entry["event_type"]
        types = [types] if isinstance(types, str) else types
        if any(fnmatch(event_type, t) for t in types):
            traits = entry["traits"].items()
            return {k for k, v in traits if v["fields"] != "payload.none"}
    return set()


@pytest.mark.parametrize("path", ALARMS, ids=lambda p: p.stem)
def test_a_definition_is_what_aodh_takes(path: Path) -> None:
    found = read(path)
    jsonschema.validate(found, SCHEMA)
    assert found["alarm"]["name"] == f"ha-{path.stem}"
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("path", ALARMS, ids=lambda p: p.stem)
def test_an_alarm_starts_a_workflow_that_there_is(path: Path) -> None:
    book = read(ROOT / "workbooks" / "ha.v1.yaml")
    for action in read(path)["alarm"]["alarm_actions"]:
        target = read_action(action)
        name = target.workflow.removeprefix("ha.v1.")
        declared = book["workflows"][name].get("input", [])
        inputs = {i if isinstance(i, str) else next(iter(i)) for i in declared}
        given = {*target.inputs, *target.traits, target.alarm_input} - {""}
        assert given <= inputs


@pytest.mark.parametrize("path", ALARMS, ids=lambda p: p.stem)
def test_an_alarms_traits_are_made(path: Path) -> None:
    """Of what the event definitions make; and no project among them."""
    rule = read(path)["alarm"]["event_rule"]
    made = traits_of(rule["event_type"])
    assert made
    assert not made & {"project_id", "tenant_id", "user_id"}
    assert {q["field"].removeprefix("traits.") for q in rule["query"]} <= made


def test_host_alarms_bring_what_the_workflow_reads() -> None:
    for path in ALARMS:
        alarm = read(path)["alarm"]
        if alarm["alarm_actions"] == [
            "trust+mistral://ha.v1.handle_host_failure"
        ]:
            kind = alarm["event_rule"]["event_type"]
            assert kind in EVENTS
            assert "host" in traits_of(kind)
    assert "incident" in traits_of(HOST_EVENT)


def test_every_event_of_an_alarm_is_published() -> None:
    sources = read(SETTINGS / "event_pipeline.yaml")["sources"]
    passed = [e for source in sources for e in source["events"]]
    for path in ALARMS:
        kind = read(path)["alarm"]["event_rule"]["event_type"]
        assert any(fnmatch(kind, p) for p in passed), kind


def test_tenants_events_name_no_host() -> None:
    for kind in EVENTS_OF_TENANTS:
        made = traits_of(f"compute.instance.{kind}")
        assert {"instance_id", "incident"} <= made
        assert not made & {"host", "hypervisor", "testimonies"}


@pytest.mark.parametrize(
    "path", sorted(SETTINGS.glob("*.conf")), ids=lambda p: p.stem
)
def test_every_option_has_its_reason(path: Path) -> None:
    """A comment stands right above each option."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(path.read_text())
    assert parser.sections() or parser.defaults()
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[a-z_]+ = ", line):
            assert lines[number - 1].startswith("#"), line
