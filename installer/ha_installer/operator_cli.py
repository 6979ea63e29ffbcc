"""`ha-pack status`, `incident(s)`, `arm`, `disarm`, `maintenance`, `policy`.

Everything is in the ledger of one cloud (``--cloud``, else ``$OS_CLOUD``).
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from datetime import datetime, timezone
from typing import Any

from ha_actions.codec import to_json
from ha_actions.deciders import consent
from ha_actions.deciders.certificate import certificate
from ha_actions.errors import BadInput
from ha_actions.model import Report, State
from ha_actions.records import lost
from ha_actions.records import operator_acts as acts
from ha_actions.records.in_force import Brake

from ha_installer import clouds, files, tables

SUB = "sub"


# -- options ---------------------------------------------------------------
def add_status(parser: argparse.ArgumentParser) -> None:
    """Options of `status`."""
    _cloud(parser)
    parser.set_defaults(run=status)


def add_incidents(parser: argparse.ArgumentParser) -> None:
    """Options of `incidents`."""
    _cloud(parser)
    parser.set_defaults(run=incidents)


def add_incident(parser: argparse.ArgumentParser) -> None:
    """Options of `incident show|resume|abort|approve`."""
    verbs = parser.add_subparsers(dest=SUB, metavar="WHAT", required=True)
    for name, do, help_ in (
        ("show", show, "its report"),
        ("resume", resume, "go on with it: a new attempt"),
        ("abort", abort, "close it; nothing is rolled back"),
        ("approve", approve, "say yes to what `mode: ask` asks, and go on"),
    ):
        one = verbs.add_parser(name, help=help_, description=help_)
        one.add_argument("id", metavar="ID")
        _cloud(one)
        one.set_defaults(run=do)
        if name == "show":
            one.add_argument(
                "--html", metavar="PATH", help="write the HTML report, too"
            )
        if name == "resume":
            one.add_argument(
                "--lost",
                metavar="SERVER",
                help="Nova has lost its evacuation: post it once more",
            )
            one.add_argument(
                "--because",
                metavar="TEXT",
                default="",
                help="with --lost: what you have looked at",
            )
        if name == "abort":
            one.add_argument("--because", metavar="TEXT", default="")


def add_arm(parser: argparse.ArgumentParser) -> None:
    """Options of `arm`."""
    _cloud(parser)
    parser.set_defaults(run=arm)


def add_disarm(parser: argparse.ArgumentParser) -> None:
    """Options of `disarm`."""
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument("--host", metavar="HOST", help="this host only")
    scope.add_argument(
        "--aggregate", metavar="NAME", help="the hosts of this aggregate"
    )
    _how_long(parser, required=True)
    _cloud(parser)
    parser.set_defaults(run=disarm)


def add_maintenance(parser: argparse.ArgumentParser) -> None:
    """Options of `maintenance`."""
    parser.add_argument("host", metavar="HOST")
    parser.add_argument("--end", action="store_true", help="it is over")
    _how_long(parser, required=False)
    _cloud(parser)
    parser.set_defaults(run=maintenance)


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Options of `policy check|set`."""
    verbs = parser.add_subparsers(dest=SUB, metavar="WHAT", required=True)
    for name, do, help_ in (
        ("check", policy_check, "whether a policy file is good"),
        ("set", policy_set, "put a policy file in force"),
    ):
        one = verbs.add_parser(name, help=help_, description=help_)
        one.add_argument("file", metavar="FILE")
        if name == "set":
            _cloud(one)
        one.set_defaults(run=do)


def _cloud(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cloud", metavar="NAME", help="a cloud of clouds.yaml"
    )


def _how_long(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--for",
        dest="lasts",
        metavar="TIME",
        required=required,
        help="90s, 30m, 2h, 1d: it ends by itself",
    )
    parser.add_argument(
        "--because", metavar="TEXT", required=required, help="why"
    )


# -- looking ---------------------------------------------------------------
def status(options: argparse.Namespace) -> int:
    """Armed, brakes, open incidents; 1 if an incident is held."""
    record = clouds.site(options.cloud).record
    armed, brakes = record.armed(), record.brakes()
    rows = [r for r in acts.rows(record) if r.state is not State.CLOSED]
    held = any(r.state is State.HELD for r in rows)
    if options.json:
        _json(
            {
                "armed": armed,
                "brakes": to_json(brakes),
                "incidents": to_json(rows),
            }
        )
        return int(held)
    print("armed" if armed else "not armed: decides, records, does nothing")
    for brake in brakes:
        print(_of_brake(brake))
    if not brakes:
        print("no brake is in force")
    print(_table(rows) if rows else "no incident is open")
    return int(held)


def incidents(options: argparse.Namespace) -> int:
    """Every incident, newest first."""
    rows = acts.rows(clouds.site(options.cloud).record)
    if options.json:
        _json(to_json(rows))
    else:
        print(_table(rows) if rows else "there has been no incident")
    return 0


def show(options: argparse.Namespace) -> int:
    """One incident's story; 1 if it is held."""
    from ha_installer import html, story, story_text

    record = clouds.site(options.cloud).record
    id = options.id
    incident = record.incident(id)
    report = record.part(id, "report", Report)
    if options.html or report is not None:
        told = story.read(record, id)
        if options.html:
            files.write(options.html, html.render(told), "report")
        if options.json:
            _json(to_json(told.report))
        else:
            story_text.print_story(told)
            print("\n".join(certificate(told.report.proof)))
        return int(told.report.state is State.HELD)
    if options.json:
        _json({"incident": to_json(incident), "parts": record.parts(id, "")})
    else:
        print(
            f"Incident {id} of host {incident.host}, opened "
            f"{_when(incident.opened_at)} by {incident.opened_by}, is at "
            "work. Recorded: "
            f"{', '.join(record.parts(id, '')) or 'nothing yet'}."
        )
    return 0


# -- acting ----------------------------------------------------------------
def resume(options: argparse.Namespace) -> int:
    """Start the next attempt at the cloud's Mistral."""
    where = clouds.site(options.cloud)
    acts.resumable(where.record, options.id)
    said = _say_lost(where, options) if options.lost else ""
    return _start_again(where, options, said)


def _say_lost(where: clouds.Site, options: argparse.Namespace) -> str:
    """Read Nova anew; what speaks against it is refused."""
    record = where.record
    incident = record.incident(options.id)
    guest = lost.find(record, options.id, options.lost).guest
    cloud = where.cloud(incident.request_id)
    records = cloud.evacuations(incident.host)
    lost.say(
        record,
        incident,
        guest.id,
        now=cloud.guests([guest.id], brief=True).get(guest.id),
        records=[r for r in records if r.guest == guest.id],
        by=_me(),
        because=options.because,
    )
    return f"{guest.name} may be posted once more, when the proof holds. "


def approve(options: argparse.Namespace) -> int:
    """Write the yes, then resume."""
    where = clouds.site(options.cloud)
    acts.resumable(where.record, options.id)
    yes = acts.approve(where.record, options.id, _me())
    said = f"Yes to {consent.in_words(yes.to)}; to nothing worse. "
    return _start_again(where, options, said)


def _start_again(
    where: clouds.Site, options: argparse.Namespace, said: str = ""
) -> int:
    execution = where.mistral.start(
        "ha.v1.handle_host_failure", {"resume": options.id}
    )
    return _done(
        options,
        {"incident": options.id, "execution": execution},
        f"{said}Execution {execution} goes on with incident {options.id}.",
    )


def abort(options: argparse.Namespace) -> int:
    """Close it, and say what is left undone."""
    record = clouds.site(options.cloud).record
    left = acts.abort(record, options.id, _me(), options.because)
    lines = [f"Incident {options.id} is closed. Left undone:"]
    lines += [f"  {line}" for line in left] or ["  nothing"]
    return _done(
        options, {"incident": options.id, "undone": left}, "\n".join(lines)
    )


def arm(options: argparse.Namespace) -> int:
    """Arm, and lift every disarm."""
    lifted = acts.arm(clouds.site(options.cloud).record, _me())
    tail = "".join(f"\nlifted: {_of_brake(b)}" for b in lifted)
    return _done(
        options,
        {"armed": True, "lifted": to_json(lifted)},
        f"Armed: where the policy says `mode: act`, the pack acts.{tail}",
    )


def disarm(options: argparse.Namespace) -> int:
    """Forbid irreversible steps for a while."""
    scope = "all"
    if options.host:
        scope = f"host:{options.host}"
    elif options.aggregate:
        scope = f"aggregate:{options.aggregate}"
    lasts = acts.duration(options.lasts)
    record = clouds.site(options.cloud).record
    brake = acts.disarm(record, scope, lasts, options.because, _me())
    return _done(options, to_json(brake), _of_brake(brake))


def maintenance(options: argparse.Namespace) -> int:
    """Declare or end a maintenance."""
    if options.end:
        record = clouds.site(options.cloud).record
        acts.end_maintenance(record, options.host)
        return _done(
            options,
            {"host": options.host, "maintenance": False},
            f"Host {options.host} is not under maintenance any more.",
        )
    if not (options.lasts and options.because):
        raise BadInput(
            "usage",
            "A maintenance needs --for TIME and --because TEXT; --end ends "
            "it.",
        )
    lasts = acts.duration(options.lasts)
    record = clouds.site(options.cloud).record
    brake = acts.maintain(record, options.host, lasts, options.because, _me())
    return _done(options, to_json(brake), _of_brake(brake))


def policy_check(options: argparse.Namespace) -> int:
    """0 if it is good; else one sentence says where it is not."""
    from ha_actions.deciders.policy import digest

    text = files.policy_text(options.file)
    mode = read_policy(text)
    return _done(
        options,
        {"good": True, "digest": digest(text), "mode": mode},
        f"{options.file} is a good policy: mode {mode}, digest "
        f"{digest(text)}.",
    )


def policy_set(options: argparse.Namespace) -> int:
    """Check it, then write it to the ledger."""
    text = files.policy_text(options.file)
    mode = read_policy(text)
    record = clouds.site(options.cloud).record
    digest = acts.set_policy(record, text)
    armed = record.armed()
    tail = "" if armed or mode != "act" else "; `ha-pack arm` lets it act"
    return _done(
        options,
        {"digest": digest, "mode": mode, "armed": armed},
        f"Policy {digest} is in force: mode {mode}{tail}. Incidents "
        "that are open keep the one they began with.",
    )


def read_policy(text: str) -> str:
    """The mode of a policy's text.

    :raises BadInput: it is not a good one.
    """
    from ha_actions.action import requirements
    from ha_actions.deciders.policy import load

    return str(load(text, requirements()).mode)


# -- words -----------------------------------------------------------------
def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return "an operator"


def _when(at: float) -> str:
    moment = datetime.fromtimestamp(at, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _of_brake(brake: Brake) -> str:
    head, _, host = brake.scope.partition(":")
    what = {
        "all": "everything is disarmed",
        "host": f"host {host} is disarmed",
        "aggregate": f"aggregate {host} is disarmed",
        "maintenance": f"host {host} is under maintenance",
    }.get(head, brake.scope)
    return f"{what} until {_when(brake.until)}, by {brake.by}: {brake.because}"


def _table(rows: list[acts.Row]) -> str:
    return tables.table(
        ("incident", "host", "opened", "by", "state", "reason"),
        [
            (
                row.incident.id,
                row.incident.host,
                _when(row.incident.opened_at),
                row.incident.opened_by,
                str(row.state),
                f"{row.code}: {row.reason}" if row.code else row.reason,
            )
            for row in rows
        ],
    )


def _json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=2)
    print()


def _done(options: argparse.Namespace, value: Any, text: str) -> int:
    if options.json:
        _json(value)
    else:
        print(text)
    return 0
