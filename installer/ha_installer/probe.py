"""One event through the whole chain: bus, Aodh, notifier, Mistral.

An alarm of its own waits for it, and goes again; the workflow does nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ha_actions.errors import HaError
from ha_actions.ports import Clock
from ha_actions.steps.answer import PROBE_EVENT

from ha_installer.catalogue import MAIN, TAG
from ha_installer.clouds import Site
from ha_installer.executors import ACTION, result_of
from ha_installer.health import Line, ok, wrong
from ha_installer.rest import Rest

WORKFLOW = f"{MAIN}.probe"
AGAIN_S = 10.0
"""Seconds between two events, until the alarm is in every cache."""
AT_MOST_S = 150.0
"""Seconds for all; a new alarm is seen after `event_alarm_cache_ttl` (60)."""
POLL_S = 0.25
ENDED = ("SUCCESS", "ERROR", "CANCELLED")


@dataclass
class Seen:
    """How far it has come, and when it was seen there; all by our clock."""

    alarm: str
    published_at: float = 0.0
    """Before the executor was asked to publish the event that arrived."""
    alarmed_at: float = 0.0
    started_at: float = 0.0
    ended_at: float = 0.0
    state: str = ""
    waited_s: float = 0.0
    """Until the alarm was in force."""


def mistral_alone(site: Site) -> Line:
    """POST to end, without an event."""
    clock = site.clock
    began = clock.now()
    try:
        id = site.mistral.start(WORKFLOW, {})
        state = _end(site, id, clock, began + 60)
    except HaError as error:
        return wrong("mistral runs", error.message, "See Mistral's logs.")
    took = clock.now() - began
    if state != "SUCCESS":
        return wrong(
            "mistral runs",
            f"{WORKFLOW}, which does nothing, is {state or 'not ended'} after "
            f"{took:.0f} s.",
            "See the engines' and executors' logs.",
        )
    return ok(
        "mistral runs", f"A workflow ran from POST to end in {took:.1f} s."
    )


def _end(site: Site, id: str, clock: Clock, until: float) -> str:
    while True:
        state, _, _ = site.mistral.execution(id)
        if state in ENDED or clock.now() > until:
            return state
        clock.sleep(POLL_S)


def whole_chain(site: Site, aodh: Rest, probe: str) -> Line:
    """Publish until the workflow has run, and say what each hop took.

    :param probe: a word that nobody else uses.
    """
    check = "probe"
    try:
        with _alarm(aodh, probe) as alarm:
            seen = _travel(site, aodh, alarm, probe)
    except HaError as error:
        return wrong(check, error.message, _CURE)
    if not seen.alarmed_at:
        return wrong(
            check,
            f"Events were published for {AT_MOST_S:.0f} s, and no alarm "
            "fired: between the bus and Aodh's listener they are lost.",
            "Compare `bus` in the executors' file with aodh.conf [listener] "
            "and Ceilometer's pipeline; see that aodh-listener runs.",
        )
    if not seen.started_at:
        return wrong(
            check,
            "The alarm fired and no execution came: between aodh-notifier "
            "and Mistral it is lost.",
            "See aodh-notifier's log: is mistral-ha-pack installed there, "
            "and the same `namespace` and operator project configured?",
        )
    if seen.state != "SUCCESS":
        return wrong(check, f"{WORKFLOW} is {seen.state}.", "See Mistral.")
    return ok(
        check,
        f"{_hops(seen)}; a new alarm was in force after {seen.waited_s:.0f} "
        "s.",
    )


def _hops(seen: Seen) -> str:
    """What each hop took at the most: all is seen by one clock, and the
    publishing is part of the first.

    Of an event that was sent again meanwhile the alarm may be the one
    before's: then that hop is not told.
    """
    start = seen.started_at - seen.published_at
    alarm = seen.alarmed_at - seen.published_at
    words = [f"to execution at most {start:.2f} s"]
    if 0 <= alarm <= start:
        words.insert(0, f"to alarm at most {alarm:.2f} s")
    ran = seen.ended_at - seen.started_at
    return f"Event {', '.join(words)}, which took {ran:.2f} s more"


_CURE = (
    "`openstack alarm create` with the same action says more; the scheme "
    "trust+mistral needs mistral-ha-pack on the nodes of Aodh's API and "
    "notifier, and a user whose role may create a trust."
)


@contextmanager
def _alarm(aodh: Rest, probe: str) -> Iterator[str]:
    body = {
        "name": f"ha-probe-{probe}",
        "description": f"{TAG}: a probe of ha-pack check; delete it",
        "type": "event",
        "enabled": True,
        "repeat_actions": True,
        "project_id": "",
        "event_rule": {
            "event_type": PROBE_EVENT,
            "query": [
                {
                    "field": "traits.probe",
                    "op": "eq",
                    "type": "string",
                    "value": probe,
                }
            ],
        },
        "alarm_actions": [f"trust+mistral://{WORKFLOW}?alarm=alarm"],
    }
    id = str(aodh.call("POST", "/v2/alarms", json=body)["alarm_id"])
    try:
        yield id
    finally:
        aodh.ask("DELETE", f"/v2/alarms/{id}", none_at=404)


def _travel(site: Site, aodh: Rest, alarm: str, probe: str) -> Seen:
    clock = site.clock
    seen = Seen(alarm)
    began = clock.now()
    sent: dict[str, float] = {}
    again = began
    while clock.now() < began + AT_MOST_S:
        if clock.now() >= again and not seen.alarmed_at:
            before = clock.now()
            sent[_publish(site, probe)] = before
            again = clock.now() + AGAIN_S
        if not seen.alarmed_at and _fired(aodh, seen.alarm):
            seen.alarmed_at = clock.now()
        if seen.alarmed_at and _look_at_mistral(site, seen, sent):
            seen.waited_s = seen.started_at - began
            return seen
        clock.sleep(POLL_S)
    return seen


def _publish(site: Site, probe: str) -> str:
    """Let an executor publish one event; its id."""
    found = site.mistral.rest.call(
        "POST",
        "/action_executions",
        json={
            "name": ACTION,
            "input": json.dumps({"probe": probe}),
            "params": json.dumps({"run_sync": True, "save_result": False}),
        },
        timeout=90,
    )
    result = result_of(found)
    done = result.get("published") or {}
    if not done:
        raise HaError(
            "not_published",
            "An executor could not publish the probe: "
            f"{result.get('message') or result}",
        )
    return str(done["id"])


def _fired(aodh: Rest, alarm: str) -> bool:
    found = aodh.find(f"/v2/alarms/{alarm}") or {}
    return bool(found.get("state") == "alarm")


def _look_at_mistral(site: Site, seen: Seen, sent: dict[str, float]) -> bool:
    """Whether the execution of one of these events has ended."""
    found = site.mistral.rest.call(
        "GET",
        "/executions",
        params={
            "workflow_name": WORKFLOW,
            "sort_keys": "created_at",
            "sort_dirs": "desc",
            "limit": 5,
            "fields": "id,state,input",
        },
    ).get("executions", [])
    for one in found:
        message = _message(one)
        if message not in sent:
            continue
        now = site.clock.now()
        if not seen.started_at:
            seen.started_at, seen.published_at = now, sent[message]
        seen.state = str(one["state"])
        seen.ended_at = now
        return seen.state in ENDED
    return False


def _message(execution: dict[str, Any]) -> str:
    """Id of the event whose alarm started it."""
    try:
        alarm = json.loads(execution["input"])["alarm"]
        return str(alarm["reason_data"]["event"]["message_id"])
    except (KeyError, TypeError, ValueError):
        return ""
