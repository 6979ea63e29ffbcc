"""`ha-pack tenant`: what a tenant does, with his own credentials."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from ha_actions.adapters.clock import SystemClock
from ha_actions.codec import nearest
from ha_actions.deciders.policy_tags import CAREFUL, TAG_PROTECTION
from ha_actions.errors import BadInput
from ha_alarms.target import Target, read_target

from ha_installer import tables, tenant_probe
from ha_installer.clouds import service, site
from ha_installer.rest import Rest
from ha_installer.tenant import (
    EVENTS,
    Tenant,
    Wanted,
    Who,
    read_tags,
    replaced,
    standing,
)

GIVEN = {"server": "instance_id", "incident": "incident"}
"""Inputs that a workflow gets by itself, if it has them, and their traits."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's own verbs."""
    verbs = parser.add_subparsers(metavar="WHAT", required=True)
    protect = verbs.add_parser("protect", help="tag servers of yours")
    protect.add_argument("servers", metavar="SERVER", nargs="+")
    protect.add_argument(
        "--as",
        dest="protection",
        choices=[p.value for p in CAREFUL],
        help="what to do when the host dies",
    )
    protect.add_argument(
        "--set",
        metavar="TAG=VALUE",
        action="append",
        default=[],
        help="another tag, such as priority=high, probe=tcp:5432",
    )
    protect.set_defaults(run=_protect)
    alarm = verbs.add_parser("alarm", help="start a workflow of yours")
    alarm.add_argument("workflow", metavar="WORKFLOW")
    alarm.add_argument(
        "--on", choices=list(EVENTS), default="host_down", help="the event"
    )
    alarm.add_argument("--server", metavar="SERVER", help="only for this one")
    alarm.add_argument(
        "--input",
        metavar="NAME=TEXT",
        action="append",
        default=[],
        help="an input of the workflow; `server` and `incident` are given",
    )
    alarm.add_argument(
        "--bridge", metavar="URL", default="", help="where the operator says"
    )
    alarm.add_argument(
        "--probe", metavar="SERVER", help="show that it would fire"
    )
    alarm.add_argument(
        "--remove", action="store_true", help="take the alarm away"
    )
    alarm.set_defaults(run=_alarm)
    status = verbs.add_parser("status", help="what was done, and what not")
    status.add_argument("server", metavar="SERVER", nargs="?")
    status.set_defaults(run=_status)
    for each in (protect, alarm, status):
        each.add_argument("--cloud", metavar="CLOUD", help="of clouds.yaml")


def tenant_of(cloud: str | None) -> Tenant:
    """The project that the cloud's credentials are scoped to.

    :raises BadInput: no such cloud, or it has no Nova or Mistral for us.
    """
    there = site(cloud)
    nova = service(there.name, "compute", "Nova")
    mistral = service(there.name, "workflow", "Mistral")
    if nova is None or mistral is None:
        raise BadInput(
            "no_service",
            f"Cloud {there.name} shows these credentials no Nova or no "
            "Mistral; are they scoped to a project?",
        )
    return Tenant(
        nova, mistral, service(there.name, "alarm", "Aodh"), _who(nova)
    )


def _who(rest: Rest) -> Who:
    """Read from the token itself; auth types without one say nothing."""
    session = rest.api.session
    access = getattr(session.auth, "get_access", lambda s: None)(session)
    if access is None:
        return Who()
    return Who(
        project=str(access.project_id or ""),
        app_credential=bool(access.application_credential_id),
        trust=bool(access.trust_scoped),
    )


def _protect(options: argparse.Namespace) -> int:
    pairs = _pairs(options.set)
    if options.protection:
        pairs[TAG_PROTECTION] = options.protection
    tags = read_tags(pairs)
    if not tags:
        raise BadInput("usage", "Say what to set: --as, or --set TAG=VALUE.")
    tenant = tenant_of(options.cloud)
    found = [tenant.server(name) for name in options.servers]
    for server in found:
        tenant.tag(server, tags)
    told = {s["name"]: {**s.get("metadata", {}), **tags} for s in found}
    if options.json:
        print(json.dumps(told, indent=2))
        return 0
    for name, metadata in told.items():
        mine = sorted(k for k in metadata if k.startswith("ha:"))
        print(f"{name}: " + ", ".join(f"{k}={metadata[k]}" for k in mine))
    print("What would happen: ha-pack explain --tenant")
    return 0


def _alarm(options: argparse.Namespace) -> int:
    bridge = options.bridge
    if bridge and not bridge.startswith(("https://", "http://127.0.0.1")):
        raise BadInput(
            "bad_bridge", "--bridge is an https:// address: a token goes there"
        )
    tenant = tenant_of(options.cloud)
    wanted = Wanted(
        _target(tenant, options),
        on=options.on,
        server=tenant.server(options.server)["id"] if options.server else "",
        bridge=bridge,
    )
    if options.remove:
        tenant.drop_alarm(wanted.name)
        print(f"{wanted.name} is gone.")
        return 0
    new = tenant.make_alarm(wanted.name, wanted.body())
    told: dict[str, Any] = {"alarm": wanted.name, "new": new}
    said = [
        f"{wanted.name} {'made' if new else 'updated'}: "
        f"{wanted.target.workflow} runs when a server's {EVENTS[wanted.on]}.",
        "Aodh may take up to a minute to see it.",
    ]
    ok = True
    if options.probe:
        reached = tenant_probe.probe(
            tenant, options.probe, bridge, SystemClock()
        )
        ok = reached.ok
        told["probe"] = {"ok": ok, "seconds": reached.seconds}
        said.append(tenant_probe.sentence(reached, wanted.on))
    print(json.dumps(told, indent=2) if options.json else "\n".join(said))
    return 0 if ok else 1


def _target(tenant: Tenant, options: argparse.Namespace) -> Target:
    """The workflow with its inputs, checked against what it takes."""
    try:
        name = read_target(options.workflow, "").workflow
    except ValueError as error:
        raise BadInput("bad_workflow", f"WORKFLOW: {error}.") from error
    given = _pairs(options.input)
    if options.remove:
        return Target(name)
    takes = tenant.workflow_inputs(name)
    for key in given:
        if key not in takes:
            raise BadInput(
                "bad_input",
                f"Workflow {name} has no input {key!r}{nearest(key, takes)}.",
            )
    traits = {
        k: trait for k, trait in GIVEN.items() if k in takes and k not in given
    }
    missing = [
        k
        for k, needed in takes.items()
        if needed and k not in given and k not in traits
    ]
    if missing:
        raise BadInput(
            "bad_input",
            f"Workflow {name} needs {', '.join(missing)}; give each with "
            "--input NAME=TEXT.",
        )
    return Target(name, inputs=given, traits=traits)


def _status(options: argparse.Namespace) -> int:
    """1 if a server's own tags are wrong, or its last workflow failed."""
    tenant = tenant_of(options.cloud)
    servers = tenant.servers()
    shown = [tenant.server(options.server)] if options.server else servers
    new = replaced(servers)
    runs = tenant.runs()
    rows = [_row(s, new, runs) for s in shown]
    alarms = tenant.alarms() if tenant.has_aodh else []
    told: dict[str, Any] = {
        "servers": rows,
        "alarms": [
            {k: a.get(k) for k in ("name", "enabled", "state", "timestamp")}
            for a in alarms
        ],
        "runs": runs,
    }
    if options.server:
        told["actions"] = tenant.actions(shown[0]["id"])
    bad = any(row["wrong"] or row["last"] == "ERROR" for row in rows)
    if options.json:
        print(json.dumps(told, indent=2))
    else:
        _print(told)
    return 1 if bad else 0


def _row(
    server: dict[str, Any], new: dict[str, str], runs: list[dict[str, Any]]
) -> dict[str, Any]:
    protection, wrong = standing(server)
    mine = [r for r in runs if r["traits"].get("instance_id") == server["id"]]
    last = mine[0] if mine else {}
    traits = last.get("traits", {})
    return {
        "name": server["name"],
        "id": server["id"],
        "protection": protection or "not tagged",
        "state": server["status"],
        "replaced_by": new.get(server["id"], ""),
        "event": last.get("event", ""),
        "outcome": str(traits.get("outcome", "")),
        "why": str(traits.get("reason") or last.get("reason", "")),
        "last": last.get("state", ""),
        "wrong": wrong,
    }


def _print(told: dict[str, Any]) -> None:
    columns = ("name", "protection", "state", "event", "outcome", "why")
    rows: list[Sequence[str]] = [
        [str(row[c]).removeprefix("compute.instance.") for c in columns]
        for row in told["servers"]
    ]
    print(tables.table(("server", *columns[1:]), rows))
    for row in told["servers"]:
        for one in row["wrong"]:
            print(f"! {row['name']}: {one}")
        if row["replaced_by"]:
            print(f"{row['name']}: replaced by {row['replaced_by']}")
    for alarm in told["alarms"]:
        state = "on" if alarm["enabled"] else "off"
        print(f"alarm {alarm['name']}: {state}, {alarm['state']}")
    if not told["alarms"]:
        print("no alarm on the pack's events: ha-pack tenant alarm WORKFLOW")
    for run in told["runs"][:5]:
        what = run["event"] or "an alarm"
        why = f": {run['reason']}" if run["reason"] else ""
        print(f"{run['at']} {run['workflow']} {run['state']} by {what}{why}")
    for action in told.get("actions", [])[:5]:
        why = f": {action['message']}" if action.get("message") else ""
        print(f"{action['start_time']} Nova: {action['action']}{why}")


def _pairs(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for one in given:
        key, sign, value = one.partition("=")
        if not sign or not key:
            raise BadInput("usage", f"{one!r} is not NAME=VALUE.")
        found[key] = value
    return found
