"""`ha-pack drill --host H --cloud C`, and `ha-pack rescue H --cloud C`.

A drill is the same rehearsal on a real cloud. A rescue is no rehearsal: it
starts, for a host that has died, what an alarm would have started.

A dry run unless ``--act`` is given, the policy lists the host under
``drill: hosts``, and its name is typed. Through that cloud's Mistral, or with
``--embedded`` by an engine in this process: for when Mistral is down.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ha_actions.codec import nearest
from ha_actions.deciders import policy as policies
from ha_actions.deciders.prospects import Prospect, prospects
from ha_actions.errors import BadInput, Failed, HaError, Refused
from ha_actions.model import Guest, Host
from ha_actions.outside import Outside
from ha_actions.ports import Cloud, Ledger
from ha_actions.records.batches import Outcomes
from ha_actions.records.incidents import BEAT_S, Record
from ha_actions.settings import Policy

from ha_installer import clouds, files, story, tables
from ha_installer.progress import Progress, progress
from ha_installer.story_text import tell

POLL_S = 2.0
LONGEST_S = 4 * 3600.0


@dataclass(frozen=True)
class Way:
    """How the drill is started and watched, wherever Mistral is."""

    start: Callable[[Mapping[str, Any]], str]
    look: Callable[[str], tuple[str, dict[str, Any], str]]
    """Execution -> its state, output and info."""
    tasks: Callable[[str], list[str]]
    record: Record
    where: str


def run(options: argparse.Namespace) -> int:
    """Rehearse on the host; 0 if every guest got what its policy says.

    :raises BadInput: the host, the cloud or a file is wrong, or the host is
        not listed for drills.
    :raises Refused: its name was not typed; an incident of it is open.
    """
    began = time.monotonic()
    with _way(options) as way:
        policy = policies.load(way.record.policy_text())
        cloud = clouds.site(options.cloud).cloud(f"req-{uuid.uuid4()}")
        host = _known(options.host, cloud)
        if options.act:
            _permitted(options, policy)
        guests = cloud.guests_on(host.name)
        promises = foretell(cloud, guests, policy)
        returning = sum(p.comes_back for p in promises.values())
        if not options.json:
            print(
                f"Host {host.name}: {len(promises)} guests, {returning} of "
                f"them would come back. {_intent(options, way)}"
            )
        verb = "rescue" if options.rescue else "drill"
        title = f"{verb if options.act else f'dry {verb}'} of {host.name}"
        with progress(title, returning, quiet=options.json) as show:
            output = _watch(way, options, show)
        return _ending(options, way, output, guests, promises, began)


def _intent(options: argparse.Namespace, way: Way) -> str:
    act = "Nothing is touched"
    if options.act:
        act = "Its power will be cut"
        if options.rescue:
            act += " if the witnesses agree that it is dead"
    return f"{act}; {way.where}."


def _ending(
    options: argparse.Namespace,
    way: Way,
    output: Mapping[str, Any],
    guests: Sequence[Guest],
    promises: dict[str, Prospect],
    began: float,
) -> int:
    from ha_installer import drill

    if not output.get("incident"):
        raise Refused(
            "dismissed",
            f"The drill is no incident: {output.get('summary')}.",
        )
    told = story.read(
        way.record,
        str(output["incident"]),
        promises=promises,
        where=way.where,
        facts=drill.versions(),
    )
    if not told.lanes and guests and not options.json:
        # A host that lives gets no plan; what it would be is worth seeing.
        rows = [
            (g.name, promises[g.id].code, promises[g.id].sentence)
            for g in guests
        ]
        print(tables.table(("guest", "would be", "why"), rows))
    return tell(told, options, time.monotonic() - began)


# -- what is asked before --------------------------------------------------
def _known(name: str, cloud: Cloud) -> Host:
    try:
        hosts = {h.name: h for h in cloud.hosts()}
    except HaError as error:
        raise BadInput(
            "unreachable", f"The cloud cannot be asked: {error.message}"
        ) from error
    if name not in hosts:
        raise BadInput(
            "unknown_host",
            f"Nova has no compute service on host {name!r}"
            f"{nearest(name, hosts)}.",
        )
    return hosts[name]


def _permitted(options: argparse.Namespace, policy: Policy) -> None:
    """A drill cuts only what is listed; both want the name typed."""
    host = options.host
    if not options.rescue and host not in policy.drill.hosts:
        raise BadInput(
            "not_for_drills",
            f"The policy does not list host {host} under `drill: hosts`; "
            "only a dry run may name it.",
        )
    typed = options.yes_cut
    if typed is None:
        if not sys.stdin.isatty():
            raise Refused(
                "not_confirmed",
                "What may cut a host wants its name typed; where nobody can "
                f"type, give --yes-cut {host}.",
            )
        typed = input(
            f"This may cut the power of host {host}. Type its name to go on: "
        ).strip()
    if typed != host:
        raise Refused(
            "not_confirmed",
            f"{typed!r} is not the name of host {host}; nothing was touched.",
        )


def foretell(
    cloud: Cloud, guests: Sequence[Guest], policy: Policy
) -> dict[str, Prospect]:
    """Guest id -> what the policy says would happen now."""
    aggregates = cloud.aggregates()
    return {
        guest.id: prospects(guest, policies.choose(guest, policy, aggregates))
        for guest in guests
    }


# -- the way through -------------------------------------------------------
@contextmanager
def _way(options: argparse.Namespace) -> Iterator[Way]:
    if options.embedded:
        with _embedded(options) as way:
            yield way
        return
    where = clouds.site(options.cloud)
    api = where.mistral
    yield Way(
        start=lambda inputs: api.start(_workflow(options), inputs),
        look=api.execution,
        tasks=lambda id: [name for name, _ in api.tasks(id)],
        record=where.record,
        where=f"through the Mistral of {where.name}",
    )


def _workflow(options: argparse.Namespace) -> str:
    return "ha.v1.handle_host_failure" if options.rescue else "ha.v1.drill"


@contextmanager
def _embedded(options: argparse.Namespace) -> Iterator[Way]:
    from ha_actions.executor_file import from_file
    from ha_actions.outside import use

    from ha_installer.engine import EmbeddedEngine

    with EmbeddedEngine() as engine:  # before a bus loads oslo.messaging
        outside = from_file(options.executor_file)
        project = sorted(outside.operator_projects)[0]
        site = clouds.site(options.cloud)
        up = clouds.reachable(site)
        engine.load(files.workbook_text())
        ledger = _ledger(engine, outside, options, up)
        use(dataclasses.replace(outside, ledger=ledger))
        record = Record(ledger, outside.clock)
        beats = _Beats(record)

        def start(inputs: Mapping[str, Any]) -> str:
            beats.go_on()  # before it can open an incident
            return engine.start(
                _workflow(options), inputs, beats.execution, project
            )

        def look(id: str) -> tuple[str, dict[str, Any], str]:
            beats.go_on()
            ended = engine.wait(id, 0)
            return ended.state, ended.output, ended.info

        try:
            yield Way(
                start=start,
                look=look,
                tasks=lambda id: [t.name for t in engine.tasks(id)],
                record=record,
                where="by an engine in this process; the ledger is "
                + (f"the Mistral of {site.name}" if up else "in its memory"),
            )
        finally:
            use(None)
            record.beat_ends(beats.execution)


class _Beats:
    """Says in the ledger that this process is at work on its execution.

    The cloud's Mistral does not know it, and would take its incident for one
    whose execution has ended.
    """

    def __init__(self, record: Record) -> None:
        self.execution = str(uuid.uuid4())
        self._record = record
        self._last = 0.0

    def go_on(self) -> None:
        """Say so again, when it is time; a ledger that is away is no end."""
        now = self._record.clock.now()
        if now - self._last < BEAT_S / 6:
            return
        try:
            self._record.beat(self.execution)
            self._last = now
        except HaError:
            return


def _ledger(
    engine: Any, outside: Outside, options: argparse.Namespace, up: bool
) -> Ledger:
    """The cloud's own, as long as it answers; else one of this run.

    :raises BadInput: it does not answer and no policy was given.
    """
    own: Ledger = engine.ledger()
    if up:
        return _Shared(outside.ledger, own)
    if not options.policy:
        raise BadInput(
            "no_policy",
            "The cloud's Mistral does not answer, so its policy cannot be "
            "read; give the file: --policy FILE. Brakes and incidents that "
            "it remembers are not seen, and nothing keeps a second operator "
            "from doing the same.",
        )
    text = files.policy_text(options.policy)
    policies.load(text)
    own.write("ha.policy", {"text": text})
    if options.act:  # the host's name is typed before anything starts
        Record(own, outside.clock).arm("ha-pack --embedded")
    return own


class _Shared:
    """The cloud's ledger; executions are looked up here first."""

    def __init__(self, real: Ledger, engine: Ledger) -> None:
        self.create = real.create
        self.read = real.read
        self.write = real.write
        self.delete = real.delete
        self.names = real.names
        self._real, self._engine = real, engine

    def execution_state(self, execution: str) -> str:
        """Mistral's word for an execution, whichever Mistral has it."""
        return self._engine.execution_state(
            execution
        ) or self._real.execution_state(execution)

    def execution_project(self, execution: str) -> str:
        """The project that owns it, in the cloud's Mistral."""
        return self._real.execution_project(execution)


# -- watching -----------------------------------------------------------------
def _watch(
    way: Way, options: argparse.Namespace, show: Progress
) -> dict[str, Any]:
    """Start it and show how far it is, until it has ended; its output."""
    from ha_actions.adapters.clock import SystemClock

    clock = SystemClock()
    before = set(way.record.ids())
    id = way.start(
        {
            "host": options.host,
            "dry_run": not options.act,
            "reason": options.reason,
        }
    )
    until = clock.now() + LONGEST_S
    while clock.now() < until:
        state, output, info = way.look(id)
        if state in clouds.ENDED:
            break
        _show(way, id, options.host, before, show)
        clock.sleep(POLL_S if not options.embedded else POLL_S / 4)
    else:
        raise Failed(
            "stuck",
            f"Execution {id} has not ended in {LONGEST_S / 3600:.0f} hours; "
            "look at it, and at `ha-pack incidents`.",
        )
    if state != "SUCCESS":
        raise Failed(
            "execution",
            f"Execution {id} ended {state}: "
            f"{info.partition(chr(10))[0] or 'Mistral gives no reason'}",
        )
    return output


def _show(
    way: Way, id: str, host: str, before: set[str], show: Progress
) -> None:
    """The tasks tell the stage, the ledger who is back."""
    for name in way.tasks(id):
        show.task(name)
    entry = way.record.opened(host)
    if entry is None or entry.incident.id in before:
        return
    show.began = entry.incident.opened_at
    for part in way.record.parts(entry.incident.id, "outcome."):
        outcomes = way.record.part(entry.incident.id, part, Outcomes)
        for one in outcomes.outcomes if outcomes else ():
            show.settled(one)
