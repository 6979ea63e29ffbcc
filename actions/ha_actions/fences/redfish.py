"""One BMC that speaks Redfish, through sushy.

It reads and asks, nothing else: order, deadlines and confirmation belong to
the fencing loop. Only a plain ``Off`` is OFF; PoweringOff, an unknown word, an
error, a redirect or silence is UNKNOWN. Each call has a connection of its own,
and environment proxies are ignored: a proxy's answer is not the BMC's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import sushy
from cryptography import x509
from sushy import auth as sushy_auth
from sushy import connector as sushy_connector
from sushy import exceptions as sushy_errors
from sushy.resources.system import system as sushy_system

from ha_actions.codec import from_json
from ha_actions.errors import (
    BadInput,
    Failed,
    HaError,
    NoAnswer,
    Refused,
    Transient,
)
from ha_actions.model import Claim, Evidence, Power, Reading
from ha_actions.ports import Clock

T = TypeVar("T")

TIMEOUT_S = 5
"""Seconds for a BMC to accept a connection, and again to answer. BMCs that
answer at all were seen to do so within 2 s; the loop reads again anyway."""

SYSTEMS = "/redfish/v1/Systems/"
SESSIONS = "/redfish/v1/SessionService/Sessions"
"""Source: DMTF DSP0266, session login; the address is the standard's."""

_HARMLESS = (400, 409)
"""Answers of BMCs that are asked to switch off what is off.
Source: openstack-k8s-operators/infra-operator, instanceha."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A host's entry in the fence file."""

    address: str
    """``https://NAME[:PORT]``."""
    system: str
    """Path or id of the one ComputerSystem; a BMC may control several."""
    username: str
    password: str = dataclasses.field(repr=False)
    verify: Any = True
    """``true``, or the path of a CA file; ``false`` is for laboratories."""
    identity: str = ""
    """Name, UUID or serial number that the system must show."""
    auth: str = "basic"
    """``basic``, or ``session``: a session is begun and ended for each look,
    since BMCs have few of them."""

    def __post_init__(self) -> None:
        if urlsplit(self.address).scheme not in ("https", "http"):
            raise ValueError("address must start with https://")
        if not self.system:
            raise ValueError("system must name one ComputerSystem")
        if self.auth not in ("basic", "session"):
            raise ValueError("auth must be basic or session")
        if not isinstance(self.verify, (bool, str)):
            raise ValueError("verify must be true or the path of a CA file")


class RedfishFence:
    """:class:`~ha_actions.ports.Fence` of one ComputerSystem.

    :param host: the compute host, for messages.
    :param settings: see :class:`Settings`; unknown keys are refused.
    :raises BadInput: the settings are wrong; the password is never shown.
    """

    evidence = Evidence.POWER

    def __init__(
        self, host: str, settings: Mapping[str, Any], clock: Clock
    ) -> None:
        where = f"fence file: {host}: redfish"
        try:
            self._set = from_json(Settings, dict(settings), where)
        except ValueError as error:
            raise BadInput("malformed", f"{where}: {error}.") from error
        self._host = host
        self._clock = clock
        self._restore_policy: str | None = None
        self.name = f"redfish {urlsplit(self._set.address).hostname}"

    def __repr__(self) -> str:
        return f"<RedfishFence of {self._host}, {self.name}>"

    def identify(self) -> str:
        """Name, UUID and serial number of the machine, as it shows them.

        :raises BadInput: ``wrong_machine``: none of them is ``identity``.
        :raises Transient: it did not answer.
        :raises Refused: ``forbidden``: it refuses the credentials.
        """
        found = self._look()
        self._restore_policy = _restore_policy(found)
        shown = [found.name, found.uuid, found.serial_number]
        shown = [str(word) for word in shown if word]
        wanted = self._set.identity
        if wanted and wanted.lower() not in [w.lower() for w in shown]:
            raise BadInput(
                "wrong_machine",
                f"The BMC {self.name} controls {' / '.join(shown)}, not "
                f"{wanted}; correct the entry of {self._host} in the fence "
                "file.",
                host=self._host,
            )
        return " / ".join(shown) or self._path()

    def power(self) -> Reading:
        """One reading, at most two timeouts long; never raises."""
        try:
            state = self._look().power_state
        except HaError as error:
            power, detail = Power.UNKNOWN, error.message
        else:
            power, detail = _READS.get(state, (Power.UNKNOWN, f"{state}"))
        return Reading(
            device=self.name,
            power=power,
            at=self._clock.now(),
            detail=detail,
        )

    def cut(self, claim: Claim) -> None:
        """Ask for ForceOff; asking a machine that is off is no error."""
        self._reset(sushy.ResetType.FORCE_OFF, sushy.PowerState.OFF, claim)

    def restore(self, claim: Claim) -> None:
        """Ask for On."""
        self._reset(sushy.ResetType.ON, sushy.PowerState.ON, claim)

    def remark(self) -> str:
        """Whether the host powers on by itself when the mains come back.

        Source: DMTF DSP2046, ComputerSystem.PowerRestorePolicy.
        :raises HaError: the BMC did not answer.
        """
        policy = self._restore_policy
        if policy is None:  # else as it was when it was identified
            policy = _restore_policy(self._look())
        if policy != "AlwaysOn":
            return ""
        return (
            "powers on by itself after a loss of mains, also when it was cut "
            "(PowerRestorePolicy AlwaysOn); set it to LastState"
        )

    def certificate_until(self) -> float:
        """When the BMC's TLS certificate ends, verified or not.

        :raises Transient: there is none, or the BMC did not answer.
        """
        there = urlsplit(self._set.address)
        if there.scheme != "https":
            raise Transient("bmc", f"The BMC {self.name} speaks no TLS.")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # it is only looked at
        try:
            with (
                socket.create_connection(
                    (there.hostname or "", there.port or 443), TIMEOUT_S
                ) as plain,
                context.wrap_socket(
                    plain, server_hostname=there.hostname
                ) as made,
            ):
                der = made.getpeercert(binary_form=True) or b""
            found = x509.load_der_x509_certificate(der)
        except (OSError, ValueError) as error:
            raise Transient(
                "bmc", f"The BMC {self.name} showed no certificate."
            ) from error
        return found.not_valid_after_utc.timestamp()

    def _reset(self, how: Any, already: Any, claim: Claim) -> None:
        system, session = self._call(self._open)
        try:
            if self._clock.now() > claim.until:
                raise Refused(
                    "superseded",
                    f"The claim on {self._host} ended before its BMC was "
                    f"asked for {how.value}; another attempt has it now.",
                )
            self._call(lambda: system.reset_system(how), changing=True)
        except Failed as error:
            if error.facts.get("status") not in _HARMLESS:
                raise
            if self._look().power_state != already:
                raise
        finally:
            self._close(session)

    def _look(self) -> Any:
        """The system as it is now, over a connection of its own."""
        system, session = self._call(self._open)
        self._close(session)
        return system

    def _open(self) -> tuple[Any, tuple[Any, str]]:
        """The system's own resource, and the session that must be closed.

        One GET over a new connection, in a session of its own if asked.
        """
        connector = sushy_connector.Connector(
            self._set.address,
            verify=self._set.verify,
            server_side_retries=1,  # 0 means three, two seconds apart
            default_request_timeout=TIMEOUT_S,
        )
        session = connector._session
        session.trust_env = False
        session.max_redirects = 0
        opened = ""
        if self._set.auth == "session":
            opened = self._begin(connector)
        else:
            auth = sushy_auth.BasicAuth(self._set.username, self._set.password)
            auth.set_context(connector, connector)
            auth.authenticate()
        done = False
        try:
            found = sushy_system.System(connector, self._path())
            target = urlsplit(_reset_target(found))
            here = urlsplit(self._set.address)
            if target.netloc and target.netloc != here.netloc:
                raise BadInput(
                    "wrong_machine",
                    f"The BMC {self.name} names another machine for its power "
                    "switch; check the address in the fence file.",
                )
            done = True
        finally:
            if not done:
                self._close((connector, opened))
        return found, (connector, opened)

    def _begin(self, connector: Any) -> str:
        """Begin a session; its path, by which it is ended."""
        answer = connector.post(
            SESSIONS,
            data={
                "UserName": self._set.username,
                "Password": self._set.password,
            },
        )
        token = answer.headers.get("X-Auth-Token")
        if not token:
            raise Failed(
                "bmc",
                f"The BMC {self.name} of {self._host} began a session "
                "without a token; use `auth: basic`.",
            )
        connector.set_http_session_auth(token)
        return urlsplit(answer.headers.get("Location") or "").path

    def _close(self, session: tuple[Any, str]) -> None:
        """End the session; one that cannot be ended ends by itself."""
        connector, path = session
        if path:
            with contextlib.suppress(sushy_errors.SushyError):
                connector.delete(path)

    def _path(self) -> str:
        path = self._set.system
        return path if path.startswith("/") else SYSTEMS + path

    def _call(self, job: Callable[[], T], changing: bool = False) -> T:
        """Do it, with sushy's errors as ours and no secret in them."""
        try:
            return job()
        except sushy_errors.AccessError as error:
            raise Refused(
                "forbidden",
                f"The BMC {self.name} of {self._host} refuses the "
                "credentials of the fence file.",
            ) from error
        except sushy_errors.HTTPError as error:
            kind = _kind_of(error.status_code)
            raise kind(
                "bmc",
                f"The BMC {self.name} of {self._host} answered "
                f"{error.status_code}.",
                status=error.status_code,
            ) from error
        except sushy_errors.ConnectionError as error:
            if isinstance(error.__context__, requests.TooManyRedirects):
                raise Failed(
                    "bmc",
                    f"The BMC {self.name} of {self._host} redirects to "
                    "another address, which is not followed; give its own in "
                    "the fence file.",
                ) from error
            if _UNTRUSTED in str(error.__context__):
                raise BadInput(
                    "untrusted",
                    f"The certificate of the BMC {self.name} of {self._host} "
                    "is not trusted, or not of that name; give its CA file "
                    "as `verify` in the fence file.",
                ) from error
            kind = NoAnswer if changing else Transient
            raise kind(
                "bmc",
                f"The BMC {self.name} of {self._host} did not answer.",
            ) from error
        except (
            sushy_errors.InvalidParameterValueError,
            sushy_errors.MissingActionError,
        ) as error:
            raise Failed(
                "bmc",
                f"The BMC {self.name} of {self._host} does not offer this "
                "power change; it needs another kind of fence.",
            ) from error
        except _NOT_REDFISH as error:
            raise Failed(
                "bmc",
                f"The BMC {self.name} of {self._host} answered something "
                f"that is not Redfish ({type(error).__name__}).",
            ) from error


_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"
"""OpenSSL's word, in whatever its callers make of it."""
_NOT_REDFISH = (
    sushy_errors.SushyError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)
"""What sushy raises on documents of another shape than it expects."""


def _restore_policy(system: Any) -> str:
    return str((system.json or {}).get("PowerRestorePolicy") or "")


def _kind_of(status: int) -> type[HaError]:
    return Transient if status >= 500 or status == 429 else Failed


def _reset_target(system: Any) -> str:
    actions = system.json.get("Actions") or {}
    reset = actions.get("#ComputerSystem.Reset") or {}
    return str(reset.get("target") or "")


_READS = {
    sushy.PowerState.OFF: (Power.OFF, ""),
    sushy.PowerState.ON: (Power.ON, ""),
    sushy.PowerState.POWERING_OFF: (Power.UNKNOWN, "PoweringOff"),
    sushy.PowerState.POWERING_ON: (Power.UNKNOWN, "PoweringOn"),
    None: (Power.UNKNOWN, "it shows no known power state"),
}
