"""What `ha-pack check` makes of what it has seen: one line each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ha_actions.model import Evidence, Mode, Word
from ha_actions.records.claims import LEASE_S, SPARE_S
from ha_actions.settings import Policy

from ha_installer.executors import Met, lacking

SHOWN = 8
"""Names in one line; the rest is counted."""


class State(Word):
    """How one check ended."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """Cannot be seen from here; the cure says who can see it."""


@dataclass(frozen=True)
class Line:
    """One check: what was found, what that means, and the cure."""

    check: str
    state: State
    means: str
    cure: str = ""


def ok(check: str, means: str) -> Line:
    """Nothing to do."""
    return Line(check, State.OK, means)


def wrong(check: str, means: str, cure: str) -> Line:
    """Somebody must do something."""
    return Line(check, State.WRONG, means, cure)


def unknown(check: str, means: str, cure: str) -> Line:
    """Somebody must look elsewhere."""
    return Line(check, State.UNKNOWN, means, cure)


# -- Mistral's processes -----------------------------------------------------
PACKAGE = (
    "Install the same mistral-ha-pack on every API, engine and executor "
    "node, and restart Mistral there."
)


def of_processes(
    met: Met, expect: Sequence[str], wanted: Mapping[str, set[str]]
) -> Iterator[Line]:
    """Who answered, who did not, and whether each has every action."""
    who = (
        f"{len(met.executors)} executor(s): {named(met.executors)}; "
        f"{len(met.engines)} engine(s): {named(met.engines)}"
    )
    missing = sorted(set(expect) - set(met.executors))
    if missing:
        yield wrong(
            "executors",
            f"No answer from {named(missing)} in {met.asked} questions; "
            f"answered: {who}.",
            f"Start them, or take them off the list. {PACKAGE}",
        )
    elif not met.executors:
        yield wrong("executors", "No executor has answered.", PACKAGE)
    elif expect:
        yield ok("executors", f"All that are listed have answered: {who}.")
    else:
        yield ok(
            "executors",
            f"All that take turns have answered ({met.asked} questions): "
            f"{who}. Mistral has no list: name yours with --executors, and "
            "one that is down is missed.",
        )
    bad = [*met.failures, *lacking(met, dict(wanted))]
    if bad:
        yield wrong("actions", f"{named(bad)}.", PACKAGE)
    elif met.executors:
        yield ok("actions", "Each of them has every action and input.")
    versions = {
        str(facts.get("pack"))
        for facts in (*met.executors.values(), *met.engines.values())
    }
    if len(versions) > 1:
        yield wrong("versions", f"They differ: {named(versions)}.", PACKAGE)
    if len(met.executors) == 1 or len(met.engines) == 1:
        yield wrong(
            "redundancy",
            "There is one engine or one executor: with its host, recovery "
            "dies.",
            "Run at least two of each, not on compute hosts.",
        )


Rule = tuple[str, str, Callable[[Any], bool], str, str]
"""Check, setting, whether a value is good, what a bad one means, cure."""

SETTINGS: tuple[Rule, ...] = (
    (
        "scheduler",
        "DEFAULT.scheduler_type",
        lambda v: v == "default",
        "it loses work when an engine is killed",
        "[DEFAULT] scheduler_type = default for every engine",
    ),
    (
        "first heartbeat",
        "action_heartbeat.first_heartbeat_timeout",
        lambda v: 0 < int(v) <= 600,
        "an action whose sending was lost is failed that late",
        "[action_heartbeat] first_heartbeat_timeout = 120",
    ),
    (
        "lost jobs",
        "scheduler.captured_job_timeout",
        lambda v: int(v) <= 60,
        "a killed engine's jobs wait that long for another one",
        "[scheduler] captured_job_timeout = 30, pickup_job_after = 10",
    ),
    (
        "result size",
        "engine.execution_field_size_limit_kb",
        lambda v: int(v) < 0 or int(v) >= 1024,
        "a larger result fails a whole workflow",
        "[engine] execution_field_size_limit_kb = 1024",
    ),
)
NOTICED_S = 120
"""Seconds in which a killed executor should be noticed."""


def of_settings(met: Met) -> Iterator[Line]:
    """Mistral's settings as its engines read them."""
    if not met.engines:
        return
    for check, key, good, means, cure in SETTINGS:
        values = {n: e["settings"].get(key) for n, e in met.engines.items()}
        bad = {
            n: v for n, v in values.items() if v is not None and not good(v)
        }
        if bad:
            said = ", ".join(f"{v} on {n}" for n, v in sorted(bad.items()))
            yield wrong(check, f"{key} is {said}: {means}.", f"{cure}.")
        elif None in values.values():
            yield unknown(
                check, f"An engine does not know {key}.", f"Set {cure}."
            )
        else:
            yield ok(check, f"{key} is {named(map(str, values.values()))}.")
    yield _heartbeat(met)


def _heartbeat(met: Met) -> Line:
    check = "heartbeat"
    slow = []
    for name, facts in met.engines.items():
        every = facts["settings"].get("action_heartbeat.check_interval")
        missed = facts["settings"].get(
            "action_heartbeat.max_missed_heartbeats"
        )
        if every is None or missed is None:
            return unknown(
                check,
                f"Engine {name} does not know its heartbeat settings.",
                "[action_heartbeat] check_interval = 10, "
                "max_missed_heartbeats = 3.",
            )
        if not 0 < int(every) * int(missed) <= NOTICED_S:
            slow.append(f"{every} s x {missed} on {name}")
    if slow:
        return wrong(
            check,
            f"{named(slow)}: an executor that dies is noticed after their "
            "product; 0: never.",
            "[action_heartbeat] check_interval = 10, max_missed_heartbeats "
            "= 3 for every engine and executor.",
        )
    return ok(check, f"A dead executor is noticed within {NOTICED_S} s.")


def of_clocks(met: Met) -> Iterator[Line]:
    """Leases are compared between executors' clocks."""
    if not met.skews:
        return
    bound = max(met.unsure.values())
    names = sorted(met.skews)
    spread = max(met.skews.values()) - min(met.skews.values())
    said = ", ".join(f"{n} {met.skews[n]:+.1f} s" for n in names[:SHOWN])
    if spread - 2 * bound > SPARE_S:
        yield wrong(
            "clocks",
            f"They differ by more than {SPARE_S:g} s (against this machine, "
            f"within {bound:.1f} s: {said}).",
            "Repair NTP there before anything is armed: leases of "
            f"{LEASE_S:g} s are compared between them.",
        )
    elif spread + 2 * bound > LEASE_S / 2:
        yield unknown(
            "clocks",
            f"Answers took up to {2 * bound:.0f} s: too long to compare.",
            "Look at `chronyc tracking` on every executor.",
        )
    else:
        yield ok(
            "clocks",
            f"Within {SPARE_S:g} s, as far as can be seen (within "
            f"{bound:.1f} s: {said}).",
        )


def of_looks(met: Met) -> Iterator[Line]:
    """What executors can read, each by its own file and credentials."""
    for what, cure in (
        ("ledger", "Check `ledger_cloud` in the executor's file."),
        ("policy", "Put a good one in force: `ha-pack policy set FILE`."),
        ("nova", "Check `cloud` in the executor's file, its roles, Nova."),
        ("witnesses", "Install what the policy asks, or ask others."),
        (
            "alarms",
            "See docs/install.md, roles; until then nobody notices "
            "when an alarm of the pack vanishes.",
        ),
    ):
        bad = [
            f"{name}: {looks[what]}"
            for name, looks in sorted(met.looks.items())
            if looks.get(what, "ok") != "ok"
        ]
        check = f"executors read {what}"
        if bad:
            yield wrong(check, " ".join(bad[:SHOWN]), cure)
        elif any(what in looks for looks in met.looks.values()):
            yield ok(check, "Each of them can.")


# -- the policy, fences, witnesses -------------------------------------------
def of_policy(policy: Policy, armed: bool, hosts: int) -> Iterator[Line]:
    """Valid it is; may it act, and do its limits let it?"""
    acts = policy.mode is Mode.ACT or Mode.ACT in policy.modes.values()
    if not acts:
        means = f"mode {policy.mode}: it decides and never acts by itself."
    elif not armed:
        means = "mode act, not armed: it decides, and touches nothing."
    else:
        means = "mode act, armed: it acts."
    yield ok("policy", means)
    if policy.limits.fences == 0 or (
        policy.limits.hosts_down == 0
        and policy.limits.hosts_down_percent * hosts < 100
    ):
        yield wrong(
            "limits",
            "They allow no recovery at all.",
            "Raise limits.fences and limits.hosts_down in the policy.",
        )


def of_fences(
    met: Met, hosts: Sequence[str], policy: Policy
) -> Iterator[Line]:
    """Hosts that an executor could not prove dead."""
    bare = sorted({h for some in met.unfenced.values() for h in some})
    if not met.executors:
        return
    if not bare:
        yield ok("fences", f"Each of {len(hosts)} host(s) has a fence.")
        return
    word = Evidence.OPERATOR.value in policy.fencing.accept
    cure = "Add them to the fence file of each executor"
    cure += "; until then only `ha-pack confirm-dead` helps." if word else "."
    yield wrong(
        "fences", f"No fence for {named(bare)}: their pets would wait.", cure
    )


def of_boots(met: Met, hosts: Sequence[str]) -> Iterator[Line]:
    """Hosts that start guests by themselves: before they are cleaned up."""
    check = "guests at boot"
    on = sorted(h for h in hosts if met.resuming.get(h))
    dark = sorted(h for h in hosts if h not in met.resuming)
    if on:
        yield wrong(
            check,
            f"{named(on)}: nova.conf has resume_guests_state_on_host_boot, "
            "so a host that comes back starts guests while they are still "
            "being brought back elsewhere.",
            "Set it to false there, and restart nova-compute.",
        )
    if dark:
        yield unknown(
            check,
            f"{named(dark)}: nobody tells whether they start guests by "
            "themselves; no API of Nova's does.",
            "See that nova.conf there has no "
            "resume_guests_state_on_host_boot = true; or run ha-beat there, "
            "and list tooz_beat under witnesses.ask.",
        )
    if hosts and not on and not dark:
        yield ok(check, f"None of {len(hosts)} host(s) starts guests.")


def of_witnesses(policy: Policy, bare: bool) -> Iterator[Line]:
    """Whether enough of them can ever say dead.

    :param bare: no host has a power device.
    """
    mute = []
    if "tcp_reach" in policy.witnesses.ask and not policy.witnesses.networks:
        mute.append("tcp_reach (the policy names no network)")
    if "bmc_power" in policy.witnesses.ask and bare:
        mute.append("bmc_power (no host has a device)")
    can = len(policy.witnesses.ask) - len(mute)
    need = policy.witnesses.need_dead
    if can < need:
        yield wrong(
            "witnesses",
            f"{can} can say dead and {need} must: nothing is ever DOWN. "
            f"Silent: {named(mute)}.",
            "Name networks under witnesses.networks, or ask others.",
        )
    elif mute:
        yield wrong(
            "witnesses",
            f"Never heard: {named(mute)}; a host that hangs may look alive "
            "to the others for long.",
            "Name networks under witnesses.networks.",
        )
    else:
        yield ok("witnesses", f"{can} can say dead, {need} must.")


# -- starts ------------------------------------------------------------------
OLD_S = 900


def of_cron(
    there: bool, last: float | None, now: float, waited: float = 0
) -> Line:
    """Whether ha.v1.reconcile really runs.

    :param last: when it last began; None: never.
    :param waited: seconds for which its first run was waited for.
    """
    check = "reconcile"
    if not there:
        return wrong(
            check,
            "No cron trigger starts ha.v1.reconcile: an incident whose "
            "execution dies stays as it is.",
            "`ha-pack install` makes it.",
        )
    runs = (
        "Mistral's `periodic` service, or [cron_trigger] run_in_api, must "
        "run, and the trigger's trust be good: delete the trigger and "
        "`ha-pack install`."
    )
    if last is None and waited:
        means = f"Its cron trigger has not run in {waited:.0f} s."
        return wrong(check, means, runs)
    if last is None:
        return unknown(
            check,
            "Its cron trigger has not run yet.",
            f"Wait a minute and check again; if it stays so: {runs}",
        )
    if now - last > OLD_S:
        return wrong(
            check,
            f"It last ran {(now - last) / 60:.0f} minutes ago.",
            "Mistral's `periodic` service, or [cron_trigger] run_in_api, "
            "must run; the trigger's trust ends with its user's roles: "
            "delete the trigger and `ha-pack install`.",
        )
    return ok(check, f"It last ran {now - last:.0f} s ago.")


def of_peers(found: Sequence[str], blind: Sequence[str]) -> Iterator[Line]:
    """Another recovery service on the same hosts: two hands, one VM.

    :param found: what is active, one phrase each.
    :param blind: what could not be looked at.
    """
    if found:
        yield wrong(
            "other recovery",
            f"{named(found)}: it and the pack would both evacuate.",
            "Switch one of them off for these hosts before `mode: act`.",
        )
    elif blind:
        yield unknown(
            "other recovery",
            f"Could not be looked at: {named(blind)}.",
            "See to it that no other service evacuates these hosts.",
        )
    else:
        yield ok("other recovery", "None is seen on these hosts.")


def named(names: Any) -> str:
    """Some names for a sentence, and how many more there are."""
    unique = list(dict.fromkeys(str(n) for n in names))
    more = len(unique) - SHOWN
    text = ", ".join(unique[:SHOWN])
    return text + (f" and {more} more" if more > 0 else "")
