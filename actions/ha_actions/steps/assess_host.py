"""ha.assess_host: is it down, and may we act?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ha_actions.action import HaAction
from ha_actions.codec import to_json
from ha_actions.deciders.consent import Yes, basis, not_covered
from ha_actions.deciders.judge import judge, within_limits
from ha_actions.deciders.policy import domain_of, mode_for
from ha_actions.deciders.report import FALSE_ALARM
from ha_actions.model import (
    Host,
    Incident,
    Mode,
    Refusal,
    Ruling,
    Says,
    Testimony,
    Verdict,
)
from ha_actions.ports import Cloud
from ha_actions.settings import Policy
from ha_actions.step_parts.draining import drain_suspected
from ha_actions.step_parts.run import Run

DEADLINE_S = 1750

JUST_S = 10.0
"""A look at the host that is so young is one that the witnesses may compare
with: over a longer time it can only have been heard more often."""
SHARED_S = 10.0
"""The limits count hosts by a listing of this action, never an older one."""


@dataclass
class AssessHost(HaAction):
    """Witnesses, verdict, limits, mode, a fence slot; in this order.

    :returns: ``{next: drain | close, ruling}``.
    """

    incident: str

    def perform(self, run: Run) -> dict[str, Any]:
        """Judge afresh, unless the host is proven dead already."""
        incident = run.incident(self.incident)
        policy = run.policy(incident)
        cloud = run.cloud(incident)
        proof = run.record.proof(incident.id)
        if proof and not run.proof_void(incident, policy, cloud, proof):
            return {"next": "drain", "ruling": Ruling.DOWN.value}
        drain_suspected(run, incident, policy)
        if policy.limits.quiet_s and not run.record.voids(incident.id):
            _be_quiet(run, incident, policy)
        host = _just_seen(run, incident, cloud)
        heard = run.hear(policy, cloud, host)
        # the witness has just asked: one listing serves both
        hosts = run.patiently(
            lambda: cloud.hosts(brief=True, max_age_s=SHARED_S)
        )
        verdict = judge(host.name, heard, policy.witnesses, run.clock.now())
        run.record.keep(incident.id, "judged", host)
        _remember(run, incident, verdict, heard)
        if verdict.ruling is not Ruling.DOWN:
            code = _doubt(verdict, _was_down(run, incident))
            reason = verdict.reason + _silence(verdict)
            run.refuse(incident, Refusal(code=code, reason=reason))
            return {"next": "close", "ruling": verdict.ruling.value}
        refusal = _gates(run, incident, policy, host, hosts)
        if refusal is not None:
            run.refuse(incident, refusal)
            return {"next": "close", "ruling": verdict.ruling.value}
        return {"next": "drain", "ruling": verdict.ruling.value}


def _just_seen(run: Run, incident: Incident, cloud: Cloud) -> Host:
    """The host as it was before the witnesses looked.

    What opened the incident a moment ago is new enough: they compare with it.
    Who judges again looks again: what was heard between counted already.
    """
    young = 0 <= run.clock.now() - incident.opened_at <= JUST_S
    if young and run.record.part(incident.id, "judged", Host) is None:
        return run.host(incident)
    found = run.host_now(incident, cloud)
    known = run.aggregates(incident, cloud)
    mine = tuple(a.name for a in known if found.name in a.hosts)
    return replace(found, aggregates=mine)


def _was_down(run: Run, incident: Incident) -> bool:
    """Whether this incident has acted on the host, or saw it come back.

    Then its guests may be off, or have copies: a person must look.
    """
    record, id = run.record, incident.id
    return record.may_have_cut(id) or any(
        record.parts(id, prefix) for prefix in ("batch.", "doubt.")
    )


def _doubt(verdict: Verdict, was_down: bool) -> str:
    """Code of a verdict that is not DOWN."""
    if not (verdict.told or was_down):
        return FALSE_ALARM
    return "alive" if verdict.ruling is Ruling.ALIVE else "uncertain"


def _be_quiet(run: Run, incident: Incident, policy: Policy) -> None:
    rest = incident.opened_at + policy.limits.quiet_s - run.clock.now()
    if rest > 0:
        run.journal.note(
            "incident", incident.host, f"quiet for {rest:.0f} s before it acts"
        )
        run.clock.sleep(rest)


def _remember(
    run: Run, incident: Incident, verdict: Verdict, heard: list[Testimony]
) -> None:
    run.record.keep(incident.id, "verdict", verdict)
    run.record.keep(
        incident.id,
        "case.judge",
        {
            "decider": "judge",
            "policy": incident.policy,
            "now": verdict.at,
            "testimonies": to_json(heard),
            "ruling": verdict.ruling.value,
        },
    )
    said = ", ".join(
        f"{t.witness} {t.says}"
        + (f" ({t.detail})" if t.says is Says.SILENT else "")
        for t in heard
    )
    run.journal.note("witness", incident.host, said)
    run.journal.note(
        "verdict", incident.host, f"{verdict.ruling}, {verdict.reason}"
    )


def _silence(verdict: Verdict) -> str:
    """Why too few have spoken, for the person who has to find out."""
    silent = [
        f"{t.witness} is silent ({t.detail})"
        for t in verdict.testimonies
        if t.says is Says.SILENT
    ]
    if verdict.ruling is not Ruling.UNCERTAIN or not silent:
        return ""
    return f"; {', '.join(silent)}"


def _gates(
    run: Run,
    incident: Incident,
    policy: Policy,
    host: Host,
    hosts: list[Host],
) -> Refusal | None:
    """Everything that may forbid to act on a host that is down."""
    aggregates = run.aggregates(incident, run.cloud(incident))
    domains = {h.name: domain_of(h, policy, aggregates) for h in hosts}
    too_many = within_limits(
        host.name, hosts, domains, policy.limits, run.record.maintenance()
    )
    if too_many is not None and not _approved(run, incident, policy, too_many):
        return too_many
    mode = mode_for(host, policy)
    if not incident.dry_run and (
        mode is Mode.SHADOW or not run.record.armed()
    ):
        _only_watch(run, incident, mode)
        incident = run.incident(incident.id)
    if incident.dry_run:
        return None
    brake = run.record.disarmed(host.name, host.aggregates)
    if brake is not None:
        return Refusal(
            code="disarmed",
            reason=f"disarmed ({brake.scope}) by {brake.by}: {brake.because}",
        )
    ask = Refusal(
        code="ask",
        reason="the policy asks a person first: "
        f"`ha-pack incident approve {incident.id}`",
    )
    if mode is Mode.ASK and not _approved(run, incident, policy, ask):
        return ask
    full = run.record.take_slot(incident, policy.limits)
    if full is not None and _approved(run, incident, policy, full):
        run.record.take_extra_slot(incident, policy.limits)
        return None
    return full


def _only_watch(run: Run, incident: Incident, mode: Mode) -> None:
    """Shadow: go the whole way, and touch nothing."""
    why = "mode is shadow" if mode is Mode.SHADOW else "not armed"
    changed = to_json(incident) | {"dry_run": True}
    run.record.keep(incident.id, "opening", changed)
    text = f"{why}: decides, records, touches nothing"
    if mode is Mode.SHADOW:
        run.journal.note("incident", incident.host, text)
    else:  # the policy says act: somebody believes that it does
        run.journal.tell(incident.host, f"{text}; `ha-pack arm` lets it act")


def _approved(
    run: Run, incident: Incident, policy: Policy, refusal: Refusal
) -> bool:
    """Whether a person said yes to just this, not too long ago."""
    yes = run.record.part(incident.id, "approval", Yes)
    if yes is None:
        return False
    verdict = run.record.part(incident.id, "verdict", Verdict)
    now = basis(refusal, verdict)
    why = not_covered(yes, now, run.clock.now(), policy.ask_s)
    if why:
        if yes.to.code == refusal.code:
            text = f"the yes of {yes.by} to {refusal.code} counts no more"
            run.journal.note("incident", incident.host, f"{text}: {why}")
        return False
    run.journal.note(
        "incident",
        incident.host,
        f"{refusal.code} approved by {yes.by}: {refusal.reason}",
    )
    return True
