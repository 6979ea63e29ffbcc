"""The whole outside world on one page.

The simulator implements every port; ``cloud.py``, ``ledger.py``, ``fences/``
and ``witnesses/`` do for real. Every verb that changes the world takes a
:class:`~ha_actions.model.Claim` and raises ``Refused("superseded")``, without
sending anything, when ``claim.until`` has passed at the moment of sending.

Any verb may raise ``Transient`` (not done), ``NoAnswer`` (a change was sent,
nobody answered), ``Failed`` (answered: no) or ``Refused``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ha_actions.model import (
    Aggregate,
    Amphora,
    Claim,
    Event,
    Evidence,
    Fix,
    FloatingIp,
    Guest,
    Host,
    Member,
    Migration,
    Port,
    Reading,
    StackPlace,
    Testimony,
    Volume,
    Word,
)
from ha_actions.model.capacity import Need, Room
from ha_actions.model.likeness import PLAIN, Clone, Disk, Likeness
from ha_actions.model.server import Deed
from ha_actions.model.stack import StackPreview, StackState
from ha_actions.model.work import FlowWork

T = TypeVar("T")


class Reach(Word):
    """What a TCP connection attempt met."""

    OPEN = "open"
    REFUSED = "refused"
    """Closed port, but something answered: the host's kernel lives."""
    NOTHING = "nothing"


class Clock(Protocol):
    """Time. Nothing else in the pack reads a clock or sleeps."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    def sleep(self, seconds: float) -> None:
        """Let that much time pass."""

    def together(
        self, jobs: Sequence[Callable[[], T]], at_most: int
    ) -> list[T]:
        """Run the jobs side by side; results in the order of the jobs.

        The first exception is raised after all have ended.
        """

    def within(self, job: Callable[[], T], seconds: float) -> T:
        """Run it, and go on without it when it takes longer.

        What was given up runs on by itself; nobody reads its result. In
        simulated time it is always waited for.

        :raises Transient: ``late``.
        """


class Ledger(Protocol):
    """What must be remembered; the real one is Mistral environments.

    ``create`` is atomic, ``write`` is not: what is contended is created.
    Names have at most 200 characters, values at most about 0.9 MB of JSON.
    """

    def create(self, name: str, value: Mapping[str, Any]) -> bool:
        """Make an entry; False, and nothing changed, if there is one."""

    def read(self, name: str) -> dict[str, Any] | None:
        """An entry's value, or None."""

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Make or replace an entry."""

    def delete(self, name: str) -> None:
        """Remove an entry; no error if there is none."""

    def names(self, prefix: str) -> list[str]:
        """Names that start with the prefix, sorted."""

    def execution_state(self, execution: str) -> str:
        """Mistral's word for an execution, ``""`` if there is none."""

    def execution_project(self, execution: str) -> str:
        """The project that owns it, ``""`` if the reader cannot see it."""


class Executions(Protocol):
    """Mistral's memory of what runs and has run, which nobody else tends."""

    def past_executions(self, before: float) -> list[str]:
        """Executions of our workflows that ended before a moment: some."""

    def forget_execution(self, execution: str) -> bool:
        """Delete one that has ended; False if it has not. Gone: True."""

    def at_work(self) -> list[FlowWork]:
        """Executions of our workflows that somebody has started, and that
        neither ended nor were paused; without their tasks."""

    def whole(self, flow: FlowWork) -> FlowWork:
        """One of them with its tasks, read from the top down.

        :raises Transient: something of it could not be read.
        """

    def cancel_execution(self, execution: str) -> None:
        """Ask Mistral to end it and what it started, as CANCELLED; actions
        that run go on unheard."""


class Reports(Protocol):
    """Where an incident's record stays when the ledger lets it go."""

    def keep(self, incident: str, parts: Mapping[str, Any]) -> None:
        """Whole or not at all; the same again replaces it.

        :raises Failed: it was not kept.
        """


class Cloud(Protocol):
    """Nova, Neutron, Cinder and Octavia, as far as the pack needs them."""

    # -- reading: a constant number of API calls, however many guests -------
    def hosts(
        self, *, brief: bool = False, max_age_s: float = 0.0
    ) -> list[Host]:
        """Every nova-compute, with its aggregates' names.

        :param brief: without the aggregates' names, and the call for them.
        :param max_age_s: an answer that this object got so long ago is new
            enough; 0: Nova is asked now.
        """

    def aggregates(self) -> list[Aggregate]:
        """Every host aggregate with its metadata."""

    def guests_on(self, host: str, *, brief: bool = False) -> list[Guest]:
        """Every guest that Nova's database places on the host.

        :param brief: without ports and group, and the calls for them.
        """

    def guests(
        self, ids: Iterable[str], *, brief: bool = False, since: float = 0.0
    ) -> dict[str, Guest]:
        """These guests, wherever they are; a deleted one is missing.

        :param brief: state and host are enough: ports and group are left
            out, and so are the calls for them.
        :param since: most of them have changed since then: one call finds
            these, whatever hosts they are on. A hint, never a filter.
        """

    def guests_of(self, project: str) -> list[Guest]:
        """Every server of a project, on whatever host."""

    def evacuations(self, source: str) -> list[Migration]:
        """Evacuation records from a host, newest last."""

    def moves(self, host: str) -> list[Migration]:
        """Open live migrations, cold ones and resizes from or to a host."""

    def evacuation_asked(self, guest: str, since: float) -> bool:
        """Whether Nova has an evacuate action of the guest since then."""

    def migrations(self, guest: str) -> list[Migration]:
        """Every migration record of one server, of any kind."""

    def deeds(self, guest: str) -> list[Deed]:
        """What was asked of one server, and by whom."""

    def copies(self, owners: Mapping[str, str]) -> dict[str, Guest]:
        """Old guest id -> the server made in its place.

        In whatever incident: one that was aborted must not lead to a second
        copy in the next.

        :param owners: old guest id -> its project. A server of another
            project is nobody's copy: tenants write metadata as they like.
        """

    def network_agents(self, host: str) -> list[bool]:
        """For each agent of Neutron's on a host, whether Neutron has heard
        of it lately; empty where there are none."""

    def members(self) -> list[Member]:
        """Every member of every pool; empty where there is no Octavia."""

    def amphorae(self) -> list[Amphora]:
        """Every amphora of Octavia's; empty where there is no Octavia."""

    def balancer_states(self, ids: Iterable[str]) -> dict[str, str]:
        """Load balancer id -> Octavia's provisioning_status; a deleted one
        is missing."""

    def volumes(self, ids: Iterable[str]) -> dict[str, Volume]:
        """These volumes; empty where there is no Cinder."""

    def floating_ips(
        self, ports: Iterable[str], ids: Iterable[str] = ()
    ) -> list[FloatingIp]:
        """Of these ports, and those with these ids, whatever they serve."""

    def allocated(self, host: str) -> frozenset[str] | None:
        """Ids of what Placement counts on a host; None: it does not say."""

    def ports_of(self, guests: Iterable[str]) -> dict[str, list[Port]]:
        """Guest id -> its ports, also of one that Nova has deleted."""

    def lacks(self, guest: Guest, *, new_ports: bool = True) -> str:
        """Why ``recreate`` would refuse this guest now (``cannot_copy``);
        empty: it would not. For those who look ahead.

        :param new_ports: False: the copy gets the old ones, as they are.
        """

    def disks(self, guest: Guest) -> list[Disk]:
        """Its volumes, with what is needed to make others like them.

        :raises Failed: ``not_found``.
        """

    def clones(
        self, volumes: Iterable[str], incident: str
    ) -> dict[str, Clone]:
        """Old volume -> its clone that was made in the incident."""

    # -- changing --------------------------------------------------------
    def mark_down(self, host: Host, reason: str, claim: Claim) -> Host:
        """Force the service down, disable it, say why: one PUT.

        :returns: the host as it is by this PUT, brief.
        """

    def lift_down(self, host: Host, claim: Claim) -> None:
        """Take forced_down off; it stays enabled or disabled as it is.

        :raises Failed: ``not_cleaned``: the host's nova-compute has not yet
            cleaned up after evacuations from it.
        """

    def set_service(
        self, host: Host, *, enabled: bool, reason: str, claim: Claim
    ) -> None:
        """Enable the service, or disable it with a reason."""

    def evacuate(
        self, guest: str, *, keep_off: bool, claim: Claim, host: str = ""
    ) -> None:
        """Ask Nova once to rebuild it elsewhere; ``keep_off``: do not start.

        :param host: where to, if the scheduler agrees; empty: it chooses.
        :raises Failed: ``no_valid_host``, ``conflict`` (409), ``in_use``
            (Nova thinks the host is up, or the guest is elsewhere already),
            ``not_found``.
        """

    def reset_state(self, guest: str, state: str, claim: Claim) -> None:
        """Set vm_state to ``active`` or ``error`` in Nova's database."""

    def set_power(self, guest: str, verb: str, claim: Claim) -> None:
        """``start``, ``stop``, ``pause``, ``suspend`` or ``reboot`` it.

        ``reboot`` is the hard one, which makes its domain anew.
        """

    def migrate(self, guest: str, claim: Claim) -> None:
        """Ask Nova once to move it, cold, to another host.

        :raises Failed: ``conflict``, ``no_valid_host``.
        """

    def confirm_migrate(self, guest: str, claim: Claim) -> None:
        """Agree to a cold migration that is done."""

    def recreate(
        self,
        guest: Guest,
        metadata: Mapping[str, str],
        claim: Claim,
        like: Likeness = PLAIN,
    ) -> str:
        """Create a server like this one, with new ports; its id.

        Same name, project, flavor, image, networks, security groups, key,
        config drive, user data, server group, metadata plus the given.
        :param like: its volumes, and the old ports if it gets those.
        :raises Refused: ``cannot_copy`` names what cannot be copied.
        :raises Failed: ``quota``, ``no_valid_host``.
        """

    def clone_volume(
        self, guest: Guest, disk: Disk, incident: str, claim: Claim
    ) -> None:
        """Ask once for a clone of a guest's volume, in its project.

        :raises Failed: ``quota``.
        """

    def attach(self, copy: Guest, disk: Disk, claim: Claim) -> None:
        """Ask once to attach a volume that is free.

        :raises Failed: ``rejected``: it is not.
        """

    def free_ports(
        self, guest: Guest, ports: Iterable[Port], claim: Claim
    ) -> None:
        """Take ports from a server whose host is dead; they are kept, with
        a new MAC each, without which Nova would build no server on them.

        :raises Failed: ``taken``: another server has one.
        """

    def bind_ports(
        self, server: Guest, ports: Iterable[Port], claim: Claim
    ) -> None:
        """Give free ports to a server, on its host; one that names a MAC
        has that one again.

        :raises Failed: ``taken``: another server has one.
        """

    def mend(self, guest: Guest, fix: Fix, claim: Claim) -> None:
        """Put back what the guest has lost.

        A lock is its owner's again, not an administrator's.
        """

    def delete(self, guest: str, claim: Claim) -> None:
        """Delete a server; no error if it is gone."""

    def set_weights(
        self, lb: str, weights: Mapping[str, int], claim: Claim
    ) -> None:
        """Member id -> weight, for members of one load balancer.

        Waits through Octavia's 409 "immutable" within its own deadline.
        :raises Failed: ``lb_error`` when the load balancer is in ERROR.
        """

    def add_members(
        self, lb: str, new: Sequence[Member], claim: Claim
    ) -> None:
        """New members (without an id) of pools of one load balancer.

        What a pool has at the same address and port already stays as it is.
        Waits and fails as ``set_weights`` does.
        :raises Failed: ``quota``.
        """

    def fail_over(self, lb: str, claim: Claim) -> None:
        """Ask Octavia once to give the load balancer new amphorae.

        :raises Failed: ``conflict``, while another change of it runs.
        """

    def remove_member(self, member: Member, claim: Claim) -> None:
        """Remove a member; no error if it is gone."""


class Capacity(Protocol):
    """Placement, and where server groups live: for those who look ahead."""

    def needs(self, host: str) -> dict[str, Need]:
        """Guest id -> what it has allocated on the host; no traits."""

    def rooms(self, need: Need) -> list[Room]:
        """Hosts on which Placement would allocate one such need now."""

    def group_places(self, groups: Iterable[str]) -> dict[str, dict[str, str]]:
        """Server group id -> its members' ids and the hosts they are on."""

    def guests_of(self, project: str) -> list[Guest]:
        """Every server of a project, whole.

        :param project: empty: the caller's own, with what a tenant may see;
            ``host`` is then Nova's ``hostId``, which names no host.
        """


class Stacks(Protocol):
    """Heat, in the projects of the stacks' owners; not every cloud has it."""

    def places(self, project: str) -> dict[str, StackPlace]:
        """Server id -> its place, of all servers of a project's stacks.

        Empty where there is no Heat.
        :raises Refused: ``forbidden``: we may not work in that project.
        """

    def state(self, place: StackPlace) -> StackState | None:
        """The root stack of a place, with all resources; None: deleted."""

    def mark(
        self, place: StackPlace, *, ill: bool, reason: str, claim: Claim
    ) -> None:
        """Say that a resource is unhealthy, or that it is well.

        Nothing follows before an update. :raises Failed: ``conflict``, while
        Heat works on the resource.
        """

    def preview(self, place: StackPlace, claim: Claim) -> StackPreview:
        """What :meth:`update` would replace and delete; changes nothing."""

    def update(self, place: StackPlace, claim: Claim) -> None:
        """Ask Heat once to bring the root stack in line with its own
        template and parameters: what is unhealthy is made anew.

        :raises Failed: ``conflict``, while another change of it runs.
        """


class Network(Protocol):
    """Plain connections from the executor to hosts and guests."""

    def connect(self, address: str, port: int, timeout_s: float) -> Reach:
        """Try one TCP connection."""

    def dumped_at(self, address: str, wait_s: float) -> float:
        """When a kernel at the address was last heard to dump its crash.

        0.0: not lately, and not within ``wait_s`` from now.
        :raises Transient: nothing can be heard here.
        """

    def ping(self, address: str, timeout_s: float) -> Reach:
        """Send one ICMP echo: ``open`` or ``nothing``.

        :raises BadInput: ``no_ping``, this machine does not let us.
        """

    def http_status(
        self, address: str, port: int, path: str, timeout_s: float
    ) -> int:
        """Status of one GET, no redirects followed; 0 for no answer."""


class Fence(Protocol):
    """One device that can take a host's life. It answers, nothing else.

    Order, deadlines, retries and confirmation are in ``proof.py``.
    """

    name: str
    evidence: Evidence

    def identify(self) -> str:
        """What the device says it controls (name, UUID or serial).

        :raises BadInput: it is not the configured host.
        """

    def power(self) -> Reading:
        """A fresh reading over a new connection; never raises: UNKNOWN."""

    def cut(self, claim: Claim) -> None:
        """Ask for power off. Success means asked, not off."""

    def restore(self, claim: Claim) -> None:
        """Ask for power on."""


class Looker(Protocol):
    """A fence whose ``power`` is only what somebody else saw last."""

    def look(self, claim: Claim) -> Reading:
        """A reading taken now, by asking for power off once more.

        What is off stays as it is; what was on meanwhile reads ON.
        Never raises, but for the claim.

        :raises Refused: ``superseded``.
        """


class Gauges(Protocol):
    """Where figures are shown, for those who watch graphs."""

    def put(
        self, label: str, families: Mapping[str, tuple[str, dict[str, float]]]
    ) -> None:
        """Replace all figures.

        :param families: name -> (help, value of the label -> figure).
        :raises Failed: they could not be written.
        """


class Witness(Protocol):
    """A source that is asked "is this host alive?"."""

    name: str

    def testify(self, host: Host) -> Testimony:
        """Its answer within its own deadline; any error is ``silent``.

        :param host: as Nova shows it now; a host that Nova does not list
            has no ``service_id``.
        """


class Journal(Protocol):
    """Where it is told what happens: the log, and the trace of a scenario."""

    def note(self, kind: str, subject: str, text: str, **facts: Any) -> None:
        """One thing that happened. ``kind`` is a word of the glossary."""

    def tell(self, subject: str, text: str, **facts: Any) -> None:
        """The same, and a person must see it."""


class Bus(Protocol):
    """The message bus, where events set off alarms."""

    def publish(self, events: Sequence[Event]) -> None:
        """Tell what happened; the same event may be told again.

        At least once, in no order, and nobody says who has read it.
        """
