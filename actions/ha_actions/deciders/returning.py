"""May a host that was put out come back? Pure: what is known in, a word out.

Invariant: a host is let in only while no incident of it is open, it is heard
from now, Nova's own cleaning after its evacuations is over, and whatever cut
its storage or network off is lifted only after it was seen without power.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ha_actions.model import (
    Finding,
    Guest,
    Host,
    Migration,
    Planned,
    Refusal,
    Says,
    Testimony,
)
from ha_actions.settings import Returning

MARK = "mistral-ha-pack incident "
"""How the disabled_reason of a host that we put out begins."""

PASSING = frozenset({"not_back", "evacuating", "not_cleaned"})
"""Refusals that end by themselves: worth waiting for."""

CLEANED_AFTER = "done"
"""Status of an evacuation that is over there and not cleaned up here.

Source: nova/compute/manager.py, _destroy_evacuated_instances, at the start of
nova-compute, forced down or not: destroys the stale guest, then ``completed``.
"""


@dataclass(frozen=True, kw_only=True)
class Known:
    """All that counts for the question, read at one moment."""

    host: Host
    incident: str = ""
    """The last closed incident that put it out; empty: none of ours did."""
    open: str = ""
    """Its open or held incident, if any."""
    beats: bool = False
    """Whether its heartbeat moved while we looked, without a PUT."""
    testimonies: tuple[Testimony, ...] = ()
    evacuations: tuple[Migration, ...] = ()
    """Every evacuation record from it."""
    failures: tuple[float, ...] = ()
    """When each incident that put it out was opened."""
    cut_off: tuple[str, ...] = ()
    """Devices that keep its storage or network from it now."""
    silent: tuple[str, ...] = ()
    """Devices that may keep them from it, and why they do not say so."""
    seen_off: bool = False
    """Whether it was without power since it was cut off."""


def may_return(
    known: Known, rules: Returning, now: float, *, because: str
) -> Refusal | None:
    """Why it may not, or None.

    :param because: a person's reason; it overrules the flap budget alone.
    """
    name = known.host.name
    if known.open:
        return Refusal(
            code="open",
            reason=f"incident {known.open} of {name} is open; resume or "
            "abort it first",
        )
    if not known.incident:
        return Refusal(
            code="not_ours",
            reason=f"no incident has put {name} out"
            + _whose(known.host)
            + "; use `openstack compute service set`",
        )
    many = _too_many(known, rules, now)
    if many and not because:
        return many
    unheard = _unheard(known)
    if unheard:
        return Refusal(
            code="not_back", reason=f"{name} is not back: {unheard}"
        )
    return _unclean(known) or _still_cut_off(known)


def moved(before: Host, now: Host) -> bool:
    """Whether a heartbeat moved ``updated_at``; a PUT moves it as well."""
    same = (
        now.forced_down == before.forced_down
        and now.enabled == before.enabled
        and now.disabled_reason == before.disabled_reason
    )
    return same and now.updated_at > before.updated_at


def put_out_by(host: Host) -> str:
    """Id of the incident that its disabled_reason names, if it is ours."""
    reason = host.disabled_reason
    return reason.removeprefix(MARK) if reason.startswith(MARK) else ""


def still_well(
    planned: Planned,
    now: Guest | None,
    *,
    returned: str,
    hosts_up: Collection[str],
) -> list[Finding]:
    """What a host's return has done to a guest that had left it.

    Casts that waited for the host are carried out when it comes back, and
    can break a guest that is well elsewhere. What its owner did to it since
    is no finding, and neither is a guest that is gone.

    :param now: the guest; of cattle, the server in its place.
    """
    if now is None or now.host == returned:
        return []
    wrong = []
    if now.vm_state == "error":
        wrong.append(("state", f"error: {now.fault or 'Nova gives no fault'}"))
    elif now.task_state.startswith("rebuild"):
        wrong.append(("state", f"stuck in {now.task_state}"))
    if now.host not in hosts_up:
        wrong.append(("host", f"on {now.host or 'no host'}, which is down"))
    astray = [p for p in now.ports if p.host and p.host != now.host]
    if astray:
        wrong.append(("ports", f"bound to {astray[0].host}"))
    if not wrong:
        wrong = [("", f"well on {now.host}")]
    return [
        Finding(
            guest=planned.guest.id,
            name=planned.guest.name,
            check=check or "after the return",
            ok=not check,
            detail=detail,
        )
        for check, detail in wrong
    ]


def _whose(host: Host) -> str:
    if host.enabled and not host.forced_down:
        return ", and it is not out"
    why = host.disabled_reason
    return f" (its disabled_reason: {why!r})" if why else ""


def _too_many(known: Known, rules: Returning, now: float) -> Refusal | None:
    recent = [at for at in known.failures if at > now - rules.window_s]
    if len(recent) < rules.failures:
        return None
    return Refusal(
        code="flapping",
        reason=f"{known.host.name} has failed {len(recent)} times within "
        f"{rules.window_s / 3600:g} h (policy allows {rules.failures - 1}); "
        "it stays out until a person says why not: `ha-pack return "
        f"{known.host.name} --because TEXT`",
        facts={"failures": len(recent)},
    )


def _unheard(known: Known) -> str:
    dead = [t for t in known.testimonies if t.says is Says.DEAD]
    if dead:
        return f"{dead[0].witness} says dead ({dead[0].detail})"
    return "" if known.beats else "no heartbeat of its nova-compute"


def _unclean(known: Known) -> Refusal | None:
    """Nova itself refuses to lift forced_down while records are ``done``;
    while one is in flight it does not, and would have two copies."""
    flying = [m for m in known.evacuations if m.in_flight]
    if flying:
        return Refusal(
            code="evacuating",
            reason=f"{_some(flying)} from {known.host.name} "
            f"{'is' if len(flying) == 1 else 'are'} still under way",
        )
    left = [m for m in known.evacuations if m.status == CLEANED_AFTER]
    if left:
        return Refusal(
            code="not_cleaned",
            reason=f"{_some(left)} from {known.host.name} "
            f"{'is' if len(left) == 1 else 'are'} not `completed`: its "
            "nova-compute destroys stale guests when it starts; restart it",
        )
    return None


def _still_cut_off(known: Known) -> Refusal | None:
    if known.silent:
        return Refusal(
            code="barrier_silent",
            reason=f"{known.host.name} may be cut off from its storage or "
            f"network, and that cannot be seen ({'; '.join(known.silent)})",
        )
    if not known.cut_off or known.seen_off:
        return None
    return Refusal(
        code="not_rebooted",
        reason=f"{known.host.name} is cut off by {', '.join(known.cut_off)}, "
        "and no device has read Off since: what it had in memory could still "
        "be written. Reboot it by its power; if you saw it reboot, say "
        "--rebooted --because TEXT",
    )


def _some(records: Sequence[Migration]) -> str:
    n = len(records)
    return f"{n} evacuation{'' if n == 1 else 's'}"
