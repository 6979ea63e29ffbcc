"""What Placement says of room: frozen values, in Placement's own words."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Need:
    """What one guest takes from a host, and what the host must be.

    Hashable: guests of one flavor and image have equal needs.
    """

    resources: tuple[tuple[str, int], ...] = ()
    """(resource class, amount), sorted; empty: Placement knows of none."""
    required: tuple[str, ...] = ()
    """Traits that the host must have, sorted."""
    forbidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One live host's free resources, nested providers counted in."""

    host: str
    """The name of its compute service."""
    free: dict[str, int] = field(default_factory=dict)
    """Resource class -> what may still be allocated: total less reserved,
    times the allocation ratio, less what is used."""
