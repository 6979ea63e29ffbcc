"""What `ha-pack check` makes of Aodh and the broker. Pure, as `health`."""

from __future__ import annotations

from ha_installer.executors import Met
from ha_installer.health import Line, named, ok, unknown, wrong


def of_queues(met: Met) -> Line:
    """Whether each queue of the bus has a reader.

    What nobody reads grows until the broker stops.
    """
    check = "notification queues"
    seen: dict[str, list[int]] = {}
    for queues in met.queues.values():
        seen.update(queues)
    unread = {n: m for n, (m, readers) in seen.items() if not readers}
    if unread:
        said = [f"{n} ({m} messages)" for n, m in sorted(unread.items())]
        return wrong(
            check,
            f"Nobody reads {named(said)}: such a queue grows until the "
            "broker stops.",
            "Start its reader (aodh-listener; Ceilometer's notification "
            "agent for notifications), or turn the notifications off in "
            "nova.conf and delete the queue.",
        )
    if seen:
        return ok(check, f"Each has a reader: {named(sorted(seen))}.")
    return unknown(
        check,
        "The executors' broker shows none of them: it did not answer, or "
        "Nova and Aodh use another broker or virtual host.",
        "`rabbitmqctl list_queues name messages consumers` there: each with "
        "messages needs a consumer.",
    )


def of_quota(default: int | None) -> Line:
    """What a project may have by default, as Aodh is configured.

    :param default: None: the caller may not ask.
    """
    check = "alarm quota"
    if default is None:
        return unknown(
            check,
            "Only an admin can see Aodh's default.",
            "[api] project_alarm_quota and user_alarm_quota: a positive "
            "number. With -1 a project can make no alarm any more as soon "
            "as somebody reads its quota.",
        )
    if default < 0:
        return wrong(
            check,
            f"[api] project_alarm_quota is {default}: as soon as somebody "
            "reads a project's quota, Aodh stores that as its limit, and it "
            "can make no alarm any more.",
            "Set project_alarm_quota and user_alarm_quota to a positive "
            "number in aodh.conf; for a project that is locked already: "
            "DELETE /v2/quotas/PROJECT.",
        )
    return ok(check, f"A project may have {default} alarms.")
