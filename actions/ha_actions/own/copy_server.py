"""ha.own.copy_server: a new server in the place of a custom one, once."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from ha_actions.action import OwnAction
from ha_actions.deciders import own as rules
from ha_actions.deciders.likeness import may_move, moving
from ha_actions.deciders.policy_tags import TAG_INCIDENT, TAG_REPLACES
from ha_actions.errors import HaError, NoAnswer, Transient
from ha_actions.model import Claim, Guest
from ha_actions.model.likeness import Likeness
from ha_actions.outside import Own
from ha_actions.own.replacement import Replacement

DEADLINE_S = 150


@dataclass
class CopyServer(OwnAction):
    """Create a server like it, with new ports, in the caller's project.

    Same name, flavor, image, networks, security groups, key, group and
    metadata, and ``ha:replaces``: a repeat finds that one. A server with
    volumes is copied after host_fenced only; those that outlive it come over
    by ha.own.retire_server.

    :param server: its id; tagged ``ha:protection=custom``.
    :param event: ``<% env().event %>``: host_down or host_fenced of it.
    :param user_data: text for the new server's first boot, empty for none;
        None: as Nova shows it, which is to administrators only.
    :returns: ``{outcome, copy}``: ``done`` or ``already``, the new id.
    """

    server: str
    event: Any
    user_data: Any = None

    def perform(self, own: Own) -> dict[str, Any]:
        """One POST; without an answer it is looked for, then asked anew."""
        swap = Replacement(own, self.server, self.event)
        with swap.claimed() as claim:
            if swap.copy is not None:
                rules.broken(swap.copy)
                return {"outcome": "already", "copy": swap.copy.id}
            old = swap.needed()
            rules.must_be_copied_later(old, swap.fenced)
            now, posted = own.clock.now(), swap.notes().posted_at
            if now < posted + rules.UNANSWERED_S:
                raise Transient(
                    "unanswered",
                    "A new server was asked for and Nova did not answer; it "
                    "may still make it, so nothing is asked again yet.",
                )
            made = self._post(swap, old, claim)
        return {"outcome": "done", "copy": made}

    def _post(self, swap: Replacement, old: Guest, claim: Claim) -> str:
        later: tuple[str, ...] = ()
        if may_move(old):
            later = tuple(d.volume for d in moving(swap.cloud.disks(old)))
        like = Likeness(later=later, user_data=_told(self.user_data))
        marks = {TAG_REPLACES: old.id}
        if swap.incident:
            marks[TAG_INCIDENT] = swap.incident
        asked = swap.own.clock.now()
        swap.note(posted_at=asked)
        try:
            made = swap.cloud.recreate(old, marks, claim, like)
        except NoAnswer:
            raise
        except HaError:  # nothing was made
            if swap.notes().posted_at == asked:  # and nobody asked after us
                swap.note(posted_at=0.0)
            raise
        swap.note(posted_at=0.0)
        return made


def _told(text: Any) -> str | None:
    """As Nova takes it. Source: nova, servers API: base64."""
    if text is None:
        return None
    return base64.b64encode(str(text).encode()).decode()
