"""Is the host down, and may we act on it? Pure; every answer has a reason.

The verdict allows to *fence*. Only a proof allows to evacuate.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from ha_actions.model import (
    Host,
    Refusal,
    Ruling,
    Says,
    Testimony,
    Verdict,
)
from ha_actions.settings import Limits, Witnesses

NOVA = "compute_service"
"""The witness that asks Nova."""


def judge(
    host: str,
    testimonies: Sequence[Testimony],
    rules: Witnesses,
    now: float,
) -> Verdict:
    """DOWN needs ``need_dead`` dead, and nobody alive.

    Silence is never counted as dead. One ``alive`` is enough against DOWN;
    when it comes from a witness listed under ``veto`` the ruling is ALIVE,
    else UNCERTAIN: witnesses that contradict each other are no ground to cut.
    ``told`` is False only when Nova itself sees the host alive: then nothing
    is wrong, and nobody has to look.
    """
    said = {
        answer: [t.witness for t in testimonies if t.says is answer]
        for answer in Says
    }
    dead, alive = said[Says.DEAD], said[Says.ALIVE]
    veto = [w for w in alive if w in rules.veto]
    count = f"{len(dead)} of {len(testimonies)} dead"
    need = f"policy needs {rules.need_dead}"
    if veto or (alive and not dead):
        ruling = Ruling.ALIVE
        reason = f"{_say(veto or alive)} alive"
    elif alive:
        ruling = Ruling.UNCERTAIN
        reason = f"{_say(dead)} dead, {_say(alive)} alive"
    elif len(dead) >= rules.need_dead:
        ruling = Ruling.DOWN
        reason = f"{count}, none alive ({need})"
    else:
        ruling = Ruling.UNCERTAIN
        reason = f"{count}, none alive ({need})"
    return Verdict(
        host=host,
        ruling=ruling,
        reason=reason,
        at=now,
        testimonies=tuple(testimonies),
        told=ruling is Ruling.UNCERTAIN
        or (ruling is Ruling.ALIVE and NOVA not in alive),
    )


def within_limits(
    host: str,
    hosts: Iterable[Host],
    domains: Mapping[str, str],
    limits: Limits,
    maintenance: Collection[str],
) -> Refusal | None:
    """Refuse when too much is down for one host's failure to be the cause.

    Counted on raw health, before any filter; only hosts under maintenance
    are left out of the count. ``domains``: host name -> failure domain.
    """
    known = list(hosts)
    down = {
        h.name
        for h in known
        if (not h.up or h.forced_down) and h.name not in maintenance
    } | {host}
    domain = domains.get(host, "")
    peers = [h.name for h in known if domains.get(h.name, "") == domain]
    for what, names, percent in (
        (f"failure domain {domain!r}", peers, limits.hosts_down_percent),
        ("cloud", [h.name for h in known], limits.cloud_down_percent),
    ):
        many = sorted(down & set(names))
        allowed = limits.hosts_down and max(
            limits.hosts_down, len(names) * percent // 100
        )
        if len(many) > allowed:
            return Refusal(
                code="too_many_down",
                reason=f"{len(many)} of {len(names)} hosts of the {what} are "
                f"down ({_and(many[:5])}); the limit is {allowed}",
                facts={"down": many, "allowed": allowed},
            )
    return None


def _and(words: Sequence[str]) -> str:
    return " and ".join(words)


def _say(witnesses: Sequence[str]) -> str:
    return f"{_and(witnesses)} {'says' if len(witnesses) == 1 else 'say'}"
