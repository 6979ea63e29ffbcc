"""What each verb of a script does to the stage; ``verbs.py`` names them.

Every deed takes the stage and the words after the verb, checked already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ha_actions.deciders.policy_tags import TAG_REPLACES
from ha_actions.errors import BadInput
from ha_actions.fencing.confirm_dead import Look, confirm
from ha_actions.records import lost, operator_acts
from ha_actions.records.incidents import Record
from ha_actions.sim import alarms
from ha_actions.sim.balancers import fail_over
from ha_actions.sim.nova import Nova
from ha_actions.sim.single import Single
from ha_actions.sim.stacks import update
from ha_actions.sim.stage import Crash, Stage
from ha_actions.sim.things import SimHost

WHO, WHY = "scenario", "the scenario says so"
BRAKE_S = 7200.0
"""How long a disarm or a maintenance lasts, unless it is told."""

DUMP_S = 90.0
"""How long a crash dump takes, unless it is told."""

Deed = Callable[[Stage, tuple[str, ...]], None]


def host_of(stage: Stage, name: str) -> SimHost:
    return stage.world.host(name)


def switch(fact: str, yes: str) -> Callable[[Stage, tuple[str, ...]], None]:
    def do(stage: Stage, words: tuple[str, ...]) -> None:
        stage.world.set(host_of(stage, words[0]), **{fact: words[1] == yes})

    return do


def power(stage: Stage, words: tuple[str, ...]) -> None:
    stage.world.power(host_of(stage, words[0]), words[1] == "on")


def bmc(stage: Stage, words: tuple[str, ...]) -> None:
    host = host_of(stage, words[0])
    for device in words[2:] or host.fences:
        host.moods[device] = words[1]


def panic(stage: Stage, words: tuple[str, ...]) -> None:
    stage.world.panic(host_of(stage, words[0]))


def kdump(stage: Stage, words: tuple[str, ...]) -> None:
    """The kernel stops, dumps for so long, and the host reboots."""
    world, host = stage.world, host_of(stage, words[0])
    lasts = float(words[1]) if len(words) > 1 else DUMP_S
    world.panic(host)
    host.dumps_until = world.clock.now() + lasts
    boots = host.boots

    def reboot() -> None:
        if host.boots == boots and host.power:
            world.power(host, False)
            world.power(host, True)

    world.clock.at(host.dumps_until, reboot)


def hang(stage: Stage, words: tuple[str, ...]) -> None:
    stage.world.set(host_of(stage, words[0]), kernel="hang")


def watch(stage: Stage, words: tuple[str, ...]) -> None:
    one = stage.watches[words[0]]
    if words[1] == "restart":
        one.restart()
    elif words[1] == "clock":
        one.skew = float(words[2]) if len(words) > 2 else 0.0
    else:
        one.reach = words[1]


def aodh(stage: Stage, words: tuple[str, ...]) -> None:
    stage.world.api["aodh"] = "up" if words[0] == "back" else "down"


def force_down(stage: Stage, words: tuple[str, ...]) -> None:
    host = host_of(stage, words[0])
    host.forced_down, host.put_at = True, stage.world.clock.now()


def cancel(stage: Stage, words: tuple[str, ...]) -> None:
    entry = Record(stage.ledger, stage.world.clock).opened(words[0])
    if entry is not None:
        stage.cancel(entry.execution)


def lift(stage: Stage, words: tuple[str, ...]) -> None:
    stage.world.lift(host_of(stage, words[0]))


def api(stage: Stage, words: tuple[str, ...]) -> None:
    service, mood = words[0], words[1]
    if mood == "up":
        stage.world.api.pop(service, None)
    elif mood == "errors":
        stage.world.api[service] = f"errors {int(float(words[2]))}"
    else:
        stage.world.api[service] = mood


def alarm(stage: Stage, words: tuple[str, ...]) -> None:
    host, how = words[1], words[2] if len(words) > 2 else ""
    now = stage.world.clock.now()
    body = alarms.body(host, now, how)
    id = alarms.execution_id(host, f"{now:.0f}")
    inputs = {"alarm": body}
    stage.start("handle_host_failure", inputs, id, "operator")
    if how == "twice" or stage.double:
        stage.start("handle_host_failure", inputs, id, "operator")
        # a second notifier that has its own idea of the id
        other = stage.fresh_id()
        stage.world.clock.at(
            now + 1,
            lambda: post(stage, inputs, other),
        )


def post(stage: Stage, inputs: dict[str, Any], id: str) -> None:
    stage.start("handle_host_failure", inputs, id, "operator")


def start(stage: Stage, words: tuple[str, ...]) -> None:
    inputs: dict[str, Any] = {"host": words[0], "reason": "a person asks"}
    how = words[1:]
    if "dry" in how:
        inputs["dry_run"] = True
    project = "stranger" if "stranger" in how else "operator"
    stage.start("handle_host_failure", inputs, stage.fresh_id(), project)


def drill(stage: Stage, words: tuple[str, ...]) -> None:
    inputs = {"host": words[0], "dry_run": "cut" not in words[1:]}
    stage.start("drill", inputs, stage.fresh_id(), "operator")


def reconcile(stage: Stage, words: tuple[str, ...]) -> None:
    stage.start("reconcile", {}, stage.fresh_id(), "operator")


def rehearse_fences(stage: Stage, words: tuple[str, ...]) -> None:
    stage.start("rehearse_fences", {}, stage.fresh_id(), "operator")


def let_return(stage: Stage, words: tuple[str, ...]) -> None:
    """A person asks for the host's return."""
    inputs = {
        "host": words[0],
        "enable": "enable" in words[1:],
        "rebooted": "rebooted" in words[1:],
        "because": WHY if "because" in words[1:] else "",
        "by": WHO,
    }
    stage.start("return_host", inputs, stage.fresh_id(), "operator")


def operator(stage: Stage, words: tuple[str, ...]) -> None:
    record = Record(stage.ledger, stage.world.clock)
    OPERATOR[words[0]](stage, record, words[1:])


def disarm(stage: Stage, record: Record, words: tuple[str, ...]) -> None:
    scope = words[0] if words else "all"
    operator_acts.disarm(record, scope, lasts(words), WHY, WHO)


def maintenance(stage: Stage, record: Record, words: tuple[str, ...]) -> None:
    operator_acts.maintain(record, words[0], lasts(words), WHY, WHO)


def lasts(words: tuple[str, ...]) -> float:
    return float(words[1]) if len(words) > 1 else BRAKE_S


def arm(stage: Stage, record: Record, words: tuple[str, ...]) -> None:
    operator_acts.arm(record, WHO)


def resume(stage: Stage, record: Record, words: tuple[str, ...]) -> None:
    id = incident(record, words[0])
    operator_acts.resumable(record, id)
    post(stage, {"resume": id}, stage.fresh_id())


def abort(stage: Stage, record: Record, words: tuple[str, ...]) -> None:
    operator_acts.abort(record, incident(record, words[0]), WHO, WHY)


def approve(stage: Stage, record: Record, words: tuple[str, ...]) -> None:
    operator_acts.approve(record, incident(record, words[0]), WHO)


def confirm_dead(stage: Stage, record: Record, words: tuple[str, ...]) -> None:
    """A person's word, who has looked at nothing but the host itself."""
    opened = record.incident(incident(record, words[0]))
    confirm(
        record,
        opened,
        Look((), ()),
        by=WHO,
        because=WHY,
        lasts_s=lasts(words),
    )


def cast_lost(stage: Stage, words: tuple[str, ...]) -> None:
    stage.world.named(words[0]).cast_lost = True


def say_lost(stage: Stage, words: tuple[str, ...]) -> None:
    """A person who has looked at the broker, and then resumes."""
    record = Record(stage.ledger, stage.world.clock)
    guest = stage.world.named(words[0])
    opened = record.incident(incident(record, guest.host))
    lost.say(
        record,
        opened,
        lost.find(record, opened.id, guest.id).guest.id,
        now=guest.value(),
        records=[
            m.value()
            for m in stage.world.migrations
            if (m.guest, m.source) == (guest.id, opened.host)
        ],
        by=WHO,
        because=WHY,
    )
    post(stage, {"resume": opened.id}, stage.fresh_id())


def incident(record: Record, host: str) -> str:
    """Id of the host's open incident.

    :raises BadInput: it has none.
    """
    opened = record.opened(host)
    if opened is None:
        raise BadInput("no_incident", f"{host} has no open incident.")
    return opened.incident.id


OPERATOR: Mapping[str, Callable[[Stage, Record, tuple[str, ...]], None]] = {
    "arm": arm,
    "disarm": disarm,
    "maintenance": maintenance,
    "resume": resume,
    "abort": abort,
    "approve": approve,
    "confirm-dead": confirm_dead,
}


def spawn_fails(stage: Stage, words: tuple[str, ...]) -> None:
    stage.world.named(words[0]).spawn_fails = int(float(words[1]))


def no_valid_host(stage: Stage, words: tuple[str, ...]) -> None:
    if words[0] in ("on", "off"):
        stage.world.no_host = words[0] == "on"
    else:
        stage.world.named(words[0]).no_host = words[1:] != ("off",)


def no_answer(stage: Stage, words: tuple[str, ...]) -> None:
    how = "undone" if words[2:] == ("undone",) else "done"
    stage.world.lost_answers[(words[0], words[1])] = how


def lb(stage: Stage, words: tuple[str, ...]) -> None:
    for balancer in stage.world.balancers.values():
        if balancer.name != words[0]:
            continue
        balancer.error = words[1] == "error"
        if words[1] == "immutable":
            lasts = float(words[2]) if len(words) > 2 else 30.0
            balancer.immutable_until = stage.world.clock.now() + lasts
        elif words[1] == "failover":
            fail_over(stage.world, Nova(stage.world), balancer)
        elif words[1] == "fails":
            balancer.fails = int(float(words[2])) if len(words) > 2 else 1


def stack(stage: Stage, words: tuple[str, ...]) -> None:
    """Somebody else's alarm heals or marks it; its next updates fail; it is
    COMPLETE again."""
    world = stage.world
    for one in world.stacks.values():
        if one.name != words[0]:
            continue
        if words[1] in ("heals", "marks"):
            for resource in one.servers.values():
                if not world.running_on(resource.server):
                    resource.status = "CHECK_FAILED"
                    resource.reason = "unhealthy load balancer member"
                    resource.whole = True  # as Aodh's trust+heat marks
                    if words[1] == "heals" and resource.server in world.guests:
                        # what sets off such an alarm: somebody marks it so
                        world.guests[resource.server].vm_state = "error"
        if words[1] == "heals":
            update(world, Nova(world), one)
        elif words[1] == "fails":
            one.fails = int(float(words[2])) if len(words) > 2 else 1
        elif words[1] == "ready":
            one.status = "UPDATE_COMPLETE"


def boot(stage: Stage, words: tuple[str, ...]) -> None:
    guest = stage.world.named(words[0])
    Nova(stage.world).migrate(guest, stage.world.host(words[2]))


def evacuate(stage: Stage, words: tuple[str, ...]) -> None:
    Nova(stage.world).evacuate(stage.world.named(words[0]).id, False)


def service(stage: Stage, words: tuple[str, ...]) -> None:
    stage.world.named(words[0]).answers = words[1] == "answers"


def delete(stage: Stage, words: tuple[str, ...]) -> None:
    Nova(stage.world).delete(stage.world.named(words[0]).id)


def replace(stage: Stage, words: tuple[str, ...]) -> None:
    """What its owner's own workflow does for a custom server."""
    old = stage.world.named(words[0])
    if len(words) > 1:
        stage.world.named(words[0]).spawn_fails = 9
    Nova(stage.world).create(old.value(), {TAG_REPLACES: old.id})


def quota(stage: Stage, words: tuple[str, ...]) -> None:
    if words[1] == "full":
        stage.world.quota_full.add(words[0])
    elif words[1] == "volumes":
        stage.world.volumes_full.add(words[0])
    else:
        stage.world.quota_full.discard(words[0])
        stage.world.volumes_full.discard(words[0])


def control(stage: Stage, words: tuple[str, ...]) -> None:
    stage.world.control_lost = words[0] == "lost"


def crash(when: str) -> Callable[[Stage, tuple[str, ...]], None]:
    def do(stage: Stage, words: tuple[str, ...]) -> None:
        step = "ha." + words[0].removeprefix("ha.")
        n = int(float(words[1])) if len(words) > 1 else 1
        stage.crashes.append(Crash(when, step, n))

    return do


def server(stage: Stage, words: tuple[str, ...]) -> None:
    Single(stage.world).fail(stage.world.named(words[0]), words[1])


def server_alarm(stage: Stage, words: tuple[str, ...]) -> None:
    guest, how = stage.world.named(words[0]), "".join(words[1:])
    now = stage.world.clock.now()
    inputs = {
        "alarm": alarms.server_body(guest.id, now, guest.said_power, how)
    }
    workflow = "handle_instance_failure"
    id = alarms.execution_id(guest.name, f"{now:.0f}")
    stage.start(workflow, inputs, id, "operator")
    if how == "twice" or stage.double:
        stage.start(workflow, inputs, id, "operator")
        other = stage.fresh_id()
        stage.world.clock.at(
            now + 1,
            lambda: _post_server(stage, inputs, other),
        )


def _post_server(stage: Stage, inputs: dict[str, Any], id: str) -> None:
    stage.start("handle_instance_failure", inputs, id, "operator")


def start_fails(stage: Stage, words: tuple[str, ...]) -> None:
    stage.world.named(words[0]).start_fails = int(float(words[1]))
