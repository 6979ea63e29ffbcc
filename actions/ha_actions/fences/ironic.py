"""One bare metal node, through Ironic by openstacksdk.

Ironic's power state is its own last look at the machine, a minute old or more,
and its API has no way to ask for another; but asked for ``power off`` it looks
first, and leaves alone what is off. So where there is a claim the reading is
taken like that, see :meth:`IronicFence.look`; without one it is what Ironic
believes, and only while no change is under way, no error is recorded and the
node is not in maintenance. By Redfish, Ironic takes PoweringOff for off, and
then does not cut: there OFF counts only after a cut that Ironic really made.
Where a direct way to the BMC exists it is the better fence; the policy's
``devices: 2`` can demand both.

Source: ironic 39, conductor/utils.py, node_power_action; and
drivers/modules/redfish/power.py, GET_POWER_STATE_MAP.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import openstack
from keystoneauth1 import exceptions as auth_errors
from openstack import exceptions as sdk_errors

from ha_actions.errors import (
    BadInput,
    Failed,
    HaError,
    NoAnswer,
    Refused,
    Transient,
)
from ha_actions.fencing import device
from ha_actions.model import Claim, Evidence, Power, Reading
from ha_actions.ports import Clock

T = TypeVar("T")

TIMEOUT_S = 10.0
LOOK_S = 30.0
"""Seconds that a look of Ironic's may take, its waiting for BMCs included."""
POLL_S = 1.0
NAMES = "1.5"
"""Without a version Ironic knows no node by its name.
Source: Ironic's REST API version history."""
_READS = {"power on": Power.ON, "power off": Power.OFF}


PLAIN = frozenset({"ipmitool", "snmp"})
"""Power interfaces that know on and off, and nothing between."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A host's entry in the fence file."""

    cloud: str
    """Cloud of ``clouds.yaml`` whose Ironic has the node."""
    node: str
    """Its UUID or name."""
    identity: str = ""
    """Name, UUID or resource class that the node must show."""

    def __post_init__(self) -> None:
        if not self.cloud or not self.node:
            raise ValueError("cloud and node must not be empty")


class IronicFence:
    """:class:`~ha_actions.ports.Fence` of one node."""

    evidence = Evidence.POWER

    def __init__(
        self, host: str, settings: Mapping[str, Any], clock: Clock
    ) -> None:
        self._set = device.settings_of(Settings, settings, host, "ironic")
        self._host = host
        self._clock = clock
        self._cut_at: str | None = None
        self._before: str | None = None
        """As ``_cut_at``, before this fence asked for the cut."""
        self.name = f"ironic {self._set.node}"

    def identify(self) -> str:
        """The node's name and UUID.

        :raises BadInput: ``wrong_machine``, or there is no such node.
        :raises Transient: Ironic did not answer.
        :raises Refused: ``forbidden``.
        """
        node = self._node()
        shown = {"name": str(node.name or ""), "uuid": str(node.id or "")}
        return device.same_machine(
            shown, self._set.identity, self.name, self._host
        )

    def power(self) -> Reading:
        """What Ironic believes, if nothing speaks against it."""
        try:
            node = self._node()
        except HaError as error:
            return device.unknown(self.name, self._clock, error)
        doubt = _doubt(node)
        power = _READS.get(str(node.power_state), Power.UNKNOWN)
        if doubt or power is Power.UNKNOWN:
            why = doubt or f"power_state {node.power_state}"
            return device.unknown(self.name, self._clock, why)
        return Reading(device=self.name, power=power, at=self._clock.now())

    def look(self, claim: Claim) -> Reading:
        """A reading that Ironic takes now; never raises but for the claim.

        Ironic is asked for ``power off`` once more. If it then has changed
        anything, the machine was on again: that reads ON, though it is cut.
        As old as the question.

        :raises Refused: ``superseded``.
        """
        at = self._clock.now()
        try:
            # asked while it is busy, Ironic itself waits, and then refuses
            before = _cut_at(self._settled(at + LOOK_S))
            self._ask_again(claim, at + LOOK_S)
            node = self._settled(at + LOOK_S)
        except HaError as error:
            if error.code == "superseded":
                raise
            return device.unknown(self.name, self._clock, error)
        doubt = _doubt(node)
        if doubt or str(node.power_state) not in _READS:
            why = doubt or f"power_state {node.power_state}"
            return device.unknown(self.name, self._clock, why)
        power, detail = _READS[str(node.power_state)], ""
        known = before if self._cut_at is None else self._cut_at
        self._cut_at = _cut_at(node)
        if self._cut_at is None:
            return device.unknown(
                self.name,
                self._clock,
                "Ironic does not show its user when it cut "
                "(baremetal:node:get:driver_internal_info)",
            )
        if power is Power.OFF and self._cut_at != known:
            power, detail = Power.ON, "it was on, and was cut again"
        elif (
            power is Power.OFF
            and self._cut_at == self._before
            and node.power_interface not in PLAIN
        ):
            power = Power.UNKNOWN
            detail = (
                "Ironic found it off and did not cut it; its driver takes "
                "PoweringOff for off"
            )
        return Reading(device=self.name, power=power, at=at, detail=detail)

    def _ask_again(self, claim: Claim, until: float) -> None:
        """Once the node is free: its sync, or another look, may hold it."""
        while True:
            try:
                return self._change("power off", claim)
            except Transient as error:
                busy = error.facts.get("status") == 409
                if not busy or self._clock.now() + POLL_S > until:
                    raise
            self._clock.sleep(POLL_S)

    def _settled(self, until: float) -> Any:
        """The node, once nothing is under way or no time is left."""
        while True:
            node = self._node()
            busy = node.target_power_state or node.reservation
            if not busy or self._clock.now() + POLL_S > until:
                return node
            self._clock.sleep(POLL_S)

    def cut(self, claim: Claim) -> None:
        """Ask for ``power off``: the hard one; Ironic looks, then acts."""
        if self._before is None:
            self._before = _cut_at(self._node())
        self._change("power off", claim)

    def restore(self, claim: Claim) -> None:
        """Ask for ``power on``."""
        self._change("power on", claim)

    def _change(self, target: str, claim: Claim) -> None:
        device.still_ours(
            claim, self._clock, self._host, f"Ironic was asked for {target}"
        )
        api = _connection(self._set.cloud).baremetal
        # Not the SDK's own method: it repeats a refused PUT for many seconds,
        # and the claim may have ended before the last of them.
        self._call(
            lambda: sdk_errors.raise_from_response(
                api.put(
                    f"/nodes/{self._set.node}/states/power",
                    json={"target": target},
                    status_code_retries=0,
                    microversion=NAMES,
                )
            ),
            changing=True,
        )

    def _node(self) -> Any:
        api = _connection(self._set.cloud).baremetal
        return self._call(lambda: api.get_node(self._set.node))

    def _call(self, job: Callable[[], T], changing: bool = False) -> T:
        """Do it, with the SDK's errors as ours."""
        try:
            return job()
        except sdk_errors.NotFoundException as error:
            raise BadInput(
                "unknown_node",
                f"Ironic has no node {self._set.node}; correct the entry of "
                f"{self._host} in the fence file.",
            ) from error
        except sdk_errors.HttpException as error:
            status = int(error.status_code or 0)
            if status in (401, 403):
                raise Refused(
                    "forbidden",
                    f"Ironic refuses the credentials of {self._set.cloud}.",
                ) from error
            busy = status in (0, 409, 429) or status >= 500
            kind = Transient if busy else Failed
            raise kind(
                "ironic",
                f"Ironic answered {status} for node {self._set.node}.",
                status=status,
            ) from error
        except (
            sdk_errors.SDKException,
            auth_errors.ClientException,
        ) as error:
            kind = NoAnswer if changing else Transient
            raise kind(
                "ironic",
                f"Ironic did not answer for node {self._set.node} "
                f"({type(error).__name__}).",
            ) from error


def _cut_at(node: Any) -> str | None:
    """When Ironic last changed its power, in its own words; empty: never.

    None: who asks may not see it; a redacted one has the key ``content``.
    """
    info = node.driver_internal_info
    if not isinstance(info, Mapping) or "content" in info:
        return None
    return str(info.get("last_power_state_change") or "")


def _doubt(node: Any) -> str:
    """Why its power state may not be the machine's."""
    if node.target_power_state:
        return f"{node.power_state}, on its way to {node.target_power_state}"
    if node.last_error:
        return "Ironic recorded an error for it"
    if node.is_maintenance:
        return f"in maintenance {node.fault or ''}".strip()
    return ""


@functools.lru_cache(maxsize=8)
def _connection(cloud: str) -> Any:
    """One session per cloud; each question is a request of its own.

    :raises BadInput: ``clouds.yaml`` has no such cloud.
    """
    try:
        made = openstack.connect(cloud=cloud, app_name="mistral-ha-pack")
        made.baremetal.timeout = TIMEOUT_S
        if made.session.timeout is None:  # for a token; else it waits long
            made.session.timeout = TIMEOUT_S
        made.baremetal.connect_retries = 0
    except (
        sdk_errors.SDKException,
        auth_errors.ClientException,
    ) as error:
        raise BadInput(
            "no_cloud",
            f"clouds.yaml has no usable cloud {cloud!r} for Ironic "
            f"({type(error).__name__}).",
        ) from error
    return made
