"""Where one batch's evacuations go: the policy's hosts, spares enabled, and
elsewhere than where a spawn has failed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ha_actions.deciders.targets import (
    another,
    pick,
    spare,
    spawn_failed,
    usable,
    wanted,
)
from ha_actions.errors import HaError, Refused
from ha_actions.model import Migration
from ha_actions.step_parts.batch_step import Job

FRESH_S = 10.0
"""Who is up is asked again after so long."""


class Aim:
    """The hosts of ``recovery.targets``, or nothing: then Nova chooses."""

    def __init__(self, job: Job) -> None:
        self._job = job
        targets = job.policy.recovery.targets
        self._names: frozenset[str] | None = None
        if targets:
            aggregates = job.run.aggregates(job.incident, job.cloud)
            self._names = wanted(job.host, targets, aggregates)
        self._usable: list[str] = []
        if self._names is not None:
            self._look()
            if not self._usable:
                self.enable_spare()
        order = sorted(p.guest.id for p in job.batch.guests)
        self._turn = {id: n for n, id in enumerate(order)}

    @property
    def chosen(self) -> bool:
        """Whether the policy, and not the scheduler, says where to."""
        return self._names is not None

    def host_for(self, guest: str, records: Sequence[Migration]) -> str:
        """Where to next; empty: nowhere that has not been tried, or Nova
        chooses."""
        turn = self._turn.get(guest, 0)
        if self.chosen:
            return pick(self._usable, records, turn)
        if not spawn_failed(records):
            return ""
        cloud = self._job.cloud
        hosts = self._job.run.patiently(lambda: cloud.hosts(max_age_s=FRESH_S))
        return another(hosts, self._job.host, records, turn)

    def enable_spare(self) -> bool:
        """Enable one more reserved host; whether there was one.

        It stays enabled: guests are on it now. A person is told.
        """
        job = self._job
        hosts = job.run.patiently(lambda: job.cloud.hosts(brief=True))
        found = spare(hosts, self._names or ())
        if found is None:
            return False
        try:
            job.cloud.set_service(
                found, enabled=True, reason="", claim=job.permit()
            )
        except Refused:
            raise
        except HaError as error:
            job.run.journal.tell(found.name, f"not enabled: {error.message}")
            return False
        job.run.journal.tell(
            found.name,
            f"reserved host enabled for incident {job.incident.id}",
        )
        self._look()
        return found.name in self._usable

    def _look(self) -> None:
        cloud = self._job.cloud
        hosts = self._job.run.patiently(lambda: cloud.hosts(brief=True))
        self._usable = usable(hosts, self._names or ())
