"""`ha-pack whatif`: these hosts die together; who comes back, and where to?"""

from __future__ import annotations

import argparse
import json
import sys

from ha_actions.deciders.outlook import Outlook
from ha_actions.errors import BadInput

from ha_installer import outlook_text, sight, tables


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's own options."""
    parser.add_argument("hosts", metavar="HOST", nargs="*")
    parser.add_argument(
        "--aggregate", metavar="A", help="every host of this aggregate"
    )
    sight.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Foresee and tell; 0 if every guest is protected or left as chosen.

    :raises BadInput: no such host, aggregate, file or cloud.
    """
    view = sight.viewpoint(options)
    dying = list(dict.fromkeys(options.hosts))
    view.check(dying)
    if options.aggregate:
        dying += [
            h for h in view.of_aggregate(options.aggregate) if h not in dying
        ]
    if not dying:
        raise BadInput("no_host", "Name a host, or --aggregate A.")
    return show(options, view.whatif(dying))


def show(options: argparse.Namespace, outlook: Outlook) -> int:
    """Table or JSON, and the page if one is asked for."""
    if options.json:
        print(json.dumps(outlook_text.as_json(outlook), indent=2))
    else:
        colours = tables.coloured(sys.stdout)
        print(outlook_text.text(outlook, colours=colours))
    if options.html:
        page(options, outlook)
    counts = outlook_text.counts(outlook)
    safe = counts["protected"] + counts["left alone"]
    return int(safe < len(outlook.guests) or bool(outlook.obstacles))


def page(options: argparse.Namespace, outlook: Outlook) -> None:
    """Write it where the caller wants it."""
    outlook_text.write_html(outlook, options.html)
    if not options.json:
        print(f"The page is in {options.html}.")
