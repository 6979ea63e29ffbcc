"""What the pack does not do on the full lab: two hosts die where the policy
allows one; a host's power comes back by itself.
"""

from __future__ import annotations

from types import ModuleType

import pytest
from many import PET

pytestmark = pytest.mark.lab_full

RECOVERY_S = 200


def orders(lab: ModuleType, mark: int) -> list[str]:
    """What BMCs were told to do since the mark."""
    whats = (a["what"] for a in lab.bmc_actions(mark))
    return [what for what in whats if what.startswith("order")]


def changes(lab: ModuleType, mark: int) -> list[str]:
    """Nova's answered calls that were no reading."""
    found = lab.calls_since(mark)
    return [f"{c.method} {c.path}" for c in found if c.method != "GET"]


def test_two_hosts_beyond_the_limit_are_held(
    full: ModuleType, ctl: ModuleType
) -> None:
    """Half of the cloud at once: rather its network than two hosts."""
    lab = full
    ids = {host: lab.boot("db", host, metadata=PET) for host in TWO}
    for host in TWO:
        lab.pull_plug(host)
    for host in TWO:
        lab.wait_host(host, "down", 30)
    mark, asked = lab.call_mark(), lab.bmc_mark()

    started = [ctl.by_alarm(host) for host in TWO]
    outputs = [ctl.wait(one, RECOVERY_S) for one in started]

    assert [output["state"] for output in outputs] == ["held", "held"]
    assert orders(lab, asked) == []
    assert changes(lab, mark) == []
    for host, id in ids.items():
        assert lab.server(id)["host"] == host
        assert ctl.evacuations(id) == []
    for output in outputs:
        code, told = ctl.ha_pack("incident", "show", output["incident"])
        print(told["reason"])
        assert code == 1 and "limit" in told["reason"], told


TWO = ("host1", "host3")


def test_power_that_comes_back_is_no_proof(
    full: ModuleType, ctl: ModuleType
) -> None:
    """It was off, and its BMC said so: a second later the host runs again."""
    lab = full
    id = lab.boot("db", "host2", metadata=PET)
    lab.isolate("host2")
    lab.wait_host("host2", "down", 30)
    lab.bmc_faults("host2", revive_after=1)
    mark, asked = lab.call_mark(), lab.bmc_mark()

    output = ctl.wait(ctl.by_alarm("host2"), RECOVERY_S)

    whats = [a["what"] for a in lab.bmc_actions(asked)]
    assert "is Off" in whats and "is On" in whats, whats
    assert output["state"] == "held", output
    assert changes(lab, mark) == []
    assert lab.power("host2") == "On"
    assert lab.server(id)["host"] == "host2"
    assert ctl.evacuations(id) == []
    code, told = ctl.ha_pack("incident", "show", output["incident"])
    print(told["reason"])
    assert code == 1 and told["reason"], told
