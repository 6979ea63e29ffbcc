"""The beats as a watch reads them: one look a round for all hosts."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection

from ha_actions.model import Says
from ha_actions.witnesses.tooz_beat import Group, coordinator, weigh


class GroupBeats:
    """:class:`~ha_alarms.watch_ports.Beats` in the group of ``ha-beat``.

    :raises BadInput: the url cannot be used.
    """

    def __init__(self, url: str) -> None:
        me = f"ha-watch-{socket.gethostname()}-{os.getpid()}"
        coordinator(url, me)  # a typo is found now, not in the first round
        self._group = Group(url, me)

    def ended(self) -> Collection[str]:
        """Hosts that keep a beat and have lost it.

        :raises Transient: the group's engine does not answer.
        """
        keepers, beating = self._group.read()
        return [
            host
            for host in sorted(keepers - beating)
            if weigh(host, keepers, beating)[0] is Says.DEAD
        ]
