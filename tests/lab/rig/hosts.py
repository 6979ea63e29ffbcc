"""The hosts: their power, their guests, their BMC's mood.

A host is a folder (state_path of its nova-compute) and that process, and in
the full lab a link: its way to the broker, and what answers for it. Its truth
is in three small files: `power` (On or Off), `guests.json` (written by the
virt driver) and `bmc.json` (what its BMC gets wrong). Guarantee: `power` reads
Off only after nova-compute is gone and no guest of the host runs any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import signal
from collections.abc import Iterator
from typing import Any

from rig import process, settings
from rig.errors import LabError
from rig.waiting import eventually

# Nova's numbers for a guest's power: the ones that matter here.
RUNNING, PAUSED, OFF = 1, 3, 4

# What each mood of a BMC means, as faults of the emulator (plugins/power.py
# reads them at each request).
MOODS: dict[str, dict[str, Any]] = {
    "ok": {},
    "dead": {"drop": True},
    "lies": {"lie": True},
    "slow": {"latency": 1.0, "off_delay": 6.0, "on_delay": 6.0},
    "deaf": {"ignore": True},
    "silent": {"latency": 60.0},
    "refuses": {"refuse": 403},
}


def compute_name(host: str) -> str:
    """The service that is this host."""
    return f"compute-{host}"


def link_name(host: str) -> str:
    """The service that is this host's network."""
    return f"link-{host}"


def known(host: str) -> str:
    """The host's name, or LabError when the lab has no such host."""
    if host not in settings.HOSTS:
        raise LabError(
            f"There is no host {host!r}; "
            f"the lab has {', '.join(settings.HOSTS)}."
        )
    return host


def power(host: str) -> str:
    """The truth: "On" or "Off"."""
    try:
        return (settings.host_dir(known(host)) / "power").read_text().strip()
    except FileNotFoundError:
        return "On"


def mark_on(host: str) -> None:
    """Only the note: its nova-compute is started by the caller."""
    _write(host, "power", "On")


def kill(host: str) -> bool:
    """SIGKILL nova-compute; the guests run on, as after a crashed agent. True
    when it ran.
    """
    return process.stop(compute_name(known(host)), grace=0)


def isolate(host: str) -> None:
    """Take its network away: no broker, no answer; its guests run on and its
    nova-compute tries for ever. Again: no effect.
    """
    if not settings.FULL:
        raise LabError(
            "Only a host of the full lab can be isolated: `lab up --full`."
        )
    _go_dark(known(host))


def _go_dark(host: str) -> None:
    if not settings.FULL or not process.running(link_name(host)):
        return
    if not dark(host):
        process.signal_group(link_name(host), signal.SIGUSR1)
        eventually(f"{host} being dark", lambda: dark(host), 10, every=0.02)


def dark(host: str) -> bool:
    """Whether its network was taken away."""
    return (settings.host_dir(known(host)) / "network").exists()


def end_darkness(host: str) -> None:
    """End a dark link, so that the next start makes a new one."""
    if dark(host):
        process.stop(link_name(host), grace=0)
        (settings.host_dir(host) / "network").unlink()


def _connect(host: str) -> None:
    """Its network is back: a new link."""
    from rig.services import link

    end_darkness(host)
    for service in link.of(host):
        service.begin()


def cut(host: str) -> None:
    """Take the power away: nova-compute dies, then every guest stops, then
    `power` says Off. Again: no effect.
    """
    with _one_at_a_time(host):
        kill(host)
        _go_dark(host)
        # Their disks stay where they are, so they stay known, as on a real
        # hypervisor after a power cut.
        guests = {
            uuid: guest | {"state": OFF}
            for uuid, guest in guests_on(host).items()
        }
        _write(host, "guests.json", json.dumps(guests))
        _write(host, "power", "Off")


def energise(host: str) -> None:
    """Power on and start nova-compute. Its guests stay off until Nova starts
    or destroys them.
    """
    from rig.services import nova

    with _one_at_a_time(host):
        mark_on(host)
        _connect(known(host))
        nova.compute(host).begin()


def wipe(host: str) -> None:
    """Its disks are empty. Only of a host whose nova-compute is dead: it keeps
    the list in its memory.
    """
    with _one_at_a_time(host):
        if process.running(compute_name(host)):
            raise LabError(f"{host} runs, and cannot be wiped.")
        _write(host, "guests.json", "{}")


def no_knobs(host: str) -> None:
    """Its virt driver works as fast and as well as it can."""
    for knob in ("spawn_delay", "spawn_fail", "live_migration_delay"):
        (settings.host_dir(known(host)) / knob).unlink(missing_ok=True)


def guests_on(host: str) -> dict[str, dict[str, Any]]:
    """All guests that the host's hypervisor knows, by server id, running or
    not.
    """
    try:
        guests: dict[str, dict[str, Any]] = json.loads(
            (settings.host_dir(known(host)) / "guests.json").read_text()
        )
    except FileNotFoundError:
        return {}
    return guests


def guests_running(host: str) -> dict[str, str]:
    """What really executes on the host: {server id: name}."""
    return {
        uuid: guest["name"]
        for uuid, guest in guests_on(host).items()
        if guest["state"] in (RUNNING, PAUSED)
    }


def faults(host: str) -> dict[str, Any]:
    """What the host's BMC gets wrong now."""
    try:
        found: dict[str, Any] = json.loads(
            (settings.host_dir(known(host)) / "bmc.json").read_text()
        )
    except FileNotFoundError:
        return {}
    return found


def set_faults(host: str, wrong: dict[str, Any]) -> None:
    """Make the BMC misbehave from the next request on; {} makes it well. What
    it has lied before is forgotten.
    """
    bmc_remember(known(host), "said", None)
    _write(host, "bmc.json", json.dumps(wrong))


def bmc_memory(host: str, what: str) -> str | None:
    """What a BMC's two doors (Redfish, IPMI) both know: `pending`, an order
    on its way, or `said`, a lie to keep to.
    """
    try:
        return (settings.host_dir(host) / f"bmc-{what}").read_text()
    except FileNotFoundError:
        return None


def bmc_remember(host: str, what: str, text: str | None) -> None:
    """Remember it for both doors; None forgets."""
    if text is None:
        (settings.host_dir(host) / f"bmc-{what}").unlink(missing_ok=True)
    else:
        _write(host, f"bmc-{what}", text)


def mood(host: str, name: str) -> None:
    """One of MOODS by its name."""
    if name not in MOODS:
        raise LabError(
            f"There is no BMC mood {name!r}; there are {', '.join(MOODS)}."
        )
    set_faults(host, MOODS[name])


def _write(host: str, name: str, text: str) -> None:
    folder = settings.host_dir(host)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{name}.rig"
    temporary.write_text(text)
    temporary.replace(folder / name)


@contextlib.contextmanager
def _one_at_a_time(host: str) -> Iterator[None]:
    folder = settings.host_dir(known(host))
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
