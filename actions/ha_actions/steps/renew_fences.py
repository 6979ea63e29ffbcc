"""ha.renew_fences: what keeps a host from its storage must not run out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.errors import HaError
from ha_actions.model import Incident
from ha_actions.ports import Fence
from ha_actions.step_parts.returns import BARRIERS, out_by, remember_off
from ha_actions.step_parts.run import Run

DEADLINE_S = 280


@dataclass
class RenewFences(HaAction):
    """Cut again, by each device whose cut would end, until the host returns.

    Only of hosts that an incident of ours has out, and only what is cut now:
    an entry that a person has lifted is not made anew. A disarm does not stop
    it: letting the host write again would be the change.

    :returns: ``{renewed: number}``.
    """

    def perform(self, run: Run) -> dict[str, Any]:
        """The failure of one device leaves the others."""
        renewed = 0
        for incident in _out(run):
            try:
                barriers = [
                    f
                    for f in run.outside.fences(incident.host)
                    if f.evidence in BARRIERS
                ]
            except HaError as error:
                run.journal.tell(incident.host, f"fences: {error.message}")
                continue
            if barriers and run.record.may_have_cut(incident.id):
                remember_off(run, incident)
                renewed += sum(_renew(run, incident, f) for f in barriers)
        return {"renewed": renewed}


def _out(run: Run) -> Iterator[Incident]:
    """Incidents that are open, held, or closed with their host still out."""
    seen = set()
    for entry in run.patiently(run.record.all_opened):
        seen.add(entry.incident.host)
        yield entry.incident
    cloud = run.outside.cloud("")
    for host in run.patiently(cloud.hosts):
        if host.name in seen or not host.forced_down:
            continue
        incident = out_by(run, host)
        if incident is not None:
            yield incident


def _renew(run: Run, incident: Incident, fence: Fence) -> bool:
    """Whether it was due and is done; a failure is told each time."""
    due = getattr(fence, "renewal_due", None)
    try:
        if not callable(due) or not due():
            return False
        fence.identify()
        claim = run.record.claim(incident.id, "renew", run.holder)
        fence.cut(claim)
        run.record.release(claim)
    except HaError as error:
        text = f"{fence.name} was not renewed: {error.message}"
        run.journal.tell(incident.host, text)
        return False
    run.journal.note("fence", incident.host, f"{fence.name}: renewed")
    return True
