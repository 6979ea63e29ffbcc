"""`ha-pack check`: the whole chain is looked at, and one event sent along."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ha_actions.deciders.policy import load
from ha_actions.errors import HaError, Refused
from ha_actions.model import Host
from ha_actions.settings import Policy
from ha_actions.steps.look_around import LAST_RUN

from ha_installer import (
    catalogue,
    clouds,
    executors,
    health,
    health_aodh,
    interface,
    peers,
    probe,
)
from ha_installer.clouds import Site
from ha_installer.health import Line, named, ok, unknown, wrong
from ha_installer.installation import Installation, Wants, own_interface
from ha_installer.rest import Rest

FIRST_RUN_S = 90
"""Seconds in which a cron trigger of each minute must have run, its action's
way through a busy Mistral included."""


@dataclass(frozen=True)
class Scope:
    """What a check is told."""

    expect: Sequence[str] = ()
    """All executors, where somebody has a list."""
    pattern: str = catalogue.EVERY_MINUTE
    send: bool = True
    """Whether an alarm and an event of its own are sent through."""


def lines(site: Site, scope: Scope) -> Iterator[Line]:
    """Every line, as it is found. Nothing that is checked is changed.

    :raises HaError: not even Mistral can be asked.
    """
    here = Installation(site)
    yield from _installed(here, scope)
    policy, found = _policy(here)
    hosts, unseen = _hosts(site)
    try:
        met = executors.meet(
            site.mistral.rest,
            site.clock,
            expect=scope.expect,
            hosts=[h.name for h in hosts or []],
            look=True,
        )
    except Refused as error:
        met = executors.Met()
        yield wrong("executors", error.message, "See docs/install.md.")
    else:
        yield from _of_met(met, scope)
    if isinstance(found, Line):
        yield found
    if policy is not None:
        yield from health.of_policy(
            policy, here.record.armed(), len(hosts or [])
        )
    if hosts is None:
        yield unknown(
            "hosts",
            f"{unseen} So fences and other recovery services were not "
            "looked at.",
            "Use the executors' own user, or another that may list Nova's "
            "compute services.",
        )
    else:
        yield from _nova(site, met, hosts, policy)
    yield from _aodh(here, met, scope)
    yield _reconcile(here, scope)


def _of_met(met: executors.Met, scope: Scope) -> Iterator[Line]:
    wanted: dict[str, set[str]] = {}
    for book in catalogue.books():
        for name, inputs in interface.wanted(
            book.text, own_interface()
        ).items():
            wanted.setdefault(name, set()).update(inputs)
    yield from health.of_processes(met, scope.expect, wanted)
    yield from health.of_settings(met)
    yield from health.of_clocks(met)
    yield from health.of_looks(met)


def _installed(here: Installation, scope: Scope) -> Iterator[Line]:
    check = "installation"
    try:
        todo = here.missing(Wants(pattern=scope.pattern))
    except Refused as error:
        yield wrong(check, error.message, "Rename what is not ours.")
        return
    if todo:
        said = named(f"{c.verb} {c.thing.kind} {c.thing.name}" for c in todo)
        yield wrong(
            check, f"It differs from this pack: {said}.", "`ha-pack upgrade`."
        )
    else:
        yield ok(check, "Everything of the pack is in place, and as shipped.")


def _policy(here: Installation) -> tuple[Policy | None, Line | None]:
    try:
        return load(here.record.policy_text()), None
    except HaError as error:
        cure = "`ha-pack policy set FILE` puts a good one in force."
        return None, wrong("policy", error.message, cure)


def _hosts(site: Site) -> tuple[list[Host] | None, str]:
    """Nova's hosts, or why the caller cannot see them."""
    try:
        return site.cloud().hosts(), ""
    except HaError as error:
        return None, error.message


def _nova(
    site: Site,
    met: executors.Met,
    hosts: list[Host],
    policy: Policy | None,
) -> Iterator[Line]:
    names = [h.name for h in hosts]
    bare = {h for some in met.unfenced.values() for h in some}
    if policy is not None:
        yield from health.of_fences(met, names, policy)
        yield from health.of_witnesses(
            policy, bool(names) and bare >= set(names)
        )
    if met.executors:
        yield from health.of_boots(met, names)
    yield from _peers(site, hosts)


def _peers(site: Site, hosts: list[Host]) -> Iterator[Line]:
    found: list[str] = []
    blind: list[str] = []

    def look(what: str, how: Callable[[], list[str]]) -> None:
        try:
            found.extend(how())
        except HaError as error:
            blind.append(peers.unread(what, error))

    names = [h.name for h in hosts]
    look(
        "Masakari",
        lambda: peers.by_masakari(
            clouds.service(site.name, "instance-ha", "Masakari"), names
        ),
    )
    look(
        "InstanceHA",
        lambda: peers.by_marks(hosts, site.cloud().aggregates()),
    )
    aodh = site.aodh
    if aodh is not None:
        look("Aodh's alarms", lambda: peers.by_alarms(_all_alarms(aodh)))
    yield from health.of_peers(found, blind)


def _all_alarms(aodh: Rest) -> list[dict[str, object]]:
    params = [("q.field", "all_projects"), ("q.op", "eq"), ("q.value", "true")]
    found = aodh.ask("GET", "/v2/alarms", params=params)
    return found if isinstance(found, list) else []


def _reconcile(here: Installation, scope: Scope) -> Line:
    """Whether it has run; one that was just installed is waited for."""
    clock, began = here.site.clock, here.site.clock.now()
    there = any(t.kind == "cron trigger" for t in here.mistral.there())
    waits = there and scope.send and scope.pattern == catalogue.EVERY_MINUTE
    while True:
        last = here.record.ledger.read(LAST_RUN) or {}
        waited = clock.now() - began
        if last or not waits or waited >= FIRST_RUN_S:
            break
        clock.sleep(2)
    at = float(last["at"]) if "at" in last else None
    return health.of_cron(there, at, clock.now(), waited if waits else 0)


def _aodh(
    here: Installation, met: executors.Met, scope: Scope
) -> Iterator[Line]:
    if scope.send:
        yield probe.mistral_alone(here.site)
    aodh = here.site.aodh
    if aodh is None:
        yield ok(
            "alarms",
            "This cloud has no Aodh: ha-watch starts recoveries itself.",
        )
        return
    dumb = sorted(n for n, bus in met.buses.items() if not bus)
    if dumb:
        yield wrong(
            "bus",
            f"No `bus` in the executor's file of {named(dumb)}: tenants' "
            "alarms hear nothing from there.",
            "Name the bus in each executor's file.",
        )
    yield from _alarms(here)
    if scope.send:  # it is written down for a moment
        yield health_aodh.of_quota(_default_quota(aodh))
    if any(met.buses.values()):
        yield health_aodh.of_queues(met)
    if scope.send and met.executors and not dumb:
        yield probe.whole_chain(here.site, aodh, uuid.uuid4().hex[:12])


def _default_quota(aodh: Rest) -> int | None:
    """Aodh's own default, if the caller is an admin.

    Asked for a project that nobody has: the answer is written down as that
    project's quota, and taken away again.
    """
    nobody = uuid.uuid4().hex
    params = {"project_id": nobody}
    try:
        found = aodh.call("GET", "/v2/quotas", params=params)
        aodh.ask("DELETE", f"/v2/quotas/{nobody}", none_at=404)
    except Refused:
        return None
    limits = [
        int(one["limit"])
        for one in found.get("quotas", [])
        if one.get("resource") == "alarms"
    ]
    return limits[0] if limits else None


def _alarms(here: Installation) -> Iterator[Line]:
    if here.aodh is None:
        return
    names = {t.name for t in catalogue.alarms()}
    mine = [a for a in here.aodh.all() if a["name"] in names]
    off = sorted(str(a["name"]) for a in mine if not a.get("enabled"))
    if off:
        yield wrong("alarms", f"Disabled: {named(off)}.", "`ha-pack install`.")
    elif len(mine) < len(names):
        yield wrong(
            "alarms",
            f"{len(mine)} of {len(names)} are there.",
            "`ha-pack install`.",
        )
    else:
        yield ok("alarms", f"{len(mine)} are there and enabled.")
