"""Could every host be fenced tonight? Asked of each device, without a cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ha_actions.errors import HaError
from ha_actions.fencing.level import AllOf
from ha_actions.model import Evidence, Power
from ha_actions.ports import Clock, Fence

AT_ONCE = 32
EXPIRES_SOON_S = 14 * 86400.0


@dataclass(frozen=True, kw_only=True)
class Health:
    """What one device of one host answered."""

    host: str
    device: str
    evidence: str
    ok: bool
    """Whether it could be cut by it now: known, reached, right, and On."""
    power: str = ""
    identity: str = ""
    detail: str = ""
    """Why not, or what a person should see to before it is too late."""
    certificate_until: float | None = None
    seconds: float = 0.0
    remark: str = ""
    """What an operator should know of it, though it is well."""


def look_over(
    hosts: Mapping[str, Sequence[Fence]], clock: Clock
) -> list[Health]:
    """Each device of each host, side by side, at most AT_ONCE at a time."""
    jobs = [
        partial(_ask, host, one, clock)
        for host, fences in hosts.items()
        for fence in fences
        for one in (fence.devices if isinstance(fence, AllOf) else (fence,))
    ]
    return clock.together(jobs, at_most=AT_ONCE)


def unfenceable(
    hosts: Mapping[str, Sequence[Fence]],
    found: Sequence[Health],
    accept: Sequence[str],
    devices: int = 1,
) -> dict[str, str]:
    """Host -> why it could not be fenced tonight by what counts as proof.

    A level that needs all of its devices counts if all of them are well.
    """
    well = {(h.host, h.device) for h in found if h.ok}
    whys = {}
    for host, fences in hosts.items():
        counting = [f for f in fences if f.evidence.value in accept]
        good = [
            f
            for f in counting
            if all(
                (host, one.name) in well
                for one in (f.devices if isinstance(f, AllOf) else (f,))
            )
        ]
        if not fences:
            whys[host] = "no fence"
        elif not counting:
            whys[host] = f"no fence gives evidence of {', '.join(accept)}"
        elif len(good) < devices:
            whys[host] = f"{len(good)} of {devices} needed devices would work"
            ill = [h for h in found if h.host == host and not h.ok]
            if ill:
                whys[host] += f" ({'; '.join(_ill(h) for h in ill)})"
    return whys


def _ill(one: Health) -> str:
    return f"{one.device}: {one.detail}".rstrip(".")


def _ask(host: str, fence: Fence, clock: Clock) -> Health:
    began = clock.now()
    who, power, why = "", "", ""
    try:
        who = fence.identify()
    except HaError as error:
        why = error.message
    else:
        reading = fence.power()
        power, why = str(reading.power), reading.detail
        if fence.evidence is Evidence.POWER and reading.power is Power.ON:
            why = ""
        elif reading.power is Power.OFF:
            why = "reads Off: the host is off, or it is another machine's"
        elif fence.evidence is Evidence.POWER:
            why = f"no power reading: {why or 'UNKNOWN'}"
        else:  # cut off it is not, and so it answers
            why = ""
    until = _certificate(fence)
    ok = not why
    if ok and until is not None and until < clock.now() + EXPIRES_SOON_S:
        why = "its certificate ends within 14 days"
        ok = until > clock.now()
    return Health(
        host=host,
        device=fence.name,
        evidence=fence.evidence.value,
        ok=ok,
        power=power,
        identity=who,
        detail=why,
        certificate_until=until,
        remark="" if why else _remark(fence),
        seconds=round(clock.now() - began, 2),
    )


def _remark(fence: Fence) -> str:
    """Of devices that have something to remark."""
    remark = getattr(fence, "remark", None)
    try:
        return str(remark()) if callable(remark) else ""
    except HaError:
        return ""


def _certificate(fence: Fence) -> float | None:
    """When its TLS certificate ends, of devices that have one."""
    until = getattr(fence, "certificate_until", None)
    try:
        return float(until()) if callable(until) else None
    except HaError:
        return None
