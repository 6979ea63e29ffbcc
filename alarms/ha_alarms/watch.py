"""``ha-watch``: sees a dead host, which Nova never says, and says so."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import signal
import socket
import sys
import threading
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from ha_actions import executor_file
from ha_actions.codec import from_json
from ha_actions.errors import BadInput, HaError
from ha_actions.fencing import fence_file
from ha_actions.outside import Outside
from ha_alarms.beat_group import GroupBeats
from ha_alarms.watch_metrics import Exporter
from ha_alarms.watch_mistral import MistralStarter
from ha_alarms.watch_pages import Alertmanager, All, Webhook
from ha_alarms.watch_ports import Beats, NoBeats, Pager
from ha_alarms.watch_round import Watch
from ha_alarms.watch_settings import Pages, WatchFile
from ha_alarms.watch_voice import Voice

DEFAULT_PATH = "/etc/mistral-ha-pack/watch.yaml"
VARIABLE = "HA_WATCH_FILE"


def main(argv: Sequence[str] | None = None) -> int:
    """Watch until the process is ended; 2 for a bad file."""
    args = _arguments(argv)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    logging.getLogger("oslo.messaging").setLevel(logging.CRITICAL)
    try:
        settings = read_file(args.file)
        outside = executor_file.from_file(settings.executor or None)
        watch = made(settings, outside)
        exporter = Exporter(settings.metrics, watch.voice.figures)
    except HaError as error:
        print(f"ha-watch: {error.message}", file=sys.stderr)
        return 2
    if args.check:
        print("ha-watch: the files are right")
        return 0
    if args.once:
        watch.round()
        exporter.write()
        print(json.dumps(dataclasses.asdict(watch.voice.figures)))
        return 0 if watch.voice.figures.round_at else 1
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    watch.voice.note("watch", f"begins, quiet for {settings.timing.quiet_s} s")
    while True:
        watch.round()
        exporter.write()
        watch.rest()


def read_file(path: str | None = None) -> WatchFile:
    """The watch's settings; the usual file may be missing.

    :param path: else ``$HA_WATCH_FILE``, else :data:`DEFAULT_PATH`.
    :raises BadInput: it cannot be read, or a key is wrong.
    """
    told = path or os.environ.get(VARIABLE)
    where = Path(told or DEFAULT_PATH)
    if not told and not where.exists():
        return WatchFile()
    return from_json(WatchFile, fence_file.read_yaml(where), str(where))


def made(settings: WatchFile, outside: Outside) -> Watch:
    """A watch with its real ports; nothing is called yet.

    :raises BadInput: something in the files is wrong.
    """
    _, executor = executor_file.read_file(settings.executor or None)
    if executor.namespace in ("", "change-me"):
        raise BadInput(
            "watch_file",
            "the executor's file has no `namespace` of this installation: "
            "without that secret anybody could guess an execution's id.",
        )
    api = executor_file.mistral_of(executor.ledger_cloud or executor.cloud)
    voice = Voice(
        f"{socket.gethostname()}/{os.getpid()}",
        outside,
        MistralStarter(api),
        pager_of(settings.pages),
        settings.timing,
    )
    cloud = outside.cloud(f"req-{uuid.uuid4()}")
    return Watch(voice, cloud, beats_of(settings.beat_url), Threads())


def pager_of(pages: Pages) -> Pager:
    """Who is told, besides the log."""
    found: list[Pager] = []
    if pages.webhook:
        url = fence_file.secret(pages.webhook, "watch file: pages: webhook")
        found.append(Webhook(url, pages.ca))
    if pages.alertmanager:
        where = "watch file: pages: alertmanager"
        url = fence_file.secret(pages.alertmanager, where)
        found.append(Alertmanager(url, pages.ca))
    return All(found)


def beats_of(url: str) -> Beats:
    """Who has a beat."""
    if not url:
        return NoBeats()
    return GroupBeats(fence_file.secret(url, "watch file: beat_url"))


class Threads:
    """:class:`~ha_alarms.watch_ports.Aside` by threads, which end with the
    process."""

    def begin(self, job: Callable[[], None]) -> Callable[[], bool]:
        """Start it in a thread of its own."""
        thread = threading.Thread(target=job, name="ha-ask", daemon=True)
        thread.start()
        return lambda: not thread.is_alive()


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ha-watch",
        description="Sees a dead compute host, publishes events, and sees to "
        "it that its recovery is started and goes on.",
    )
    parser.add_argument(
        "--file", help=f"settings (${VARIABLE}, else {DEFAULT_PATH})"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check", action="store_true", help="read the files, and stop"
    )
    what.add_argument(
        "--once",
        action="store_true",
        help="one round; prints what was seen as JSON",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
