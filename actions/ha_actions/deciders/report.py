"""What was asked, decided, done and left: one value for people and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ha_actions.model import (
    Finding,
    GuestReport,
    Incident,
    LeftAlone,
    Outcome,
    Planned,
    Proof,
    Protection,
    Refusal,
    Report,
    Result,
    State,
    Verdict,
)

FALSE_ALARM = "false_alarm"
"""Code of an incident in which nothing was wrong: closed, nobody is told."""
DEFERRED = "deferred"
"""Code of an incident that waits for capacity: reconcile resumes it."""
NOT_ALL = "not_all_recovered"
LEFT_ALONE = "left alone"
GOOD = (Result.DONE, Result.ALREADY)


def make_report(
    incident: Incident,
    *,
    now: float,
    verdict: Verdict | None,
    proof: Proof | None,
    refusal: Refusal | None,
    planned: Mapping[str, Planned],
    left_alone: Iterable[LeftAlone],
    outcomes: Sequence[Outcome],
    steps: Mapping[str, Sequence[str]],
    findings: Sequence[Finding],
    checked: bool,
    deferred_s: float = 0,
    notes: Sequence[str] = (),
) -> Report:
    """Judge the whole: closed if everybody got what was chosen, else held.

    :param outcomes: of all attempts, oldest first; the last per step counts.
    :param steps: guest id -> the steps that its plans named.
    :param checked: whether the recovery check ran after the last step.
    :param deferred_s: seconds since its opening in which the incident waits
        by itself for a host with room.
    """
    ended: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        ended.setdefault(outcome.guest, []).append(outcome)
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.guest, []).append(finding)
    rows = [
        _row(
            incident,
            p,
            ended.get(id, ()),
            steps.get(id, ()),
            found.get(id, ()),
        )
        for id, p in planned.items()
    ]
    rows += [_left(one) for one in left_alone if one.guest not in planned]
    rows.sort(key=lambda r: r.name)
    state, code, reason = _ending(
        incident, refusal, rows, checked, _stage(verdict, proof, planned)
    )
    rest = incident.opened_at + deferred_s - now
    if code == NOT_ALL and rest > 0 and _only_deferred(rows):
        code = DEFERRED
        reason += f"; tried again for {rest / 60:.0f} minutes more"
    return Report(
        incident=incident,
        state=state,
        code=code,
        reason=reason,
        closed_at=now,
        verdict=verdict,
        proof=proof,
        refusal=refusal,
        guests=tuple(rows),
        notes=tuple(notes),
    )


def _ending(
    incident: Incident,
    refusal: Refusal | None,
    rows: Sequence[GuestReport],
    checked: bool,
    stage: str,
) -> tuple[State, str, str]:
    if incident.dry_run:
        why = f" ({refusal.reason})" if refusal else ""
        return State.CLOSED, "dry_run", f"dry run: nothing was touched{why}"
    bad = [r for r in rows if not r.as_chosen]
    text = _tally(rows, bad)
    if refusal is not None and refusal.code == FALSE_ALARM:
        return State.CLOSED, FALSE_ALARM, refusal.reason
    if refusal is not None:
        reason = refusal.reason.rstrip(".")
        if rows:
            reason += f"; {text}"
        return State.HELD, refusal.code, reason
    if not checked:
        return (
            State.HELD,
            "unfinished",
            f"{stage} did not end well, so nothing was checked; see its "
            "execution, then resume",
        )
    if bad:
        return State.HELD, NOT_ALL, text
    return State.CLOSED, "", text if rows else "no guest was on the host"


def _only_deferred(rows: Sequence[GuestReport]) -> bool:
    """Whether time alone may cure what is not as chosen."""
    return all(r.as_chosen or r.outcome == DEFERRED for r in rows)


def _tally(rows: Sequence[GuestReport], bad: Sequence[GuestReport]) -> str:
    """Who is back, who was left, and who is not as chosen, in one line."""
    lost = refused(rows)
    left = [
        r
        for r in rows
        if r.as_chosen and r not in lost and r.did == LEFT_ALONE
    ]
    back = len(rows) - len(bad) - len(lost) - len(left)
    text = f"{back} of {len(rows)} guests are back"
    if left:
        text += f"; {len(left)} left alone, as chosen"
    if lost:
        text += f"; refused, as the policy says: {_names(lost)}"
    if bad:
        text += f"; not as chosen: {_names(bad)}"
    return text


def _stage(
    verdict: Verdict | None,
    proof: Proof | None,
    planned: Mapping[str, Planned],
) -> str:
    """Where it stopped, by what is missing."""
    if verdict is None:
        return "assess_host"
    if proof is None:
        return "fence_host"
    return "verify" if planned else "make_plan"


def refused(rows: Iterable[GuestReport]) -> list[GuestReport]:
    """Guests that are not back and for whom a person may do something."""
    return [
        r for r in rows if r.as_chosen and r.outcome.startswith("refused_")
    ]


def _names(rows: Sequence[GuestReport]) -> str:
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return ", ".join(r.name for r in rows[:5]) + more


def _row(
    incident: Incident,
    planned: Planned,
    outcomes: Sequence[Outcome],
    steps: Sequence[str],
    findings: Sequence[Finding],
) -> GuestReport:
    guest = planned.guest
    last = {outcome.step: outcome for outcome in outcomes}
    mine = tuple(findings)
    bad = [o for o in last.values() if o.result not in GOOD]
    missing = [s for s in steps if s not in last]
    wrong = [f for f in mine if not f.ok]
    hosts = [o.host for o in last.values() if o.host]
    reasons = [o.reason for o in bad] + [
        f"{f.check}: {f.detail}" for f in wrong
    ]
    if missing and not incident.dry_run:
        reasons.append(f"not reached: {', '.join(missing)}")
    good = [o.reason for o in last.values()][:1]
    good += [o.reason for o in last.values() if o.code == "unprobed"]
    return GuestReport(
        guest=guest.id,
        name=guest.name,
        protection=planned.choice.protection,
        did=_did(planned.choice.protection, steps, incident.dry_run),
        outcome="deleted"
        if any(o.code == "deleted" for o in last.values())
        else _word(bad, missing, wrong, incident.dry_run)
        + _unprobed(planned, last.values(), bool(bad or missing or wrong)),
        as_chosen=not (bad or missing or wrong) or incident.dry_run,
        host=hosts[-1] if hosts else "",
        seconds=max(
            (o.at - incident.opened_at for o in last.values()), default=0.0
        ),
        reason="; ".join(
            dict.fromkeys(r.rstrip(".") for r in reasons or good)
        ),
        steps=tuple(last.values()),
        findings=mine,
        warnings=planned.choice.warnings,
    )


def _did(protection: Protection, steps: Sequence[str], dry_run: bool) -> str:
    verbs = ", ".join(s.removeprefix("ha.").replace("_", " ") for s in steps)
    return f"would {verbs}" if dry_run else verbs or str(protection)


def _word(
    bad: Sequence[Outcome],
    missing: Sequence[str],
    wrong: Sequence[Finding],
    dry_run: bool,
) -> str:
    if dry_run:
        return "planned"
    if bad and all(o.code == "not_ready" for o in bad):
        return "not_ready"
    if bad:
        return bad[0].result.value
    if missing:
        return "unfinished"
    return "incomplete" if wrong else "recovered"


def _unprobed(
    planned: Planned, outcomes: Iterable[Outcome], wrong: bool
) -> str:
    """Its owner named a probe, and it could not be asked."""
    asked = bool(planned.choice.probe) and not wrong
    silent = any(o.code == "unprobed" for o in outcomes)
    return ", unprobed" if asked and silent else ""


def _left(one: LeftAlone) -> GuestReport:
    return GuestReport(
        guest=one.guest,
        name=one.name,
        protection=one.protection,
        did=LEFT_ALONE,
        outcome=one.code,
        as_chosen=one.wanted,
        reason=one.reason,
        warnings=one.warnings,
    )
