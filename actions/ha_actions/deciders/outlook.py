"""What is read of a cloud to look ahead, and what is foreseen. Values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ha_actions.model import (
    Aggregate,
    Guest,
    Host,
    Protection,
    StackPlace,
    Word,
)
from ha_actions.model.capacity import Need, Room


class Standing(Word):
    """What a guest's owner may count on."""

    PROTECTED = "protected"
    AT_RISK = "at risk"
    """It should come back, and something that is named may prevent it."""
    CANNOT = "cannot be protected"
    """It is meant to come back, and it will not."""
    LEFT = "left alone"
    """Nobody wants it back: it is ignored, or another's to repair."""


FIRST_S = 3.3
"""Seconds for one evacuation. Source: measured on Nova 34, 2.8 to 5.5 s."""
EACH_S = 2.0
"""Seconds for each further one, whatever the concurrency.
Source: measured on Nova 34, two cores: 1.4 to 2.4 s a server."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast guests come back, and who says so."""

    first_s: float = FIRST_S
    each_s: float = EACH_S
    source: str = "measured on a small lab: 3.3 s for one, 2.0 s for each more"


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What was read of the cloud; what nobody could read is None."""

    hosts: Sequence[Host] | None
    """None: the reader is a tenant, who sees no hosts."""
    aggregates: Sequence[Aggregate] = ()
    needs: Mapping[str, Need] = field(default_factory=dict)
    """Guest id -> what it has allocated."""
    rooms: Mapping[Need, Sequence[Room]] | None = None
    """For each need of :func:`need_of`: who could take one. None: unasked."""
    places: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Server group -> member -> its host."""
    fences: Mapping[str, int] | None = None
    """Host -> how many devices it has."""
    stacks: Mapping[str, StackPlace] | None = field(default_factory=dict)
    """Guest id -> its place in a Heat stack; None: Heat was not asked."""
    stacks_silent: Mapping[str, str] = field(default_factory=dict)
    """Project -> why Heat does not tell of its stacks."""
    uncopied: Mapping[str, str] | None = field(default_factory=dict)
    """Guest id -> what a copy of it would lack; None: not looked at."""
    unlooked: int = 0
    """Of how many of cattle that was not looked at: they were too many."""
    armed: bool = True
    stops: Sequence[str] = ()
    """Brakes in force on these hosts, each as a sentence."""
    pace: Pace = field(default_factory=Pace)


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """One guest's row."""

    guest: str
    name: str
    project: str
    host: str
    protection: Protection
    standing: Standing
    code: str
    """The prospect's."""
    sentence: str
    reasons: tuple[str, ...] = ()
    """Why it is at risk, or cannot be protected."""
    cures: tuple[str, ...] = ()
    target: str = ""
    """A host that would have room; Nova decides."""
    wave: int = 0
    loses: str = ""
    restart_on_crash: bool = False


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What would come of it if these hosts died together now."""

    hosts: tuple[str, ...]
    guests: tuple[Foreseen, ...]
    obstacles: tuple[str, ...] = ()
    """What would stop the whole recovery, or hold it for a person."""
    notes: tuple[str, ...] = ()
    """What was not looked at, or what else a reader must know."""
    seconds: float = 0.0
    """From the alarm until the last guest is back, if nothing stops it."""
    basis: str = ""
    """Where ``seconds`` comes from."""

    def count(self, standing: Standing) -> int:
        """Guests of this standing."""
        return sum(1 for g in self.guests if g.standing is standing)


TPM_TRAITS = {
    "1.2": "COMPUTE_SECURITY_TPM_1_2",
    "2.0": "COMPUTE_SECURITY_TPM_2_0",
}
"""Version of an emulated TPM -> the trait of hosts that can give it."""


def need_of(guest: Guest, allocated: Need | None) -> Need:
    """What the scheduler would ask of Placement for this guest.

    Amounts are what it has allocated; traits are its flavor's and image's,
    and the one that Nova adds for an emulated TPM. That of its model is left
    out: hosts of an older Nova do not have it.

    Source: nova, scheduler/utils.py, _translate_vtpm_request.
    """
    required: set[str] = set()
    version = guest.flavor_specs.get(
        "hw:tpm_version"
    ) or guest.image_properties.get("hw_tpm_version")
    if version in TPM_TRAITS:
        required.add(TPM_TRAITS[version])
    forbidden: set[str] = set()
    for texts in (guest.flavor_specs, guest.image_properties):
        for key, value in texts.items():
            if not key.startswith("trait:"):
                continue
            kind = required if value == "required" else forbidden
            kind.add(key.removeprefix("trait:"))
    return Need(
        allocated.resources if allocated else (),
        tuple(sorted(required)),
        tuple(sorted(forbidden)),
    )
