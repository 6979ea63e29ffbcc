"""`ha-pack return HOST`: a person lets a host in that was put out."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ha_actions.errors import BadInput, Failed, Refused

from ha_installer import clouds
from ha_installer.confirm_cli import person

WORKFLOW = "ha.v1.return_host"
POLL_S = 1.0
LONGEST_S = 1800.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's own options."""
    parser.add_argument("host", metavar="HOST", help="its exact Nova name")
    parser.add_argument(
        "--enable",
        action="store_true",
        help="enable it also if it was disabled before its incident",
    )
    parser.add_argument(
        "--because",
        metavar="TEXT",
        default="",
        help="why; needed for a host that has failed too often",
    )
    parser.add_argument(
        "--rebooted",
        action="store_true",
        help="you saw it reboot since its storage or network was cut off; "
        "needs --because",
    )
    parser.add_argument("--cloud", metavar="NAME", help="of clouds.yaml")


def run(options: argparse.Namespace) -> int:
    """Start it, wait for its end; 0 if the host has returned.

    :raises BadInput: ``--rebooted`` without a reason; an unknown host.
    :raises Refused: it may not return now; the sentence says why.
    """
    if options.rebooted and not options.because.strip():
        raise BadInput(
            "no_reason", "Say how you know: --rebooted --because TEXT."
        )
    where = clouds.site(options.cloud)
    if not options.json:
        print(
            f"Looking at {options.host}: its heartbeat, its evacuations, "
            "what is cut off."
        )
    id = where.mistral.start(
        WORKFLOW,
        {
            "host": options.host,
            "enable": options.enable,
            "because": options.because,
            "rebooted": options.rebooted,
            "by": person(options.cloud),
        },
    )
    output = _wait(where, id)
    if output.get("state") != "returned":
        said = str(output.get("summary") or "it gives no reason")
        code = str(output.get("code") or "refused")
        kind = BadInput if code == "unknown_host" else Refused
        raise kind(code, f"{said.removeprefix(f'{code}: ')}.")
    if options.json:
        json.dump({"execution": id, **output}, sys.stdout, indent=2)
        print()
    else:
        print(output["summary"])
    return 0


def _wait(where: clouds.Site, id: str) -> dict[str, Any]:
    until = where.clock.now() + LONGEST_S
    while where.clock.now() < until:
        state, output, info = where.mistral.execution(id)
        if state == "SUCCESS":
            return output
        if state in clouds.ENDED:
            raise Failed(
                "execution",
                f"Execution {id} ended {state}: "
                f"{info.partition(chr(10))[0] or 'see its tasks'}",
            )
        where.clock.sleep(POLL_S)
    raise Failed("stuck", f"Execution {id} has not ended; look at it.")
