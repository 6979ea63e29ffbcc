"""`ha-pack drill`: rehearse a host's death, simulated or for real."""

from __future__ import annotations

import argparse
import time

from ha_actions.errors import BadInput

from ha_installer.progress import progress
from ha_installer.story_text import tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's own options."""
    parser.add_argument(
        "--report",
        metavar="PATH",
        default="drill-report.html",
        help="where the HTML report goes (default: %(default)s)",
    )
    real = parser.add_argument_group(
        "on a real cloud (a dry run, unless --act)"
    )
    real.add_argument("--host", metavar="NAME", help="the host to rehearse on")
    real.add_argument(
        "--cloud", metavar="CLOUD", help="a cloud of clouds.yaml"
    )
    real.add_argument(
        "--act",
        action="store_true",
        help="really cut its power; the host must be listed in drill.hosts",
    )
    real.add_argument("--reason", default="drill", help="why, for the record")
    add_way(real)
    parser.set_defaults(rescue=False)


def add_way(group: argparse._ArgumentGroup) -> None:
    """What a drill and a rescue on a real cloud share."""
    group.add_argument(
        "--yes-cut",
        metavar="NAME",
        help="the host's name again, where nobody can type it",
    )
    group.add_argument(
        "--embedded",
        action="store_true",
        help="on an engine in this process: for when Mistral is down",
    )
    group.add_argument(
        "--executor-file",
        metavar="FILE",
        help="with --embedded: how to reach the world",
    )
    group.add_argument(
        "--policy",
        metavar="FILE",
        help="with --embedded and no Mistral: the policy",
    )


def run(options: argparse.Namespace) -> int:
    """Rehearse; 0 if every guest got what its policy says, else 1.

    :raises BadInput: an option, the host or the cloud is wrong.
    :raises Refused: the host may not be cut.
    """
    if bool(options.host) != bool(options.cloud):
        raise BadInput(
            "usage",
            "A drill on a real cloud needs both --host NAME and --cloud "
            "CLOUD; without both it is a rehearsal in a simulated cloud.",
        )
    if options.host:
        from ha_installer import drill_cloud

        return drill_cloud.run(options)
    if options.act or options.embedded:
        raise BadInput(
            "usage",
            "--act and --embedded are for a drill on a real cloud; name it "
            "with --host NAME --cloud CLOUD.",
        )
    return _rehearse(options)


def _rehearse(options: argparse.Namespace) -> int:
    began = time.monotonic()
    from ha_installer import drill

    what = drill.scenario()
    host = drill.dying_host(what)
    promises = drill.foretell(what, host)
    returning = sum(p.comes_back for p in promises.values())
    if not options.json:
        guests, hosts = len(what.world.guests), len(what.world.hosts)
        print(
            f"A simulated cloud of {hosts} hosts and {guests} guests, the "
            f"real Mistral engine. Host {host} will die with "
            f"{len(promises)} guests on it."
        )
    title = f"host {host} dies"
    with progress(title, returning, quiet=options.json) as show:
        played = drill.play(what, show)
    told = drill.tell(what, played, promises)
    took = time.monotonic() - began
    return tell(told, options, took)
