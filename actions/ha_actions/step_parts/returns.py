"""What is known of a host's return: the ledger's and the cloud's facts."""

from __future__ import annotations

from dataclasses import dataclass

from ha_actions.deciders.policy import load
from ha_actions.deciders.returning import Known, moved, put_out_by
from ha_actions.errors import BadInput, HaError
from ha_actions.model import (
    Evidence,
    Finding,
    Host,
    Incident,
    Migration,
    Power,
    Proof,
    Reading,
    Refusal,
)
from ha_actions.ports import Cloud, Fence
from ha_actions.records import cut_off
from ha_actions.records.cut_off import BARRIERS, barriers_of
from ha_actions.records.incidents import RETURN_ENDED
from ha_actions.settings import Policy
from ha_actions.step_parts.run import Run, host_named

MINUTE_S = 30.0
"""The looks of one reconcile share a listing of the hosts; whatever comes of
it, the host is looked at anew."""

WAITING = "return.waiting"
"""Part of an incident: why the return was refused last."""
LIFTED = "return.lifted"
"""Part of an incident: forced_down was lifted, and what was found then."""
"""Part of an incident: a person has let the host in; the return is over."""
SEEN_OFF = "return.seen_off"
"""Part of an incident: a device read Off after the host was cut off."""


@dataclass(frozen=True, kw_only=True)
class Lifted:
    """The half that needs no person."""

    at: float
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A person's half."""

    at: float
    by: str
    because: str
    enabled: bool


def look(run: Run, name: str, policy: Policy) -> Known:
    """Everything that :func:`returning.may_return` wants to know.

    Takes as long as the slowest witness.

    :raises BadInput: Nova has no such host.
    """
    cloud = run.outside.cloud("")
    before = listed(run, cloud, name)
    incident = out_by(run, before)
    cloud = cloud_for(run, incident)
    heard = run.hear(policy, cloud, before)
    now = listed(run, cloud, name)
    opened = run.patiently(lambda: run.record.opened(name))
    known = Known(host=now, open=opened.incident.id if opened else "")
    if incident is None:
        return known
    off, silent = barriers(run, name)
    return Known(
        host=now,
        incident=incident.id,
        open=known.open,
        beats=moved(before, now),
        testimonies=tuple(heard),
        evacuations=tuple(_records(run, cloud, name)),
        failures=tuple(failures(run, name)),
        cut_off=tuple(f.name for f in off),
        silent=tuple(silent),
        seen_off=bool(off) and _seen_off(run, incident),
    )


def cloud_for(run: Run, incident: Incident | None) -> Cloud:
    """A cloud for what follows an incident; its calls carry its id."""
    if incident is None:
        return run.outside.cloud("")
    return run.cloud(incident)


def listed(run: Run, cloud: Cloud, name: str) -> Host:
    """The host as Nova shows it now.

    :raises BadInput: ``unknown_host``.
    """
    host = host_named(name, run.patiently(cloud.hosts))
    if host is None:
        raise BadInput(
            "unknown_host", f"Nova has no compute service on host {name!r}."
        )
    return host


def out_by(run: Run, host: Host) -> Incident | None:
    """The closed incident that put it out, until its return has ended.

    The last one; or, when that ended before it did anything, the one that the
    service's reason names, if the ledger says the same; or the one that has
    cut it off from its storage, even if it ended before it told Nova.
    """
    last, _ = run.patiently(lambda: run.record.last_closed(host.name))
    cutter = cut_off.incident_of(run.record, host.name)
    for id in (last, put_out_by(host), cutter):
        marked = id and run.record.part(id, "marked", Host) is not None
        if not id or not (marked or id == cutter):
            continue
        if run.record.part(id, RETURN_ENDED, Ended) is None:
            found = run.incident(id)
            return found if found.host == host.name else None
    return None


def failures(run: Run, name: str) -> list[float]:
    """When each incident that put the host out was opened; no drills."""
    head = f"ha.incident.{name}-"
    ending = ".marked"
    ids = [
        entry.removeprefix("ha.incident.").removesuffix(ending)
        for entry in run.record.ledger.names(head)
        if entry.endswith(ending)
    ]
    found = [run.record.part(id, "opening", Incident) for id in ids]
    return sorted(
        i.opened_at
        for i in found
        if i and i.host == name and i.opened_by != "drill"
    )


def before_us(run: Run, incident: Incident) -> Host | None:
    """The host before our first touch; None if that is not remembered.

    A host that died again before it was let in was found as we had left it.
    """
    seen: set[str] = set()
    host = run.record.part(incident.id, "host", Host)
    while host is not None:
        former = put_out_by(host)
        if not former:
            return host
        if former in seen:
            return None
        seen.add(former)
        host = run.record.part(former, "host", Host)
    return None


def barriers(run: Run, name: str) -> tuple[list[Fence], list[str]]:
    """Devices that keep the host from its storage or network now; and those
    that may, and do not answer."""
    off: list[Fence] = []
    silent: list[str] = []
    ours = bool(cut_off.incident_of(run.record, name))
    for fence in barriers_of(run.outside.fences(name)):
        if fence.power().power is Power.OFF:
            off.append(fence)
        elif ours:
            try:  # UNKNOWN is what it reads when nothing is cut off
                fence.identify()
            except HaError as error:
                silent.append(f"{fence.name}: {error.message}".rstrip("."))
    return off, silent


def remember_off(run: Run, incident: Incident) -> bool:
    """Look whether a device reads Off, and keep that it did."""
    for fence in run.outside.fences(incident.host):
        if fence.evidence is not Evidence.POWER:
            continue
        reading = fence.power()
        if reading.power is Power.OFF:
            run.record.keep(incident.id, SEEN_OFF, reading)
            return True
    return False


def _seen_off(run: Run, incident: Incident) -> bool:
    """Whether it was without power since it was cut off.

    By a proof of power or a look, later than the last proof of storage or
    network; where there is none, later than the incident's end.
    """
    record = run.record
    found = (
        record.part(incident.id, part, Proof)
        for part in record.parts(incident.id, "proof.")
    )
    proofs = [p for p in found if p is not None]
    cut = max(
        (p.at for p in proofs if p.evidence in BARRIERS),
        default=record.last_closed(incident.host)[1],
    )
    offs = [p.at for p in proofs if p.evidence is Evidence.POWER]
    look = record.part(incident.id, SEEN_OFF, Reading)
    if look is not None:
        offs.append(look.at)
    return any(at > cut for at in offs)


def _records(run: Run, cloud: Cloud, name: str) -> list[Migration]:
    """Its evacuations, but for those to a host that has died since.

    Proven dead, and still out: one that is only forced down may live, and
    one that is back carries out what has waited for it.
    """
    out = {h.name for h in run.patiently(cloud.hosts) if h.forced_down}
    found = run.patiently(lambda: cloud.evacuations(name))
    return [
        m
        for m in found
        if not (
            m.in_flight
            and m.dest in out
            and run.record.died_since(m.dest, m.created_at)
        )
    ]


def policy_now(run: Run) -> Policy:
    """The policy in force: a return is later than its incident."""
    return load(run.patiently(run.record.policy_text))


def tell_once(run: Run, known: Known, no: Refusal, *, asked: bool) -> None:
    """A person who asks is answered; the clock tells a new reason once."""
    text = f"not let in: {no.reason}"
    id = known.incident
    before = run.record.part(id, WAITING, Refusal) if id else None
    if id:
        run.record.keep(id, WAITING, no)
    again = before is not None and before.code == no.code
    if asked or not again:
        run.journal.note("return", known.host.name, text)
    if not asked and not again and no.code != "not_back":
        run.journal.tell(known.host.name, text)
