"""One run of another program: bounded in time, and no secret leaks from it.

A password goes in by standard input or the environment, never by an
argument (every user of the machine can read those). The environment is made
anew: no proxy and no credential of the executor's own goes along.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ha_actions.errors import BadInput, NoAnswer, Transient

SBIN = "/usr/sbin:/sbin:/usr/local/sbin"
"""Where fence agents are; it is seldom in a service's own path."""
LONGEST_LINE = 160


@dataclass(frozen=True)
class Ran:
    """How a program ended. ``out`` and ``err`` may hold secrets."""

    status: int
    out: str
    err: str

    def last_words(self, secrets: Collection[str] = ()) -> str:
        """Its last line of complaint, short, and without the secrets."""
        text = self.err.strip() or self.out.strip() or "no word"
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text.splitlines()[-1].strip()[:LONGEST_LINE].rstrip(".")


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    changing: bool = False,
) -> Ran:
    """Run a program to its end, or kill it and all that it has started.

    :param changing: whether it may have changed the world when it is killed.
    :raises BadInput: ``no_program``: it is not installed.
    :raises Transient: it did not end in time; ``NoAnswer`` if ``changing``.
    """
    path = f"{os.environ.get('PATH', '/usr/bin:/bin')}:{SBIN}"
    program = shutil.which(argv[0], path=path)
    if program is None:
        raise BadInput(
            "no_program",
            f"The program {argv[0]} is not installed on this machine.",
        )
    with (
        subprocess.Popen(  # noqa: S603 - a list, no shell, a fixed program
            [program, *argv[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": path, "LC_ALL": "C.UTF-8", **(env or {})},
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process
    ):
        try:
            out, err = process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired as late:
            _kill_group(process)
            kind = NoAnswer if changing else Transient
            raise kind(
                "no_answer",
                f"{argv[0]} did not end within {timeout_s:g} s.",
            ) from late
    return Ran(process.returncode, out, err)


def _kill_group(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
