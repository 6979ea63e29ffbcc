"""`ha-pack explain`: who decided what for a guest, and what would happen."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from ha_actions.codec import nearest, to_json
from ha_actions.errors import BadInput
from ha_actions.explain import explain
from ha_actions.model import Aggregate, Guest
from ha_actions.policy import choose, load
from ha_actions.prospects import prospects
from ha_actions.settings import Policy

from ha_installer import files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's own options."""
    parser.add_argument(
        "server", metavar="SERVER", help="name or id of a server"
    )
    parser.add_argument(
        "--cloud", metavar="NAME", help="a cloud of clouds.yaml"
    )
    parser.add_argument(
        "--scenario", metavar="FILE", help="a scenario's guest, instead"
    )
    parser.add_argument(
        "--policy",
        metavar="FILE",
        help="this policy, instead of the one in force",
    )


def run(options: argparse.Namespace) -> int:
    """Explain one guest; changes nothing.

    :raises BadInput: no such server, file or cloud.
    """
    if options.scenario:
        guest, policy, aggregates = _simulated(options)
    else:
        guest, policy, aggregates = _real(options)
    if options.json:
        choice = choose(guest, policy, aggregates)
        told = {
            "guest": to_json(guest),
            "choice": to_json(choice),
            "prospect": to_json(prospects(guest, choice)),
        }
        print(json.dumps(told, indent=2))
    else:
        print(explain(guest, policy, aggregates))
    return 0


def _simulated(
    options: argparse.Namespace,
) -> tuple[Guest, Policy, Sequence[Aggregate]]:
    from ha_actions.sim.play import world_of

    from ha_installer.simulate import read

    scenario = read(options.scenario, options.policy)
    world = world_of(scenario)
    known = {g.name: g.value() for g in world.guests.values()}
    if options.server not in known:
        raise BadInput(
            "no_server",
            f"{scenario.name} has no guest {options.server!r}"
            f"{nearest(options.server, known)}.",
        )
    return (
        known[options.server],
        load(scenario.policy_text),
        list(world.aggregates.values()),
    )


def _real(
    options: argparse.Namespace,
) -> tuple[Guest, Policy, Sequence[Aggregate]]:
    from ha_installer import clouds

    where = clouds.site(options.cloud)
    text = (
        files.policy_text(options.policy)
        if options.policy
        else where.record.policy_text()
    )
    policy = load(text)
    cloud = where.cloud()
    guest = cloud.guests([options.server]).get(options.server)
    if guest is None:
        guest = _by_name(
            [g for h in cloud.hosts() for g in cloud.guests_on(h.name)],
            options.server,
        )
    return guest, policy, cloud.aggregates()


def _by_name(guests: Sequence[Guest], name: str) -> Guest:
    found = [g for g in guests if g.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(g.id for g in found[:5])
        raise BadInput(
            "many_servers",
            f"{len(found)} servers are called {name!r}; name one by its id: "
            f"{ids}.",
        )
    raise BadInput(
        "no_server",
        f"No server is called {name!r}, nor has it as its id"
        f"{nearest(name, [g.name for g in guests])}.",
    )
