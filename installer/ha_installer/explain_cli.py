"""`ha-pack explain`: who decided what for a guest, and what would happen.

One server; or every server of a host or project, each as if its own host died
alone. A tenant asks for his own project with his own credentials, and learns
what he may see.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ha_actions.action import requirements
from ha_actions.adapters.clock import SystemClock
from ha_actions.codec import nearest, to_json
from ha_actions.deciders.explain import explain
from ha_actions.deciders.foresight import foresee, foretell_one
from ha_actions.deciders.outlook import Foreseen, Sight
from ha_actions.deciders.policy import choose, load
from ha_actions.errors import BadInput
from ha_actions.model import Guest
from ha_actions.settings import Policy

from ha_installer import files, sight, whatif_cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's own options."""
    parser.add_argument(
        "server", metavar="SERVER", nargs="?", help="name or id of a server"
    )
    parser.add_argument("--host", metavar="HOST", help="all servers of a host")
    parser.add_argument(
        "--project", metavar="P", help="all servers of a project, by its id"
    )
    parser.add_argument(
        "--tenant",
        action="store_true",
        help="your own project, with your own credentials",
    )
    sight.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Explain; changes nothing. Of many: 1 if one is not protected.

    :raises BadInput: no such server, host, file or cloud.
    """
    asked = [options.server, options.host, options.project]
    if sum(map(bool, asked)) + (options.tenant and not options.server) != 1:
        raise BadInput(
            "usage",
            "Say what to explain: one SERVER, --host HOST, --project P, or "
            "--tenant.",
        )
    if options.tenant:
        return _as_tenant(options)
    view = sight.viewpoint(options)
    if options.server:
        return _one(options, view)
    if options.host:
        view.check([options.host])
        return whatif_cli.show(options, view.whatif([options.host]))
    return whatif_cli.show(options, sight.alone(view, options.project))


def _one(options: argparse.Namespace, view: sight.Viewpoint) -> int:
    guest = view.cloud.guests([options.server]).get(options.server)
    beside: list[Guest] = []
    if guest is None:
        found = view.guests([h.name for h in view.hosts])
        guest = _by_name(
            [g for mine in found.values() for g in mine], options.server
        )
        beside = found.get(guest.host, [])
    beside = beside or (view.cloud.guests_on(guest.host) if guest.host else [])
    all_there = beside or [guest]
    seen = view.sight([guest.host], all_there)
    whole = foresee([guest.host], all_there, seen, view.policy, requirements())
    told = foretell_one(guest, view.policy, seen)
    row = next((g for g in whole.guests if g.guest == guest.id), None)
    if options.html:
        whatif_cli.page(options, replace(whole, guests=(row,) if row else ()))
    choice = choose(guest, view.policy, view.aggregates)
    if options.json:
        answer: dict[str, Any] = {
            "guest": to_json(guest),
            "choice": to_json(choice),
            "prospect": to_json(told),
            "foreseen": to_json(row),
            "obstacles": list(whole.obstacles),
        }
        print(json.dumps(answer, indent=2))
        return 0
    print(explain(guest, view.policy, view.aggregates, told))
    if row is not None:
        print(_standing(row, whole.obstacles))
    return 0


def _standing(row: Foreseen, obstacles: Sequence[str]) -> str:
    lines = [f"so it is: {row.standing}"]
    lines += [f"  because {why}" for why in row.reasons]
    lines += [f"  cure: {cure}" for cure in row.cures]
    if row.target:
        lines.append(f"  room for it is on {row.target}; Nova decides")
    lines += [f"  ! {one}" for one in obstacles]
    return "\n".join(lines)


def _as_tenant(options: argparse.Namespace) -> int:
    """What the caller may see of his own: no hosts, no room, no policy."""
    if options.scenario:
        raise BadInput("usage", "--tenant asks a real cloud: no --scenario.")
    from ha_installer import clouds

    policy, note = _policy_for_tenants(options.policy)
    guests = clouds.capacity(options.cloud).guests_of("")
    if options.server:
        guests = [_by_id_or_name(guests, options.server)]
    heat = clouds.stacks(options.cloud)
    mine = {g.project for g in guests}
    told = sight.told_by_heat(heat, mine, SystemClock())
    blind = Sight(hosts=None, uncopied=None, **told)
    seen = foresee([], guests, blind, policy, requirements())
    outlook = replace(seen, seconds=0.0, notes=(*seen.notes, note))
    return whatif_cli.show(options, outlook)


def _policy_for_tenants(path: str | None) -> tuple[Policy, str]:
    if path:
        return load(files.policy_text(path)), f"by the policy in {path}"
    return Policy(), (
        "by the pack's default policy: only the operator sees the one in "
        "force, and which disks are on shared storage; --policy FILE takes "
        "the one that the operator has published"
    )


def _by_id_or_name(guests: Sequence[Guest], name: str) -> Guest:
    for guest in guests:
        if guest.id == name:
            return guest
    return _by_name(guests, name)


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
