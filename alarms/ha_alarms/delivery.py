"""One alarm to one execution, through whatever door leads to Mistral.

Guarantee: an alarm is posted until Mistral has it, within a bound of time,
and always with the id of its incident; so a repeated or doubled alarm is the
same execution, and trying again after no answer does no harm. Shared by the
notifier inside Aodh and by the bridge.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

import cachetools
import requests
import tenacity
from ha_alarms.start import NoStart, Start, start_of
from ha_alarms.target import Target
from keystoneauth1 import exceptions as auth_errors

T = TypeVar("T")

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
REMEMBERED = 10_000
"""Execution ids that are known to be there: a storm asks once for each."""
REMEMBERED_S = 600
TRY_AGAIN = (409, 429)
"""Beside 5xx: two at once with one id, and a busy gate."""


class Door(Protocol):
    """A way into Mistral with the rights of one alarm."""

    def project(self) -> str:
        """The project whose rights they are."""

    def post(self, request: dict[str, Any]) -> requests.Response:
        """``POST /v2/executions``; statuses do not raise."""


class End(str, Enum):
    """What became of an alarm."""

    STARTED = "started"
    KNOWN = "known"
    """Its execution was there, or is just being asked for."""
    DROPPED = "dropped"
    """There is nothing to start, and trying again would not help."""
    LIMITED = "limited"
    """Its project asks too often."""
    REFUSED = "refused"
    """Keystone or Mistral said no."""
    LOST = "lost"
    """Nobody answered in time."""


@dataclass(frozen=True)
class Told:
    """The end of one alarm, with one sentence for the log."""

    end: End
    text: str
    execution: str = ""
    status: int = 0
    """What Mistral answered, if it did."""


@dataclass(frozen=True)
class Patience:
    """How long one alarm may keep a thread, and how many may be kept."""

    deadline_s: float = 20.0
    tries: int = 5
    waiting: int = 16
    """Alarms that may pause between tries at a time; the others give up
    after their first try, so that Aodh's threads stay free."""


class _Again(Exception):
    """Mistral or Keystone may answer better next time."""


class _No(Exception):
    """They will not."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class Delivery:
    """Posts starts; safe to use from many threads."""

    def __init__(
        self,
        secret: str,
        operator_projects: Collection[str] = (),
        patience: Patience = Patience(),
        sleep: Callable[[float], None] = tenacity.nap.sleep,
    ) -> None:
        """
        :param secret: of the installation; an alarm is dropped without it.
        :param sleep: for tests.
        """
        self._secret = secret
        self._operators = frozenset(operator_projects)
        self._patience = patience
        self._sleep = sleep
        self._lock = threading.Lock()
        self._there: cachetools.TTLCache[str, bool] = cachetools.TTLCache(
            REMEMBERED, REMEMBERED_S
        )
        self._asked: set[str] = set()
        self._waiting = threading.BoundedSemaphore(patience.waiting)

    def deliver(
        self,
        alarm: Any,
        target: Target,
        door: Door,
        admit: Callable[[str], bool] = lambda project: True,
    ) -> Told:
        """One alarm to its execution; never raises for what others do.

        :param admit: whether the project may ask now; asked once.
        """
        if not self._secret or self._secret == "change-me":  # noqa: S105
            return Told(
                End.DROPPED,
                "no secret is set; put the executors' `namespace` into "
                "`secret`",
            )
        asked: list[str] = []
        admitted: list[bool] = []

        def once() -> Told:
            project = _ask(door.project)
            if not admitted:
                admitted.append(admit(project))
            if not admitted[0]:
                return Told(End.LIMITED, f"project {project} asks too often")
            start = start_of(
                alarm,
                target,
                secret=self._secret,
                project=project,
                operator_projects=self._operators,
            )
            if isinstance(start, NoStart):
                return Told(End.DROPPED, start.reason)
            if not asked:
                if not self._take(start.execution_id):
                    return Told(
                        End.KNOWN,
                        f"execution {start.execution_id} is there",
                        start.execution_id,
                    )
                asked.append(start.execution_id)
            return self._post(start, door)

        started: list[str] = []
        try:
            told = self._patiently(once)
            if told.end is End.STARTED:
                started.append(told.execution)
        finally:
            with self._lock:
                self._there.update(dict.fromkeys(started, True))
                self._asked.difference_update(asked)
        return told

    def _take(self, id: str) -> bool:
        """Whether this thread is the one to ask for it."""
        with self._lock:
            if id in self._there or id in self._asked:
                return False
            self._asked.add(id)
            return True

    def _post(self, start: Start, door: Door) -> Told:
        answer = _ask(lambda: door.post(start.request()))
        status = answer.status_code
        if status < 300:
            return Told(
                End.STARTED,
                f"execution {start.execution_id} of {start.workflow}",
                start.execution_id,
                status,
            )
        said = f"Mistral answers {status}: {_fault(answer)}"
        if status >= 500 or status in TRY_AGAIN:
            raise _Again(said)
        raise _No(said, status)

    def _patiently(self, once: Callable[[], Told]) -> Told:
        """Once; and if that may help, again with pauses, within the bound."""
        try:
            return once()
        except _No as no:
            return Told(End.REFUSED, str(no), status=no.status)
        except _Again as again:
            first = str(again)
        if not self._waiting.acquire(blocking=False):
            return Told(
                End.LOST,
                f"{first}; {self._patience.waiting} alarms wait already",
            )
        retrying = tenacity.Retrying(
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self._patience.tries - 1),
                tenacity.stop_after_delay(self._patience.deadline_s),
            ),
            wait=tenacity.wait_random_exponential(
                FIRST_PAUSE_S, LONGEST_PAUSE_S
            ),
            retry=tenacity.retry_if_exception_type(_Again),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            self._sleep(FIRST_PAUSE_S)
            told: Told = retrying(once)
            return told
        except _No as no:
            return Told(End.REFUSED, str(no), status=no.status)
        except _Again as again:
            return Told(End.LOST, f"{again}; given up")
        finally:
            self._waiting.release()


def _ask(call: Callable[[], T]) -> T:
    """Ask; an error is worth another try, or it is not.

    An HTTP error here is Keystone's: Mistral's statuses do not raise.
    """
    try:
        return call()
    except auth_errors.HttpError as error:
        if error.http_status >= 500 or error.http_status in TRY_AGAIN:
            raise _Again(f"Keystone answers {error.http_status}") from error
        raise _No(
            f"Keystone refuses its trust or token ({error.http_status}): the "
            "alarm was deleted, or its owner is disabled or has lost a role; "
            "make the alarm again",
            error.http_status,
        ) from error
    except (auth_errors.ConnectionError, requests.RequestException) as error:
        raise _Again(
            f"Keystone or Mistral did not answer ({_name(error)})"
        ) from error
    except auth_errors.ClientException as error:
        raise _No(f"Mistral cannot be asked ({_name(error)})") from error


def executions_url(endpoint: str) -> str:
    """``.../v2/executions``, whether the catalog says ``/v2`` or not.

    :raises EndpointNotFound: it is empty: the catalog has no Mistral.
    """
    if not endpoint:
        raise auth_errors.EndpointNotFound("no workflow service")
    base = endpoint.rstrip("/")
    return f"{base}{'' if base.endswith('/v2') else '/v2'}/executions"


def _fault(answer: requests.Response) -> str:
    """The reason in Mistral's answer, one line."""
    try:
        said = answer.json()
    except ValueError:
        said = None
    text = said.get("faultstring") if isinstance(said, dict) else None
    return " ".join(str(text or "no reason given").split())[:300]


def _name(error: Exception) -> str:
    """The kind of an error whose text may hold a url or a token."""
    return type(error).__name__
