"""ha.renew_fences: what keeps a host from its storage must not run out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.errors import HaError
from ha_actions.model import Incident
from ha_actions.ports import Fence
from ha_actions.records import cut_off
from ha_actions.records.cut_off import barriers_of
from ha_actions.step_parts.returns import out_by, remember_off
from ha_actions.step_parts.run import Run, host_named, unlisted

DEADLINE_S = 280


@dataclass
class RenewFences(HaAction):
    """Cut again, by each device whose cut would end, until the host returns.

    Only of hosts that an incident of ours may have cut off, whatever became
    of it, and only what is cut now: an entry that a person has lifted is not
    made anew. A disarm does not stop it: letting the host write again would
    be the change.

    :returns: ``{renewed: number}``.
    """

    def perform(self, run: Run) -> dict[str, Any]:
        """The failure of one device leaves the others."""
        renewed = 0
        for incident in _cut_off(run):
            try:
                barriers = barriers_of(run.outside.fences(incident.host))
            except HaError as error:
                run.journal.tell(incident.host, f"fences: {error.message}")
                continue
            if barriers:
                remember_off(run, incident)
                renewed += sum(_renew(run, incident, f) for f in barriers)
        return {"renewed": renewed}


def _cut_off(run: Run) -> Iterator[Incident]:
    """For each host that may be cut off, the incident that has its claim:
    the open one, else that by which ``ha-pack return`` would let it in."""
    names = run.patiently(lambda: cut_off.hosts(run.record))
    if not names:
        return
    cloud = run.outside.cloud("")
    there = run.patiently(cloud.hosts)
    for name in names:
        entry = run.record.opened(name)
        if entry is not None:
            yield entry.incident
            continue
        incident = out_by(run, host_named(name, there) or unlisted(name))
        if incident is not None:
            yield incident


def _renew(run: Run, incident: Incident, fence: Fence) -> bool:
    """Whether it was due and is done; a failure is told each time."""
    due = getattr(fence, "renewal_due", None)
    try:
        if not callable(due) or not due():
            return False
        claim = run.record.claim(incident.id, cut_off.CLAIM, run.holder)
        still = due()  # whoever lets the host in had the claim until now
        if still:
            fence.identify()
            fence.cut(claim)
        run.record.release(claim)
    except HaError as error:
        text = f"{fence.name} was not renewed: {error.message}"
        run.journal.tell(incident.host, text)
        return False
    if still:
        run.journal.note("fence", incident.host, f"{fence.name}: renewed")
    return bool(still)
