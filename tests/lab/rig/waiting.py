"""The one way to wait: with a deadline, and ended by an interrupt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from rig.errors import Hopeless, LabError

T = TypeVar("T")

# Set when everything has to end (Ctrl-C, or a step that failed): each wait
# looks at it.
cancelled = threading.Event()


def eventually(
    what: str, check: Callable[[], T], seconds: float, every: float = 0.3
) -> T:
    """Poll `check` until it answers something true; LabError names `what` when
    the time is over.

    A check may fail while it waits (nobody listens yet); Hopeless ends the
    wait at once.
    """
    deadline = time.monotonic() + seconds
    problem = ""
    while time.monotonic() < deadline:
        try:
            found = check()
            if found:
                return found
        except Hopeless:
            raise
        except (OSError, LabError) as error:
            problem = f" (last problem: {error})"
        if cancelled.wait(every):
            raise Hopeless(f"Interrupted while waiting for {what}.")
    raise LabError(f"{what} did not happen within {seconds:.0f} s{problem}.")
