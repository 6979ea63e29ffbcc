"""`ha-pack confirm-dead HOST`: when no device can say it, a person may.

It runs on an executor's machine (it asks the fences and witnesses of the
executor's file), with the person's own cloud (their name goes into the
proof).
"""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from typing import Any

from ha_actions.codec import to_json
from ha_actions.deciders import policy
from ha_actions.errors import BadInput, Refused
from ha_actions.executor_file import from_file
from ha_actions.fencing import confirm_dead
from ha_actions.model import Host
from ha_actions.records import operator_acts as acts

from ha_installer import clouds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `confirm-dead`."""
    parser.add_argument("host", metavar="HOST", help="its exact Nova name")
    parser.add_argument(
        "--because",
        metavar="TEXT",
        required=True,
        help="how you know: it is in the proof, with your name",
    )
    parser.add_argument(
        "--for",
        dest="lasts",
        metavar="TIME",
        default="4h",
        help="how long your word holds (default 4h)",
    )
    parser.add_argument(
        "--override",
        action="store_true",
        help="although something says that it lives; its name is asked again",
    )
    parser.add_argument(
        "--executor-file", metavar="FILE", help="else the usual place"
    )
    parser.add_argument(
        "--cloud", metavar="NAME", help="a cloud of clouds.yaml"
    )


def run(options: argparse.Namespace) -> int:
    """Look, show, ask, keep the word, and go on with the incident."""
    site = clouds.site(options.cloud)
    record = site.record
    entry = record.opened(options.host)
    if entry is None:
        raise Refused(
            "no_incident",
            f"Host {options.host} has no open incident; `ha-pack incidents` "
            "lists them.",
        )
    incident = entry.incident
    acts.resumable(record, incident.id)
    its = policy.load(record.policy_text(incident.policy))
    confirm_dead.acceptable(record, incident, its)
    outside = from_file(options.executor_file)
    host = record.part(incident.id, "host", Host) or Host(
        name=incident.host, service_id="", up=False
    )
    seen = confirm_dead.look(outside, incident, its, host)
    if not options.json:
        print("\n".join(seen.lines) or "no device and no witness is known")
    typed = _typed(options.host) if options.override and seen.against else ""
    given = confirm_dead.confirm(
        record,
        incident,
        seen,
        by=person(options.cloud),
        because=options.because,
        lasts_s=acts.duration(options.lasts),
        typed_again=typed,
    )
    missing = max(0, its.fencing.people - len(given))
    execution = ""
    if not missing:
        execution = site.mistral.start(
            "ha.v1.handle_host_failure", {"resume": incident.id}
        )
    _tell(options, incident.id, seen, given, missing, execution)
    return 0


def person(cloud: str | None) -> str:
    """The Keystone user of a cloud; without Keystone the local one."""
    from ha_actions.adapters.cloud.region import region_of
    from keystoneauth1 import exceptions as auth_errors

    try:
        session = region_of(cloud).get_session()
        access = session.auth.get_access(session)
        return f"{access.username} ({access.user_domain_name})"
    except (
        AttributeError,  # no authentication, so nobody's name
        auth_errors.ClientException,
        BadInput,
    ):
        try:
            return f"local user {getpass.getuser()}"
        except (KeyError, OSError):
            return "an operator"


def _typed(host: str) -> str:
    print(f"Type the name of the host to overrule them ({host}): ", end="")
    sys.stdout.flush()
    return sys.stdin.readline().strip() or "nothing"


def _tell(
    options: argparse.Namespace,
    id: str,
    seen: confirm_dead.Look,
    given: list[Any],
    missing: int,
    execution: str,
) -> None:
    if options.json:
        value = {
            "incident": id,
            "host": options.host,
            "shown": list(seen.lines),
            "against": list(seen.against),
            "words": to_json(given),
            "people_missing": missing,
            "execution": execution,
        }
        json.dump(value, sys.stdout, indent=2)
        print()
    elif missing:
        print(
            f"Your word is kept; the policy demands {missing} more "
            "person(s) before it counts."
        )
    else:
        print(
            f"Your word is kept. Execution {execution} goes on with incident "
            f"{id}; every report of it will say that no device proved the "
            "death."
        )
