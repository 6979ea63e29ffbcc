"""ha.strike_host: the drill's own disaster, on a host named in advance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ha_actions.action import HaAction
from ha_actions.deciders.judge import judge, within_limits
from ha_actions.deciders.policy import domain_of, load
from ha_actions.errors import BadInput, Failed, Refused
from ha_actions.model import Host, Ruling
from ha_actions.ports import Cloud
from ha_actions.settings import Policy
from ha_actions.step_parts.run import Run, host_named

DEADLINE_S = 600
NOTICED_S = 300.0
"""Nova calls a host down 60 s after its last heartbeat; some patience."""
LOOK_S = 5.0


@dataclass
class StrikeHost(HaAction):
    """Cut the host's power, as a disaster would, and wait until it shows.

    Only a host of the policy's ``drill.hosts``, armed, within the limits, and
    without an open incident. A dry run cuts nothing.

    :returns: ``{struck: bool}``.
    """

    host: str
    dry_run: bool = True

    def perform(self, run: Run) -> dict[str, Any]:
        """Check, cut by the first fence, wait for the witnesses."""
        if self.dry_run:
            return {"struck": False}
        try:
            self._strike(run)
        except (BadInput, Refused) as error:
            run.journal.note(
                "refusal", self.host, f"{error.code}: {error.message}"
            )
            raise
        return {"struck": True}

    def _strike(self, run: Run) -> None:
        policy = load(run.patiently(run.record.policy_text))
        cloud = run.outside.cloud(f"req-{run.holder}")
        hosts = run.patiently(cloud.hosts)
        host = host_named(self.host, hosts)
        if host is None or self.host not in policy.drill.hosts:
            raise BadInput(
                "not_for_drills",
                f"Host {self.host!r} is not one that the policy lists under "
                "`drill: hosts`; only those may be cut.",
            )
        self._may(run, policy, cloud, host, hosts)
        fences = run.outside.fences(self.host)
        if not fences:
            raise BadInput("no_fence", f"Host {self.host} has no fence.")
        struck = f"ha.incident.drill-{self.host}.struck.{run.execution}"
        if not run.execution or run.record.ledger.read(struck) is None:
            # once: a retry must not cut what a person has powered on again
            subject = f"drill-{self.host}"
            claim = run.record.claim(subject, "strike", run.holder)
            text = f"{fences[0].name}: power cut"
            run.journal.note("drill", self.host, text)
            fences[0].identify()
            fences[0].cut(claim)
            run.record.ledger.write(struck, {"at": run.clock.now()})
            run.record.release(claim)
        self._until_noticed(run, policy, cloud, host)

    def _may(
        self,
        run: Run,
        policy: Policy,
        cloud: Cloud,
        host: Host,
        hosts: list[Host],
    ) -> None:
        """Nothing that forbids a rescue may be made by a rehearsal."""
        if not run.record.armed():
            raise Refused("not_armed", "Not armed; see `ha-pack arm`.")
        brake = run.record.disarmed(host.name, host.aggregates)
        if brake is not None:
            raise Refused("disarmed", f"Disarmed: {brake.because}.")
        opened = run.record.opened(host.name)
        if opened is not None:
            raise Refused(
                "open", f"Incident {opened.incident.id} of it is open."
            )
        aggregates = run.patiently(cloud.aggregates)
        domains = {h.name: domain_of(h, policy, aggregates) for h in hosts}
        refusal = within_limits(
            host.name,
            hosts,
            domains,
            policy.limits,
            run.record.maintenance(),
        )
        if refusal is not None:
            raise Refused(refusal.code, f"No drill now: {refusal.reason}.")

    def _until_noticed(
        self, run: Run, policy: Policy, cloud: Cloud, host: Host
    ) -> None:
        until = run.clock.now() + NOTICED_S
        while run.clock.now() < until:
            now = host_named(host.name, run.patiently(cloud.hosts))
            heard = run.hear(policy, cloud, now or host)
            verdict = judge(
                host.name, heard, policy.witnesses, run.clock.now()
            )
            if verdict.ruling is Ruling.DOWN:
                return
            run.clock.sleep(LOOK_S)
        run.journal.tell(
            host.name,
            "a drill has cut it, and its rescue does not start: "
            f"{verdict.reason}; start it by hand, or power the host on",
        )
        raise Failed(
            "not_noticed",
            f"Host {host.name} was cut, and {NOTICED_S:.0f} s later the "
            f"witnesses still say: {verdict.reason}. Is its fence its own?",
        )
