"""Whose host is proven dead, as far as what he had is free to take."""

from __future__ import annotations

from collections.abc import Collection

from ha_actions.deciders.coverage import behind_ports, covers
from ha_actions.deciders.policy import load
from ha_actions.model import Host, Incident
from ha_actions.records.batches import Batches
from ha_actions.records.incidents import ENDS_IT, Record


def fenced(
    record: Record, incident: Incident, guests: Collection[str]
) -> Collection[str]:
    """Those of the guests that may be told so.

    A host that is only cut off from storage or network may run on: of those
    that this does not cover, and of those that nobody has planned for,
    nothing is free.
    """
    proof = record.proof(incident.id)
    if proof is None:
        return ()
    if proof.evidence in ENDS_IT:
        return guests
    policy = load(record.policy_text(incident.policy))
    host = record.part(incident.id, "host", Host)
    behind = behind_ports(host, policy.fencing)
    batches = (
        record.part(incident.id, part, Batches)
        for part in record.parts(incident.id, "batch.")
    )
    return {
        planned.guest.id
        for kept in batches
        if kept is not None
        for planned in kept.batch.guests
        if covers(proof.evidence, planned, storage_behind_ports=behind)
    }
