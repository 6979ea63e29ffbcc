"""ha.open_instance_failure: one VM is said to have failed alone."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.policy import choose, digest, load, mode_for
from ha_actions.deciders.server_failure import (
    diagnose,
    hindered,
    read_server_alarm,
    server_by_hand,
)
from ha_actions.deciders.tidings_alone import not_restarted, restart_begins
from ha_actions.errors import BadInput
from ha_actions.model import Dismissal, Guest, Host, Mode
from ha_actions.model.server import Cause, ServerFailure, ServerNews
from ha_actions.ports import Cloud
from ha_actions.records.server_record import ServerOpened, ServerRecord
from ha_actions.records.untold import Marks
from ha_actions.settings import Policy
from ha_actions.step_parts.run import Run, host_named

DEADLINE_S = 140
BUSY_S = 60.0
"""How long a task of Nova's is waited for: a stop takes seconds."""
POLL_S = 2.0
TOLD = frozenset({"malformed", "unknown_server", "unknown_cause", "too_often"})
"""Dismissals that may hide a crash: a person must see them."""


@dataclass
class OpenInstanceFailure(HaAction):
    """Dismiss, join or open; only a crash whose owner opted in is opened.

    :returns: ``{next: restart | stop, failure, tell, state, summary}``;
        ``tell``: of what its owner is told, empty for nothing.
    """

    alarm: Any = None
    server: Any = None
    dry_run: bool = False
    resume: Any = None

    def perform(self, run: Run) -> dict[str, Any]:
        """A wrong input is a dismissal: asking again is useless."""
        record = ServerRecord(run.record)
        try:
            found = self._start(run, record)
        except BadInput as error:
            found = Dismissal(code=error.code, reason=error.message)
        tell = ""
        if isinstance(found, _Left):
            tell, found = found.tell, found.no
        if isinstance(found, Dismissal):
            return _dismiss(run, found, str(self.server or ""), tell)
        return {
            "next": "restart",
            "failure": found.id,
            "tell": "" if found.dry_run else found.id,
            "state": "open",
            "summary": f"failure {found.id} of {found.name} is open",
        }

    def _start(
        self, run: Run, record: ServerRecord
    ) -> ServerFailure | Dismissal | _Left:
        if self.resume:
            failure = record.failure(str(self.resume))
            entry = record.opened(failure.server)
            if entry is None or entry.failure.id != failure.id:
                return Dismissal(code="closed", reason=f"{failure.id} is over")
            return _join(run, record, entry)
        text = run.patiently(run.record.policy_text)
        policy, news = load(text), self._news(run)
        if isinstance(news, Dismissal):
            return news
        seed = uuid.uuid5(
            uuid.NAMESPACE_OID,
            f"{run.outside.namespace} {news.server} {run.execution}",
        )
        cloud = run.outside.cloud(f"req-{seed}")
        guest = _settled(run, cloud, news.server)
        if guest is None:
            return Dismissal(
                code="unknown_server",
                reason=f"Nova has no server {news.server}",
            )
        # not of this failure alone: the process has them for some minutes
        aggregates = run.patiently(run.outside.cloud("").aggregates)
        choice = choose(guest, policy, aggregates)
        if not choice.restart_on_crash or choice.service_vm:
            return Dismissal(
                code="not_chosen",
                reason="its owner did not set ha:restart=on-crash",
                host=guest.name,
            )
        entry = record.opened(guest.id)
        if entry is not None:
            return _join(run, record, entry)
        hosts = run.patiently(cloud.hosts)
        host = host_named(guest.host, hosts)
        failure = ServerFailure(
            id=f"{guest.id}.{seed.hex[:8]}",
            server=guest.id,
            name=guest.name,
            project=guest.project,
            host=guest.host,
            opened_at=run.clock.now(),
            opened_by=news.by,
            request_id=f"req-{seed}",
            policy=digest(text),
            reason="",
            dry_run=bool(self.dry_run) or _only_watch(run, host, policy),
        )
        no = _refused(run, record, cloud, policy, guest, news, hosts)
        if no is not None:
            return _left(run, failure, news, no)
        cause, why = diagnose(
            guest, news, run.patiently(lambda: cloud.deeds(guest.id))
        )
        if cause is not Cause.CRASH:
            no = _no_crash(cause, why, guest.name)
            return _left(run, failure, news, no)
        return _open(run, record, replace(failure, reason=why), text)

    def _news(self, run: Run) -> ServerNews | Dismissal:
        now = run.clock.now()
        if self.server:
            return server_by_hand(str(self.server), "hand", now)
        if self.alarm is None:
            raise BadInput(
                "no_server",
                "Neither `alarm` nor `server` was given; name the server by "
                "its id.",
            )
        policy = load(run.patiently(run.record.policy_text))
        return read_server_alarm(self.alarm, now=now, stale_s=policy.stale_s)


@dataclass(frozen=True)
class _Left:
    """Dismissed, and its owner is to be told."""

    no: Dismissal
    tell: str


def _left(
    run: Run, failure: ServerFailure, news: ServerNews, no: Dismissal
) -> _Left | Dismissal:
    """The same event again is the same news: by its time, not by its run."""
    if failure.dry_run:
        return no
    id = f"{failure.server}.{news.event_at:.0f}"
    event = not_restarted(
        run.outside.namespace, replace(failure, id=id), no.code
    )
    if event is None:
        return no
    Marks(run.outside.ledger, run.clock).put(f"{id}.left", event)
    return _Left(no, id)


def _settled(run: Run, cloud: Cloud, server: str) -> Guest | None:
    """The server, once no task of Nova's is under way; or as it is then."""
    until = run.clock.now() + BUSY_S
    while True:
        found = run.patiently(lambda: cloud.guests([server])).get(server)
        if found is None or not found.task_state or run.clock.now() > until:
            return found
        run.clock.sleep(POLL_S)


def _refused(
    run: Run,
    record: ServerRecord,
    cloud: Cloud,
    policy: Policy,
    guest: Guest,
    news: ServerNews,
    hosts: list[Host],
) -> Dismissal | None:
    """Another's business, a brake, or once too often."""
    no = hindrance(run, cloud, guest, hosts)
    if no is not None:
        return no
    host = host_named(guest.host, hosts)
    brake = run.record.disarmed(guest.host, host.aggregates if host else ())
    if brake is not None:
        return Dismissal(
            code="disarmed",
            reason=f"disarmed ({brake.scope}) by {brake.by}: {brake.because}",
            host=guest.name,
        )
    since = run.clock.now() - policy.restart.window_s
    times = record.times_since(guest.id, since)
    if times >= policy.restart.times and news.by == "alarm":
        return Dismissal(
            code="too_often",
            reason=f"it was restarted {times} times within "
            f"{policy.restart.window_s} s; its owner must look",
            host=guest.name,
        )
    return None


def hindrance(
    run: Run, cloud: Cloud, guest: Guest, hosts: list[Host]
) -> Dismissal | None:
    """Whether its host's incident, or a migration, has it at this moment."""
    opened = run.record.opened(guest.host)
    host = host_named(guest.host, hosts)
    up = host is not None and host.up and not host.forced_down
    return hindered(
        guest,
        opened.incident.id if opened else "",
        up,
        run.patiently(lambda: cloud.migrations(guest.id)),
    )


def _no_crash(cause: Cause, why: str, name: str) -> Dismissal:
    code = "unknown_cause"
    if cause is Cause.OWNER:
        code = "owner_stopped"
    elif cause is Cause.INSIDE:
        code = "shut_down_inside"
    elif cause is Cause.NONE:
        code = "runs"
    elif cause is Cause.BUSY:
        code = "task_under_way"
    return Dismissal(code=code, reason=why, host=name)


def _only_watch(run: Run, host: Host | None, policy: Policy) -> bool:
    """`ask` counts as shadow: nobody is asked for one server at night."""
    mode = mode_for(host, policy) if host else policy.mode
    return mode is not Mode.ACT or not run.record.armed()


def _join(
    run: Run, record: ServerRecord, entry: ServerOpened
) -> ServerFailure | Dismissal:
    again = record.go_on(entry, run.execution)
    if again is not None:
        record.keep(again.failure.id, "opening", again.failure)
        _begin_news(run, again.failure)  # the same as before, if it was told
        return again.failure
    return Dismissal(
        code="running",
        reason=f"failure {entry.failure.id} is open and worked on",
        host=entry.failure.name,
    )


def _open(
    run: Run, record: ServerRecord, failure: ServerFailure, text: str
) -> ServerFailure | Dismissal:
    taken = record.take(ServerOpened(failure, run.execution))
    if taken.failure.id != failure.id:
        return _join(run, record, taken)
    run.record.pin_policy(text, failure.policy)
    record.keep(failure.id, "opening", failure)
    _begin_news(run, failure)
    run.journal.note(
        "incident",
        failure.name,
        f"failed alone, opened by {failure.opened_by}: {failure.reason}"
        + ("; decides and records only" if failure.dry_run else ""),
    )
    return failure


def _begin_news(run: Run, failure: ServerFailure) -> None:
    if not failure.dry_run:
        event = restart_begins(run.outside.namespace, failure)
        Marks(run.outside.ledger, run.clock).put(f"{failure.id}.begin", event)


def _dismiss(run: Run, no: Dismissal, asked: str, tell: str) -> dict[str, Any]:
    subject = no.host or asked or "?"
    run.journal.note("dismissal", subject, f"{no.code}: {no.reason}")
    # an alarm may be of one that its owner, or we, have deleted since
    if no.code in TOLD and (asked or no.code != "unknown_server"):
        run.journal.tell(subject, f"nothing is done: {no.reason}")
    return {
        "next": "stop",
        "failure": None,
        "tell": tell,
        "state": "dismissed",
        "summary": f"{no.code}: {no.reason}",
    }
