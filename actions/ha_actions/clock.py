"""Real time, and real threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class SystemClock:
    """:class:`~ha_actions.ports.Clock` of this machine."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Block this thread; nothing for zero or less."""
        if seconds > 0:
            time.sleep(seconds)

    def together(
        self, jobs: Sequence[Callable[[], T]], at_most: int
    ) -> list[T]:
        """Results in the order of the jobs, ``at_most`` at a time.

        All jobs run to their end, then the first exception (in the order of
        the jobs) is raised.
        """
        if not jobs:
            return []
        workers = max(1, min(at_most, len(jobs)))
        with ThreadPoolExecutor(max_workers=workers) as pool:
            futures = [pool.submit(job) for job in jobs]
        return [future.result() for future in futures]
