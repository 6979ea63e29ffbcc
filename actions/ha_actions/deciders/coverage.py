"""Which guests a proof counts for, by what its evidence says. Pure.

``power`` and a person's word: the host does nothing any more, so all.
``storage``: it cannot write its shared storage, and may do all else.
``network``: nobody reaches it and it reaches nobody through the ports that
were shut; what it writes to a SAN of its own it may write on.
"""

from __future__ import annotations

from collections.abc import Iterable

from ha_actions.model import Evidence, Host, Planned
from ha_actions.settings import Fencing

_WHOLE = frozenset({Evidence.POWER, Evidence.OPERATOR})
AS_STRONG = {
    Evidence.POWER: _WHOLE,
    Evidence.OPERATOR: _WHOLE,
    Evidence.STORAGE: _WHOLE | {Evidence.STORAGE},
    Evidence.NETWORK: _WHOLE | {Evidence.NETWORK},
}
"""Evidence of a proof -> that of the readings by which it may still hold: a
power proof must not live on a blocklist, behind which a host may run again."""


def strongest(found: Iterable[Evidence]) -> Evidence:
    """What several devices prove together.

    :param found: in the order in which they were proven; not empty.
    """
    classes = list(found)
    whole = [one for one in classes if one in _WHOLE]
    return whole[-1] if whole else classes[-1]


def behind_ports(host: Host | None, rules: Fencing) -> bool:
    """Whether the policy says that a network fence shuts storage off, too.

    :param host: with its aggregates; None: nobody has kept them, so no.
    """
    mine = set(host.aggregates) if host else set()
    return bool(mine & set(rules.storage_behind_ports))


def covers(
    evidence: Evidence, planned: Planned, *, storage_behind_ports: bool
) -> bool:
    """Whether the guest cannot run on, or not do harm, by this evidence.

    :param storage_behind_ports: the policy says that the host reaches its
        storage through the ports that its network fence shuts.
    """
    if evidence is Evidence.STORAGE:
        return _all_shared(planned)
    if evidence is Evidence.NETWORK:
        return storage_behind_ports or not _any_shared(planned)
    return True


def why_not(evidence: Evidence) -> str:
    """What keeps a guest waiting that the evidence does not cover."""
    if evidence is Evidence.NETWORK:
        return (
            "the proof is of the host's network alone, and this guest has a "
            "disk on shared storage that the policy does not say is behind "
            "it, so it may still be written"
        )
    return (
        "the proof is of the host's storage alone, and this guest has a disk "
        "elsewhere, so it may still run there"
    )


def _all_shared(planned: Planned) -> bool:
    """Whether a host without its shared storage cannot write its disks."""
    guest = planned.guest
    if planned.choice.shared_disk:
        return True
    return guest.boot == "volume" and guest.ephemeral_gb == 0


def _any_shared(planned: Planned) -> bool:
    guest = planned.guest
    return (
        planned.choice.shared_disk
        or guest.boot == "volume"
        or bool(guest.volumes)
    )
