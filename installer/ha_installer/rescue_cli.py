"""`ha-pack rescue HOST`: what an alarm would have started, by hand."""

from __future__ import annotations

import argparse

from ha_installer import drill_cloud
from ha_installer.drill_cli import add_way


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's own options."""
    parser.add_argument("host", metavar="HOST", help="the host that has died")
    parser.add_argument(
        "--cloud", metavar="CLOUD", required=True, help="of clouds.yaml"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="decide, touch nothing"
    )
    parser.add_argument(
        "--reason", default="started by hand", help="why, for the record"
    )
    parser.add_argument(
        "--report",
        metavar="PATH",
        default="rescue-report.html",
        help="where the HTML report goes (default: %(default)s)",
    )
    add_way(parser.add_argument_group("how"))
    parser.set_defaults(rescue=True)


def run(options: argparse.Namespace) -> int:
    """Rescue; 0 if every guest got what its policy says, else 1.

    Every rule of the policy holds: witnesses, limits, mode. Without the
    cloud's Mistral its brakes and open incidents cannot be seen, and nothing
    keeps a second operator from doing the same: only one may.

    :raises BadInput: the host or the cloud is wrong.
    :raises Refused: its name was not typed.
    """
    options.act = not options.dry_run
    return drill_cloud.run(options)
