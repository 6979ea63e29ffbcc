"""ha.close_incident: the report, and a state that is true."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.certificate import certificate
from ha_actions.deciders.report import (
    DEFERRED,
    FALSE_ALARM,
    make_report,
    refused,
)
from ha_actions.errors import HaError, Refused
from ha_actions.model import (
    Incident,
    LeftAlone,
    Member,
    Outcome,
    Plan,
    Planned,
    Refusal,
    Report,
    Result,
    State,
    Verdict,
)
from ha_actions.records.untold import Marks
from ha_actions.step_parts.draining import Drained
from ha_actions.step_parts.gathering import earlier_guests
from ha_actions.step_parts.run import Run
from ha_actions.steps.verify import Checked

DEADLINE_S = 280
SERVES = frozenset(
    {"ha.update_members", "ha.retire_servers", "ha.repair_stacks"}
)


@dataclass
class CloseIncident(HaAction):
    """Undrain what was not recovered, write the report, close or hold.

    :returns: ``{state: closed | held, code, summary, certificate: [line]}``,
        the last empty without a proof.
    """

    incident: str

    def perform(self, run: Run) -> dict[str, Any]:
        """A repeat finds the incident shut and tells the same story."""
        incident = run.incident(self.incident)
        _refuse_late(run, incident)
        _undrain(run, incident)
        before = run.record.part(incident.id, "report", Report)
        waited = before is not None and before.code == DEFERRED
        report = _aborted(run, _report(run, incident))
        run.record.keep(incident.id, "report", report)
        if not incident.dry_run:  # told late if this engine dies now
            Marks(run.outside.ledger, run.clock).put(incident.id)
        text = f"{report.state}: {report.reason}"
        if report.state is State.CLOSED:
            idle = report.code in ("dry_run", FALSE_ALARM)
            run.record.shut(incident, handled=not idle)
            if refused(report.guests):
                run.journal.tell(incident.host, text, incident=incident.id)
            else:
                run.journal.note("incident", incident.host, text)
        else:
            entry = run.record.opened(incident.host)
            if entry is not None and entry.incident.id == incident.id:
                run.record.hold(entry, report.code)
            if report.code == DEFERRED and waited:
                run.journal.note("incident", incident.host, text)
            else:
                run.journal.tell(incident.host, text, incident=incident.id)
        death = f"; {report.proof.rule}" if report.proof else ""
        return {
            "state": report.state.value,
            "code": report.code,
            "summary": f"incident {incident.id} {text}{death}",
            "certificate": certificate(report.proof),
        }


def _refuse_late(run: Run, incident: Incident) -> None:
    """An action outlives its cancelled execution: it must not hold, or give
    weights back, under a later attempt that is at work.

    :raises Refused: ``superseded``.
    """
    entry = run.record.opened(incident.host)
    if (
        entry is not None
        and entry.incident.id == incident.id
        and entry.execution != run.execution
    ):
        raise Refused(
            "superseded",
            f"Execution {entry.execution} works on incident {incident.id} "
            "now; this one leaves it alone.",
        )


def _aborted(run: Run, report: Report) -> Report:
    """What a person has closed meanwhile cannot be held."""
    incident = report.incident
    entry = run.record.opened(incident.host)
    ours = entry is not None and entry.incident.id == incident.id
    if ours or report.state is not State.HELD:
        return report
    before = run.record.part(incident.id, "report", Report)
    said = before.reason if before and before.code == "aborted" else ""
    if said.endswith(report.reason) and said:  # a repeat of this close
        return replace(report, state=State.CLOSED, code="aborted", reason=said)
    who = said or "aborted by a person"
    return replace(
        report,
        state=State.CLOSED,
        code="aborted",
        reason=f"{who}; {report.reason}",
    )


def _outcomes(run: Run, incident: Incident) -> list[Outcome]:
    found = [
        o
        for part in run.record.parts(incident.id, "outcome.")
        for o in run.outcomes(
            incident.id, part.removeprefix("outcome.")
        ).values()
    ]
    return sorted(found, key=lambda o: o.at)


def _report(run: Run, incident: Incident) -> Report:
    left: dict[str, LeftAlone] = {}
    plans = run.record.parts(incident.id, "plan.")
    for part in plans:
        plan = run.record.part(incident.id, part, Plan)
        for one in plan.left_alone if plan else ():
            left[one.guest] = one
    steps: dict[str, list[str]] = {}
    guests: dict[str, Planned] = {}
    for part in run.record.parts(incident.id, "batch."):
        batch = run.batch(incident.id, part.removeprefix("batch."))
        for planned in batch.guests:
            guests.setdefault(planned.guest.id, planned)
            mine = steps.setdefault(planned.guest.id, [])
            if batch.action not in mine:
                mine.append(batch.action)
    checked = run.record.part(incident.id, "checked", Checked)
    return make_report(
        incident,
        now=run.clock.now(),
        verdict=run.record.part(incident.id, "verdict", Verdict),
        proof=run.record.proof(incident.id),
        refusal=run.record.part(incident.id, "refusal", Refusal),
        planned=guests,
        left_alone=left.values(),
        outcomes=_outcomes(run, incident),
        steps=steps,
        findings=checked.findings if checked else (),
        checked=checked is not None,
        deferred_s=run.policy(incident).recovery.deferred_s,
        notes=checked.notes if checked else (),
    )


def _undrain(run: Run, incident: Incident) -> None:
    """Give back the weights of members whose guests were not recovered."""
    drained = run.record.part(incident.id, "drained", Drained)
    if drained is None or not drained.members:
        return
    planned = earlier_guests(run, incident)
    served = {
        o.guest
        for o in _outcomes(run, incident)
        if o.step in SERVES
        and o.result in (Result.DONE, Result.ALREADY)
        and o.code != "deleted"
    }
    replaced = {
        m.id for id in served & set(planned) for m in planned[id].members
    }
    waiting = [m for m in drained.members if m.id not in replaced]
    if waiting:
        _give_back(run, incident, waiting)


def _give_back(run: Run, incident: Incident, members: list[Member]) -> None:
    cloud = run.cloud(incident)
    try:
        there = {m.id: m for m in run.patiently(cloud.members)}
    except HaError as error:
        names = ", ".join(sorted({m.pool_name for m in members}))
        run.journal.tell(names, f"still drained: {error.message}")
        return
    claim = run.record.claim(incident.id, "undrain", run.holder)
    for lb in sorted({m.lb for m in members}):
        weights = {
            m.id: m.weight
            for m in members
            if m.lb == lb and m.id in there and there[m.id].weight != m.weight
        }
        if not weights:
            continue
        try:
            cloud.set_weights(lb, weights, claim)
        except HaError as error:
            pools = {m.pool_name for m in members if m.id in weights}
            run.journal.tell(
                ", ".join(sorted(pools)), f"still drained: {error.message}"
            )
            continue
        for m in members:
            if m.id in weights:
                run.journal.note(
                    "drain",
                    m.name or m.id,
                    f"undrained, weight {m.weight} in {m.pool_name}",
                )
    run.record.release(claim)
