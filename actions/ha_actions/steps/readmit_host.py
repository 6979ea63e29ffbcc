"""ha.readmit_host: what put it out is lifted, in the order that Nova needs.

Nova's cleaning after evacuations comes first (it is over, else this does not
begin), then what cuts storage or network off, then forced_down. Only a person
enables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.returning import still_well
from ha_actions.errors import Failed, HaError, Refused
from ha_actions.model import (
    Claim,
    Finding,
    Host,
    Incident,
    Protection,
)
from ha_actions.ports import Cloud
from ha_actions.records import cut_off
from ha_actions.records.claims import LEASE_S
from ha_actions.records.incidents import RETURN_ENDED
from ha_actions.step_parts.gathering import earlier_guests
from ha_actions.step_parts.returns import (
    LIFTED,
    WAITING,
    Ended,
    Lifted,
    barriers,
    before_us,
    cloud_for,
    listed,
    out_by,
)
from ha_actions.step_parts.run import Run

DEADLINE_S = 280
CLEANING_S = 60.0
"""So long Nova may still refuse, after its records were complete."""
AGAIN_S = 5.0


@dataclass
class ReadmitHost(HaAction):
    """Lift, check who had left, and enable if a person asked.

    Only if the incident that put it out is still the one that
    ha.assess_return has looked at: it may have died again meanwhile.

    A host that was disabled before its incident is disabled again with the
    operator's own reason, unless ``enable``.

    :returns: ``{state: lifted | returned | refused, code, summary}``.
    """

    host: str
    incident: str = ""
    asked: bool = True
    enable: bool = False
    because: str = ""
    by: str = ""

    def perform(self, run: Run) -> dict[str, Any]:
        """Each change looks first; a repeat finds it done."""
        host = listed(run, run.outside.cloud(""), self.host)
        incident = out_by(run, host)
        if incident is None:  # a twin was faster
            return self._answer("returned", "it has returned already")
        try:
            self._same(incident)
            text = self._readmit(run, incident)
        except Refused as no:
            run.journal.note("return", self.host, f"not let in: {no.message}")
            return self._answer("refused", no.message, no.code)
        return self._answer("returned" if self.asked else "lifted", text)

    def _same(self, incident: Incident) -> None:
        if incident.id != self.incident:
            raise Refused(
                "out_again",
                f"Incident {incident.id} has put {self.host} out since it "
                "was looked at; ask again.",
            )

    def _readmit(self, run: Run, incident: Incident) -> str:
        """What was done; its claim is over then."""
        cloud = cloud_for(run, incident)
        leave = _Leave(run, incident)
        cutter = cut_off.incident_of(run.record, self.host)
        self._lift_barriers(run, leave)
        text = self._lift_down(run, cloud, incident, leave)
        if self.asked:
            text = self._let_in(run, cloud, incident, leave)
        run.record.drop(incident.id, WAITING)
        leave.now()
        cut_off.forget(run.record, self.host, cutter)
        leave.end()
        return text

    def _lift_barriers(self, run: Run, leave: _Leave) -> None:
        off, silent = barriers(run, self.host)
        if silent:
            raise Refused(
                "barrier_silent",
                f"{self.host} may be cut off, and that cannot be seen ("
                f"{'; '.join(silent)}).",
            )
        for fence in off:
            fence.identify()
            fence.restore(leave.now())
            run.journal.note("return", self.host, f"{fence.name}: let in")

    def _lift_down(
        self, run: Run, cloud: Cloud, incident: Incident, leave: _Leave
    ) -> str:
        """forced_down, and then who was broken by the return."""
        if not listed(run, cloud, self.host).forced_down:
            return "forced_down is lifted already"
        until = run.clock.now() + CLEANING_S
        while True:
            host = listed(run, cloud, self.host)
            try:
                if host.forced_down:
                    cloud.lift_down(host, leave.now())
                break
            except Failed as error:
                if error.code != "not_cleaned" or run.clock.now() >= until:
                    raise
                run.clock.sleep(AGAIN_S)
        findings = self._look_after(run, cloud, incident)
        run.record.keep(
            incident.id,
            LIFTED,
            Lifted(at=run.clock.now(), findings=tuple(findings)),
        )
        text = f"forced_down lifted; {_counted(findings)}"
        run.journal.note("return", self.host, text)
        if not self.asked:
            run.journal.tell(
                self.host,
                "is back and stays disabled: look at it, then "
                f"`ha-pack return {self.host}`",
            )
        return text

    def _look_after(
        self, run: Run, cloud: Cloud, incident: Incident
    ) -> list[Finding]:
        """The guests that left it: what waited for it may have hit them."""
        planned = earlier_guests(run, incident)
        if not planned:
            return []
        now = run.patiently(lambda: cloud.guests(planned))
        cattle = [
            p
            for p in planned.values()
            if p.choice.protection is Protection.CATTLE
        ]
        copies = run.copies(incident, cloud, cattle)
        up = {h.name for h in run.patiently(cloud.hosts) if h.up}
        findings = [
            finding
            for id, p in planned.items()
            for finding in still_well(
                p,
                copies.get(id, now.get(id)),
                returned=self.host,
                hosts_up=up,
            )
        ]
        for one in findings:
            if not one.ok:
                text = f"after the return of {self.host}: {one.detail}"
                run.journal.tell(one.name, text)
        return findings

    def _let_in(
        self, run: Run, cloud: Cloud, incident: Incident, leave: _Leave
    ) -> str:
        """As it was before its incident, or enabled."""
        before = before_us(run, incident)
        host = listed(run, cloud, self.host)
        if before is None and not self.enable:
            raise Refused(
                "unknown_before",
                f"The ledger does not remember whether {self.host} was "
                "enabled before its incident; say --enable, or leave it.",
            )
        enabled = self.enable or (before is not None and before.enabled)
        reason = "" if before is None or enabled else before.disabled_reason
        wanted = (enabled, reason)
        if (host.enabled, host.disabled_reason) != wanted:
            _set(run, cloud, host, enabled, reason, leave.now())
        run.record.keep(
            incident.id,
            RETURN_ENDED,
            Ended(
                at=run.clock.now(),
                by=self.by,
                because=self.because,
                enabled=enabled,
            ),
        )
        text = "enabled" if enabled else f"disabled as before: {reason!r}"
        who = f" by {self.by}" if self.by else ""
        why = f": {self.because}" if self.because else ""
        run.journal.note("return", self.host, f"{text}{who}{why}")
        return text

    def _answer(self, state: str, text: str, code: str = "") -> dict[str, Any]:
        return {
            "state": state,
            "code": code,
            "summary": f"{self.host}: {text}",
        }


class _Leave:
    """Leave to change something, while no incident of the host is open."""

    def __init__(self, run: Run, incident: Incident) -> None:
        self._run = run
        self._host = incident.host
        self._claim = run.record.claim(incident.id, cut_off.CLAIM, run.holder)

    def now(self) -> Claim:
        """A claim that is good now.

        :raises Refused: ``open``, ``superseded``.
        """
        record = self._run.record
        opened = record.opened(self._host)
        if opened is not None:
            raise Refused(
                "open",
                f"Incident {opened.incident.id} of {self._host} was opened "
                "meanwhile; it stays out.",
            )
        if self._claim.until - self._run.clock.now() < LEASE_S / 2:
            self._claim = record.renew(self._claim)
        return self._claim

    def end(self) -> None:
        """Nobody has to wait for the lease."""
        self._run.record.release(self._claim)


def _set(
    run: Run,
    cloud: Cloud,
    host: Host,
    enabled: bool,
    reason: str,
    claim: Claim,
) -> None:
    try:
        cloud.set_service(host, enabled=enabled, reason=reason, claim=claim)
    except HaError as error:
        run.journal.tell(host.name, f"not enabled: {error.message}")
        raise


def _counted(findings: list[Finding]) -> str:
    if not findings:
        return "nobody had left it"
    everybody = {f.guest for f in findings}
    ill = {f.guest for f in findings if not f.ok}
    n = len(everybody)
    return f"{n - len(ill)} of {n} guests that had left it are well"
