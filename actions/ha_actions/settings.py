"""What the operator may set: every key, its unit, bounds and reason.

These classes are the policy file's schema: ``policy.py`` loads the file into
them strictly. ``knob()`` carries the text that ``docs/policy.md`` shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ha_actions.model import Mode, Protection, Start


def knob(
    default: Any,
    why: str,
    *,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """A field with its documentation and bounds (inclusive)."""
    meta = {"why": why, "low": low, "high": high}
    if isinstance(default, (dict, list)):
        kept = default
        return field(default_factory=lambda: type(kept)(kept), metadata=meta)
    return field(default=default, metadata=meta)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much may be down, or be fenced, before only a person may go on.

    Counted on raw health before any filter. Beyond a limit: held, paged.
    """

    hosts_down: int = knob(
        1,
        "Hosts that may be down in one failure domain, and in the whole "
        "cloud, whatever the percentages say. 0 blocks all recovery.",
        low=0,
        high=1000,
    )
    hosts_down_percent: int = knob(
        10,
        "Percent of a failure domain's hosts that may be down; the larger "
        "of this and hosts_down counts. 100 switches the limit off.",
        low=0,
        high=100,
    )
    cloud_down_percent: int = knob(
        5, "The same for all hosts of the cloud.", low=0, high=100
    )
    fences: int = knob(
        2,
        "Hosts that may be fenced in one window, by atomic slots. 0 blocks "
        "every fence.",
        low=0,
        high=1000,
    )
    window_s: int = knob(1800, "Seconds of that window.", low=60, high=86400)
    quiet_s: int = knob(
        0,
        "Seconds in which an incident only listens before it is judged: "
        "time for a host that merely reboots.",
        low=0,
        high=3600,
    )
    domain: str = knob(
        "",
        "Aggregate metadata key that names a host's failure domain (such "
        "as `rack`); empty: the availability zone.",
    )


@dataclass(frozen=True, kw_only=True)
class Witnesses:
    """Who is asked whether a host is alive, and how answers are weighed."""

    ask: list[str] = knob(
        ["compute_service", "bmc_power", "tcp_reach"],
        "Entry-point names of the witnesses: `compute_service`, `bmc_power`, "
        "`tcp_reach`, `icmp_reach`, `neutron_agents`, `tooz_beat`.",
    )
    need_dead: int = knob(
        2,
        "How many must say dead for DOWN. 1 trusts a single source: not wise.",
        low=1,
        high=10,
    )
    veto: list[str] = knob(
        ["tcp_reach", "compute_service"],
        "Witnesses whose `alive` stops the fence, whoever says dead.",
    )
    watch_s: int = knob(
        12,
        "Seconds between the two looks at a heartbeat. Must be longer "
        "than Nova's report_interval (10).",
        low=1,
        high=600,
    )
    reach_tries: int = knob(
        3,
        "Unanswered connections, spread over reach_over_s, before "
        "tcp_reach says dead.",
        low=1,
        high=20,
    )
    reach_over_s: int = knob(
        6, "Seconds over which they are spread.", low=1, high=120
    )
    beat_url: str = knob(
        "",
        "Where `ha-beat` keeps its group, for `tooz_beat`: a tooz URL without "
        "a password, or `file:PATH` or `env:NAME` on each executor.",
    )
    networks: dict[str, Any] = knob(
        {},
        "Per network: `hosts` (host -> address), `port`, and `control`, "
        "an address that must answer, else the network itself is silent.",
    )


@dataclass(frozen=True, kw_only=True)
class Fencing:
    """How death is proved."""

    accept: list[str] = knob(["power"], "Classes of evidence that are proof.")
    storage_behind_ports: list[str] = knob(
        [],
        "Aggregates whose hosts reach their storage only through the ports "
        "that their `network` fence shuts. Elsewhere such evidence counts "
        "only for guests without a disk on shared storage.",
    )
    stable_s: float = knob(
        10,
        "Seconds that OFF must hold. A host that comes back after 3 s is "
        "not dead.",
        low=0,
        high=600,
    )
    poll_s: float = knob(2, "Seconds between readings.", low=0.1, high=60)
    deadline_s: int = knob(
        120, "Seconds for the whole fence.", low=10, high=1800
    )
    devices: int = knob(
        1,
        "Devices that must each be cut and read Off. 2 protects against one "
        "that lies; a host with a single device can then not be proven dead.",
        low=1,
        high=4,
    )
    people: int = knob(
        1,
        "Persons who must each confirm that a host is dead, where `accept` "
        "lists `operator`.",
        low=1,
        high=5,
    )
    kdump_s: int = knob(
        600,
        "Seconds that a host which dumps its crash (witness `kdump`) is not "
        "cut, so that the dump can end. 0: it is cut at once.",
        low=0,
        high=1800,
    )
    fresh_s: float = knob(
        5,
        "Age of a reading, in seconds, at the first evacuation of a batch.",
        low=1,
        high=60,
    )


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """How guests are brought back."""

    batch: int = knob(
        25, "Guests that one action call handles.", low=1, high=100
    )
    side_by_side: int = knob(
        4, "Parallel calls inside one batch.", low=1, high=64
    )
    poll_s: float = knob(
        2,
        "Seconds between looks at the migrations; grows to four times as "
        "much.",
        low=0.5,
        high=60,
    )
    deadline_s: int = knob(
        600, "Seconds for one step of one batch.", low=10, high=1800
    )
    ready_s: int = knob(
        180,
        "Seconds that others wait for a group to become ready.",
        low=0,
        high=900,
    )
    tries: int = knob(
        2,
        "Evacuations of one guest after a failed spawn, the first one "
        "included; each to another host.",
        low=1,
        high=5,
    )
    start: Start = knob(
        Start.AUTO,
        "`auto`: Nova starts an evacuated guest that ran. `check`: it is "
        "placed stopped, its host, ports and volumes are looked at, and only "
        "then it is started; slower by a start and a few calls.",
    )
    targets: dict[str, str] = knob(
        {},
        "Aggregate of the dead host -> aggregate whose hosts its guests go "
        "to: the same one, or spares. Not listed: Nova's scheduler chooses. "
        "Of hosts disabled with a reason that begins with `reserved`, one "
        "after another is enabled when room is needed.",
    )
    deferred_s: int = knob(
        3600,
        "Seconds since an incident's opening in which reconcile tries those "
        "again for whom no host had room; then a person is asked. 0: never.",
        low=0,
        high=604800,
    )
    custom_s: int = knob(
        900,
        "Seconds since the proof of death in which a `custom` server's owner "
        "may bring it back; then the incident is held. 0: it is not watched.",
        low=0,
        high=1800,
    )
    keep_apart: bool = knob(
        False,
        "Ask Nova to keep the copies of cattle off the hosts of their pools' "
        "other servers, while there is another host. Works where Nova's "
        "scheduler has the DifferentHostFilter; else it is ignored. Server "
        "groups are kept in any case.",
    )
    suspicion: list[str] = knob(
        [],
        "Pools (names or ids; `tagged`: all with the tag "
        "`ha:drain=suspicion`) whose members are drained as soon as their "
        "host is suspected, and get their weight back if it lives. As ever "
        "never the last that serves, and none that its monitor calls ONLINE.",
    )
    instance_store: dict[str, str] = knob(
        {},
        "Aggregate -> `shared` or `local`: Nova cannot tell whether an "
        "image-backed disk is shared. Not listed: local.",
    )


@dataclass(frozen=True, kw_only=True)
class Returning:
    """How a host that was put out comes back. Never by our power, and never
    enabled without a person.
    """

    automatic: bool = knob(
        True,
        "Whether reconcile lifts forced_down of a host that is heard from "
        "again, when Nova has cleaned up after its evacuations. It stays "
        "disabled until `ha-pack return HOST`.",
    )
    wait_s: int = knob(
        300,
        "Seconds that `ha-pack return HOST` waits for the host to be heard "
        "from, and for Nova's cleaning.",
        low=0,
        high=600,
    )
    failures: int = knob(
        2,
        "Incidents of one host within window_s, from which on it stays out "
        "until a person says why not.",
        low=1,
        high=100,
    )
    window_s: int = knob(
        86400, "Seconds of that window.", low=600, high=30 * 86400
    )


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The operator's word on guests for which an expression is true."""

    when: str = knob("", "YAQL over the guest, without `<% %>`.")
    set: dict[str, str] = knob(
        {}, "Tags (`ha:protection` ...) to set; not in service_vms."
    )
    because: str = knob("", "Why; it is shown wherever the rule decides.")


@dataclass(frozen=True, kw_only=True)
class Restart:
    """One server that crashed alone, where its owner set `ha:restart`."""

    ladder: dict[str, int] = knob(
        {"start": 60, "reboot": 120, "migrate": 600},
        "What is tried, in order, and the seconds that each may take: "
        "`start`, `reboot` (hard), `migrate` (cold, to another host). The "
        "next one only when the last did not help.",
    )
    settle_s: int = knob(
        10,
        "Seconds after which it must still run to count as running.",
        low=0,
        high=600,
    )
    times: int = knob(
        3,
        "Restarts of one server within a window; then its owner is left to "
        "look. 0 restarts nobody.",
        low=0,
        high=100,
    )
    window_s: int = knob(3600, "Seconds of that window.", low=60, high=604800)


@dataclass(frozen=True, kw_only=True)
class Drill:
    """Rehearsals that really act."""

    hosts: list[str] = knob([], "The only hosts that a drill may cut.")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One YAML file, ``version: 1``: who decides what happens to a VM."""

    version: int = knob(1, "Format of this file.", low=1, high=1)
    mode: Mode = knob(
        Mode.SHADOW,
        "`shadow` decides and records, `ask` waits for a person, `act` acts.",
    )
    modes: dict[str, Mode] = knob(
        {},
        "Aggregate -> mode, where it differs. A host in several "
        "aggregates gets the most careful.",
    )
    ask_s: int = knob(
        900,
        "Seconds that a person's yes (`ha-pack incident approve`) is good; "
        "after them it is asked again.",
        low=10,
        high=86400,
    )
    default_protection: Protection = knob(
        Protection.IGNORE, "For guests that nobody tagged."
    )
    tenant_may: list[str] = knob(
        ["pet", "cattle", "ignore", "custom"],
        "Protections that a tenant's own tags may choose.",
    )
    methods: dict[str, list[str]] = knob(
        {
            "pet": ["ha.evacuate_servers", "ha.update_members"],
            "cattle": [
                "ha.recreate_servers",
                "ha.update_members",
                "ha.retire_servers",
            ],
        },
        "Protection -> steps, in order; `pet` and `cattle` only. One that is "
        "left out keeps its default.",
    )
    rules: list[Rule] = knob(
        [], "For each tag, the first true one that sets it decides."
    )
    service_vms: list[Rule] = knob(
        [], "Guests that belong to a service and are left to it."
    )
    limits: Limits = field(default_factory=Limits)
    witnesses: Witnesses = field(default_factory=Witnesses)
    fencing: Fencing = field(default_factory=Fencing)
    recovery: Recovery = field(default_factory=Recovery)
    returning: Returning = field(default_factory=Returning)
    restart: Restart = field(default_factory=Restart)
    drill: Drill = field(default_factory=Drill)
    probe_networks: list[str] = knob(
        [], "Networks on which guests may be probed."
    )
    stuck_s: int = knob(
        180,
        "Seconds for which an execution of ours must stand still, with "
        "nothing in it that could ever act again, before reconcile cancels it "
        "and goes on: an engine that dies can leave one so for ever. Longer "
        "than Mistral's own repair takes (140), and than its queue is ever "
        "behind.",
        low=150,
        high=86400,
    )
    stale_s: int = knob(
        600,
        "Age in seconds at which an alarm's event is too old to act on.",
        low=30,
        high=86400,
    )
