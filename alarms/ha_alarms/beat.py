"""``ha-beat``: keeps a host's beat, as long as it lives and can write.

Before each beat every storage path is written to. A path that hangs keeps
the beat from being sent, and that is the point: the lease ends by itself.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ha_actions.adapters.clock import SystemClock
from ha_actions.codec import from_json
from ha_actions.errors import BadInput, HaError, Transient
from ha_actions.fencing import fence_file
from ha_actions.ports import Clock
from ha_actions.settings import knob
from ha_actions.witnesses.tooz_beat import (
    ANSWER_S,
    GROUP,
    KEEPS,
    RESUMES,
    coordinator,
)
from ha_alarms.beat_nova_conf import resumes_guests

LOG = logging.getLogger(__name__)
DEFAULT_PATH = "/etc/mistral-ha-pack/beat.yaml"
VARIABLE = "HA_BEAT_FILE"
BEATS_A_LEASE = 3
"""One that is lost must not end the lease."""


@dataclass(frozen=True, kw_only=True)
class BeatFile:
    """The file of ``ha-beat``."""

    url: str = knob(
        "",
        "tooz URL of the group's engine, `env:NAME` or `file:PATH`; the "
        "same for all hosts and for `beat_url` of watch and policy.",
    )
    host: str = knob(
        "",
        "The host's name, exactly as Nova's compute service has it. Empty: "
        "the machine's host name, which is Nova's default.",
    )
    lease_s: float = knob(
        15,
        "Seconds after which a beat that was not renewed has ended; it is "
        "renewed three times in them. Less finds a death sooner, and takes "
        "a short pause of the network for one.",
        low=2,
        high=300,
    )
    paths: list[str] = knob(
        [],
        "Directories that must be writable before each beat, such as "
        "`/var/lib/nova/instances` on shared storage.",
    )
    nova_conf: list[str] = knob(
        ["/etc/nova/nova.conf", "/etc/nova/nova-compute.conf"],
        "Files, and folders of them, that nova-compute reads, in its order. "
        "The beat tells `ha-pack check` whether the host would start guests "
        "by itself (`resume_guests_state_on_host_boot`), which no API shows.",
    )


class Beat:
    """One host's beat.

    :param group: a tooz coordinator that is started.
    """

    def __init__(
        self,
        group: Any,
        host: str,
        paths: Sequence[str],
        nova_conf: Sequence[str] = (),
    ) -> None:
        self._nova_conf = nova_conf
        self._told: bytes | None = None
        self._group = group
        self._host = host
        self._paths = [Path(p) for p in paths]

    def once(self) -> None:
        """Look at the storage, then renew.

        :raises Transient: the storage cannot be written, or the engine does
            not answer: no beat was sent.
        """
        for path in self._paths:
            _write(path, self._host)
        from tooz import ToozError, coordination

        try:
            self._group.heartbeat()
            for group in (GROUP, KEEPS + self._host.encode()):
                self._make(group, coordination)
            self._join(coordination)
        except (ToozError, OSError) as error:
            raise Transient(
                "beat",
                f"the group's engine does not answer ({type(error).__name__})",
            ) from None

    def _make(self, group: bytes, coordination: Any) -> None:
        try:
            self._group.create_group(group).get(timeout=ANSWER_S)
        except coordination.GroupAlreadyExist:
            return

    def _join(self, coordination: Any) -> None:
        """Join again each time: an engine that forgot us must be told."""
        says = _capabilities(self._nova_conf)
        try:
            joined = self._group.join_group(GROUP, says)
            joined.get(timeout=ANSWER_S)
        except coordination.MemberAlreadyExist:
            if says == self._told:
                return
            try:
                told = self._group.update_capabilities(GROUP, says)
                told.get(timeout=ANSWER_S)
            except NotImplementedError:
                LOG.debug("this engine keeps what was told at the start")
        self._told = says

    def leave(self) -> None:
        """Stop on purpose: the host keeps no beat, and nobody suspects it."""
        from tooz import ToozError

        try:
            mine = KEEPS + self._host.encode()
            self._group.delete_group(mine).get(timeout=ANSWER_S)
            self._group.leave_group(GROUP).get(timeout=ANSWER_S)
        except ToozError as error:
            LOG.warning("could not leave (%s)", type(error).__name__)


def _capabilities(nova_conf: Sequence[str]) -> bytes:
    """What a member of the group says of its host."""
    return json.dumps({RESUMES: resumes_guests(nova_conf)}).encode()


def _write(path: Path, host: str) -> None:
    """Write and sync a small file of this host's own."""
    mine = path / f".ha-beat.{host}"
    try:
        fd = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(fd, b"beat\n")
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise Transient(
            "storage", f"{path} cannot be written ({error.strerror})"
        ) from error


def keep(beat: Beat, lease_s: float, clock: Clock) -> None:
    """Beat for ever; a failure is logged when it begins and when it ends."""
    failing = ""
    while True:
        began = clock.now()
        try:
            beat.once()
        except HaError as error:
            if error.message != failing:
                LOG.error("ha-beat: no beat: %s", error.message)
            failing = error.message
        else:
            if failing:
                LOG.warning("ha-beat: beats again")
            failing = ""
        spent = clock.now() - began
        clock.sleep(max(0.1, lease_s / BEATS_A_LEASE - spent))


def main(argv: Sequence[str] | None = None) -> int:
    """Beat until the process is ended; 2 for a bad file."""
    parser = argparse.ArgumentParser(
        prog="ha-beat",
        description="Keeps this host's beat in a group, as long as the host "
        "lives and reaches its storage.",
    )
    parser.add_argument(
        "--file", help=f"settings (${VARIABLE}, else {DEFAULT_PATH})"
    )
    parser.add_argument(
        "--leave",
        action="store_true",
        help="take this host out of the group, and stop",
    )
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        what, host = read_file(args.file)
        url = fence_file.secret(what.url, "beat file: url")
        group = coordinator(url, host, what.lease_s)
        group.start()
    except HaError as error:
        print(f"ha-beat: {error.message}", file=sys.stderr)
        return 2
    beat = Beat(group, host, what.paths, what.nova_conf)
    if args.leave:
        beat.leave()
        return 0
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    keep(beat, what.lease_s, SystemClock())
    return 0


def read_file(path: str | None = None) -> tuple[BeatFile, str]:
    """The file, and this host's name.

    :raises BadInput: it cannot be read, or a key is wrong or missing.
    """
    where = Path(path or os.environ.get(VARIABLE) or DEFAULT_PATH)
    what = from_json(BeatFile, fence_file.read_yaml(where), str(where))
    if not what.url:
        raise BadInput("beat", f"{where}: url is missing; name the engine.")
    return what, what.host or socket.gethostname()


if __name__ == "__main__":
    sys.exit(main())
