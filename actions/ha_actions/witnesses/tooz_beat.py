"""Does the host keep its beat: its membership in a group, held by a lease?

``ha-beat`` on the host joins the group and renews its lease as long as the
host lives and reaches its storage; the engine behind tooz (etcd, Redis,
memcached, ...) forgets a member whose lease has ended. A host that keeps a
beat has a group of its own name, which stays: so a host that never had one
is told from a host that has lost it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any
from urllib.parse import urlsplit

from ha_actions.asking.testimony import testify
from ha_actions.errors import BadInput, Transient
from ha_actions.fencing.fence_file import secret
from ha_actions.model import Host, Says, Testimony
from ha_actions.ports import Clock, Cloud, Fence, Network
from ha_actions.settings import Policy

GROUP = b"ha-beat"
KEEPS = b"ha-beat."
"""Before a host's name: the group that says that it keeps a beat."""
RESUMES = "resume_guests_state_on_host_boot"
"""What a member's capabilities say of its host: Nova's option of that name.
Source: nova/conf/compute.py, [DEFAULT]; its default is false."""
ANSWER_S = 5
"""Seconds in which the engine must answer."""


def weigh(
    host: str, keepers: Collection[str], beating: Collection[str]
) -> tuple[Says, str]:
    """What the group says of one host. All silent: the group's own fault."""
    if host in beating:
        return Says.ALIVE, "it beats"
    if host not in keepers:
        return Says.SILENT, "it keeps no beat"
    if not beating:
        return Says.SILENT, "nobody beats: the group itself may be at fault"
    return Says.DEAD, f"its beat has ended; {len(beating)} others beat"


def coordinator(url: str, member: str, lease_s: float = 0) -> Any:
    """A tooz coordinator, not started yet.

    :param lease_s: how long a member stays that does not renew; unless the
        url says ``membership_timeout`` itself.
    :raises BadInput: tooz is not installed, or the url cannot be used.
    """
    try:
        from tooz import ToozError, coordination
    except ImportError as error:
        raise BadInput(
            "beat", "beats need the package tooz; install it."
        ) from error
    query = urlsplit(url).query
    more = [] if "membership_timeout" in query else ["membership_timeout"]
    if lease_s and more:
        url += f"{'&' if query else '?'}membership_timeout={lease_s:g}"
    try:
        return coordination.get_coordinator(url, member.encode())
    except (ToozError, ValueError, RuntimeError, ImportError) as error:
        raise BadInput(
            "beat",
            f"the url of the beats' group cannot be used "
            f"({type(error).__name__}); it reads like etcd3+http://HOST:2379 "
            "or redis://HOST:6379, and its driver must be installed.",
        ) from None  # its text may hold a password


class Group:
    """The group as a reader sees it; reconnects by itself."""

    def __init__(self, url: str, reader: str) -> None:
        self._url = url
        self._reader = reader
        self._coordinator: Any = None

    def read(self) -> tuple[set[str], set[str]]:
        """``(hosts that keep a beat, hosts that beat now)``: two calls.

        :raises Transient: the engine does not answer.
        :raises BadInput: tooz is not installed, or the url cannot be used.
        """
        made = self._coordinator or coordinator(self._url, self._reader)
        from tooz import ToozError, coordination

        try:
            if self._coordinator is None:
                made.start()
                self._coordinator = made
            groups = self._coordinator.get_groups().get(timeout=ANSWER_S)
            members: Any = ()
            if GROUP in set(groups):
                asked = self._coordinator.get_members(GROUP)
                members = asked.get(timeout=ANSWER_S)
        except (ToozError, coordination.OperationTimedOut, OSError) as error:
            self._coordinator = None
            raise Transient(
                "beats",
                f"the beats' group does not answer ({type(error).__name__}).",
            ) from None
        keepers = {
            g.removeprefix(KEEPS).decode()
            for g in groups
            if g.startswith(KEEPS)
        }
        return keepers, {m.decode() for m in members}

    def told(self) -> dict[str, dict[str, Any]]:
        """Host -> what its beat says of it; one call for each that beats.

        :raises Transient: the engine does not answer.
        """
        _, beating = self.read()
        from tooz import NotImplemented as NotThere
        from tooz import ToozError, coordination

        found = {}
        for host in sorted(beating):
            try:
                asked = self._coordinator.get_member_capabilities(
                    GROUP, host.encode()
                )
                found[host] = _decoded(asked.get(timeout=ANSWER_S))
            except (coordination.MemberNotJoined, NotThere):
                found[host] = {}
            except (ToozError, OSError) as error:
                self._coordinator = None
                raise Transient(
                    "beats",
                    "the beats' group does not answer "
                    f"({type(error).__name__}).",
                ) from None
        return found

    def stop(self) -> None:
        """Let the connection go."""
        if self._coordinator is not None:
            self._coordinator.stop()
            self._coordinator = None


def _decoded(text: Any) -> dict[str, Any]:
    """A member's JSON; empty of one that says nothing, or something else."""
    try:
        found = json.loads(text or "{}")
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class ToozBeat:
    """``dead``: it had a beat, that has ended, and others beat on."""

    name = "tooz_beat"

    def __init__(
        self,
        policy: Policy,
        cloud: Cloud,
        network: Network,
        fences: Callable[[str], Sequence[Fence]],
        clock: Clock,
    ) -> None:
        self._url = policy.witnesses.beat_url
        self._clock = clock

    def testify(self, host: Host) -> Testimony:
        """Read the group once; errors: silent."""
        return testify(
            self.name, host, self._clock, lambda: self._ask(host.name)
        )

    def resumes_guests(self) -> dict[str, bool]:
        """Host -> whether it starts guests by itself when it boots; of those
        whose beat says it.

        :raises HaError: the group cannot be read.
        """
        if not self._url:
            return {}
        group = self._open()
        try:
            told = group.told()
        finally:
            group.stop()
        found = {host: says.get(RESUMES) for host, says in told.items()}
        return {h: says for h, says in found.items() if says in (True, False)}

    def _open(self) -> Group:
        url = secret(self._url, "policy: witnesses: beat_url")
        return Group(url, f"reader-{id(self)}")

    def _ask(self, host: str) -> tuple[Says, str]:
        if not self._url:
            return Says.SILENT, "policy: witnesses: beat_url is not set"
        group = self._open()
        try:
            return weigh(host, *group.read())
        finally:
            group.stop()
