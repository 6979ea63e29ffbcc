"""What a server that takes another's place gets of its volumes and ports."""

from __future__ import annotations

from dataclasses import dataclass

from ha_actions.model import Port


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A volume at a server, with what is needed to make another like it."""

    volume: str
    """Its id."""
    root: bool = False
    stays: bool = False
    """It outlives its server: Nova does not delete it with that."""
    device: str = ""
    tag: str = ""
    """The device tag by which the guest finds it."""
    size_gb: int = 0
    kind: str = ""
    """Its volume type."""
    image: str = ""
    """Id of the image that it was made of, as are the next two."""
    snapshot: str = ""
    source: str = ""
    """Id of the volume that it was cloned from."""

    @property
    def left(self) -> bool:
        """Whether nobody has it once its server is deleted."""
        return self.root and self.stays


@dataclass(frozen=True, slots=True)
class NewDisk:
    """A volume that the copy gets in the place of an old one."""

    like: Disk
    made_of: str
    """``image``, ``snapshot``, ``blank``, or ``volume``: that one itself."""
    id: str = ""
    """Of the image, snapshot or volume."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What the copy of a server is given beside what Nova tells of it."""

    disks: tuple[NewDisk, ...] = ()
    later: tuple[str, ...] = ()
    """Old volumes that come over once the old server is gone."""
    away_from: tuple[str, ...] = ()
    """Servers beside which it should not land."""
    ports: tuple[Port, ...] = ()
    """Of the old server, free to be taken; none: it gets new ones."""
    user_data: str | None = None
    """Base64, where its owner tells it; None: as Nova shows it."""


PLAIN = Likeness()
"""New ports, no volumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """A copy of a volume that was asked for in an incident."""

    id: str
    status: str
    """Cinder's: it can be taken once it is ``available``."""
