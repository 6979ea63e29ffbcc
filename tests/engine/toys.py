"""Toy actions for both engines: one behaviour, two ways to call it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any


class Toys:
    """What ``toy.do`` does, and how often it was asked to."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._lock = threading.Lock()
        self.calls: Counter[tuple[str, str]] = Counter()
        """(book, name) -> calls."""
        self.projects: set[tuple[str, str]] = set()
        """(book, project) pairs that were seen."""

    def do(
        self,
        book: str,
        project: str,
        name: str,
        answer: Any = None,
        error: Any = None,
        fail_times: int = 0,
        sleep: float = 0,
        sleep_times: int = 1,
    ) -> tuple[Any, Any]:
        """Data and error, as the inputs ask for."""
        with self._lock:
            self.calls[book, name] += 1
            self.projects.add((book, project))
            nth = self.calls[book, name]
        if sleep and nth <= sleep_times:
            self._sleep(sleep)
        if nth <= fail_times:
            return None, f"failure {nth}"
        return (nth if answer == "nth" else answer), error

    def of(self, book: str) -> dict[str, int]:
        """Name -> calls, of one book."""
        return {n: c for (b, n), c in self.calls.items() if b == book}


INPUTS = ("name", "answer", "error", "fail_times", "sleep", "sleep_times")
