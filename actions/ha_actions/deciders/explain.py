"""Why a guest would get what it would get, in lines for people."""

from __future__ import annotations

from collections.abc import Sequence

from ha_actions.deciders.policy import choose
from ha_actions.deciders.policy_tags import TAGS, Tag
from ha_actions.deciders.prospects import Prospect, prospects
from ha_actions.model import Aggregate, Choice, Guest
from ha_actions.settings import Policy

_UNSET = {
    "group": "none",
    "after": "none",
    "probe": "none",
    "discard_local_disk": "keep",
    "duplicates": "yes",
    "restart_on_crash": "never",
    "fallback": "none",
    "volumes": "anew",
    "keep_ports": "new",
}


def explain(
    guest: Guest,
    policy: Policy,
    aggregates: Sequence[Aggregate],
    told: Prospect | None = None,
) -> str:
    """Which object decided what, every warning, and the guest's prospect.

    One line each, no newline at the end; changes nothing.

    :param told: its prospect, by somebody who has read more of it.
    """
    choice = choose(guest, policy, aggregates)
    told = told or prospects(guest, choice)
    lines = [
        f"server {guest.name} ({guest.id}) on {guest.host}, "
        f"{guest.vm_state}"
        + (f", task {guest.task_state}" if guest.task_state else "")
    ]
    lines += [_line(tag, choice) for tag in TAGS.values()]
    if "shared_disk" in choice.why:
        store = "shared" if choice.shared_disk else "local"
        lines.append(_row("disk", store, choice.why["shared_disk"]))
    if choice.service_vm:
        lines.append(
            _row("service", choice.service_vm, choice.why["service_vm"])
        )
    lines += [f"  warning: {warning}" for warning in choice.warnings]
    lines.append(f"if {guest.host} died now: {told.sentence} [{told.code}]")
    return "\n".join(lines)


def _line(tag: Tag, choice: Choice) -> str:
    value = getattr(choice, tag.field)
    if isinstance(value, bool):
        value = _of_bool(tag, value)
    by = choice.why.get(tag.field, "nobody set it")
    return _row(tag.key, str(value or _UNSET[tag.field]), by)


def _of_bool(tag: Tag, value: bool) -> str:
    """The tag's word for a field that is true or false."""
    usual = _UNSET[tag.field]
    is_usual = value == (tag.field == "duplicates")
    return usual if is_usual else next(v for v in tag.values if v != usual)


def _row(what: str, value: str, by: str) -> str:
    return f"  {what:<14} {value:<10} {by}"
