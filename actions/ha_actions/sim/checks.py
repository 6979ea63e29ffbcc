"""The invariants of every run, read from its trace, world and ledger.

Each check gives a sentence for each violation; none means that it holds. They
look at what really happened, not at what the actions say of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ha_actions.model import (
    Incident,
    Plan,
    Proof,
    Protection,
    Refusal,
    Report,
)
from ha_actions.records.incidents import Record
from ha_actions.records.server_record import ServerRecord
from ha_actions.records.slots import EXTRA
from ha_actions.records.untold import Marks
from ha_actions.settings import Policy
from ha_actions.sim.things import Change
from ha_actions.sim.world import World

TOUCHING = frozenset(
    {"evacuate", "recreate", "reset_state", "set_power", "delete"}
)


@dataclass
class Evidence:
    """A finished run, as the checks read it."""

    world: World
    record: Record
    trace: list[dict[str, Any]]
    policy: Policy
    incidents: list[tuple[Incident, Report | None]]
    foreign: list[str] = field(default_factory=list)
    """What an execution of a project that may not act has changed."""

    def changes(self, *names: str) -> list[Change]:
        """World-changing calls of these names that were sent."""
        return [c for c in self.world.changes if c.name in names]


def check_all(evidence: Evidence) -> list[dict[str, Any]]:
    """Every check: ``{name, ok, detail}``."""
    rows = []
    for name, check in CHECKS.items():
        wrong = list(check(evidence))
        rows.append(
            {"name": name, "ok": not wrong, "detail": "; ".join(wrong[:3])}
        )
    return rows


def _proof_first(e: Evidence) -> Iterable[str]:
    proofs: dict[str, list[Proof]] = {}
    for incident, _ in e.incidents:
        proofs[incident.id] = [
            proof
            for part in e.record.parts(incident.id, "proof.")
            if (proof := e.record.part(incident.id, part, Proof)) is not None
        ]
    for c in e.changes("evacuate"):
        before = [p for p in proofs.get(c.incident, ()) if p.at <= c.at]
        if not any(p.host == c.host for p in before):
            yield f"{c.subject} was evacuated without a proof for {c.host}"
        elif before[-1].evidence.value == "power" and (
            c.on_for_s > e.policy.fencing.fresh_s
        ):
            yield f"{c.subject} was evacuated while {c.host} had power"


def _stacks_proof_first(e: Evidence) -> Iterable[str]:
    for c in e.changes("mark_resource", "update_stack"):
        proofs = [
            proof
            for part in e.record.parts(c.incident, "proof.")
            if (proof := e.record.part(c.incident, part, Proof)) is not None
        ]
        if not any(p.at <= c.at for p in proofs):
            yield f"{c.subject} got {c.name} without a proof"


def _hand_over_proof_first(e: Evidence) -> Iterable[str]:
    changes = e.changes(
        "attach", "clone_volume", "free_ports", "bind_ports", "delete"
    )
    for c in changes:
        proofs = [
            proof
            for part in e.record.parts(c.incident, "proof.")
            if (proof := e.record.part(c.incident, part, Proof)) is not None
        ]
        if not any(p.at <= c.at for p in proofs):
            yield f"{c.subject} got {c.name} without a proof"


def _one_copy(e: Evidence) -> Iterable[str]:
    return e.world.corruption


def _ignored(e: Evidence) -> Iterable[str]:
    ignored = set()
    for incident, _ in e.incidents:
        for part in e.record.parts(incident.id, "plan."):
            plan = e.record.part(incident.id, part, Plan)
            ignored |= {
                one.name
                for one in (plan.left_alone if plan else ())
                if one.protection is Protection.IGNORE
            }
    for c in e.world.changes:
        if c.name in TOUCHING and c.subject in ignored:
            yield f"{c.subject} is ignored, and got {c.name}"


def _rescue_cuts(e: Evidence) -> list[Change]:
    """Cuts of incidents: the strike of a drill is the disaster itself."""
    return [
        c
        for c in e.changes("cut")
        if c.incident != f"drill-{c.host}"
        or c.host not in e.policy.drill.hosts
    ]


def _service_vms(e: Evidence) -> Iterable[str]:
    amphorae = {g.name for g in e.world.everybody() if g.amphora_of}
    for c in e.world.changes:
        if c.name in TOUCHING and c.subject in amphorae:
            yield f"{c.subject} is Octavia's, and got {c.name}"


def _fences(e: Evidence) -> Iterable[str]:
    first: dict[str, float] = {}
    for c in _rescue_cuts(e):
        first.setdefault(c.incident, c.at)
    limits = e.policy.limits
    times = sorted(
        at for id, at in first.items() if id not in _past_the_limit(e)
    )
    for at in times:
        n = sum(1 for t in times if at <= t < at + limits.window_s)
        if n > limits.fences:
            yield f"{n} hosts were fenced within {limits.window_s} s"
            return


def _past_the_limit(e: Evidence) -> set[str]:
    """Incidents that a person let have a fence past the limit."""
    return {
        name.partition(f".{EXTRA}")[2]
        for name in e.record.ledger.names("ha.slot.")
        if f".{EXTRA}" in name
    }


def _veto(e: Evidence) -> Iterable[str]:
    start = e.world.clock.start
    for c in _rescue_cuts(e):
        said = [
            entry["text"]
            for entry in e.trace
            if entry["kind"] == "verdict"
            and entry["subject"] == c.host
            and entry["at"] <= round(c.at - start, 3)
        ]
        if not said:
            yield f"{c.host} was cut without a verdict"
        elif not said[-1].startswith("DOWN"):
            yield f"{c.host} was cut though its verdict was {said[-1]!r}"


def _ended(e: Evidence) -> Iterable[str]:
    for entry in e.record.all_opened():
        if not entry.held:
            yield f"incident {entry.incident.id} is still open"
    for alone in ServerRecord(e.record).all_opened():
        yield f"failure {alone.failure.id} is still open"


def _one_incident(e: Evidence) -> Iterable[str]:
    until: dict[str, float] = {}
    for incident, report in e.incidents:
        if incident.opened_at < until.get(incident.host, 0.0):
            yield f"{incident.host} had two open incidents"
        opened = e.record.opened(incident.host)
        held = opened is not None and opened.incident.id == incident.id
        ends = report.closed_at if report and not held else float("inf")
        until[incident.host] = ends


def _reasons(e: Evidence) -> Iterable[str]:
    for incident, report in e.incidents:
        refusal = e.record.part(incident.id, "refusal", Refusal)
        if refusal is not None and not (refusal.code and refusal.reason):
            yield f"incident {incident.id} was refused without a reason"
        for row in report.guests if report else ():
            for step in row.steps:
                if step.result.value == "refused" and not step.code:
                    yield f"{row.name}: {step.step} was refused without a code"
    for entry in e.record.all_opened():
        report = e.record.part(entry.incident.id, "report", Report)
        if entry.held and (report is None or not report.reason):
            yield f"incident {entry.incident.id} is held without a reason"


def _once(e: Evidence) -> Iterable[str]:
    yield from e.world.wrecks
    made: dict[str, int] = {}
    for guest in e.world.guests.values():
        old = guest.metadata.get("ha:replaces")
        if old:
            made[old] = made.get(old, 0) + 1
            if made[old] == 2:
                yield f"{guest.name} was recreated twice"


def _undrained(e: Evidence) -> Iterable[str]:
    replaced = {g.metadata.get("ha:replaces") for g in e.world.guests.values()}
    # Octavia may refuse for ever: then a person must have been told
    told = {
        name
        for entry in e.trace
        if entry["kind"] == "told"
        and entry["text"].startswith("still drained")
        for name in entry["subject"].split(", ")
    }
    for pool in e.world.pools.values():
        if pool.name in told:
            continue
        for member in pool.members.values():
            before = e.world.weights.get(member.id, member.weight)
            guest = e.world.answering(member.address)
            if guest is not None and guest.id in replaced:
                continue  # another server took its place
            if member.weight == 0 and before != 0 and guest is not None:
                yield f"{guest.name} answers and is drained in {pool.name}"


def _early(e: Evidence) -> Iterable[str]:
    yield from e.world.early
    for c in e.changes("lift_down", "set_service"):
        for incident, report in e.incidents:
            ends = report.closed_at if report else float("inf")
            if incident.host == c.host and incident.opened_at <= c.at < ends:
                yield f"{c.host} was let in while {incident.id} was open"


def _foreign(e: Evidence) -> Iterable[str]:
    return e.foreign


def _owners(e: Evidence) -> Iterable[str]:
    hosts = set(e.world.hosts)
    told: dict[str, set[str]] = {}
    for event in e.world.events:
        if not event.project:
            continue
        told.setdefault(event.traits.get("instance_id", ""), set()).add(
            event.type
        )
        words = {
            word.split("-")[0]
            for trait, text in event.traits.items()
            for word in text.split()
            if trait != "display_name"
        }
        if words & hosts:
            yield f"a tenant's {event.type} names a host"
    away = any("are not told" in entry["text"] for entry in e.trace)
    for _, report in () if away else e.incidents:
        for row in (
            report.guests if report and not report.incident.dry_run else ()
        ):
            kinds = told.get(row.guest, set())
            if row.steps and not kinds & ENDS:
                yield f"nobody told the owner of {row.name} how it ended"
            if not row.steps and not kinds:
                yield f"nobody told the owner of {row.name} anything"


ENDS = frozenset(
    {"compute.instance.recovered", "compute.instance.recovery_failed"}
)


def _server_owners(e: Evidence) -> Iterable[str]:
    """Of a server that failed alone: that it begins, and how it ended."""
    waiting = Marks(e.record.ledger, e.record.clock)
    told: dict[str, set[str]] = {}
    for event in e.world.events:
        kinds = told.setdefault(event.traits.get("instance_id", ""), set())
        kinds.add(event.type)
    for failure, report in ServerRecord(e.record).all():
        kinds = told.get(failure.server, set())
        if failure.dry_run or (report and report.code == "deleted"):
            continue
        if list(waiting.of(failure.id)):
            continue  # reconcile will tell
        if "compute.instance.recovering" not in kinds:
            yield f"nobody told the owner of {failure.name} of its restart"
        if report is not None and not kinds & ENDS:
            yield f"nobody told the owner of {failure.name} how it ended"


CHECKS: Mapping[str, Callable[[Evidence], Iterable[str]]] = {
    "no evacuation without proof": _proof_first,
    "no stack repaired without proof": _stacks_proof_first,
    "nothing taken from a host without proof": _hand_over_proof_first,
    "never two running copies": _one_copy,
    "ignored guests untouched": _ignored,
    "amphorae left to Octavia": _service_vms,
    "fences within the limits": _fences,
    "no cut against a veto": _veto,
    "every incident ends": _ended,
    "one open incident per host": _one_incident,
    "every refusal has a reason": _reasons,
    "nothing posted twice": _once,
    "nobody left drained": _undrained,
    "nobody let in early": _early,
    "strangers change nothing": _foreign,
    "owners are told, and learn no host": _owners,
    "owners of single servers are told": _server_owners,
}
