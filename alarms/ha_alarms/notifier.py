"""``trust+mistral://WORKFLOW?...``: an Aodh alarm starts a Mistral workflow.

Loads inside Aodh's API (which reads only the entry point's name) and its
notifier. The execution runs in the project of the alarm's trust, with the
rights that its owner gave to the alarm. There is no form without a trust: any
tenant could run workflows as Aodh's own user.

``[ha_alarms]`` in aodh.conf has the settings; ``docs/alarms.md`` the
parameters. Source: the plug-in interface is aodh 23's ``AlarmNotifier``.
"""

from __future__ import annotations

import threading
from typing import Any

import cachetools
import requests
from aodh import keystone_client, notifier
from ha_alarms.delivery import Delivery, End, Patience, executions_url
from ha_alarms.target import read_action
from oslo_config import cfg
from oslo_log import log

LOG = log.getLogger(__name__)
GROUP = "ha_alarms"
OPTS = [
    cfg.StrOpt(
        "secret",
        secret=True,
        default="",
        help="The installation's secret: `namespace` of the executors' file.",
    ),
    cfg.ListOpt(
        "operator_projects",
        default=[],
        help="Ids of the projects whose alarms may start ha.v1.*.",
    ),
    cfg.StrOpt(
        "endpoint",
        default="",
        help="Mistral's endpoint, with /v2; empty: the catalog's.",
    ),
    cfg.FloatOpt(
        "timeout",
        default=5.0,
        min=0.1,
        help="Seconds for one call to Keystone or Mistral.",
    ),
    cfg.FloatOpt(
        "deadline",
        default=20.0,
        min=0.0,
        help="Seconds after which no alarm is tried again.",
    ),
    cfg.IntOpt("tries", default=5, min=1, help="Tries of one alarm."),
    cfg.IntOpt(
        "waiting",
        default=16,
        min=1,
        help="Alarms that may wait for their next try at a time; of Aodh's "
        "64 threads.",
    ),
]
TRUSTS = 10_000
LOG_AS = {End.STARTED: LOG.info, End.KNOWN: LOG.debug}


class TrustMistralNotifier(notifier.AlarmNotifier):
    """Aodh's plug-in; one per worker, called from its threads."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        super().__init__(conf)
        conf.register_opts(OPTS, group=GROUP)
        ours = conf[GROUP]
        self._delivery = Delivery(
            ours.secret,
            ours.operator_projects,
            Patience(ours.deadline, ours.tries, ours.waiting),
        )
        self._projects: cachetools.LRUCache[str, str] = cachetools.LRUCache(
            TRUSTS
        )
        self._lock = threading.Lock()

    def notify(
        self,
        action: Any,
        alarm_id: str,
        alarm_name: str,
        severity: str,
        previous: str,
        current: str,
        reason: str,
        reason_data: Any,
    ) -> None:
        """One alarm to its execution, or one ERROR line that says why not.

        :param action: the action, parsed; its user is the trust's id.
        """
        try:
            target = read_action(action.geturl())
        except ValueError as error:
            LOG.error("Alarm %s starts nothing: %s.", alarm_id, error)
            return
        if not action.username:
            LOG.error("Alarm %s starts nothing: it has no trust.", alarm_id)
            return
        alarm = {
            "alarm_name": alarm_name,
            "alarm_id": alarm_id,
            "severity": severity,
            "previous": previous,
            "current": current,
            "reason": reason,
            "reason_data": reason_data,
        }
        door = TrustDoor(self, action.username)
        told = self._delivery.deliver(alarm, target, door)
        LOG_AS.get(told.end, LOG.error)(
            "Alarm %s (%s): %s, %s.",
            alarm_id,
            alarm_name,
            told.end.value,
            told.text,
        )

    def project_of(self, trust: str, ask: Any) -> str:
        """A trust's project never changes: it is asked for once."""
        with self._lock:
            known = self._projects.get(trust)
        if known is None:
            known = str(ask())
            with self._lock:
                self._projects[trust] = known
        return known


class TrustDoor:
    """Mistral by the trust of one alarm; a new token for each alarm."""

    def __init__(self, owner: TrustMistralNotifier, trust: str) -> None:
        self._owner = owner
        self._trust = trust
        self._conf = owner.conf
        self._session: Any = None

    def _trusted(self) -> Any:
        if self._session is None:
            session = keystone_client.get_trusted_session(
                self._conf, self._trust
            )
            session.timeout = self._conf[GROUP].timeout
            self._session = session
        return self._session

    def project(self) -> str:
        """Of the trust, as Keystone says."""
        return self._owner.project_of(
            self._trust, lambda: self._trusted().get_project_id()
        )

    def post(self, request: dict[str, Any]) -> requests.Response:
        """By the catalog's endpoint, or the configured one."""
        session = self._trusted()
        where = self._conf.service_credentials
        endpoint = self._conf[GROUP].endpoint or session.get_endpoint(
            service_type="workflow",
            interface=where.interface,
            region_name=where.region_name,
        )
        answer: requests.Response = session.post(
            executions_url(str(endpoint or "")), json=request, raise_exc=False
        )
        return answer
