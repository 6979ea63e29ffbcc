"""The rehearsal: a host dies in a simulated cloud, the engine is the real one.

What would happen to each guest is foretold before, as `ha-pack explain` does;
the drill holds only if that is what happened, and every invariant held.
"""

from __future__ import annotations

from importlib import metadata

from ha_actions.deciders.policy import choose
from ha_actions.deciders.policy import load as load_policy
from ha_actions.deciders.prospects import Prospect, prospects
from ha_actions.model import Incident
from ha_actions.records.incidents import Record
from ha_actions.sim.cloud import SimCloud
from ha_actions.sim.play import world_of
from ha_actions.sim.played import Played
from ha_actions.sim.scenario import Scenario
from ha_actions.sim.scenario import load as load_scenario

from ha_installer import files, story
from ha_installer.engine import EmbeddedEngine
from ha_installer.play_engine import Show, play_on
from ha_installer.progress import Progress


def scenario() -> Scenario:
    """The rehearsal's cloud: 6 hosts, 40 guests, one dead host."""
    return load_scenario(files.drill_text(), files.policy_text(), "drill.yaml")


def dying_host(what: Scenario) -> str:
    """The host that its script powers off."""
    return next(a.words[0] for a in what.script if a.verb == "power")


def foretell(what: Scenario, host: str) -> dict[str, Prospect]:
    """Guest id -> what its policy says would happen if the host died now."""
    policy = load_policy(what.policy_text)
    cloud = SimCloud(world_of(what))
    aggregates = cloud.aggregates()
    return {
        guest.id: prospects(guest, choose(guest, policy, aggregates))
        for guest in cloud.guests_on(host)
    }


def play(what: Scenario, show: Progress) -> Played:
    """Open the engine, load the workbook, and let the host die."""
    with EmbeddedEngine() as engine:
        engine.load(files.workbook_text())
        return play_on(engine, what, Show(live=show.entry))


def tell(
    what: Scenario, played: Played, promises: dict[str, Prospect]
) -> story.Story:
    """The story of the one incident of a played rehearsal."""
    if played.ledger is None or played.world is None:
        raise ValueError("a played scenario keeps its world and its ledger")
    clock = played.world.clock
    record = Record(played.ledger, clock)
    host = dying_host(what)
    id = next(
        id
        for id in record.ids()
        if (found := record.part(id, "opening", Incident)) is not None
        and found.host == host
    )
    died = next(a.at for a in what.script if a.verb == "power")
    return story.read(
        record,
        id,
        promises=promises,
        died_at=clock.start + died,
        where="a rehearsal in a simulated cloud, on the real Mistral engine",
        checks=played.checks,
        trace=played.trace,
        facts=versions(),
    )


def versions() -> dict[str, str]:
    """What did the work; a package that is not here is left out."""
    found = {}
    for name in ("mistral-ha-pack", "mistral"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
