"""ha.rehearse_fences: could every host be fenced tonight? Nothing is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.errors import HaError
from ha_actions.fencing.fence_health import Health, look_over, unfenceable
from ha_actions.model import Host
from ha_actions.ports import Fence
from ha_actions.step_parts.returns import policy_now
from ha_actions.step_parts.run import Run

DEADLINE_S = 580
NAMED = 20
"""So many hosts are named in a result and in what a person is told."""


@dataclass
class RehearseFences(HaAction):
    """Every device of every host is asked, from an executor, as in the night.

    A host that is out (forced down) is left out: it is dead, or returns.

    :returns: ``{hosts, devices, unfenceable: number, named: {host: why},
        seconds}``.
    """

    def perform(self, run: Run) -> dict[str, Any]:
        """Look, write the figures, and tell who could not be fenced."""
        rules = policy_now(run).fencing
        began = run.clock.now()
        cloud = run.outside.cloud("")
        hosts = [h for h in run.patiently(cloud.hosts) if not h.forced_down]
        known, broken = _devices(run, hosts)
        found = look_over(known, run.clock)
        bad = {
            **unfenceable(known, found, rules.accept, rules.devices),
            **broken,
        }
        seconds = round(run.clock.now() - began, 1)
        self._tell(run, len(hosts), len(found), bad, seconds)
        _write(run, hosts, found, bad)
        return {
            "hosts": len(hosts),
            "devices": len(found),
            "unfenceable": len(bad),
            "named": dict(sorted(bad.items())[:NAMED]),
            "seconds": seconds,
        }

    def _tell(
        self,
        run: Run,
        hosts: int,
        devices: int,
        bad: Mapping[str, str],
        seconds: float,
    ) -> None:
        run.journal.note(
            "fence",
            "rehearsal",
            f"{hosts - len(bad)} of {hosts} hosts could be fenced; "
            f"{devices} devices asked in {seconds:g} s",
        )
        for host, why in sorted(bad.items())[:NAMED]:
            run.journal.tell(host, f"could not be fenced tonight: {why}")
        if len(bad) > NAMED:
            run.journal.tell(
                "rehearsal",
                f"{len(bad) - NAMED} more hosts could not be fenced tonight",
            )


def _devices(
    run: Run, hosts: Sequence[Host]
) -> tuple[dict[str, Sequence[Fence]], dict[str, str]]:
    """Host -> devices; and why those of some could not even be made."""
    known: dict[str, Sequence[Fence]] = {}
    broken: dict[str, str] = {}
    for host in hosts:
        try:
            known[host.name] = run.outside.fences(host.name)
        except HaError as error:
            broken[host.name] = error.message
    return known, broken


def _write(
    run: Run,
    hosts: Sequence[Host],
    found: Sequence[Health],
    bad: Mapping[str, str],
) -> None:
    """The figures; that they cannot be written must not hide the answer."""
    slowest: dict[str, float] = {}
    ends: dict[str, float] = {}
    for one in found:
        slowest[one.host] = max(slowest.get(one.host, 0.0), one.seconds)
        if one.certificate_until is not None:
            ends[one.host] = min(
                ends.get(one.host, one.certificate_until),
                one.certificate_until,
            )
    families = {
        "ha_pack_fence_ok": (
            "1 if the host could be fenced at the last rehearsal",
            {h.name: 0.0 if h.name in bad else 1.0 for h in hosts},
        ),
        "ha_pack_fence_seconds": (
            "Seconds that its slowest device took to answer",
            slowest,
        ),
        "ha_pack_fence_certificate_end_seconds": (
            "When the first certificate of its devices ends, Unix time",
            ends,
        ),
        "ha_pack_fence_rehearsed_seconds": (
            "When it was rehearsed, Unix time",
            {h.name: run.clock.now() for h in hosts},
        ),
    }
    try:
        run.outside.gauges.put("host", families)
    except HaError as error:
        run.journal.tell("rehearsal", f"no figures: {error.message}")
