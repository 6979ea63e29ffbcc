"""What a guest had before its rescue, and what it has after it. Pure.

What the rescue lost is put back, where an API can do so; what is different
but there was changed by somebody, perhaps its owner, and is only told.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from ha_actions.model import (
    Attachment,
    Finding,
    Fix,
    FloatingIp,
    Guest,
    Member,
    Snapshot,
    Volume,
)

Say = Callable[[str, bool, str], None]


def take(
    guest: Guest,
    members: Sequence[Member],
    floating: Iterable[FloatingIp] | None,
    volumes: Mapping[str, Volume] | None,
) -> Snapshot:
    """The guest as it is.

    :param floating: of its ports, or more; None: Neutron does not answer.
    :param volumes: id -> volume; None: Cinder does not answer.
    """
    ports = {port.id for port in guest.ports}
    return Snapshot(
        guest=guest.id,
        name=guest.name,
        vm_state=guest.vm_state,
        power=guest.power,
        locked=guest.locked,
        locked_reason=guest.locked_reason,
        tags=guest.tags,
        metadata=_digest(guest.metadata),
        group=guest.group.id if guest.group else "",
        ports=guest.ports,
        floating=None
        if floating is None
        else tuple(one for one in floating if one.port in ports),
        attachments=None
        if volumes is None
        else tuple(_attached(guest, volumes)),
        members=tuple(members),
    )


def _digest(metadata: Mapping[str, str]) -> str:
    """Tenants write what they like there: only whether it is the same."""
    text = json.dumps(dict(metadata), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _attached(
    guest: Guest, volumes: Mapping[str, Volume]
) -> Iterable[Attachment]:
    for id in guest.volumes:
        if id in volumes:
            yield from (
                one for one in volumes[id].attachments if one.guest == guest.id
            )


def compare(
    before: Snapshot, after: Snapshot, dead_host: str
) -> list[Finding]:
    """A finding for all that it had, or has now; nothing for nothing.

    Volumes are in the other part of the check, and here only when they are
    wrong.
    """
    found: list[Finding] = []

    def say(check: str, ok: bool, detail: str) -> None:
        found.append(
            Finding(
                guest=before.guest,
                name=before.name,
                check=check,
                ok=ok,
                detail=detail,
            )
        )

    _same(say, "server tags", before.tags, after.tags)
    if before.metadata != after.metadata:
        say("metadata", False, "it is not what it was")
    if before.locked and after.locked:
        _same(
            say,
            "lock reason",
            (before.locked_reason,),
            (after.locked_reason,),
        )
    if before.group != after.group:
        _same(say, "server group", (before.group,), (after.group,))
    _security(say, before, after)
    _floating(say, before, after)
    _attachments(say, before, after, dead_host)
    return found


def _same(
    say: Say, check: str, before: Sequence[str], after: Sequence[str]
) -> None:
    was, now = sorted(filter(None, before)), sorted(filter(None, after))
    if was == now:
        if was:
            say(check, True, ", ".join(now))
        return
    say(
        check,
        False,
        f"{', '.join(now) or 'none'}; before: {', '.join(was) or 'none'}",
    )


def _security(say: Say, before: Snapshot, after: Snapshot) -> None:
    now = {port.id: port.security_groups for port in after.ports}
    groups = {g for port in before.ports for g in port.security_groups}
    wrong = [
        port
        for port in before.ports
        if set(now.get(port.id, ())) != set(port.security_groups)
    ]
    if wrong:
        where = ", ".join(sorted({port.address for port in wrong}))
        say("security groups", False, f"others than before at {where}")
    elif groups:
        say("security groups", True, f"{len(groups)} as before")


def _floating(say: Say, before: Snapshot, after: Snapshot) -> None:
    if not before.floating:
        return
    if after.floating is None:
        say("floating ip", False, "not known: Neutron does not answer")
        return
    now = {one.id: one for one in after.floating}
    lost = [
        one.address
        for one in before.floating
        if one.id not in now or now[one.id].port != one.port
    ]
    if lost:
        say("floating ip", False, f"not its own any more: {', '.join(lost)}")
    else:
        held = ", ".join(one.address for one in before.floating)
        say("floating ip", True, held)


def _attachments(
    say: Say, before: Snapshot, after: Snapshot, dead_host: str
) -> None:
    if not before.attachments:
        return
    if after.attachments is None:
        say("devices", False, "not known: Cinder does not answer")
        return
    was = sorted(f"{a.volume} {a.device}" for a in before.attachments)
    now = sorted({f"{a.volume} {a.device}" for a in after.attachments})
    if was != now:
        new = [d for d in now if d not in was] or ["fewer than before"]
        text = f"{', '.join(new)}; before: {', '.join(was)}"
        say("devices", False, text)
    left = [a.volume for a in after.attachments if a.host == dead_host]
    if left:
        say(
            "attachments",
            False,
            f"Cinder still has one on {dead_host}: {', '.join(left)}",
        )


def fixes(
    before: Snapshot, after: Snapshot, loose: Iterable[FloatingIp]
) -> list[Fix]:
    """What was lost on the way and can be put back.

    :param loose: floating IPs that serve no port now.
    """
    found: list[Fix] = []
    if before.locked and not after.locked:
        found.append(Fix("lock", before.guest, (before.locked_reason,)))
    if before.tags and not after.tags:
        found.append(Fix("server tags", before.guest, before.tags))
    now = {port.id: port.security_groups for port in after.ports}
    for port in {port.id: port for port in before.ports}.values():
        if port.security_groups and now.get(port.id) == ():
            fix = Fix("security groups", port.id, port.security_groups)
            found.append(fix)
    free = {one.id for one in loose}
    for one in before.floating or ():
        if one.id in free and one.port in now:
            found.append(Fix("floating ip", one.id, (one.port, one.fixed)))
    return found
