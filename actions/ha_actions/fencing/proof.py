"""The fencing loop: from a verdict to a proof of death, or a refusal.

Invariant: a ``Proof`` is returned only if ``devices`` accepted devices each
read OFF over fresh connections for ``stable_s`` without a break, after they
were asked to cut, no other device of the host read ON since, and no witness
heard after that said ``alive``. Everything else (an HTTP 200, silence, an
unknown word) is not OFF.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ha_actions.deciders.coverage import AS_STRONG, strongest
from ha_actions.errors import Failed, HaError, NoAnswer, Refused, Transient
from ha_actions.fencing.level import fresh
from ha_actions.model import (
    Claim,
    Evidence,
    Power,
    Proof,
    Reading,
    Refusal,
    Says,
    Testimony,
)
from ha_actions.ports import Clock, Fence, Journal
from ha_actions.settings import Fencing

OTHERS_S = 10.0
"""What the other devices have to contradict an OFF, past the deadline too: a
device that could not be asked must not make a proof easier."""

Hear = Callable[[], Sequence[Testimony]]
Permit = Callable[[], Claim]
"""A fresh claim, asked for right before each cut."""


def prove_dead(
    host: str,
    incident: str,
    fences: Sequence[Fence],
    rules: Fencing,
    *,
    clock: Clock,
    permit: Permit,
    hear: Hear,
    journal: Journal,
) -> Proof | Refusal:
    """Cut the host and prove it, device by device, within the deadline.

    A host that is OFF already (it may be rebooting) still gets the cut and
    the same stability time. Each device has an equal share of the time that
    is left: a first one that never answers must not use it all up.

    :raises Refused: ``superseded`` or ``disarmed``, from the permit.
    """
    usable = [f for f in fences if f.evidence.value in rules.accept]
    if not usable:
        return Refusal(
            code="no_fence",
            reason=f"host {host} has no fence whose evidence the policy "
            f"accepts ({', '.join(rules.accept)}); name one in the "
            "executors' fence file",
        )
    if not _enough(usable, rules.devices):
        return Refusal(
            code="no_fence",
            reason=f"host {host} has {len(usable)} device(s), and the policy "
            f"demands {rules.devices}; name another in the executors' fence "
            "file",
        )
    until = clock.now() + rules.deadline_s
    seen: list[Reading] = []
    tried: list[str] = []
    held: list[tuple[Fence, list[Reading]]] = []
    for left, fence in zip(range(len(usable), 0, -1), usable, strict=True):
        now = clock.now()
        end = now + (until - now) / left
        off = _cut_and_watch(
            host, fence, rules, clock, permit, journal, end, seen, tried
        )
        if off is None:
            continue
        held.append((fence, off))
        if not _enough([one for one, _ in held], rules.devices):
            journal.note("fence", host, f"{fence.name} read Off; one more")
            continue
        last_word = max(until, clock.now() + OTHERS_S)
        others = [
            (f, _read(f, clock, last_word)) for f in fences if f is not fence
        ]
        seen.extend(r for _, r in others)
        if any(r.power is Power.ON for _, r in others):
            tried.append(f"{fence.name} read Off, another device On")
            journal.note("fence", host, f"{tried[-1]}: not believed")
            continue
        if _lost(held[:-1], others, rules.devices):
            tried.append(f"only {fence.name} still reads Off")
            continue
        return _hear_out(host, incident, held, rules, clock, hear, seen)
    if held and rules.devices > len(held):
        tried.append(
            f"{len(held)} device(s) read Off, the policy demands "
            f"{rules.devices}"
        )
    return Refusal(
        code="not_proven",
        reason=f"host {host} is not proven dead: {_list(tried)}",
        facts={"readings": len(seen), "tried": tried},
    )


def look_again(
    fences: Sequence[Fence],
    accept: Sequence[str],
    devices: int = 1,
    *,
    proven: Evidence | None = None,
    fresh_s: float = 5.0,
    claim: Claim | None = None,
) -> tuple[bool, list[Reading]]:
    """Is it still off? Readings only, no cut; UNKNOWN is not off.

    True if enough accepted devices read OFF, one of them by evidence as strong
    as that which was ``proven``, and none reads ON. A device that
    was slow to answer must not make the others' readings old: those that
    count are taken again when they are older than ``fresh_s`` by then.
    """
    readings = [fresh(f, claim) for f in fences]
    latest = max((r.at for r in readings), default=0.0)
    readings = [
        fresh(f, claim)
        if counts(f, r, accept) and latest - r.at > fresh_s
        else r
        for f, r in zip(fences, readings, strict=True)
    ]
    off = [
        f
        for f, r in zip(fences, readings, strict=True)
        if counts(f, r, accept)
    ]
    on = any(r.power is Power.ON for r in readings)
    strong = any(not proven or f.evidence in AS_STRONG[proven] for f in off)
    return strong and _enough(off, devices) and not on, readings


def counts(fence: Fence, reading: Reading, accept: Sequence[str]) -> bool:
    """Whether this reading speaks for a proof."""
    return reading.power is Power.OFF and fence.evidence.value in accept


def _enough(fences: Sequence[Fence], devices: int) -> bool:
    """As many as the policy demands; a person's word stands for all."""
    word = any(f.evidence is Evidence.OPERATOR for f in fences)
    return word or len(fences) >= devices


def _lost(
    before: Sequence[tuple[Fence, list[Reading]]],
    now: Sequence[tuple[Fence, Reading]],
    devices: int,
) -> bool:
    """Whether a device that is needed no longer reads OFF."""
    needed = before[-(devices - 1) :] if devices > 1 else ()
    return any(
        r.power is not Power.OFF
        for f, r in now
        if any(f is one for one, _ in needed)
    )


def _cut_and_watch(
    host: str,
    fence: Fence,
    rules: Fencing,
    clock: Clock,
    permit: Permit,
    journal: Journal,
    until: float,
    seen: list[Reading],
    tried: list[str],
) -> list[Reading] | None:
    """The unbroken OFF readings, or None with the reason in ``tried``.

    OFF does not count before the device was identified and asked to cut.
    """
    asked, wrong, said = False, False, ""
    off: list[Reading] = []
    last: Reading | None = None
    while clock.now() < until:
        if not asked:
            before = said
            try:
                said = _ask(fence, permit, clock, until)
                asked = True
            except HaError as error:
                locked_out = error.code == "forbidden"
                if isinstance(error, Refused) and not locked_out:
                    raise  # our own rule, not the device's
                said = f"{fence.name}: {error.message}"
                wrong = locked_out or error.kind == "bad_input"
            if said != before:
                tried.append(said)
                journal.note("fence", host, said)
            if wrong:  # another machine, or a password: the next device
                return None
            if not asked and clock.now() >= until:
                break  # no reading would count any more
        last = _read(fence, clock, until, permit if asked else None)
        seen.append(last)
        if last.power is not Power.OFF or not asked:
            off = []
        else:
            off.append(last)
            if last.at - off[0].at >= rules.stable_s and len(off) > 1:
                return off
        clock.sleep(min(rules.poll_s, max(0.0, until - clock.now())))
    what = f"{last.power} {last.detail}".strip() if last else "never asked"
    tried.append(
        f"{fence.name} did not read Off for {rules.stable_s:g} s; last: {what}"
    )
    return None


def _read(
    fence: Fence, clock: Clock, until: float, permit: Permit | None = None
) -> Reading:
    """A reading that is waited for until then and no longer.

    :param permit: for one that takes a claim, see ``ports.Looker``.
    :raises Refused: from the permit.
    """
    claim = None
    if permit is not None and hasattr(fence, "look"):
        claim = permit()
        claim = replace(claim, until=min(claim.until, until))
    try:
        return clock.within(lambda: fresh(fence, claim), until - clock.now())
    except Transient as error:
        return Reading(
            device=fence.name,
            power=Power.UNKNOWN,
            at=clock.now(),
            detail=error.message,
        )


def _ask(fence: Fence, permit: Permit, clock: Clock, until: float) -> str:
    """Ask the right device to cut, and say what came of it.

    A device that answered "no" (it may be off already), or not at all, has
    been asked; then only its readings count. Its leave ends at ``until``: a
    call that is given up then must not cut later.

    :raises HaError: it could not be identified, or was not asked.
    """
    who = clock.within(fence.identify, until - clock.now())
    claim = permit()
    claim = replace(claim, until=min(claim.until, until))
    try:
        clock.within(lambda: fence.cut(claim), until - clock.now())
    except (Failed, NoAnswer) as error:
        return f"{fence.name}: {error.message}"
    except Transient as error:
        if error.code != "late":
            raise
        return f"{fence.name}: asked to cut, and {error.message}"
    return f"{fence.name}: asked to cut {who}"


def _hear_out(
    host: str,
    incident: str,
    devices: Sequence[tuple[Fence, list[Reading]]],
    rules: Fencing,
    clock: Clock,
    hear: Hear,
    seen: list[Reading],
) -> Proof | Refusal:
    """One round of witnesses after OFF: an ``alive`` newer than it refutes."""
    fence, off = devices[-1]
    heard = tuple(hear())
    alive = [
        t.witness
        for t in heard
        if t.says is Says.ALIVE and t.observed_at >= off[0].at
    ]
    if alive:
        return Refusal(
            code="contradicted",
            reason=f"{fence.name} reads Off, but {' and '.join(alive)} says "
            f"alive after it: the device lies, or controls another machine "
            f"than {host}",
            facts={"alive": alive},
        )
    held = off[-1].at - off[0].at
    also = "".join(
        f", {one.name} {len(those)} times before it"
        for one, those in devices[:-1]
        if rules.devices > 1
    )
    return Proof(
        host=host,
        incident=incident,
        evidence=strongest(
            one.evidence for one, _ in devices[-rules.devices :]
        ),
        rule=f"{fence.name} read Off {len(off)} times over {held:.0f} s "
        f"(policy needs {rules.stable_s:g}){also}, no witness alive after it",
        since=off[0].at,
        at=clock.now(),
        readings=_telling(seen, [those for _, those in devices]),
        testimonies=heard,
    )


def _telling(
    seen: Sequence[Reading], offs: Sequence[Sequence[Reading]]
) -> tuple[Reading, ...]:
    """The readings that a person needs: how each OFF began and ended, and
    what was read last; a proof must fit into the ledger."""
    telling = {id(r) for off in offs for r in (*off[:5], *off[-15:])}
    telling |= {id(r) for r in seen[-20:]}
    return tuple(r for r in seen if id(r) in telling)


def _list(sentences: Sequence[str]) -> str:
    return "; ".join(s.rstrip(".") for s in sentences)
