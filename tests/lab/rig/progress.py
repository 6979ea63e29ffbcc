"""Lines with seconds, so that a person sees what the lab is doing."""

from __future__ import annotations

import sys
import threading
import time

_begun = time.monotonic()
_lock = threading.Lock()


def say(text: str) -> None:
    """One line on stderr, with the seconds since the command began."""
    with _lock:
        print(
            f"{time.monotonic() - _begun:7.1f} s  {text}",
            file=sys.stderr,
            flush=True,
        )
