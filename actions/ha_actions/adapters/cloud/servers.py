"""Reading Nova: hosts, guests, evacuation records, in few calls.

What a call costs depends on hosts, not on guests.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any, TypeVar

from ha_actions.adapters.cloud import values
from ha_actions.adapters.cloud.copy import replaces_tag
from ha_actions.adapters.cloud.http import Api
from ha_actions.errors import Transient
from ha_actions.model import Aggregate, Group, Guest, Host, Migration, Port
from ha_actions.model.server import Deed
from ha_actions.ports import Clock

T = TypeVar("T")

CHUNK = 50
"""Ids in one query string: 50 UUIDs stay below 4 KiB of URL."""

FRESH_S = 300.0
"""Age at which aggregates are listed again: they count as they were at an
incident's start, and most incidents are shorter."""

LATELY_S = 3600.0
"""What changed since longer ago may be most of a cloud: hosts are listed."""

CLOCKS_S = 120.0
"""How far Nova's clock may be behind ours; a wrong guess costs calls."""

LEAST_PAGE = 100
"""Nova cuts a page to its own [api] max_limit, and where it has no link to
the next one it does not tell. Below this limit groups would be missed; to
ask until a page is empty would cost each reading a call."""

SKEW_S = 30.0
"""How far Nova's clock may be behind ours. Too much means only that an
evacuation is not posted again."""


@dataclass(frozen=True)
class _Image:
    """What an image says, and whether that is the operator's word."""

    properties: dict[str, str] = field(default_factory=dict)
    operators: bool = False


class Servers:
    """The reading verbs of :class:`~ha_actions.ports.Cloud` on Nova.

    It remembers where it saw a guest last, to find it again with few calls.

    :param operators: whether a project is an operator's: so are its images.
    """

    def __init__(
        self,
        api: Api,
        clock: Clock,
        operators: Callable[[str], bool] = lambda project: False,
    ) -> None:
        self._api = api
        self._clock = clock
        self._operators = operators
        self._seen_at: dict[str, frozenset[str]] = {}
        self._sources: set[str] = set()
        self._gone: set[str] = set()
        self._images: dict[str, _Image] = {}
        self._groups: dict[str, Group] = {}
        self._grouped: frozenset[str] = frozenset()
        self._kept: dict[str, tuple[float, Any]] = {}

    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[Host]:
        """Every nova-compute; one whose cell does not answer is missing."""
        found = self._keep("services", self._list_services, max_age_s)
        known = [] if brief else self.aggregates()
        return [values.host(s, known) for s in found]

    def _list_services(self) -> list[dict[str, Any]]:
        found = self._nova_list(
            "/os-services", "services", {"binary": "nova-compute"}
        )
        return [body for body in found if "id" in body]

    def aggregates(self) -> list[Aggregate]:
        """Every host aggregate; at most five minutes old."""
        return self._keep("aggregates", self._list_aggregates)

    def _list_aggregates(self) -> list[Aggregate]:
        found = self._nova_list("/os-aggregates", "aggregates")
        return [values.aggregate(body) for body in found]

    def guests_on(self, host: str, *, brief: bool = False) -> list[Guest]:
        """Every guest of the host, in three to five calls.

        :param brief: without ports and groups, in one or two.

        :raises Transient: nothing is listed and Nova does not know the host
            either: its cell may be down, and no list means nothing then.
        """
        bodies = self._servers_on(host)
        if not bodies:
            if host not in _names(self.hosts(brief=True, max_age_s=FRESH_S)):
                self._kept.pop("services", None)  # asked anew the next time
                raise Transient(
                    "cell_down",
                    f"Nova shows neither servers nor a service of {host}; "
                    "its cell may be down.",
                )
            return []
        if brief:
            return list(self._plain(bodies).values())
        ports = self._ports({"binding:host_id": host})
        lost = [
            body["id"]
            for body in bodies
            if body["id"] not in ports and body.get("addresses")
        ]
        return list(self._full(bodies, ports, lost).values())

    def of_project(self, project: str) -> list[Guest]:
        """Every server of a project; empty: the caller's own.

        A tenant sees no host: his servers have Nova's ``hostId`` there.
        """
        everybody = {"all_tenants": "1", "project_id": project}
        bodies = [
            {"OS-EXT-SRV-ATTR:host": body.get("hostId") or "", **body}
            for body in self._nova_list(
                "/servers/detail", "servers", everybody if project else None
            )
        ]
        return list(self._full(bodies, {}, [b["id"] for b in bodies]).values())

    def guests(
        self, ids: Iterable[str], *, brief: bool = False, since: float = 0.0
    ) -> dict[str, Guest]:
        """These guests; a deleted one is missing.

        Two and more are found by one list of what changed since then; more
        than two else by listing the hosts where they, or their evacuation
        records, were seen last; what is not there is asked for one by one.
        """
        wanted = [one for one in dict.fromkeys(ids) if one not in self._gone]
        found: dict[str, Any] = {}
        lately = since and self._clock.now() - since < LATELY_S
        if lately and len(wanted) > 1:
            for body in self._changed(since):
                found[body["id"]] = body
        missing = [one for one in wanted if one not in found]
        looked = set[str]()
        while len(missing) > 2:
            likely = self._likely_hosts(missing, looked)
            if not likely:
                break
            for host in likely:
                looked.add(host)
                for body in self._servers_on(host):
                    found[body["id"]] = body
            missing = [one for one in wanted if one not in found]
        for server in together(self._clock, self._server, missing):
            if server is not None:
                found[server["id"]] = server
        bodies = [found[one] for one in wanted if one in found]
        if brief:
            return {body["id"]: values.guest(body) for body in bodies}
        return self._full(bodies, {}, [body["id"] for body in bodies])

    def copies(self, owners: Mapping[str, str]) -> dict[str, Guest]:
        """Old guest id -> the server made in its place, by its tag."""
        mine: dict[str, Any] = {}
        for part in chunks(list(owners)):
            tags = ",".join(replaces_tag(old) for old in part)
            for body in self._nova_list(
                "/servers/detail",
                "servers",
                {"all_tenants": "1", "tags-any": tags},
            ):
                old = (body.get("metadata") or {}).get("ha:replaces", "")
                if old in owners and body.get("tenant_id") == owners[old]:
                    mine[old] = body
        full = self._full(
            list(mine.values()), {}, [body["id"] for body in mine.values()]
        )
        return {
            old: full[body["id"]]
            for old, body in mine.items()
            if body["id"] in full
        }

    def ports_of(self, guests: Iterable[str]) -> dict[str, list[Port]]:
        """Guest id -> its ports, also of one that Nova has deleted."""
        found: dict[str, list[Port]] = {}
        for part in chunks(list(guests)):
            found.update(self._ports({"device_id": part}))
        return found

    def evacuations(self, source: str) -> list[Migration]:
        """Evacuation records from a host, newest last: one call.

        Never asked for by time: a fresh record has no ``updated_at`` yet and
        is missing from such an answer.
        """
        found = self._nova_list(
            "/os-migrations",
            "migrations",
            {"source_compute": source, "migration_type": "evacuation"},
        )
        made = [values.migration(body) for body in found]
        self._sources = self._sources | {source}  # batches side by side
        for one in made:
            self._note_place(one.guest, one.source, one.dest)
        return sorted(made, key=lambda one: (one.created_at, int(one.id)))

    def moves(self, host: str) -> list[Migration]:
        """Open moves from or to a host that are not evacuations: one call."""
        found = self._nova_list("/os-migrations", "migrations", {"host": host})
        made = [values.migration(body) for body in found]
        return sorted(
            (m for m in made if m.kind != "evacuation" and m.in_flight),
            key=lambda one: (one.created_at, int(one.id)),
        )

    def migrations(self, guest: str) -> list[Migration]:
        """Every migration record of one server, of any kind."""
        found = self._nova_list(
            "/os-migrations", "migrations", {"instance_uuid": guest}
        )
        return [values.migration(body) for body in found]

    def deeds(self, guest: str) -> list[Deed]:
        """What was asked of one server; none once it is deleted."""
        found = self._api.get(
            "compute",
            f"/servers/{guest}/os-instance-actions",
            microversion=values.LIST,
        )
        return [
            values.deed(b) for b in (found or {}).get("instanceActions", [])
        ]

    def evacuation_asked(self, guest: str, since: float) -> bool:
        """Whether Nova has recorded an evacuate action since then."""
        found = self._api.get(
            "compute",
            f"/servers/{guest}/os-instance-actions",
            microversion=values.LIST,
        )
        return any(
            action.get("action") == "evacuate"
            and values.moment(action.get("start_time")) >= since - SKEW_S
            for action in (found or {}).get("instanceActions", [])
        )

    def _nova_list(
        self, path: str, key: str, params: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        return self._api.listing("compute", path, key, params, values.LIST)

    def _servers_on(self, host: str) -> list[dict[str, Any]]:
        found = self._nova_list(
            "/servers/detail", "servers", {"all_tenants": "1", "host": host}
        )
        for body in found:
            self._note_place(body["id"], host)
        return found

    def _changed(self, since: float) -> list[dict[str, Any]]:
        moment = datetime.fromtimestamp(since - CLOCKS_S, timezone.utc)
        found = self._nova_list(
            "/servers/detail",
            "servers",
            {
                "all_tenants": "1",
                "changes-since": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "deleted": "false",  # it would list those too
            },
        )
        for body in found:
            self._note_place(body["id"], body["OS-EXT-SRV-ATTR:host"] or "")
        return found

    def _server(self, guest: str) -> dict[str, Any] | None:
        found = self._api.get(
            "compute", f"/servers/{guest}", microversion=values.LIST
        )
        if found is None:
            self._gone.add(guest)
            return None
        server: dict[str, Any] = found["server"]
        self._note_place(guest, server.get("OS-EXT-SRV-ATTR:host") or "")
        return server

    def _note_place(self, guest: str, *hosts: str) -> None:
        # Replaced, never changed in place: batches run side by side.
        known = self._seen_at.get(guest, frozenset())
        self._seen_at[guest] = known | {host for host in hosts if host}

    def _likely_hosts(
        self, wanted: Sequence[str], looked: set[str]
    ) -> list[str]:
        """Where to look next, if that is fewer calls than asking one by one.

        Where they were seen; or else the hosts whose evacuations were asked
        for; or else where evacuation records lead, which another process may
        have begun.
        """
        hosts = (self._places(wanted) or self._sources) - looked
        if not hosts:
            found = self._nova_list(
                "/os-migrations",
                "migrations",
                {"migration_type": "evacuation"},
            )
            for body in found:
                if body["instance_uuid"] in wanted:
                    one = values.migration(body)
                    self._note_place(one.guest, one.source, one.dest)
            hosts = self._places(wanted) - looked
        return sorted(hosts) if len(hosts) < len(wanted) else []

    def _places(self, wanted: Sequence[str]) -> set[str]:
        return {h for one in wanted for h in self._seen_at.get(one, ())}

    def _full(
        self,
        bodies: Sequence[Mapping[str, Any]],
        ports: dict[str, list[Port]],
        without_ports: Sequence[str],
    ) -> dict[str, Guest]:
        """Servers as guests, with ports, groups and image properties."""
        if not bodies:
            return {}
        for part in chunks(without_ports):
            ports.update(self._ports({"device_id": part}))
        # what is shown alone says itself that it is in none
        grouped = {b["id"] for b in bodies if b.get("server_groups") != []}
        groups = self._groups_of(grouped)
        return {
            id: replace(
                guest, ports=tuple(ports.get(id, ())), group=groups.get(id)
            )
            for id, guest in self._plain(bodies).items()
        }

    def _plain(self, bodies: Sequence[Mapping[str, Any]]) -> dict[str, Guest]:
        """Servers as guests, with the properties of their images."""
        found = [values.guest(body) for body in bodies]
        images = self._images_of({g.image for g in found})
        none = _Image()
        return {
            g.id: replace(
                g,
                image_properties=images.get(g.image, none).properties,
                operators_image=images.get(g.image, none).operators,
            )
            for g in found
        }

    def _ports(self, query: Mapping[str, Any]) -> dict[str, list[Port]]:
        found = self._api.listing("network", "/ports", "ports", query)
        by_guest: dict[str, list[Port]] = {}
        for body in found:
            kept = by_guest.setdefault(body.get("device_id") or "", [])
            kept.extend(values.ports(body))
        return by_guest

    def network_agents(self, host: str) -> list[bool]:
        """Whether each of Neutron's agents there is alive: one call."""
        found = self._api.listing(
            "network", "/agents", "agents", {"host": host}
        )
        return [body.get("alive") is True for body in found]

    def _groups_of(self, ids: set[str]) -> dict[str, Group]:
        """Listed again for a guest that no earlier listing was for."""
        if not ids <= self._grouped:
            self._groups = self._list_groups()
            self._grouped = self._grouped | ids
        return self._groups

    def _list_groups(self) -> dict[str, Group]:
        groups: dict[str, Group] = {}
        offset = 0
        while True:
            found = self._nova_list(
                "/os-server-groups",
                "server_groups",
                {"all_projects": "true", "limit": 1000, "offset": offset},
            )
            for body in found:
                one = Group(id=body["id"], policy=body.get("policy") or "")
                groups.update({guest: one for guest in body["members"]})
            if len(found) < LEAST_PAGE:
                return groups
            offset += len(found)

    def _images_of(self, images: Iterable[str]) -> dict[str, _Image]:
        # Nova keeps only the properties that it knows, so Glance is asked.
        wanted = sorted(i for i in set(images) if i and i not in self._images)
        if wanted and self._api.offers("image"):
            for part in chunks(wanted):
                found = self._api.listing(
                    "image",
                    "/images",
                    "images",
                    {
                        "id": f"in:{','.join(part)}",
                        "visibility": "all",
                        "limit": CHUNK,  # Glance's own is 25
                    },
                )
                for body in found:
                    self._images[body["id"]] = _Image(
                        values.image_properties(body),
                        values.operators_image(body, self._operators),
                    )
            for one in wanted:
                self._images.setdefault(one, _Image())
        return self._images

    def _keep(
        self, key: str, ask: Callable[[], T], max_age_s: float = FRESH_S
    ) -> T:
        """An answer that may be so old."""
        at, kept = self._kept.get(key, (0.0, None))
        now = self._clock.now()
        if key not in self._kept or not 0 <= now - at < max_age_s:
            kept = ask()
            self._kept[key] = (now, kept)
        return kept  # type: ignore[no-any-return]


def _names(hosts: Iterable[Host]) -> frozenset[str]:
    return frozenset(host.name for host in hosts)


def chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    """The ids in parts that fit into one query string."""
    for start in range(0, len(ids), CHUNK):
        yield list(ids[start : start + CHUNK])


def together(
    clock: Clock, ask: Callable[[str], T], ids: Sequence[str]
) -> list[T]:
    """One question for each id, eight at a time."""
    jobs = [functools.partial(ask, one) for one in ids]
    return clock.together(jobs, 8)
