"""What to do next for one pet: the instance-state matrix as a pure function.

Invariant: POST is answered only when Nova has no evacuation of the guest in
flight, no POST of ours is unaccounted for, and the guest is still on the dead
host. "Not found" and every word that we do not know count as in flight: two
evacuations wreck a guest.

Source: the matrix was measured on Nova 34 (microversions 2.94 and 2.95).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ha_actions.model import Guest, Migration, Result, Word


class Move(Word):
    """The one thing to do now."""

    WAIT = "wait"
    RESET = "reset"
    """Nova refuses this vm_state (409): reset it to active first."""
    POST = "post"
    RESTORE = "restore"
    """It is back; put it into the state that its owner had it in."""
    SETTLED = "settled"


@dataclass(frozen=True)
class Next:
    """A move with its reason; ``verb`` is what RESTORE calls.

    ``again``: of a POST, that an earlier one came to nothing.
    """

    move: Move
    reason: str
    result: Result = Result.DONE
    code: str = ""
    verb: str = ""
    again: bool = False


BLOCKED = frozenset({"paused", "suspended", "rescued"})
DIRECT = frozenset({"active", "stopped", "error"})
OVER = frozenset({"failed", "error", "cancelled"})


def lands_stopped(prior: Guest) -> bool:
    """Whether it must not run after the move (microversion 2.95).

    A stopped guest, one in ERROR that was shut down (an evacuation would
    start it: that it was stopped is forgotten), a suspended one (its memory
    is gone).
    """
    return prior.vm_state == "suspended" or copy_state(prior) == "stopped"


def comes_back_as_it_was(prior: Guest, place_stopped: bool) -> bool:
    """Whether Nova alone brings it back into the state that it had."""
    paused = prior.vm_state == "paused"
    return not (place_stopped or paused or lands_stopped(prior))


def landed(records: Sequence[Migration] | None) -> bool:
    """Whether the newest of its evacuations has ended well, by its record."""
    last = records[-1] if records else None
    return last is not None and not last.in_flight and last.status not in OVER


def copy_state(prior: Guest) -> str:
    """The vm_state that the copy of this cattle guest should have."""
    was_off = prior.vm_state == "stopped" or (
        prior.vm_state == "error" and prior.power == "shutdown"
    )
    return "stopped" if was_off else "active"


def next_move(
    prior: Guest,
    now: Guest | None,
    records: Sequence[Migration],
    *,
    tries: int,
    asked: bool = False,
    dead_hosts: Collection[str] = (),
    restored: Collection[str] = (),
    place_stopped: bool = False,
    elsewhere: bool = False,
) -> Next:
    """Decide for one guest, from what Nova says this moment.

    :param prior: as the plan found it, on the dead host.
    :param records: its evacuation records from that host, oldest first.
    :param tries: how many evacuations it may get in all.
    :param asked: a POST was sent whose record has not been seen yet.
    :param dead_hosts: hosts proven dead: a record to them is over.
    :param restored: verbs that were asked for already, to give it back the
        state in which it was.
    :param place_stopped: whether Nova was asked not to start it.
    :param elsewhere: whether the policy names a host that was not tried.
    """
    if now is None:
        return Next(
            Move.SETTLED, "its owner deleted it", Result.ALREADY, "deleted"
        )
    flying = [r for r in records if r.in_flight and r.dest not in dead_hosts]
    if flying:
        return Next(Move.WAIT, f"evacuation is {flying[-1].status}")
    if now.host != prior.host:
        return _elsewhere(prior, now, records, restored, place_stopped)
    return _still_here(prior, now, records, tries, asked, elsewhere)


def _elsewhere(
    prior: Guest,
    now: Guest,
    records: Sequence[Migration],
    restored: Collection[str],
    place_stopped: bool,
) -> Next:
    if now.task_state:
        return Next(Move.WAIT, f"task_state {now.task_state}")
    if now.vm_state == "error":
        return Next(
            Move.SETTLED,
            f"in ERROR on {now.host}: {now.fault or 'no fault recorded'}",
            Result.FAILED,
            "error_elsewhere",
        )
    verb = _wanted(prior, now, place_stopped)
    if verb and verb not in restored:
        return Next(Move.RESTORE, f"was {prior.vm_state}", verb=verb)
    moved = any(r.status not in OVER for r in records)
    return Next(
        Move.SETTLED,
        f"now on {now.host}{_lost(prior)}",
        Result.DONE if moved else Result.ALREADY,
    )


def _still_here(
    prior: Guest,
    now: Guest,
    records: Sequence[Migration],
    tries: int,
    asked: bool,
    elsewhere: bool,
) -> Next:
    if asked:
        return Next(Move.WAIT, "asked; Nova shows no record yet")
    failed = [r for r in records if r.status in OVER]
    if records and records[-1].status not in OVER:
        if records[-1].in_flight:  # to a host that is dead by now
            dest = records[-1].dest
            return Next(Move.POST, f"{dest} died too", again=True)
        return Next(Move.WAIT, "moved; Nova has not written its host yet")
    if failed and "No valid host" in now.fault:
        if elsewhere:
            no = f"{failed[-1].dest} has no room"
            return Next(Move.POST, no, again=True)
        return Next(
            Move.SETTLED,
            f"no host can take it{_rule(prior)}",
            Result.DEFERRED,
            "no_valid_host",
        )
    if len(failed) >= tries:
        return Next(
            Move.SETTLED,
            f"failed {len(failed)} times: {now.fault or failed[-1].status}",
            Result.FAILED,
            "evacuate_failed",
        )
    if now.vm_state in BLOCKED:
        return Next(Move.RESET, f"Nova refuses it while {now.vm_state}")
    if now.vm_state in DIRECT and failed:
        return Next(Move.POST, now.fault or failed[-1].status, again=True)
    if now.vm_state in DIRECT:
        return Next(Move.POST, f"{now.vm_state} on the dead host")
    return Next(
        Move.SETTLED,
        f"cannot be evacuated while {now.vm_state}",
        Result.FAILED,
        "state",
    )


def _rule(prior: Guest) -> str:
    if prior.group is None:
        return ""
    return f"; its server group demands {prior.group.policy}"


def _wanted(prior: Guest, now: Guest, place_stopped: bool) -> str:
    """The verb that brings back the state its owner had it in, if any."""
    if prior.vm_state == "paused" and now.vm_state == "active":
        return "pause"
    off = now.vm_state == "stopped"
    if off and place_stopped and not lands_stopped(prior):
        return "start"
    if lands_stopped(prior) and now.vm_state == "active":
        return "stop"
    return ""


def _lost(prior: Guest) -> str:
    return {
        "suspended": "; its suspended memory is lost, it is stopped",
        "rescued": "; no longer in rescue",
        "paused": "; paused again, its memory is lost",
    }.get(prior.vm_state, "")
