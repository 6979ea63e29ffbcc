"""What really happens on the lab's hosts: their power, guests, BMCs, and the
calls that reached Nova. Part of `world`, which tests import.

Guarantee: nothing here asks an OpenStack API.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent))

from rig import hosts as rig_hosts
from rig import process, readiness, settings
from rig.rest import AGENT as RIG_AGENT

T = TypeVar("T")

# The user agent of `world`: how its calls are told from those under test.
AGENT = "ha-lab-tests"


class Late(AssertionError):
    """Something expected did not happen in time."""


def until(
    check: Callable[[], T | None],
    seconds: float,
    what: str | Callable[[], str],
    every: float = 0.4,
) -> T:
    """Poll until `check` answers something true and return it; Late after
    `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Late(
                f"not within {seconds:g} s: "
                + (what() if callable(what) else what)
            )
        time.sleep(every)


# --- the hosts themselves


def hosts() -> tuple[str, ...]:
    """The names of the lab's hosts."""
    return settings.HOSTS


def guests_running() -> dict[str, dict[str, str]]:
    """What really executes: {host: {server id: name}}. One id under two hosts
    is a split brain.
    """
    return {host: rig_hosts.guests_running(host) for host in settings.HOSTS}


def guests_known(host: str) -> list[str]:
    """The servers whose disks are on the host, running or not: what Nova
    cleans up when an evacuated host returns.
    """
    return list(rig_hosts.guests_on(host))


def copies_running(server_id: str) -> list[str]:
    """The hosts on which that server really executes now."""
    return [
        host
        for host, guests in guests_running().items()
        if server_id in guests
    ]


def power(host: str) -> str:
    """ "On" or "Off": the truth, whatever the BMC says."""
    return rig_hosts.power(host)


def kill(host: str) -> None:
    """SIGKILL nova-compute; its guests run on and its power stays On."""
    rig_hosts.kill(host)


def isolate(host: str) -> None:
    """Take the host's network away (full lab): no broker, no answer; its
    guests run on and its power stays On.
    """
    rig_hosts.isolate(host)


def pull_plug(host: str) -> None:
    """Cut the power without asking the BMC: nova-compute and all guests are
    gone when this returns.
    """
    rig_hosts.cut(host)


def plug_in(host: str) -> None:
    """Power on (after a cut) or start nova-compute again (after a kill),
    without the BMC. Does not wait for Nova.
    """
    done = subprocess.run(
        [sys.executable, str(settings.HOME / "lab"), "host", host, "return"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def spawn_delay(host: str, seconds: float) -> None:
    """Make every spawn on the host slower; 0 makes it normal again."""
    (settings.host_dir(host) / "spawn_delay").write_text(str(seconds))


def live_migration_delay(host: str, seconds: float) -> None:
    """How long a live migration from the host takes; 0: a moment."""
    knob = settings.host_dir(host) / "live_migration_delay"
    knob.write_text(str(seconds))


def spawn_fail(host: str, server_ids: str) -> None:
    """Make spawns on the host fail: "*" (all), server ids, or "" (none)."""
    (settings.host_dir(host) / "spawn_fail").write_text(server_ids)


def crash(server_id: str, seconds: float = 20) -> None:
    """Kill one server's process: it is off, and Nova is told that it stopped,
    as libvirt does.
    """
    (host,) = copies_running(server_id)
    (settings.host_dir(host) / "crash").write_text(server_id)
    until(
        lambda: not copies_running(server_id),
        seconds,
        f"the process of {server_id} being gone",
    )


def reset(seconds: float = 180) -> None:
    """No servers, all hosts up and enabled, all BMCs well, no knobs: what a
    test starts from.
    """
    for host in settings.HOSTS:
        rig_hosts.no_knobs(host)
    command = [sys.executable, str(settings.HOME / "lab"), "reset"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds
    )
    with (settings.LOG / "reset.out").open("a") as log:
        log.write(done.stderr)
    assert done.returncode == 0, done.stderr


def is_up() -> bool:
    """Whether every service of the lab runs and is well."""
    if not process.running("nova-api"):
        return False
    return all(row["healthy"] != "NO" for row in readiness.status())


# --- their BMCs


def bmc(host: str) -> dict[str, str]:
    """How to reach a host's BMC: url, username, password, verify (a
    certificate file), system_id (a Redfish path).
    """
    return {
        "url": f"https://{settings.LISTEN}:{settings.PORTS['bmc']}",
        "username": settings.BMC_USER,
        "password": settings.BMC_PASSWORD,
        "verify": str(settings.DATA / "bmc" / "cert.pem"),
        "system_id": f"/redfish/v1/Systems/{settings.system_uuid(host)}",
    }


def bmc_mood(host: str, mood: str) -> None:
    """ok, dead, lies, slow, deaf, silent or refuses: see README.md."""
    rig_hosts.mood(host, mood)


def bmc_faults(host: str, **faults: Any) -> None:
    """Exact faults instead of a mood, such as `off_delay=4, report="Unknown"`;
    plugins/power.py lists them all.
    """
    rig_hosts.set_faults(host, faults)


def bmc_power(host: str) -> str | None:
    """What the BMC reads now, over Redfish."""
    state = _system(host).power_state
    return state.value if state else None


def power_off(host: str, seconds: float = 20) -> None:
    """ForceOff over Redfish, then wait until the BMC reads Off."""
    _order(host, "ForceOff", "Off", seconds)


def power_on(host: str, seconds: float = 20) -> None:
    """On over Redfish, then wait until the BMC reads On. Does not wait for
    Nova.
    """
    _order(host, "On", "On", seconds)


def _system(host: str) -> Any:
    import sushy
    from sushy import auth

    where = bmc(host)
    login = auth.BasicAuth(where["username"], where["password"])
    return sushy.Sushy(
        where["url"], auth=login, verify=where["verify"]
    ).get_system(where["system_id"])


def _order(host: str, order: str, wanted: str, seconds: float) -> None:
    import sushy

    system = _system(host)
    system.reset_system(sushy.ResetType(order))

    def reached() -> bool:
        system.refresh(force=True)
        return bool(system.power_state) and system.power_state.value == wanted

    until(reached, seconds, f"the BMC of {host} reading {wanted}")


def bmc_mark() -> int:
    """Now, in the log of the BMCs."""
    return _end(settings.BMC_ACTIONS)


def bmc_actions(mark: int = 0) -> list[dict[str, Any]]:
    """What BMCs were asked and did since the mark: [{at, host, what}], `what`
    like "order ForceOff", "is Off".
    """
    return [json.loads(line) for line in _lines(settings.BMC_ACTIONS, mark)]


# --- Nova's API calls, counted


@dataclass(frozen=True)
class Call:
    """One request to Nova's API, as the server saw it."""

    at: float
    status: int
    method: str
    path: str
    agent: str
    action: str
    """What was asked of a server, as "evacuate"; "-" of all other calls."""


def call_mark() -> int:
    """Now, in the log of Nova's API calls."""
    return _end(settings.NOVA_CALLS)


def calls_since(mark: int = 0, *, ours: bool = False) -> list[Call]:
    """Every answered call since the mark, oldest first; `ours`: those of the
    lab and of this module too.
    """
    found = []
    for line in _lines(settings.NOVA_CALLS, mark):
        at, status, *words = line.split("\t")
        call = Call(float(at), int(status), *words)
        if ours or not (AGENT in call.agent or RIG_AGENT in call.agent):
            found.append(call)
    return found


def _end(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _lines(path: Path, mark: int) -> list[str]:
    if not path.exists():
        return []
    with path.open("rb") as log:
        log.seek(mark)
        return log.read().decode().splitlines()
