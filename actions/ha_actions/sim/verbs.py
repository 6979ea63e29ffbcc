"""What a script may do: a closed list, checked before anything is played.

Each verb is one row of ``VERBS``: its words, and what it does to the stage.
``docs/scenarios.md`` shows every one with an example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ha_actions.codec import nearest
from ha_actions.errors import BadInput, HaError
from ha_actions.sim import changes, deeds
from ha_actions.sim.deeds import Deed
from ha_actions.sim.single import FAILURES
from ha_actions.sim.stage import Act, Stage

__all__ = ["VERBS", "Act", "Names", "Stage", "parse", "perform"]

STEPS = (
    "open_incident",
    "assess_host",
    "drain_members",
    "fence_host",
    "make_plan",
    "plan_ahead",
    "evacuate_servers",
    "recreate_servers",
    "move_volumes",
    "update_members",
    "fail_over_balancers",
    "repair_stacks",
    "retire_servers",
    "await_ready",
    "await_owner",
    "record_failure",
    "verify",
    "close_incident",
    "end_stuck",
    "find_unfinished",
    "strike_host",
    "tell_owners",
    "open_instance_failure",
    "restart_instance",
    "close_instance_failure",
    "find_open_failures",
    "answer",
    "look_around",
    "find_returned",
    "assess_return",
    "readmit_host",
    "rehearse_fences",
    "renew_fences",
    "tell_server_owner",
    "tell_late",
)
"""The actions that a crash can be placed at, without their ``ha.``."""

MOMENTS = (
    "incident",
    "dismissal",
    "witness",
    "verdict",
    "refusal",
    "drain",
    "proof",
    "ahead",
    "plan",
    "step",
    "check",
    "told",
    "event",
    "watch",
    "cut",
    "restore",
    "mark_down",
    "evacuate",
    "reset_state",
    "set_power",
    "migrate",
    "confirm_migrate",
    "recreate",
    "delete",
    "set_weights",
    "add_members",
    "fail_over",
    "mark_resource",
    "update_stack",
    "stack",
    "mend",
    "remove_member",
    "return",
    "lift_down",
    "set_service",
)
"""What a line can come `after`: kinds of the trace, and changes asked for."""

WATCH_MOODS = ("cut", "deaf", "joined", "restart", "clock")
MOODS = ("ok", "dead", "lies", "slow", "refuses", "revives", "stranger")
SERVICES = ("nova", "neutron", "cinder", "octavia", "heat", "bus")


@dataclass(frozen=True)
class Names:
    """What a script may speak of."""

    hosts: Sequence[str]
    guests: Sequence[str]
    balancers: Sequence[str]
    volumes: Sequence[str] = ()
    watches: Sequence[str] = ()
    stacks: Sequence[str] = ()


def parse(at: float, after: str, line: str, names: Names, where: str) -> Act:
    """Check one line of a script against the verbs and the world.

    :raises BadInput: ``malformed``, with the nearest known word.
    """
    words = line.split()
    if not words:
        raise _bad(where, "has an empty `do`")
    if after and after not in MOMENTS:
        raise _bad(
            where,
            f"comes after {after!r}, which is no moment"
            f"{nearest(after, MOMENTS)}; one of {', '.join(MOMENTS)}",
        )
    verb = VERBS.get(words[0])
    if verb is None:
        raise _bad(
            where,
            f"has the unknown verb {words[0]!r}{nearest(words[0], VERBS)}; "
            f"the verbs are {', '.join(VERBS)}",
        )
    _fit(verb, words[1:], names, where)
    if words[0] == "operator":
        _fit_operator(words[1:], names, where)
    return Act(at, words[0], tuple(words[1:]), after)


def await_moments(stage: Stage, acts: Sequence[Act]) -> None:
    """Do each once, ``at`` seconds after the first moment it waits for."""
    stage.journal.happened = stage.world.happened
    for act in acts:
        fire = partial(_later, stage, act)
        stage.world.moments.setdefault(act.after, []).append(fire)


def _later(stage: Stage, act: Act) -> None:
    clock = stage.world.clock
    clock.at(clock.now() + act.at, partial(perform, stage, act))


def perform(stage: Stage, act: Act) -> None:
    """Do it, and note it in the trace as kind ``world``.

    The trace's subject is the first host, guest or load balancer of the line.
    """
    things = {*stage.world.hosts, *(g.name for g in stage.world.everybody())}
    things |= {lb.name for lb in stage.world.balancers.values()}
    things |= {s.name for s in stage.world.stacks.values()}
    words = [act.verb, *act.words]
    found = [w for w in act.words if w in things]
    if found:
        words.remove(found[0])
    stage.journal.note(
        "world", found[0] if found else "script", " ".join(words)
    )
    try:
        with stage.world.lock:
            VERBS[act.verb].do(stage, act.words)
    except HaError as error:
        stage.journal.note("world", "script", f"refused: {error.message}")


@dataclass(frozen=True)
class Verb:
    """``words``: HOST, GUEST, LB, STEP, N, or one of ``a|b|c``.

    ``?`` makes a word optional; any other capitals stand for a free word.
    """

    words: tuple[str, ...]
    do: Deed


def _fit(verb: Verb, given: list[str], names: Names, where: str) -> None:
    usage = " ".join(verb.words)
    if len(given) > len(verb.words):
        raise _bad(where, f"has too many words; the verb takes: {usage}")
    known = {
        "HOST": ("host", names.hosts),
        "GUEST": ("guest", names.guests),
        "LB": ("load balancer", names.balancers),
        "STACK": ("stack", names.stacks),
        "STEP": ("step", STEPS),
        "WATCH": ("watch", names.watches),
    }
    for i, kind in enumerate(verb.words):
        bare = kind.removesuffix("?")
        if i >= len(given):
            if kind != bare:
                continue
            raise _bad(where, f"lacks a word; the verb takes: {usage}")
        word = given[i]
        if bare in known:
            what, choice = known[bare]
            if word.removeprefix("ha.") not in choice:
                raise _bad(
                    where,
                    f"names the {what} {word!r}, which there is not"
                    f"{nearest(word, choice)}",
                )
        elif bare == "N":
            if not word.replace(".", "", 1).isdigit():
                raise _bad(where, f"needs a number, not {word!r}")
        elif not bare.isupper() and word not in bare.split("|"):
            choice = bare.split("|")
            if not (set(choice) & {"GUEST"} and word in names.guests):
                raise _bad(
                    where,
                    f"cannot take {word!r}{nearest(word, choice)}; it is "
                    f"one of {', '.join(choice)}",
                )


def _fit_operator(given: list[str], names: Names, where: str) -> None:
    act, who = given[0], given[1] if len(given) > 1 else ""
    if act == "arm" or (act == "disarm" and who in ("", "all")):
        return
    if act == "disarm" and who.startswith("aggregate:"):
        return
    host = who.removeprefix("host:") if act == "disarm" else who
    if host not in names.hosts:
        raise _bad(
            where,
            f"names the host {host!r}, which there is not"
            f"{nearest(host, names.hosts)}",
        )


def _bad(where: str, what: str) -> BadInput:
    return BadInput("malformed", f"{where} {what}.")


VERBS: Mapping[str, Verb] = {
    "power": Verb(("HOST", "on|off"), deeds.power),
    "network": Verb(("HOST", "up|down"), deeds.switch("network", "up")),
    "bmc": Verb(("HOST", "|".join(MOODS), "DEVICE?"), deeds.bmc),
    "nova-compute": Verb(
        ("HOST", "start|stop"), deeds.switch("compute", "start")
    ),
    "panic": Verb(("HOST",), deeds.panic),
    "kdump": Verb(("HOST", "N?"), deeds.kdump),
    "hang": Verb(("HOST",), deeds.hang),
    "storage": Verb(("HOST", "lost|back"), deeds.switch("storage", "back")),
    "broker": Verb(("HOST", "lost|back"), deeds.switch("broker", "back")),
    "control": Verb(("lost|back",), deeds.control),
    "lift": Verb(("HOST",), deeds.lift),
    "api": Verb(("|".join(SERVICES), "down|up|slow|errors", "N?"), deeds.api),
    "alarm": Verb(
        ("host_down", "HOST", "twice|late|malformed|unknown?"), deeds.alarm
    ),
    "start": Verb(("HOST", "dry|stranger?"), deeds.start),
    "drill": Verb(("HOST", "dry|cut?"), deeds.drill),
    "reconcile": Verb((), deeds.reconcile),
    "rehearse-fences": Verb((), deeds.rehearse_fences),
    "return": Verb(
        ("HOST", "enable|because|rebooted?", "because?"), deeds.let_return
    ),
    "watch": Verb(("WATCH", "|".join(WATCH_MOODS), "SECONDS?"), deeds.watch),
    "aodh": Verb(("lost|back",), deeds.aodh),
    "cell": Verb(("HOST", "lost|back"), deeds.switch("listed", "back")),
    "cancel": Verb(("HOST",), deeds.cancel),
    "force-down": Verb(("HOST",), deeds.force_down),
    "operator": Verb(("|".join(deeds.OPERATOR), "WHO?", "N?"), deeds.operator),
    "cast-lost": Verb(("GUEST",), deeds.cast_lost),
    "say-lost": Verb(("GUEST",), deeds.say_lost),
    "spawn-fails": Verb(("GUEST", "N"), deeds.spawn_fails),
    "no-valid-host": Verb(("GUEST|on|off", "off?"), deeds.no_valid_host),
    "no-answer": Verb(
        ("evacuate|recreate|clone_volume|attach", "GUEST", "undone?"),
        deeds.no_answer,
    ),
    "lb": Verb(("LB", "immutable|error|ok|fails|failover", "N?"), deeds.lb),
    "stack": Verb(("STACK", "heals|marks|fails|ready", "N?"), deeds.stack),
    "boot": Verb(("GUEST", "on", "HOST"), deeds.boot),
    "evacuate": Verb(("GUEST",), deeds.evacuate),
    "change": Verb(("GUEST", "|".join(changes.CHANGES)), changes.change),
    "service": Verb(("GUEST", "answers|silent"), deeds.service),
    "delete": Verb(("GUEST",), deeds.delete),
    "replace": Verb(("GUEST", "half?"), deeds.replace),
    "quota": Verb(("PROJECT", "full|free|volumes"), deeds.quota),
    "server": Verb(("GUEST", "|".join(FAILURES)), deeds.server),
    "server-alarm": Verb(
        ("GUEST", "twice|late|malformed|unknown?"), deeds.server_alarm
    ),
    "start-fails": Verb(("GUEST", "N"), deeds.start_fails),
    "crash-before": Verb(("STEP", "N?"), deeds.crash("before")),
    "crash-after": Verb(("STEP", "N?"), deeds.crash("after")),
    "engine-dies": Verb(("STEP", "N?"), deeds.crash("begin")),
}
